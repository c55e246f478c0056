"""Planning without the data: what a product costs and what error to expect, before anything is drawn.

What: a frozen plan with the scale of each paid part and a table of the error for a cell of n trips of typical persons.
Why: epsilon is a promise to people and must be chosen before results are seen; an analyst who draws to find out has
spent it. Source: variances of the mechanisms in ``mechanisms``; nothing is read. What it does not protect against: the
expected error is that of the signed noisy cell; the estimate is usually better, and the bounding bias of heavy riders is
known only after the paid histogram.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError
from anonkit.dp.bounding import WEIGHT_SCALE
from anonkit.dp.columns import public_zones
from anonkit.dp.cost import Cost, Rho, cost_of, noise_of
from anonkit.dp.flow_kernel import Shares
from anonkit.dp.mechanisms import DiscreteLaplace, Noise, exact
from anonkit.dp.public import PublicKeys, PublicSteps, PublicZones, plain_int, require
from anonkit.dp.quantiles import GATE_SHARE
from anonkit.dp.selection import KEYS_SHARE
from anonkit.dp.tables import profile_keys
from anonkit.geo import TimeBins
from anonkit.geo.grid import AreaPairs, Grid

PRODUCTS = ("flows", "volumes", "profile", "lengths", "persons", "quantiles", "hot_spots", "selected_flows")
PURE = ("quantiles", "hot_spots", "selected_flows")
TYPICAL_CAP = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A product with its public parameters; ``fit`` of the releasers and ``dp.flows`` take it as it is."""

    product: str
    cost: Cost
    """A pure epsilon (Laplace noise), or a ``Rho`` (Gaussian noise)."""
    keys: PublicKeys | None = field(repr=False)
    zones: PublicZones | None = field(repr=False)
    max_trips: int | None
    """Declared cap, or None: bought with a share of epsilon, and planned as 3 here."""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def epsilon(self) -> Fraction:
        """The pure epsilon; 0 where the product costs rho."""
        return Fraction(0) if isinstance(self.cost, Rho) else self.cost

    @property
    def rho(self) -> Fraction:
        """The rho under zero-concentrated privacy; 0 where the product costs a pure epsilon."""
        return self.cost.value if isinstance(self.cost, Rho) else Fraction(0)

    @property
    def delta(self) -> Fraction:
        """Chance that a selection of keys fails; 0 for all other products."""
        return self.options.get("delta") or Fraction(0)

    @property
    def most_trips(self) -> int | None:
        """More trips nobody makes, by public knowledge."""
        return self.options.get("most_trips")

    @property
    def cap(self) -> int:
        """Cap that is reckoned with."""
        return self.max_trips or TYPICAL_CAP

    def parts(self) -> pd.DataFrame:
        """One row a paid part: epsilon, and the noise's standard deviation and 95 % half-width in trips (or persons)."""
        rows = [
            {
                "part": name,
                **_told(noise),
                "noise_deviation": noise.standard_deviation / unit,
                "half_width_95": noise.half_width(0.95) / unit,
            }
            for name, noise, unit in self._noises()
        ]
        if self.product in PURE:
            paid = {"quantiles": GATE_SHARE, "selected_flows": 1 - KEYS_SHARE}.get(self.product, Fraction(0))
            rest = self.epsilon * (1 - paid)
            rows.append({"part": "choice", "epsilon": float(rest), "noise_deviation": np.nan, "half_width_95": np.nan})
        return pd.DataFrame(rows)

    def expected_error(self, trips: tuple[int, ...] = (0, 10, 30, 100, 300, 1000)) -> pd.DataFrame:
        """Error of the signed value of a cell of n trips, all of typical persons (within the cap)."""
        noises = self._noises()
        if not noises:
            raise SchemaError(f"{self.product} publishes no counts.", hint="see plan.parts()")
        _, noise, unit = noises[-1]
        deviation = noise.standard_deviation / unit
        return pd.DataFrame(
            {
                "trips": trips,
                "deviation": deviation,
                "half_width_95": noise.half_width(0.95) / unit,
                "relative": [deviation / n if n else np.inf for n in trips],
            }
        )

    def cost_of(self, releases: int, *, delta: float | None = None) -> float:
        """Epsilon of so many equal releases of the same people and period; a plan that costs rho needs the delta."""
        several = self.cost * plain_int(releases, "releases")
        if not isinstance(several, Rho):
            return float(several)
        if delta is None:
            raise SchemaError("Gaussian noise has an epsilon at a delta only.", hint="plan.cost_of(12, delta=1e-6)")
        return several.at(delta)

    def _noises(self) -> list[tuple[str, Noise, float]]:
        if self.product == "persons":
            return [("persons", noise_of(self.cost, l1=1), 1.0)]
        if self.product == "hot_spots":
            return []
        if self.product == "quantiles":
            gate = noise_of(self.cost * GATE_SHARE, l1=self.options["max_keys"])
            return [("gate", gate, 1.0)]
        if self.product == "selected_flows":
            counts = noise_of(self.cost * (1 - KEYS_SHARE), l1=WEIGHT_SCALE * self.cap)
            return [("cells", counts, float(WEIGHT_SCALE))]
        noises: list[tuple[str, Noise, float]] = []
        rest = self.cost
        if self.max_trips is None:
            share = Shares.of(len(self.keys or ())).activity
            noises.append(("activity", noise_of(self.cost * share, l1=1), 1.0))
            rest = self.cost * (1 - share)
        cells = noise_of(rest, l1=WEIGHT_SCALE * self.cap)
        return [*noises, ("cells", cells, float(WEIGHT_SCALE))]

    def __str__(self) -> str:
        keys = f"{len(self.keys):,} keys" if self.keys is not None else "no keys"
        price = f"rho {float(self.rho)}" if self.rho else f"epsilon {float(self.epsilon)}"
        return f"{self.product}: {price}, {keys}, cap {self.max_trips or 'bought'}"


