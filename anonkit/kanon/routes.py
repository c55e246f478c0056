"""Route products that may be published: volumes of links and cells, turns, and the speeds of links.

What goes in are walks whose ends are already cut (``anonkit.geo.trimming``); they are raw. What comes out is a
``RouteProduct``: a table in which every row holds at least k persons and k_driver drivers, nobody owns more than the
dominance limit, every place adds up to its whole or is missing, and counts carry cell-key noise. Products of one
call of ``routes_release.release_routes`` are made together, so that turns cannot be subtracted from volumes (ruling 11).

Does not protect against: somebody who knows all others on a link (take the DP product); combinations of many junctions
along a flow (noise blurs them; single junctions are checked); what all persons of a link have
in common. Routes in full are in ``anonkit.kanon.routes_patterns``.

Sources: rulings 4, 6, 8, 9, 11, 12, 30 of the project; Hundepool et al. 2012, Statistical Disclosure Control, ch. 4–5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anonkit.base.errors import PrivacyLeakError, SchemaError
from anonkit.classes import Protection
from anonkit.geo.bins import TimeBins
from anonkit.geo.matching import Walks
from anonkit.geo.networks import Network
from anonkit.kanon.perturb import CellKeyNoise
from anonkit.kanon.routes_counting import REST, Bools, Ints, Riders, Tally, band, partition, perturbed, tally
from anonkit.kanon.routes_junctions import junction_events, safe_junctions
from anonkit.kanon.routes_product import RouteProduct


@dataclass(frozen=True, kw_only=True)
class RouteRule:
    """Thresholds and noise of route products; nothing has a default but the refusal of exact counts."""

    protection: Protection
    max_rows: int
    """Passages of one person that count in one cell (ruling 6)."""
    noise: CellKeyNoise | None
    """The noise of counts, the same as for flows; None is exact and must be asked for with ``exact=True`` (ruling 12)."""
    exact: bool = False

    def __post_init__(self) -> None:
        if self.max_rows < 1:
            raise SchemaError("max_rows is at least 1.", hint="for example max_rows=2.")
        if self.exact != (self.noise is None):
            raise PrivacyLeakError(
                "Exact route counts are an explicit option (ruling 12).",
                hint="noise=CellKeyNoise(largest=2, variance=1.0), or exact=True together with noise=None.",
            )
        if self.noise is not None and self.noise.largest >= self.protection.k:
            raise SchemaError(
                "The largest noise must be below k, else a row could show no trips.", hint="a smaller one."
            )


def passage_bins(walks: Walks, bins: TimeBins) -> Ints:
    """Local time bin of each passage, by the second at which it entered the link."""
    import narwhals.stable.v2 as nw

    seconds = nw.from_native(pd.DataFrame({"s": np.floor(walks.enter_s).astype(np.int64)}), eager_only=True)
    return seconds.select(bins.expr(nw.col("s")))["s"].to_numpy().astype(np.int64)


def whole_passages(walks: Walks, network: Network) -> Bools:
    """Passages from a link's start to its end; only these have a travel time."""
    return (walks.enter_m <= 0.01) & (walks.exit_m >= network.length_m[walks.link] - 0.01)


