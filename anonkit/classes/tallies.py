"""Who has how many rows of each class: one line a class and person, made once and then only made coarser.

Counting persons takes persons in the inner key. Those lines are much of the work, and levels of a release nest, so they
are made once from the rows at the finest level; the tally of a coarser level is the sum of the finer one's lines, never
another pass over rows. Beside ``n``, the person's rows in the class, a tally carries ``open``, those of them that nothing
has told yet, and for each part that may still roll up ``left``, those that this part has not told: what a level tells is
a set of whole classes, so both are sums over classes, and no row has to be marked on the way.

Exact counts about raw data: inside only. Source: ruling 1; two-level counting as in DESIGN's table of chosen parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from anonkit.classes.arrays import distinct, groups, most, packed, runs, sums
from anonkit.classes.counts import DRIVERS, PERSONS, RECORD, REST_DRIVERS, REST_PERSONS, REST_ROWS, ROWS, TOP

NOBODY = -1
Counts = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """One line a class and unit, in the order of the classes."""

    classes: int
    """How many classes there are."""
    of: np.ndarray
    """Class of each line, ascending."""
    unit: np.ndarray
    """Code of whose rows they are; ``NOBODY`` counts as nobody."""
    n: np.ndarray
    """Rows of the unit in the class."""
    open: np.ndarray
    """Those that nothing has told."""
    among: np.ndarray | None = None
    """Code of the group between which units cannot be matched (ruling 2)."""
    record: np.ndarray | None = None
    """The unit's persistent key, 0 of nobody."""
    left: dict[str, np.ndarray]
    """For each part that may still roll up, the rows that it has not told."""

    @property
    def inner(self) -> list[tuple[np.ndarray, int]]:
        """What tells two lines apart, beside the class, as codes and their number."""
        return _inner(self.unit, self.among)


def tally_rows(
    of: np.ndarray,
    unit: np.ndarray,
    *,
    classes: int,
    among: np.ndarray | None = None,
    record: np.ndarray | None = None,
) -> Tally:
    """Count each unit's rows in each class; all are open.

    Parameters
    ----------
    of : class of each row, from 0. unit : code of its person (or driver), ``NOBODY`` for none.
    among, record : group of operators and persistent key of each row, where asked for.

    Privacy
    -------
    Exact counts by person: inside only.
    """
    found = groups([(of, classes), *_inner(unit, among)])
    first = found.first
    n = found.sizes.astype(np.int32)
    whose = unit[first]
    return Tally(
        classes=classes,
        of=of[first],
        unit=whose,
        n=n,
        open=n,
        among=among[first] if among is not None else None,
        record=np.where(whose == NOBODY, 0, record[first]) if record is not None else None,
        left={},
    )


def coarser(tally: Tally, up: np.ndarray, *, classes: int, told: np.ndarray, left: dict[str, str]) -> Tally:
    """The tally of coarser classes, after a level has told some of these.

    Parameters
    ----------
    up : coarser class of each class. classes : how many of those there are.
    told : whether each class was told.
    left : the ``left`` columns to carry, each with what it is made of: ``n``, an old one, or either with ``-told`` behind
        its name where this level's telling takes from it.

    Returns
    -------
    Tally with ``open`` less what was told.
    """
    above = up[tally.of]
    found = groups([(above, classes), *tally.inner])
    hit = told[tally.of]

    def summed(column: np.ndarray, taken: bool) -> np.ndarray:
        return found.sum(np.where(hit, 0, column) if taken else column).astype(np.int32)

    kept = {}
    for name, source in left.items():
        column, _, taken = source.partition("-")
        kept[name] = summed(tally.n if column == "n" else tally.left[column], taken == "told")
    first = found.first
    return replace(
        tally,
        classes=classes,
        of=above[first],
        unit=tally.unit[first],
        n=summed(tally.n, False),
        open=summed(tally.open, True),
        among=tally.among[first] if tally.among is not None else None,
        record=tally.record[first] if tally.record is not None else None,
        left=kept,
    )


def class_counts(tally: Tally, *, left: str | None = None, drivers: Tally | None = None) -> Counts:
    """Sizes of all classes: ``rows, persons, top_rows, rest_rows, rest_persons`` and, where known, ``record, drivers,
    rest_drivers``; Int64, one number a class.

    With ``left`` only rows are counted that the part has not told, and a class may have none; ``rest`` are the open ones.
    """
    found = _sizes(tally, left)
    if drivers is not None:
        helpers = _sizes(drivers, left)
        found |= {DRIVERS: helpers[PERSONS], REST_DRIVERS: helpers[REST_PERSONS]}
    return found


def _sizes(tally: Tally, left: str | None) -> Counts:
    n = tally.n if left is None else tally.left[left]
    mine = slice(None) if left is None else np.flatnonzero(n > 0)
    of, n, open_, known = tally.of[mine], n[mine], tally.open[mine], tally.unit[mine] != NOBODY
    inner = of if tally.among is None else packed([(of, tally.classes), _counted(tally.among[mine])])
    starts = runs(inner)
    found = {
        ROWS: sums(n, starts),
        PERSONS: sums(known, starts),
        TOP: most(n, starts).astype(np.int64),
        REST_ROWS: sums(open_, starts),
        REST_PERSONS: sums(known & (open_ > 0), starts),
    }
    if tally.record is not None:
        found[RECORD] = sums(tally.record[mine], starts)
    at = of[starts]
    if tally.among is not None:
        # The largest unit of each group may be the same person: their rows are summed. Persons: the most one group has.
        again = runs(at)
        largest = (PERSONS, REST_PERSONS)
        found = {name: (most if name in largest else sums)(column, again) for name, column in found.items()}
        at = at[again]
    return {name: _spread(column, at, tally.classes) for name, column in found.items()}


def _spread(column: np.ndarray, at: np.ndarray, size: int) -> np.ndarray:
    if len(at) == size:
        return column
    whole = np.zeros(size, dtype=np.int64)
    whole[at] = column
    return whole


def small_rests(tally: Tally, bins: np.ndarray, told: np.ndarray, threshold: int) -> np.ndarray:
    """Bins of which something is told, and whose rest is neither nothing nor holds ``threshold`` units.

    Parameters
    ----------
    bins : code of each class's time bin, from 0. told : whether each class is told.
    """
    mine = np.flatnonzero(tally.open > 0)
    of = tally.of[mine]
    hit = told[of]
    size = int(bins.max(initial=-1)) + 1
    some = np.zeros(size, dtype=bool)
    some[bins[of[hit]]] = True
    rest = mine[~hit]
    rest = rest[some[bins[tally.of[rest]]]]  # of other bins nothing is told
    if not len(rest):
        return np.zeros(0, dtype=np.int64)
    columns = _inner(tally.unit[rest], tally.among[rest] if tally.among is not None else None)
    inner = [(bins[tally.of[rest]], size), *columns]
    one = distinct(packed(inner))
    (_, units), among = columns[-1], columns[0][1] if tally.among is not None else 1
    known, of_group = one % units > 0, one // units  # code 0 is nobody
    held = np.bincount(of_group[known], minlength=size * among).reshape(size, among).max(axis=1)
    left = np.zeros(size, dtype=bool)
    left[of_group // among] = True
    return np.flatnonzero(some & left & (held < threshold))


def _inner(unit: np.ndarray, among: np.ndarray | None) -> list[tuple[np.ndarray, int]]:
    found = [_counted(unit + np.int32(1))]
    return found if among is None else [_counted(among), *found]


def _counted(codes: np.ndarray) -> tuple[np.ndarray, int]:
    return codes, int(codes.max(initial=0)) + 1
