"""``KAnonymizer``: choose levels by ``fit``, release only safe classes by ``transform``; scikit-learn's manners.

``fit`` learns levels and nothing else: class sizes are never remembered, and k is enforced in ``transform``, on the
table that leaves. What leaves are the generalised columns, sorted by themselves, with those declared sensitive, which
need a diversity model (ruling 5); every other column is dropped and listed. Works on pandas, GeoDataFrame (geometry is
taken off: a point is an exact place) and ``anonkit.schema.Table``, where the engine groups before anything is fetched.
One released table is safe by itself; a second one of the same people needs the gate's differencing (ruling 13).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator

from anonkit.base.errors import SchemaError
from anonkit.kanon.estimators_frames import taken
from anonkit.kanon.estimators_input import Coded, code_table, is_table, plan_bytes, released_rows, released_table
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.models import DistinctDiversity, KAnonymity, Model, ShareModel
from anonkit.kanon.search import SearchResult, search
from anonkit.kanon.search_visit import Problem, Visit


class KAnonymizer(BaseEstimator):
    """Global recoding to k persons a class, at the least loss within a suppression limit.

    Parameters
    ----------
    k : least persons (drivers, rows) of a released class; no default.
    protect : ``person``, ``driver``, ``row``, or a sequence such as ``("person", "driver")``; no default.
    max_suppressed : share of rows (or persons) that may be left out; no default.
    measure : ``discernibility``, ``ncp``, ``class_size``, ``entropy`` or ``displacement``.
    hierarchies : column → Hierarchy, or a sequence; for a Table, cells and bins have their own.
    k_driver : threshold of drivers where it differs from ``k``.
    sensitive : columns released as they are; each needs one of ``models``, for which a null is no value.
    models : further conditions on each class.
    suppressed_unit : ``rows`` or ``persons``.
    person, driver : names of the columns.
    among : column of groups of operators between which persons cannot be matched; a class then holds the most that one
        group has of it, never the sum (ruling 2).
    population : data frame of a public population, one row a person, with the columns that have hierarchies; for ``KMap``.
    time_budget_s : stop after this time with the best so far; ``result_.bound`` is what no table can lose less than.
    on_visit : told of each node that ``fit`` looks at, the best loss and the bound so far. Inside only.
    keep_units : keep person and driver columns; default on a Table only, where their role forbids release.

    Attributes
    ----------
    levels_ : column → name of the chosen level.
    result_ : SearchResult with loss, proven bound and explored nodes. Inside only.
    dropped_ : columns that do not leave.

    Privacy
    -------
    Each class that leaves holds at least k distinct persons of the transformed table. Spends nothing.

    Sources
    -------
    Samarati 2001; LeFevre et al. 2005; SOUNDNESS rulings 1–10.

    Examples
    --------
    >>> zone = Hierarchy.from_mapping("zone", {"a1": ["a", "*"], "a2": ["a", "*"], "b1": ["b", "*"]})
    >>> trips = pd.DataFrame({"zone": ["a1", "a2", "b1", "b1"], "person": ["ann", "bob", "cem", "dan"], "fare": 3})
    >>> anon = KAnonymizer(k=2, protect="person", max_suppressed=0.0, measure="ncp", hierarchies=[zone]).fit(trips)
    >>> anon.levels_
    {'zone': 'level1'}
    >>> anon.transform(trips)["zone"].tolist(), anon.dropped_
    (['a', 'a', 'b', 'b'], ('person', 'fare'))
    """

    def __init__(
        self,
        *,
        k: int,
        protect: str | Sequence[str],
        max_suppressed: float,
        measure: str = "displacement",
        hierarchies: Mapping[str, Hierarchy] | Sequence[Hierarchy] | None = None,
        k_driver: int | None = None,
        sensitive: Sequence[str] = (),
        models: Sequence[Model] = (),
        suppressed_unit: str = "rows",
        person: str = "person",
        driver: str = "driver",
        among: str | None = None,
        population: pd.DataFrame | None = None,
        keep_units: bool | None = None,
        time_budget_s: float | None = None,
        on_visit: Callable[[Visit, float, float], None] | None = None,
    ) -> None:
        self.k = k
        self.protect = protect
        self.max_suppressed = max_suppressed
        self.measure = measure
        self.hierarchies = hierarchies
        self.k_driver = k_driver
        self.sensitive = sensitive
        self.models = models
        self.suppressed_unit = suppressed_unit
        self.person = person
        self.driver = driver
        self.among = among
        self.population = population
        self.keep_units = keep_units
        self.time_budget_s = time_budget_s
        self.on_visit = on_visit

    # ---- scikit-learn
    def fit(self, X: Any, y: Any = None) -> KAnonymizer:
        """Choose the levels on a table."""
        self._fit(self._code(taken(X)))
        return self

    def transform(self, X: Any) -> Any:
        """Generalise to the learnt levels and release the classes of *this* table that satisfy every model."""
        if not self.__sklearn_is_fitted__():
            raise SchemaError("KAnonymizer has learnt no levels", hint="call fit first.")
        X = taken(X)
        coded = self._code(X)
        return self._release(X, coded, self._problem(coded))

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """``fit`` and ``transform`` on the same table, which is coded once."""
        X = taken(X)
        coded = self._code(X)
        return self._release(X, coded, self._fit(coded))

    def _fit(self, coded: Coded) -> Problem:
        if not coded.table.total_rows:
            raise SchemaError("the table has no rows to choose levels by", hint="fit on the rows that shall leave.")
        result = search(
            coded.table,
            coded.hierarchies,
            self._all_models(),
            max_suppressed=self.max_suppressed,
            measure=self.measure,
            suppressed_unit=self.suppressed_unit,
            time_budget_s=self.time_budget_s,
            on_visit=self.on_visit,
        )
        self.result_: SearchResult = result
        self.dropped_: tuple[str, ...] = coded.dropped
        self._levels = dict(zip(result.columns, result.levels, strict=True))
        self.levels_: dict[str, str] = {h.column: h.names[self._levels[h.column]] for h in coded.hierarchies}
        problem = self._problem(coded)
        self._explanation = self._explain(problem, result)
        return problem

    def _release(self, X: Any, coded: Coded, problem: Problem) -> Any:
        named = {h.column: dict(enumerate(h.names)) for h in coded.hierarchies}
        changed = [c for c, names in named.items() if names.get(self._levels.get(c, -1)) != self.levels_.get(c, "")]
        if changed:
            raise SchemaError(f"the hierarchies of {changed} are not those of fit", hint="fit again.")
        levels = tuple(self._levels[h.column] for h in coded.hierarchies)
        node, released = problem.released(levels)
        keep_units = is_table(X) if self.keep_units is None else self.keep_units
        units = [self.person, self.driver] if keep_units else []
        if is_table(X):
            return released_table(X, coded, levels, node, released, tuple(self.sensitive), units)
        kept = released[problem.counter.base_group(node)]
        return released_rows(X, coded, levels, kept, tuple(self.sensitive), units)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "levels_")

    # ---- what a person asks
    def explain(self) -> pd.DataFrame:
        """For each column: its level, its part of the loss, and what one level coarser or finer would suppress.

        Inside only: it tells exact numbers of suppressed rows.
        """
        if not self.__sklearn_is_fitted__():
            raise SchemaError("KAnonymizer has learnt no levels", hint="call fit first.")
        return self._explanation.copy()

    def plan(self, X: Any) -> dict[str, int]:
        """Rows and bytes that ``fit`` would fetch from a Table, without fetching them."""
        return plan_bytes(
            taken(X), self._hierarchies_by_column(), self.person, self.driver, tuple(self.sensitive), self.among
        )

    # ---- parts
    def _code(self, X: Any) -> Coded:
        units = self._units()
        return code_table(
            X,
            self._hierarchies_by_column(),
            person=self.person,
            driver=self.driver,
            needed=units,
            sensitive=tuple(self.sensitive),
            among=self.among,
            population=self.population,
        )

    def _hierarchies_by_column(self) -> dict[str, Hierarchy] | None:
        if self.hierarchies is None or isinstance(self.hierarchies, Mapping):
            return None if self.hierarchies is None else dict(self.hierarchies)
        return {h.column: h for h in self.hierarchies}

    def _units(self) -> tuple[str, ...]:
        units = (self.protect,) if isinstance(self.protect, str) else tuple(self.protect)
        wrong = [u for u in units if u not in ("person", "driver", "row")]
        if wrong or not units:
            raise SchemaError(f"protect names {wrong}", hint="person, driver or row.")
        return units

    def _all_models(self) -> list[Model]:
        found: list[Model] = []
        for unit in self._units():
            least = self.k_driver if unit == "driver" and self.k_driver is not None else self.k
            found.append(KAnonymity(k=least, protect=unit))  # type: ignore[arg-type]
        unknown = sorted({m.sensitive for m in self.models if hasattr(m, "sensitive")} - set(self.sensitive))
        if unknown:
            raise SchemaError(
                f"models look at the columns {unknown}, which are not sensitive", hint=f"sensitive={unknown}."
            )
        covered = {m.sensitive for m in self.models if isinstance(m, (ShareModel, DistinctDiversity))}
        bare = sorted(set(self.sensitive) - covered)
        if bare:
            raise SchemaError(
                f"the sensitive columns {bare} leave without a diversity model (ruling 5)",
                hint="models=[DistinctDiversity(l=2, sensitive=…)], or generalise them by a hierarchy.",
            )
        return [*found, *self.models]

    def _problem(self, coded: Coded) -> Problem:
        return Problem(
            coded.table,
            coded.hierarchies,
            self._all_models(),
            measure=self.measure,
            max_suppressed=1.0,
            suppressed_unit=self.suppressed_unit,
        )

    def _explain(self, problem: Problem, result: SearchResult) -> pd.DataFrame:
        problem.released(result.levels)  # coarser tables are made from it
        rows = []
        for j, h in enumerate(problem.hierarchies):
            level = result.levels[j]

            def suppressed(step: int, j: int = j, level: int = level, height: int = h.height) -> int | None:
                if not 0 <= level + step < height:
                    return None
                node = (*result.levels[:j], level + step, *result.levels[j + 1 :])
                table, released = problem.released(node)
                return problem.table.total_rows - int(table.rows[released].sum())

            rows.append(
                {
                    "column": h.column,
                    "level": h.names[level],
                    "displacement": None if h.displacement is None else h.displacement[level],
                    "unit": h.unit,
                    "suppressed": result.suppressed_rows,
                    "suppressed_if_coarser": suppressed(1),
                    "suppressed_if_finer": suppressed(-1),
                }
            )
        return pd.DataFrame(rows)


def k_anonymise(table: Any, *, k: int, protect: str | Sequence[str], max_suppressed: float, **options: Any) -> Any:
    """Fit and transform in one call; the same names as ``KAnonymizer``.

    Privacy
    -------
    As ``KAnonymizer``. Spends nothing.

    >>> zone = Hierarchy.flat("zone", ["a", "b"])
    >>> trips = pd.DataFrame({"zone": ["a", "a", "b"], "person": [1, 2, 3]})
    >>> len(k_anonymise(trips, k=2, protect="person", max_suppressed=0.4, measure="ncp", hierarchies=[zone]))
    2
    """
    return KAnonymizer(k=k, protect=protect, max_suppressed=max_suppressed, **options).fit_transform(table)
