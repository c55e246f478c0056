"""Optimal full-domain generalisation: the best level of each column under a suppression limit, by branch and bound.

Every column gets one level for the whole table (global recoding), classes that fail the models are suppressed, and the
node with the least loss among those within the limit is found and proved best. The search keeps a lower bound for
every open node, looks along chains from the most promising one for the border of what can be released, near where the
last chains had it, and drops nodes by what each visit proves (docs/PRUNING.md); stopped early, it returns its best and the proven bound. Wide lattices are
searched as boxes (search_wide). Sources: LeFevre et al. 2005 (Incognito), El Emam et al. 2009 (OLA), Kohlmayer et al.
2012 (Flash). Global recoding does not adapt to sparse places; a safe class is no protection against what the table as
a whole tells, nor against a second table of the same people (rulings 11–13).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from anonkit.base.errors import AnonkitError
from anonkit.base.progress import Progress
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.measures import NormalisedCertaintyPenalty
from anonkit.kanon.models import Model
from anonkit.kanon.search_tables import ClassTable
from anonkit.kanon.search_visit import Problem, Visit
from anonkit.kanon.search_wide import search_boxes

WIDE_NODES = 1_000_000
_TIE = 1e-9
_STEPS = 3
"""Neighbours tried from where the border of what can be released was guessed, before the rest of a chain is halved."""
_LEARNT = 0.2


class NoLevelsError(AnonkitError, ValueError):
    """No node of the lattice satisfies the models within the suppression limit."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The best levels and what was proved about them."""

    columns: tuple[str, ...]
    levels: tuple[int, ...]
    measure: str
    loss: float
    bound: float
    """No table within the limit loses less than this."""
    optimal: bool
    suppressed_rows: int
    total_rows: int
    lost_persons: int | None
    classes: int
    largest: int
    nodes: int
    visits: tuple[Visit, ...] = field(repr=False)
    seconds: float

    @property
    def gap(self) -> float:
        """How much worse than the bound the result can be, as a share of its loss."""
        return 0.0 if self.optimal or self.loss <= 0 else max(0.0, 1 - self.bound / self.loss)

    @property
    def suppressed_share(self) -> float:
        """Share of rows suppressed. Inside only: a recipient sees bands (ruling 11)."""
        return self.suppressed_rows / max(self.total_rows, 1)

    def explored(self) -> pd.DataFrame:
        """One row a visited node: levels, verdict, suppressed rows, loss; for frontier figures. Inside only."""
        rows = [
            {
                **dict(zip(self.columns, v.levels, strict=True)),
                "verdict": v.verdict,
                "suppressed_rows": v.suppressed_rows,
                "classes": v.classes,
                "loss": v.loss,
            }
            for v in self.visits
        ]
        return pd.DataFrame(rows)


def search(
    table: ClassTable,
    hierarchies: Sequence[Hierarchy],
    models: Sequence[Model],
    *,
    max_suppressed: float,
    measure: str = "discernibility",
    suppressed_unit: str = "rows",
    time_budget_s: float | None = None,
    measure_options: Mapping[str, float] | None = None,
    progress: Progress | None = None,
    on_visit: Callable[[Visit, float, float], None] | None = None,
) -> SearchResult:
    """Find the levels with the least loss that satisfy every model within the suppression limit.

    Parameters
    ----------
    table : base classes, their rows, and pairs with persons and drivers.
    hierarchies : one a column, in the table's order.
    models : all must hold in each released class.
    max_suppressed : share that may be suppressed.
    suppressed_unit : ``rows``, or ``persons``: those none of whose rows is released.
    time_budget_s : stop after this time with the best so far and the proven bound.
    on_visit : told of each visit, the best loss and the bound so far.

    Raises
    ------
    NoLevelsError : not even the coarsest table satisfies the models within the limit.

    Privacy
    -------
    Each released class satisfies the models in the unit they name. The chosen levels depend on the data: they are
    an output of the release, not public beforehand. Spends nothing.

    Sources
    -------
    Kohlmayer et al. 2012, Flash; El Emam et al. 2009, OLA; docs/PRUNING.md.

    Examples
    --------
    >>> from anonkit.kanon.models import KAnonymity
    >>> zone = Hierarchy.from_mapping("zone", {"a1": ["a", "*"], "a2": ["a", "*"], "b1": ["b", "*"]})
    >>> rows = ClassTable.of({"zone": zone.encode(["a1", "a2", "b1", "b1"])}, sizes=[3], person=np.array([1, 2, 3, 4]))
    >>> search(rows, [zone], [KAnonymity(k=2, protect="person")], max_suppressed=0.0).levels
    (1,)
    """
    start = time.perf_counter()
    problem = Problem(
        table,
        hierarchies,
        models,
        measure=measure,
        max_suppressed=max_suppressed,
        suppressed_unit=suppressed_unit,
        measure_options=measure_options,
    )
    deadline = np.inf if time_budget_s is None else start + time_budget_s
    nodes = int(np.prod([float(n) for n in problem.shape]))
    with (progress or Progress()).stage("search"):
        finder = search_boxes if nodes > WIDE_NODES else _search_band
        best, bound = finder(problem, deadline, on_visit)
    if best is None and bound == np.inf:
        raise NoLevelsError(
            f"no generalisation satisfies the models within the limit of {max_suppressed:.0%} of {suppressed_unit}",
            hint="a higher limit, a smaller k, or a hierarchy that ends in one value for all.",
            max_suppressed=max_suppressed,
        )
    if best is None:
        raise NoLevelsError(
            "the time budget ended before any table within the limit was found",
            hint="a larger time_budget_s, or coarser base levels.",
            bound=bound,
        )
    return SearchResult(
        columns=table.columns,
        levels=best.levels,
        measure=measure,
        loss=best.loss,
        bound=min(bound, best.loss),
        optimal=bound >= best.loss * (1 - _TIE),
        suppressed_rows=best.suppressed_rows,
        total_rows=table.total_rows,
        lost_persons=best.lost_persons,
        classes=best.classes,
        largest=best.largest,
        nodes=nodes,
        visits=tuple(problem.visited.values()),
        seconds=time.perf_counter() - start,
    )


