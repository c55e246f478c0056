"""A person's places of one day as one row, so that no few of them name him: k^m protection as an estimator.

The library never links trips by itself: no recipe publishes them together. Where a study needs to know which places are
visited on one day, this makes sets (or sequences) of a person and a day, and generalises places until any ``m`` of them are
shared by ``k`` people; where the day is told, among the people of that day. Nothing is learnt in ``fit``; k is enforced in
``transform``, on the table that leaves. Two days of one person are two rows that nothing links.

Does not protect against who knows more than ``m`` places of a day, nor against other products of the same people beside
it: give out nothing else of them (ruling 11), and never pooled with a release of a recipe.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator

from anonkit.base.errors import SchemaError
from anonkit.kanon.estimators_frames import taken
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.setvalued import protect_sets
from anonkit.schema import Table


class DaySets(BaseEstimator):
    """Sets of places of a person and day in which any m places are shared by k people.

    Parameters
    ----------
    k, m : least people who share each combination of up to m places; no defaults.
    hierarchy : of the places; its column names the column of the table.
    protect : column of the people who are counted; no default.
    day : column of the day.
    tell_day : whether the day is published; then each day is protected by itself. No default.
    order : column by which places of a day are put in order; then sequences are protected, else sets.

    Attributes
    ----------
    left_out_ : rows of the table none of whose set is left. Inside only.

    Privacy
    -------
    Each combination of up to m released places occurs for at least k distinct people of the transformed table (and day).
    Whole sets may be rarer. Spends nothing.

    Sources
    -------
    Terrovitis, Mamoulis and Kalnis 2008, Privacy-preserving anonymization of set-valued data.

    Examples
    --------
    >>> zone = Hierarchy.from_mapping("zone", {"a1": ["a", "*"], "a2": ["a", "*"], "b1": ["b", "*"]})
    >>> trips = pd.DataFrame({"zone": ["a1", "b1", "a2", "b1"], "person": ["ann", "ann", "bob", "bob"], "day": 1})
    >>> DaySets(k=2, m=2, hierarchy=zone, protect="person", day="day", tell_day=False).fit_transform(trips)["places"].tolist()
    ['a + b1', 'a + b1']
    """

    def __init__(
        self,
        *,
        k: int,
        m: int,
        hierarchy: Hierarchy,
        protect: str,
        day: str,
        tell_day: bool,
        order: str | None = None,
    ) -> None:
        self.k = k
        self.m = m
        self.hierarchy = hierarchy
        self.protect = protect
        self.day = day
        self.tell_day = tell_day
        self.order = order

    def fit(self, X: Any, y: Any = None) -> DaySets:
        """Look at the names of the columns; nothing of the rows is learnt."""
        X = taken(X)
        names = list(X.schema.names) if isinstance(X, Table) else list(X.columns)
        missing = [name for name in self._wanted() if name not in names]
        if missing:
            raise SchemaError(f"the table lacks the columns {missing}", hint=f"columns are {names}.")
        self.dropped_: tuple[str, ...] = tuple(name for name in names if name != self.hierarchy.column)
        return self

    def transform(self, X: Any) -> pd.DataFrame:
        """One row a person and day of *this* table: ``places``, and the day where it is told; sorted by themselves."""
        if not hasattr(self, "dropped_"):
            raise SchemaError("DaySets does not know the columns yet", hint="call fit first.")
        X, wanted = taken(X), self._wanted()
        if isinstance(X, Table):
            frame = X.session.collect(X.frame.select(*wanted)).to_pandas()
        else:
            frame = X[wanted].reset_index(drop=True)
        frame = frame[frame[self.protect].notna() & frame[self.day].notna()]
        if self.order is not None:
            frame = frame.sort_values([self.order], kind="stable")
        tree = self.hierarchy.with_unknown() if frame[self.hierarchy.column].isna().any() else self.hierarchy
        parts = [rows for _, rows in frame.groupby(self.day)] if self.tell_day else [frame]
        made = [self._protected(rows, tree) for rows in parts if len(rows)]
        columns = [*([self.day] if self.tell_day else []), "places"]
        told = pd.concat(made, ignore_index=True) if made else pd.DataFrame(columns=[*columns, "n"])
        self.left_out_: int = len(X) - int(told["n"].sum())
        return told[columns].sort_values(columns, key=lambda s: s.astype(str), ignore_index=True)

    def fit_transform(self, X: Any, y: Any = None) -> pd.DataFrame:
        """``fit`` and ``transform`` on the same table."""
        return self.fit(X).transform(X)

    def _wanted(self) -> list[str]:
        more = [] if self.order is None else [self.order]
        return list(dict.fromkeys([self.hierarchy.column, self.protect, self.day, *more]))

    def _protected(self, rows: pd.DataFrame, tree: Hierarchy) -> pd.DataFrame:
        days = rows.groupby([self.protect, self.day], sort=False)[self.hierarchy.column].agg(list).reset_index()
        made = protect_sets(
            days[self.hierarchy.column].tolist(),
            days[self.protect].tolist(),
            tree,
            k=self.k,
            m=self.m,
            ordered=self.order is not None,
        )
        mark = " > " if self.order is not None else " + "
        told = pd.DataFrame(
            {
                self.day: days[self.day],
                "places": [mark.join(places) for places in made.sets],
                "n": days[self.hierarchy.column].map(len),
            }
        )
        return told[told["places"] != ""]