def volumes(
    walks: Walks, riders: Riders, network: Network, *, rule: RouteRule, part: Any, cells: Any = None, by: str = "bin",
    junctions: bool = True,
) -> RouteProduct:  # fmt: skip
    """Passages of each link (or cell) by hour, mode or another declared part, each row above its thresholds.

    Parameters
    ----------
    walks : with their ends cut; one row a passage.
    part : code >= 0 of each passage's part (``passage_bins``, or a mode code of its trip); it is a released column.
    cells : public cell of each link, for volumes of cells; a trip counts once in a cell and part.
    by : name of the released column of ``part``.
    junctions : leave out links until those that are missing at each junction hold nobody or the thresholds, so that what
        flows in minus what flows out isolates nobody (ruling 11). Without it noise alone blurs the difference.

    Returns
    -------
    RouteProduct with ``link`` (or ``cell``), ``by`` (−1: the rest of the place, ruling 9) and ``trips``.

    Privacy
    -------
    Every row holds k persons and k_driver drivers; what is published of a place adds up to its whole or is missing.
    A missing place is suppressed **or** empty, and which one is not told.
    """
    _raw(walks)
    part = np.asarray(part, dtype=np.int64)
    place, trip, name = walks.link.astype(np.int64), walks.trip.astype(np.int64), "link"
    if cells is not None:
        place, name = np.asarray(cells, dtype=np.int64)[place], "cell"
        seen = np.unique(np.column_stack([trip, place, part]), axis=0)
        trip, place, part = seen.T
    label, kept = partition(place, part, trip, riders, protection=rule.protection, max_rows=rule.max_rows)
    if name == "link" and (junctions or rule.exact):
        events = junction_events(walks, part, network)
        label, kept = safe_junctions(
            place, part, label, kept, trip, events=events, riders=riders, network=network,
            protection=rule.protection, max_rows=rule.max_rows,
        )  # fmt: skip
    keys, counted = _rows(np.column_stack([place, label])[kept], trip[kept], riders, rule)
    table = pd.DataFrame({name: keys[:, 0], by: keys[:, 1]}).assign(
        trips=perturbed(counted.rows, counted.key, rule.noise)
    )
    return _product(f"{name}_volumes", table, network, rule, kept, trip, riders)