def better(new: Visit, old: Visit | None) -> bool:
    """Less loss; among equals fewer levels, then the smaller level tuple: the result does not hang on the order."""
    if new.verdict != "released":
        return False
    if old is None:
        return True
    if abs(new.loss - old.loss) > _TIE * abs(old.loss):
        return new.loss < old.loss
    return (sum(new.levels), new.levels) < (sum(old.levels), old.levels)


def _search_band(
    problem: Problem, deadline: float, on_visit: Callable[[Visit, float, float], None] | None
) -> tuple[Visit | None, float]:
    """Search with one bound for each node of the lattice."""
    shape = problem.shape
    base_floor = problem.measure.floors()
    floors = np.zeros(shape) if base_floor is None else base_floor.copy()
    guide = base_floor
    if base_floor is None or problem.measure.floors_need_classes:
        guide = NormalisedCertaintyPenalty(problem.table, problem.hierarchies, problem.least_rows).floors()
    assert guide is not None
    is_open = np.ones(shape, dtype=bool)
    best: Visit | None = None

    def limit() -> float:
        return np.inf if best is None else best.loss * (1 + _TIE) + 1e-300

    def visit(levels: tuple[int, ...]) -> bool:
        """True when finer nodes may still be released."""
        nonlocal best
        seen = problem.visit(levels, best=limit())
        if better(seen, best):
            best = seen
        is_open[levels] = False
        finer = tuple(slice(0, level + 1) for level in levels)
        coarser = tuple(slice(level, None) for level in levels)
        np.maximum(floors[coarser], seen.floor_coarser, out=floors[coarser])
        least, extra = seen.floor_finer
        hopeless = seen.prunes_finer or least > limit()
        if hopeless:
            is_open[finer] = False
        else:
            np.maximum(floors[finer], least, out=floors[finer])
            if seen.floor_split is not None:
                np.maximum(floors[finer], problem.split_floors(seen), out=floors[finer])
            if extra and base_floor is not None:
                np.maximum(floors[finer], base_floor[finer] + extra, out=floors[finer])
        if on_visit is not None:
            on_visit(seen, np.inf if best is None else best.loss, float(floors[is_open].min(initial=limit())))
        return not hopeless

    visit(tuple(n - 1 for n in shape))
    spans = _log_spans(problem)
    guess: float | None = None
    while True:
        is_open &= floors <= limit()
        if not is_open.any():
            return best, np.inf if best is None else best.loss
        if time.perf_counter() > deadline:
            return best, float(min(floors[is_open].min(), limit()))
        chain = _chain(is_open, floors, guide)
        low, high, steps = 0, len(chain), 0
        at = high // 2 if guess is None else int(np.argmin([abs(spans[node] - guess) for node in chain]))
        while low < high and time.perf_counter() < deadline:
            node = chain[at]
            beyond = bool(floors[node] > limit())
            if visit(node) if is_open[node] and not beyond else beyond:
                high = at
            else:
                low = at + 1
            steps += 1
            near = high - 1 if high == at else low
            at = (low + high) // 2 if guess is None or steps > _STEPS else near
        if 0 < low < len(chain):
            border = float(spans[chain[low - 1]] + spans[chain[low]]) / 2
            guess = border if guess is None else guess + (border - guess) * _LEARNT


def _log_spans(problem: Problem) -> np.ndarray:
    """Logarithm of the number of classes that each node could have: where it is alike, what is suppressed is alike."""
    spans = np.zeros(problem.shape)
    for j, hierarchy in enumerate(problem.hierarchies):
        spans += np.log(hierarchy.sizes).reshape([-1 if i == j else 1 for i in range(len(problem.shape))])
    return spans


def _chain(is_open: np.ndarray, floors: np.ndarray, guide: np.ndarray) -> list[tuple[int, ...]]:
    """A path of open nodes, each one level above the last, from the most promising one up."""
    flat = np.flatnonzero(is_open)
    values = floors.ravel()[flat]
    least = flat[values <= values.min() * (1 + 1e-12)]
    start = int(least[np.argmin(guide.ravel()[least])])
    node = tuple(int(x) for x in np.unravel_index(start, is_open.shape))
    chain = [node]
    while True:
        steps = []
        for j, level in enumerate(node):
            if level + 1 < is_open.shape[j]:
                up = (*node[:j], level + 1, *node[j + 1 :])
                if is_open[up]:
                    steps.append((float(guide[up]), up))
        if not steps:
            return chain
        node = min(steps)[1]
        chain.append(node)