def plan(
    product: str,
    *,
    epsilon: float | str | Fraction | None = None,
    rho: float | str | Fraction | None = None,
    keys: PublicKeys | AreaPairs | None = None,
    zones: PublicZones | Grid | None = None,
    bins: TimeBins | None = None,
    steps: PublicSteps | None = None,
    profile: str | None = None,
    max_trips: int | None = None,
    most_trips: int | None = None,
    max_keys: int | None = None,
    min_persons: int | None = None,
    percents: tuple[int, ...] = (25, 50, 75),
    top: int | None = None,
    delta: float | str | Fraction | None = None,
    columns: tuple[str, ...] | None = None,
) -> Plan:
    """Plan a product: check its public inputs and show its cost and expected error, without any data.

    Parameters
    ----------
    product : one of flows, volumes, profile, lengths, persons, quantiles, hot_spots, selected_flows.
    epsilon : what the product costs each person (or person and period), whatever is drawn inside; Laplace noise.
    rho : instead of epsilon: Gaussian noise under zero-concentrated privacy, which adds up more slowly over many
        releases. The ledger needs a ``delta_cap``.
    keys : public keys; for flows they follow from ``zones``, or are ``grid.pairs()`` of a grid over a public area.
    bins : the public time bins of the table, as it was generalised. Flows are of the whole period; other products
        name their times in ``keys``.
    zones : public zones or an ``ak.Grid`` with an area.
    steps : public bounds and step (lengths, quantiles). profile : "day" or "week".
    max_trips : declared cap, or None to buy it. most_trips : public knowledge that nobody makes more in the period.
    max_keys, min_persons, percents : quantiles. top : hot_spots.
    delta, columns : selected_flows: the chance that a key of one person is named, and the key's columns.

    Returns
    -------
    Plan.

    Privacy
    -------
    Reads no trips and spends nothing. Raw arrays as keys raise ``PrivacyLeakError``.

    Sources
    -------
    Variances of the discrete Laplace; see ``mechanisms``.

    Examples
    --------
    >>> whole = plan("persons", epsilon=0.5)
    >>> round(float(whole.expected_error((1000,))["deviation"][0]), 2)
    2.8
    """
    if product not in PRODUCTS:
        raise SchemaError(f"product {product!r} is not known.", hint=f"one of {PRODUCTS}")
    if bins is not None:
        require(bins, TimeBins, "bins")
    if isinstance(keys, AreaPairs) and keys.grid is not None:
        if keys.level or zones is not None or product != "flows":
            raise SchemaError(
                "pairs of a grid are the keys of flows, at its base cells.", hint="keys=grid.pairs(), without zones"
            )
        zones, keys = keys.grid, None
    places = public_zones(zones)
    if keys is not None:
        keys = require(keys, PublicKeys, "keys")
    assert not isinstance(keys, AreaPairs)
    if product == "flows" and keys is None and places is not None:
        keys = places.pairs()
    if product == "profile":
        keys = profile_keys(profile or "")
    if product in ("lengths", "quantiles"):
        require(steps, PublicSteps, "steps")
    if product == "lengths" and steps is not None:
        grid = np.arange(len(steps.grid())).reshape(-1, 1)
        keys = PublicKeys.declared(grid, columns=("step",), source=steps.source)
    if product == "selected_flows":
        if delta is None or columns is None or max_trips is None:
            raise SchemaError("selected_flows needs delta, columns and max_trips.", hint="delta=1e-7, max_trips=3")
    elif keys is None and product != "persons":
        raise SchemaError(f"{product} needs public keys.", hint="keys=PublicKeys.from_file(…) or zones=ak.Grid(…)")
    if max_trips is not None:
        plain_int(max_trips, "max_trips")
    if most_trips is not None:
        plain_int(most_trips, "most_trips")
    if rho is not None and product in PURE:
        raise SchemaError(
            f"{product} chooses among candidates, and that choice is of a pure epsilon.",
            hint=f"plan('{product}', epsilon=…)",
        )
    options: dict[str, Any] = {"steps": steps, "profile": profile, "percents": percents, "most_trips": most_trips}
    for name, value, users in (
        ("max_keys", max_keys, ("quantiles", "selected_flows")),
        ("min_persons", min_persons, ("quantiles",)),
        ("top", top, ("hot_spots",)),
    ):
        if product in users:
            options[name] = plain_int(value, name)
    if product == "selected_flows" and delta is not None:
        options |= {"delta": exact(delta, "delta"), "columns": columns}
    cost = cost_of(epsilon=epsilon, rho=rho)
    return Plan(product=product, cost=cost, keys=keys, zones=places, max_trips=max_trips, options=options)


def _told(noise: Noise) -> dict[str, float]:
    """What a part costs, in its own currency."""
    return {"epsilon": float(noise.epsilon)} if isinstance(noise, DiscreteLaplace) else {"rho": float(noise.rho)}
