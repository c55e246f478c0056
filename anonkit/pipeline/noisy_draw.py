"""One noisy product of a recipe: its columns from the tokenised rows, one draw, and the tables that are published of it.

What: what each product reads (cells of its level, its bins, a measured quantity, the ledger's period of each row), and
what its releaser made of it as tables with their public keys. Why: the main job (`noisy`) is the same for every product.
Source: rulings 17, 18, 22: every column here is a rule local to a row. What it does not protect against: as the releasers.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from anonkit.dp import Plan
from anonkit.dp.drawing import RELEASERS
from anonkit.dp.links import DPLinks
from anonkit.dp.tables import HOURS_A_WEEK
from anonkit.geo import Grid, TimeBins
from anonkit.geo.bins import DAY_S, MONDAY_S
from anonkit.ledger import JointLedger, Ledger
from anonkit.publish.noisy import NoisyTable
from anonkit.recipe import NoisyProduct, NoisyRecipe
from anonkit.registry import span

TITLES = {
    "flows": "Trips between two cells in the period",
    "volumes": "Trips that start in a cell, by time bin",
    "profile": "Trips by the hour in which they start",
    "lengths": "Trips by distance or duration",
    "persons": "Number of persons",
    "quantiles": "Quantiles of duration or distance between two cells",
    "hot_spots": "The cells where most persons depart, busiest first",
    "selected_flows": "Trips between two cells by time bin, where enough persons share them",
    "flow_blocks": "Trips between two blocks of cells",
    "origins": "Trips by the cell that they start in",
    "destinations": "Trips by the cell that they end in",
    "distance_bands": "Trips by distance band",
    "blocks": "Which cells make up a block",
    "link_volumes": "Passages of links of the public street network",
}
PERIOD = "_period"
EPOCH = np.datetime64("1970-01-01", "D")


def price_of(plan: Plan) -> str:
    """What a product costs and by which noise, in words."""
    if plan.rho:
        return f"rho {float(plan.rho):g}, Gaussian noise"
    return f"epsilon {float(plan.epsilon):g}" + (f", delta {float(plan.delta):g}" if plan.delta else ", Laplace noise")


def draw_product(
    product: NoisyProduct,
    recipe: NoisyRecipe,
    rows: nw.LazyFrame[Any],
    *,
    ledger: Ledger | JointLedger,
    release: str,
    periods: tuple[str, ...],
) -> list[NoisyTable]:
    """Draw one product, once; its tables.

    Parameters
    ----------
    rows : tokenised trips; of links the passages of ``noisy_links.passages_of_people``.

    Privacy
    -------
    Charged to the ledger before anything is drawn; what is drawn stays charged.
    """
    frame, columns = (rows, None) if product.name == "links" else _frame(product, recipe, rows, periods)
    kind = DPLinks if product.name == "links" else RELEASERS[product.plan.product]
    releaser = kind(
        plan=product.plan,
        ledger=ledger,
        release=release,
        periods=periods,
        period_column=PERIOD if len(periods) > 1 else None,
        columns=columns,
    )
    return _tables(product, recipe, releaser.fit(frame))


def _frame(
    product: NoisyProduct, recipe: NoisyRecipe, rows: nw.LazyFrame[Any], periods: tuple[str, ...]
) -> tuple[nw.LazyFrame[Any], tuple[str, ...] | None]:
    """The columns that the releaser reads, and their names where they are not those of the keys."""
    grid, base = recipe.geo.grid, recipe.time.time_bins
    assert isinstance(grid, Grid)
    needed: list[nw.Expr | str] = ["person", "trip"]
    columns: tuple[str, ...] | None = None
    if product.level is not None:
        level = product.level
        ends = {"volumes": {"cell": "start_cell"}, "hot_spots": {"cell": "start_cell"}}.get(
            product.name, {"start_cell": "start_cell", "end_cell": "end_cell"}
        )
        needed += [grid.coarsen(nw.col(source), level).alias(name) for name, source in ends.items()]
    if product.bins is not None:
        needed.append(product.bins.coarsen(nw.col("start_bin"), base).alias("bin"))
    if product.name == "profile":
        hours = TimeBins(f"1h of {product.of}", zone=recipe.time.zone)
        hour = hours.coarsen(nw.col("start_bin"), base)
        shift = (
            HOURS_A_WEEK - MONDAY_S // 3600 if product.of == "week" else 0
        )  # a clock on which that hour is that hour
        needed.append(((hour + shift) * 3600).alias("local_s"))
    if product.name in ("lengths", "quantiles"):
        assert product.of is not None
        needed.append(product.of)
        columns = (product.of,) if product.name == "lengths" else ("start_cell", "end_cell", product.of)
    if len(periods) > 1:
        needed.append(period_of(base, periods))
    return rows.select(*needed), columns


def period_of(base: TimeBins, periods: tuple[str, ...]) -> nw.Expr:
    """The ledger's label of the local day on which a trip starts; null outside, and such rows are nobody's."""
    day = nw.col("start_bin") * base.seconds // DAY_S
    found = nw.lit(None, dtype=nw.String)
    for label in periods:
        first, last = (int((np.datetime64(end, "D") - EPOCH).astype(int)) for end in span(label))
        found = nw.when((day >= first) & (day <= last)).then(nw.lit(label)).otherwise(found)
    return found.alias(PERIOD)


def _tables(product: NoisyProduct, recipe: NoisyRecipe, releaser: Any) -> list[NoisyTable]:
    """What is published of a fitted releaser."""
    if product.name == "persons":
        half = float(releaser.half_width_)
        made = pd.DataFrame({"persons": [round(releaser.persons_ or 0)], "half_width": [half]})
        return [_table("persons", made, (), apart=len(recipe.operators) > 1)]
    if product.name == "flows" and releaser.layout_ == "sparse":
        own = (("start_block", "end_block"), ("start_cell",), ("end_cell",), ("band",))
        names = ("flow_blocks", "origins", "destinations", "distance_bands")
        made_of = (releaser.flows_, releaser.origins_, releaser.destinations_, releaser.bands_)
        tables = [_table(name, made, key) for name, made, key in zip(names, made_of, own, strict=True)]
        return [*tables, _table("blocks", releaser.blocks_, ("cell",))]
    if product.name == "links":
        assert product.plan.keys is not None
        return [_table("link_volumes", releaser.links_, product.plan.keys.columns, product.plan.keys.values)]
    made = getattr(releaser, f"{product.name}_")
    if product.plan.keys is not None and product.name != "hot_spots":
        gate = product.plan.options.get("min_persons") if product.name == "quantiles" else None
        return [_table(product.name, made, product.plan.keys.columns, product.plan.keys.values, least=gate)]
    return [
        _table(
            product.name,
            made,
            _own(product),
            public=_public(product, recipe),
            least=getattr(releaser, "threshold_", None),
        )
    ]


def _own(product: NoisyProduct) -> tuple[str, ...]:
    return ("cell",) if product.name == "hot_spots" else ("start_cell", "end_cell", "bin")


def _public(product: NoisyProduct, recipe: NoisyRecipe) -> dict[str, np.ndarray]:
    """Values that chosen keys may have: cells of the public area, bins of the period's dates."""
    grid = recipe.geo.grid
    assert isinstance(grid, Grid)
    assert product.level is not None
    cells = np.asarray(grid.cells(product.level), np.int64)
    found = {name: cells for name in _own(product) if name != "bin"}
    if product.bins is not None:
        found["bin"] = np.array(product.bins.span(recipe.period.first, recipe.period.last))
    return found


def _table(
    name: str,
    frame: pd.DataFrame,
    keys: tuple[str, ...],
    expected: np.ndarray | None = None,
    *,
    public: dict[str, np.ndarray] | None = None,
    least: int | None = None,
    apart: bool = False,
) -> NoisyTable:
    title = TITLES[name] + (", each operator's for itself" if apart else "")
    return NoisyTable(
        name=name,
        title=title,
        frame=frame.reset_index(drop=True),
        keys=keys,
        expected=expected,
        public=public or {},
        least=least,
    )