def turns(walks: Walks, riders: Riders, network: Network, *, rule: RouteRule, links: Any = None) -> RouteProduct:
    """How many went from one link straight to another, over the whole period.

    Of every link, the passages that did not go on by a published turn (other turns, trip ends) are nobody or k persons,
    on both sides, so that a published volume of the link gives no small turn away (ruling 11).

    Parameters
    ----------
    links : numbers of the links that the volumes of the release tell; turns of other links would complete what was left
        out at a junction and are not told. None: turns alone are released.

    Returns
    -------
    RouteProduct with ``from_link, to_link, trips``.

    Privacy
    -------
    As for ``volumes``. Two turns in a row are not a route: nothing says that the same persons made both.
    """
    _raw(walks)
    a, b = _turn_rows(walks)
    start, stop = walks.link[a].astype(np.int64), walks.link[b].astype(np.int64)
    trip = walks.trip.astype(np.int64)
    code = start * network.links + stop
    counted = tally(code, trip[a], riders, max_rows=rule.max_rows)
    good = counted.safe(rule.protection)
    if links is not None:
        good &= np.isin(counted.cell // network.links, links) & np.isin(counted.cell % network.links, links)
    while True:
        open_turn = np.isin(code, counted.cell[good])
        worst: list[Ints] = []
        for side, rows in ((start, a), (stop, b)):
            used = np.zeros(len(walks.link), dtype=bool)
            used[rows[open_turn]] = True
            touched = np.isin(walks.link, side[open_turn])
            rest = np.flatnonzero(touched & ~used)
            held = tally(walks.link[rest], trip[rest], riders, max_rows=rule.max_rows)
            poor = held.cell[~held.safe(rule.protection)]
            mine = np.flatnonzero(good & np.isin(counted.cell // network.links if side is start else counted.cell
                                                 % network.links, poor))  # fmt: skip
            if len(mine):
                ends = counted.cell[mine] // network.links if side is start else counted.cell[mine] % network.links
                order = np.lexsort((counted.cell[mine], counted.persons[mine], ends))
                worst.append(mine[order][np.r_[True, np.diff(ends[order]) != 0]])
        if not worst:
            break
        good[np.concatenate(worst)] = False
    table = pd.DataFrame(
        {
            "from_link": counted.cell[good] // network.links,
            "to_link": counted.cell[good] % network.links,
            "trips": perturbed(counted.rows[good], counted.key[good], rule.noise),
        }
    )
    return _product("turns", table, network, rule, np.isin(code, counted.cell[good]), trip[a], riders)


def speeds(
    walks: Walks,
    riders: Riders,
    network: Network,
    *,
    rule: RouteRule,
    part: Any,
    speed_bounds_kmh: tuple[float, float],
    step_kmh: float,
    by: str = "bin",
) -> RouteProduct:
    """Speed of each link by hour: one value a person, clipped to public bounds, rounded to a public step (ruling 8).

    Parameters
    ----------
    part : code of each passage's part, as in ``volumes``.
    speed_bounds_kmh : public lowest and highest speed that is believed.
    step_kmh : public step to which speeds are rounded.

    Returns
    -------
    RouteProduct with ``link``, ``by``, ``speed_kmh`` (length over the mean time), ``median_kmh`` and ``slow_kmh``
    (length over the 85th percentile of time); the last two are null where fewer than k persons are on one side.

    Privacy
    -------
    One value a person: the median time of his whole passages. No minimum, no maximum, no count of persons.
    """
    _raw(walks)
    low, high = speed_bounds_kmh
    if not 0 < low < high:
        raise SchemaError("speed_bounds_kmh needs 0 < lowest < highest.", hint="for example (3, 120).")
    rows = np.flatnonzero(whole_passages(walks, network) & (riders.person[walks.trip] >= 0))
    link, trip, part = walks.link[rows].astype(np.int64), walks.trip[rows].astype(np.int64), np.asarray(part)[rows]
    seconds = np.clip(
        walks.exit_s[rows] - walks.enter_s[rows],
        network.length_m[link] / high * 3.6,
        network.length_m[link] / low * 3.6,
    )
    label, kept = partition(link, part, trip, riders, protection=rule.protection, max_rows=rule.max_rows)
    values = pd.DataFrame({"link": link, by: label, "person": riders.person[trip], "s": seconds})[kept]
    one = values.groupby(["link", by, "person"], sort=True)["s"].median().reset_index().groupby(["link", by])["s"]
    table = pd.DataFrame({"n": one.size(), "mean": one.mean(), "p50": one.median(), "p85": one.quantile(0.85)})
    k = rule.protection.k
    length = network.length_m[table.index.get_level_values("link")]
    speed = {
        "speed_kmh": length / table["mean"] * 3.6,
        "median_kmh": (length / table["p50"] * 3.6).where(table["n"] * 0.5 >= k),
        "slow_kmh": (length / table["p85"] * 3.6).where(table["n"] * 15 // 100 >= k),
    }
    rounded_speed = {name: np.maximum((value / step_kmh).round() * step_kmh, step_kmh) for name, value in speed.items()}
    result = pd.DataFrame(rounded_speed, index=table.index).reset_index()
    extra = {"speed_bounds_kmh": speed_bounds_kmh, "step_kmh": step_kmh}
    return _product("speeds", result, network, rule, kept, trip, riders, **extra)


def _turn_rows(walks: Walks) -> tuple[Ints, Ints]:
    """Row numbers of passages that follow each other on one piece of one trip."""
    after = (np.diff(walks.trip) == 0) & (np.diff(walks.piece) == 0)
    first = np.flatnonzero(after)
    return first, first + 1


def _rows(keys: Ints, trip: Ints, riders: Riders, rule: RouteRule) -> tuple[Ints, Tally]:
    unique, code = np.unique(keys, axis=0, return_inverse=True)
    return unique, tally(code.ravel(), trip, riders, max_rows=rule.max_rows)


def _product(
    kind: str, table: pd.DataFrame, network: Network, rule: RouteRule, kept: Bools, trip: NDArray[Any], riders: Riders,
    **extra: Any,
) -> RouteProduct:  # fmt: skip
    gone = tally(np.zeros(int((~kept).sum()), dtype=np.int64), trip[~kept], riders, max_rows=rule.max_rows)
    tellable = bool(kept.all()) or bool(gone.safe(rule.protection).all())
    protection = rule.protection
    parameters = {
        "unit": protection.unit,
        "k": protection.k,
        "k_driver": protection.k_driver,
        "dominance": str(protection.dominance),
        "max_rows": rule.max_rows,
        "largest_noise": rule.noise.largest if rule.noise else 0,
        "noise_variance": rule.noise.variance if rule.noise else 0.0,
        **extra,
    }
    share = float((~kept).mean()) if len(kept) else 0.0
    return RouteProduct(kind, table, network.digest, parameters, band(share) if tellable else "withheld")


def _raw(walks: Any) -> None:
    if not isinstance(walks, Walks):
        raise SchemaError("Route products are counted from matched walks.", hint="anonkit.geo.matching.Matcher.match.")


__all__ = ["REST", "RouteProduct", "RouteRule", "passage_bins", "speeds", "turns", "volumes", "whole_passages"]
