"""Route patterns that k persons walked in full: the only routes that may be published.

A pattern is a run of links without a gap. It is published when at least k persons and k_driver drivers each walked all
of it (ruling 31), nobody dominates it, and it cannot be subtracted from anything published beside it: of every link and
turn in it, the passages outside the pattern are nobody or k persons. Maximal patterns are the default; closed ones may
be added where the difference to the longer published patterns is nobody or k persons. "Each short piece shared by k"
is *not* the rule: a unique trip stitched from popular links would pass it.

The search grows patterns link by link and drops those below k persons or k_driver drivers: both numbers can only fall
when a pattern grows, so nothing is missed (ruling 10); dominance does not fall so, and is checked at the end only.

Does not protect against: knowing that somebody is among the k (no difference of two neighbouring tables is promised
beyond the noise); what all walkers of a pattern have in common.

Sources: Pei et al. 2001, PrefixSpan, for contiguous sequences; Abul, Bonchi and Nanni 2008, Never Walk Alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from anonkit.geo.matching import Walks
from anonkit.geo.networks import Network
from anonkit.kanon.routes import RouteRule, _product, _raw
from anonkit.kanon.routes_counting import Bools, Ints, Riders, Tally, perturbed, tally
from anonkit.kanon.routes_product import RouteProduct


@dataclass(frozen=True, eq=False)
class _Level:
    """All frequent patterns of one length: where they occur, how they are made of the level below. Inside only."""

    position: Ints
    """Row of the first passage of each occurrence."""
    pattern: Ints
    """Number of the pattern at each occurrence."""
    counted: Tally
    prefix: Ints
    suffix: Ints


def patterns(
    walks: Walks,
    riders: Riders,
    network: Network,
    *,
    rule: RouteRule,
    least_m: float,
    most_links: int,
    closed: bool,
    beside_volumes: bool,
    links: Any = None,
) -> RouteProduct:
    """Find the routes that k persons and k_driver drivers walked in full.

    Parameters
    ----------
    walks : with their ends cut.
    least_m : shortest pattern that is worth a row.
    most_links : longest pattern that is looked for.
    closed : also publish shorter patterns that more persons walked, where the difference is nobody or k persons.
    beside_volumes : volumes or turns of the same people and period are published too; then patterns that could be
        subtracted from them are left out. ``False`` is for a release of patterns alone.
    links : numbers of the links that those volumes tell; patterns go over them only.

    Returns
    -------
    RouteProduct with ``pattern`` (fresh number), ``links`` (list), ``length_m`` and ``trips``, longest first.

    Privacy
    -------
    Threshold on distinct persons and drivers of the whole pattern; counts perturbed by cell key. No hours: a pattern
    refers to the whole period.

    Raises
    ------
    SchemaError : ``walks`` are not matched walks.
    """
    _raw(walks)
    levels = _grow(walks, riders, rule, most_links=most_links, links=links)
    chosen = _choose(levels, walks, riders, network, rule, least_m=least_m, closed=closed)
    if beside_volumes:
        chosen = _without_subtractable(levels, chosen, walks, riders, rule)
    table = _table(levels, chosen, walks, network, rule)
    covered = _covered(levels, chosen, len(walks.link))
    return _product(
        "patterns", table, network, rule, covered, walks.trip, riders, least_m=least_m, most_links=most_links,
        closed=closed, beside_volumes=beside_volumes,
    )  # fmt: skip


def corridors(product: RouteProduct, *, most: int) -> pd.DataFrame:
    """The busiest published patterns by metres walked, none with more than half of its links in a busier one.

    Privacy
    -------
    Reads a published table only.

    Examples
    --------
    >>> table = pd.DataFrame({"pattern": [0, 1, 2], "links": [[1, 2, 3], [2, 3], [7, 8]],
    ...     "length_m": [300.0, 200.0, 150.0], "trips": [10, 20, 10]})
    >>> corridors(RouteProduct("patterns", table, "x", {"k": 5}), most=5)["pattern"].tolist()
    [1, 2]
    """
    table = product.table.assign(metres=product.table["length_m"] * product.table["trips"])
    table = table.sort_values(["metres", "pattern"], ascending=[False, True])
    links: list[list[int]] = table["links"].tolist()
    taken: set[int] = set()
    chosen: list[int] = []
    for place, route in enumerate(links):
        if 2 * len(taken.intersection(route)) <= len(set(route)) and len(chosen) < most:
            chosen.append(place)
            taken.update(route)
    return table.iloc[chosen].reset_index(drop=True)


def _enough(counted: Tally, rule: RouteRule) -> Bools:
    """The part of the thresholds that can only fall when a pattern grows."""
    enough = counted.persons >= rule.protection.k
    if rule.protection.k_driver is not None:
        enough &= counted.drivers >= rule.protection.k_driver
    return enough


def _keep(position: Ints, code: Ints, walks: Walks, riders: Riders, rule: RouteRule) -> tuple[Ints, Ints, Tally]:
    """Occurrences of frequent codes, numbered densely, and their counts."""
    counted = tally(code, walks.trip[position], riders, max_rows=rule.max_rows)
    frequent = counted.cell[_enough(counted, rule)]
    alive = np.isin(code, frequent)
    position, code = position[alive], code[alive]
    counted = tally(code, walks.trip[position], riders, max_rows=rule.max_rows)
    return position, np.searchsorted(counted.cell, code), counted


def _grow(walks: Walks, riders: Riders, rule: RouteRule, *, most_links: int, links: Any = None) -> list[_Level]:
    rows = np.arange(len(walks.link))
    first = rows if links is None else np.flatnonzero(np.isin(walks.link, links))
    onward = np.zeros(len(rows), dtype=bool)
    onward[:-1] = (np.diff(walks.trip) == 0) & (np.diff(walks.piece) == 0)
    position, pattern, counted = _keep(first, walks.link[first].astype(np.int64), walks, riders, rule)
    nothing = np.full(len(counted.cell), -1)
    levels = [_Level(position, pattern, counted, nothing, nothing)]
    while len(position) and len(levels) < most_links:
        here = np.full(len(rows) + 1, -1, dtype=np.int64)
        here[position] = pattern
        fits = onward[position] & (here[position + 1] >= 0)
        before, after = position[fits], position[fits] + 1
        wide = len(counted.cell)
        position, pattern, counted = _keep(before, here[before] * wide + here[after], walks, riders, rule)
        levels.append(_Level(position, pattern, counted, counted.cell // wide, counted.cell % wide))
    return levels if len(levels[-1].position) else levels[:-1]


def _example(level: _Level) -> Ints:
    """One occurrence of each pattern, to read its links from."""
    first = np.zeros(len(level.counted.cell), dtype=np.int64)
    first[level.pattern[::-1]] = level.position[::-1]
    return first


def _lengths(level: _Level, links: int, walks: Walks, network: Network) -> np.ndarray[Any, Any]:
    along = np.r_[0.0, np.cumsum(network.length_m[walks.link])]
    first = _example(level)
    return np.asarray(along[first + links] - along[first])


def _choose(
    levels: list[_Level], walks: Walks, riders: Riders, network: Network, rule: RouteRule, *, least_m: float, closed: bool
) -> list[Bools]:  # fmt: skip
    """Which patterns of each level are published, from the longest down."""
    chosen: list[Bools] = [np.zeros(len(level.counted.cell), dtype=bool) for level in levels]
    inside_above = np.zeros(len(walks.link) + 1, dtype=bool)  # occurrences of the level above that are published
    for number in range(len(levels) - 1, 0, -1):  # one link alone is a volume, not a route
        level = levels[number]
        inside = inside_above[level.position] | np.where(level.position > 0, inside_above[level.position - 1], False)
        good = level.counted.safe(rule.protection)
        good &= _lengths(level, number + 1, walks, network) >= least_m
        contained = np.zeros(len(good), dtype=bool)
        contained[level.pattern[inside]] = True
        pick = good & ~contained
        if closed:
            pick |= good & contained & _difference_safe(level, inside, walks, riders, rule)
        chosen[number] = pick
        inside_above = np.zeros(len(walks.link) + 1, dtype=bool)
        inside_above[level.position] = inside | pick[level.pattern]
    return chosen


def _difference_safe(level: _Level, inside: Bools, walks: Walks, riders: Riders, rule: RouteRule) -> Bools:
    """Patterns whose walkers outside the longer published patterns hold the thresholds, by passages and by persons."""
    size = len(level.counted.cell)
    trip = walks.trip[level.position]
    outside = tally(level.pattern[~inside], trip[~inside], riders, max_rows=rule.max_rows)
    safe = np.zeros(size, dtype=bool)
    safe[outside.cell] = outside.safe(rule.protection)
    for codes, k in ((riders.person, rule.protection.k), (riders.driver, rule.protection.k_driver)):
        if k is None:
            continue
        wide = int(codes.max(initial=-1)) + 1
        known = codes[trip] >= 0
        pair, number = np.unique(level.pattern[known] * wide + codes[trip[known]], return_inverse=True)
        also = np.zeros(len(pair), dtype=bool)
        also[number[inside[known]]] = True
        only = np.bincount(pair[~also] // wide, minlength=size)
        safe &= (only == 0) | (only >= k)
    return safe


def _without_subtractable(
    levels: list[_Level], chosen: list[Bools], walks: Walks, riders: Riders, rule: RouteRule
) -> list[Bools]:
    """Leave out patterns that a volume or turn minus the pattern would turn into fewer than k persons (ruling 11)."""
    chosen = [pick.copy() for pick in chosen]
    by_link = np.argsort(walks.link, kind="stable")
    begin = np.searchsorted(walks.link[by_link], np.arange(int(walks.link.max(initial=-1)) + 2))
    for number, pick in enumerate(chosen):
        level = levels[number]
        order = np.argsort(level.pattern, kind="stable")
        bounds = np.searchsorted(level.pattern[order], np.arange(len(pick) + 1))
        for pattern in np.flatnonzero(pick).tolist():
            places = np.sort(level.position[order[bounds[pattern] : bounds[pattern + 1]]])
            for step in range(number + 1):
                link = int(walks.link[places[0] + step])
                rows = by_link[begin[link] : begin[link + 1]]
                rest = np.setdiff1d(rows, places + step, assume_unique=True)
                if not _nobody_or_enough(rest, walks, riders, rule):
                    pick[pattern] = False
                    break
                if step < number and not _nobody_or_enough(
                    rest[_goes_on(rest, int(walks.link[places[0] + step + 1]), walks)], walks, riders, rule
                ):
                    pick[pattern] = False
                    break
    while True:
        covered = _covered(levels, chosen, len(walks.link))
        touched = np.isin(walks.link, walks.link[covered])
        rest = np.flatnonzero(touched & ~covered)
        held = tally(walks.link[rest], walks.trip[rest], riders, max_rows=rule.max_rows)
        poor = np.isin(walks.link, held.cell[~held.safe(rule.protection)])
        if not (poor & covered).any():
            return chosen
        for number, pick in enumerate(chosen):
            level = levels[number]
            hit = np.zeros(len(pick), dtype=bool)
            for step in range(number + 1):
                hit[level.pattern[poor[level.position + step]]] = True
            pick &= ~hit


def _goes_on(rows: Ints, link: int, walks: Walks) -> Bools:
    after = np.minimum(rows + 1, len(walks.link) - 1)
    same = (walks.trip[after] == walks.trip[rows]) & (walks.piece[after] == walks.piece[rows]) & (after > rows)
    return np.asarray(same & (walks.link[after] == link))


def _nobody_or_enough(rows: Ints, walks: Walks, riders: Riders, rule: RouteRule) -> bool:
    if not len(rows):
        return True
    trips = walks.trip[rows]
    for codes, k in ((riders.person, rule.protection.k), (riders.driver, rule.protection.k_driver)):
        if k is not None and len(np.unique(codes[trips][codes[trips] >= 0])) < k:
            return False
    return True


def _covered(levels: list[_Level], chosen: list[Bools], rows: int) -> Bools:
    covered = np.zeros(rows, dtype=bool)
    for number, pick in enumerate(chosen):
        places = levels[number].position[pick[levels[number].pattern]]
        for step in range(number + 1):
            covered[places + step] = True
    return covered


def _table(levels: list[_Level], chosen: list[Bools], walks: Walks, network: Network, rule: RouteRule) -> pd.DataFrame:
    rows: list[tuple[list[int], float, int]] = []
    for number in range(len(levels) - 1, 0, -1):
        level, pick = levels[number], np.flatnonzero(chosen[number])
        first, length = _example(level)[pick], _lengths(level, number + 1, walks, network)[pick]
        trips = perturbed(level.counted.rows[pick], level.counted.key[pick], rule.noise)
        for place, metres, count in zip(first.tolist(), length.tolist(), trips.tolist(), strict=True):
            rows.append((walks.link[place : place + number + 1].tolist(), round(metres, 1), count))
    rows.sort(key=lambda row: (-len(row[0]), row[0]))  # nothing of the input's order stays
    return pd.DataFrame(
        {
            "pattern": np.arange(len(rows)),
            "links": [row[0] for row in rows],
            "length_m": np.array([row[1] for row in rows], dtype=float),
            "trips": np.array([row[2] for row in rows], dtype=np.int64),
        }
    )
