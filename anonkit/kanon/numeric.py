"""Estimators for continuous columns: boxes of k people (Mondrian) and means of k people (MDAV), in scikit-learn's manners.

Neither remembers anything of the table it was fitted on: boxes and groups are made in ``transform``, of the table that
leaves, so that k holds there. What leaves are the columns with public rasters, sorted by themselves; everything else is
dropped and listed. A null is its own category: rows that lack the same columns are cut among themselves, and say so. The
refinement attack is run on every set of boxes; a box that it settles is left out, and the verdict is kept. Neither stops
membership inference, nor limits the share of a heavy rider: thin rows first (`classes.thinning`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from anonkit.base.errors import SchemaError
from anonkit.kanon.adaptive_attack import RefinementVerdict, attack_boxes
from anonkit.kanon.estimators_frames import taken
from anonkit.kanon.hierarchies import UNKNOWN
from anonkit.kanon.microaggregation import microaggregate
from anonkit.kanon.mondrian import Raster, partition
from anonkit.kanon.search_tables import unit_numbers
from anonkit.schema import Table


class _Numeric(BaseEstimator):
    """What both share: columns, people, nulls, and the table that leaves."""

    def __init__(self, *, k: int, rasters: Mapping[str, Raster], protect: str, keep_units: bool = False) -> None:
        self.k = k
        self.rasters = rasters
        self.protect = protect
        self.keep_units = keep_units

    def fit(self, X: Any, y: Any = None) -> Any:
        """Look at the names of the columns; nothing of the rows is learnt."""
        X = taken(X)
        names = list(X.schema.names) if isinstance(X, Table) else list(X.columns)
        missing = [name for name in (*self.rasters, self.protect) if name not in names]
        if missing or not self.rasters:
            raise SchemaError(
                f"the table lacks the columns {missing}" if missing else "no column has a raster",
                hint=f"columns are {names}; rasters={{column: Raster(lower=…, upper=…, step=…)}}, protect='person'.",
            )
        self.dropped_: tuple[str, ...] = tuple(name for name in names if name not in self._released())
        return self

    def transform(self, X: Any) -> pd.DataFrame:
        """The released rows of *this* table, sorted by themselves, with a fresh index."""
        if not hasattr(self, "dropped_"):
            raise SchemaError(f"{type(self).__name__} does not know the columns yet", hint="call fit first.")
        X, wanted = taken(X), list(dict.fromkeys([*self.rasters, self.protect]))
        if isinstance(X, Table):
            frame = X.session.collect(X.frame.select(*wanted)).to_pandas()
        else:
            frame = X[wanted].reset_index(drop=True)
        person = unit_numbers(frame[self.protect])
        parts = [self._of(frame.loc[rows], person[rows], columns) for rows, columns in self._patterns(frame)]
        made = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=self._released())
        self.left_out_: int = len(frame) - len(made)
        made = made[self._released()]
        return made.sort_values(list(self.rasters), key=lambda s: s.astype(str), ignore_index=True)

    def fit_transform(self, X: Any, y: Any = None) -> pd.DataFrame:
        """``fit`` and ``transform`` on the same table."""
        return self.fit(X).transform(X)

    def _released(self) -> list[str]:
        return [*self.rasters, *([self.protect] if self.keep_units else [])]

    def _patterns(self, frame: pd.DataFrame) -> Iterator[tuple[np.ndarray, list[str]]]:
        """Rows that have values in the same columns, and these columns."""
        known = frame[list(self.rasters)].notna().to_numpy()
        for pattern in np.unique(known, axis=0):
            rows = np.flatnonzero((known == pattern).all(axis=1))
            yield rows, [name for name, there in zip(self.rasters, pattern, strict=True) if there]

    def _of(self, frame: pd.DataFrame, person: np.ndarray, columns: list[str]) -> pd.DataFrame:
        """The released rows of one pattern of nulls."""
        if columns:
            values = {name: _floats(frame[name]) for name in columns}
            told, stands = self._made(values, person, {name: self.rasters[name] for name in columns})
        else:
            enough = len(np.unique(person[person >= 0])) >= self.k
            told, stands = {}, np.full(len(frame), enough)
        shown = {name: told[name][stands] if name in told else self._nothing() for name in self.rasters}
        units = {self.protect: frame[self.protect].to_numpy()[stands]} if self.keep_units else {}
        return pd.DataFrame({**shown, **units}, index=range(int(stands.sum())))

    def _made(
        self, values: dict[str, np.ndarray], person: np.ndarray, rasters: dict[str, Raster]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        raise NotImplementedError

    def _nothing(self) -> Any:
        """What stands for a null."""
        raise NotImplementedError


class BoxAnonymizer(_Numeric):
    """Numbers become intervals of boxes that hold at least k people each (Mondrian).

    Parameters
    ----------
    k : least people of a released box; no default.
    rasters : column → public bounds and step.
    protect : column of the people who are counted, such as ``person``; no default.
    keep_units : keep that column; it must not leave.

    Attributes
    ----------
    attack_ : RefinementVerdict over all boxes that were cut, those left out included. Inside only.
    left_out_ : rows that do not leave. Inside only.
    dropped_ : columns that do not leave.

    Privacy
    -------
    Each released combination of intervals holds at least k distinct people of the transformed table. Spends nothing.

    Sources
    -------
    LeFevre, DeWitt and Ramakrishnan 2006; Chhillar et al. 2025, arXiv 2509.03350.

    Examples
    --------
    >>> trips = pd.DataFrame({"km": [1.0, 2.0, 8.0, 9.0, None], "person": ["ann", "bob", "cem", "dan", "eve"]})
    >>> box = BoxAnonymizer(k=2, rasters={"km": Raster(lower=0, upper=10, step=1)}, protect="person")
    >>> box.fit_transform(trips)["km"].tolist(), box.left_out_
    (['[0, 5)', '[0, 5)', '[5, 10)', '[5, 10)'], 1)
    """

    def transform(self, X: Any) -> pd.DataFrame:
        """The released rows of *this* table; what the attack settles is left out."""
        self._verdicts: list[RefinementVerdict] = []
        made = super().transform(X)
        self.attack_ = RefinementVerdict.joined(self._verdicts)
        return made

    def _made(
        self, values: dict[str, np.ndarray], person: np.ndarray, rasters: dict[str, Raster]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        boxes = partition(values, person, k=self.k, rasters=rasters)
        verdict = attack_boxes(boxes, [rasters[name].step for name in boxes.columns], k=self.k)
        self._verdicts.append(verdict)
        stands = boxes.box >= 0
        stands[stands] = ~verdict.refined[boxes.box[stands]]
        labels = boxes.label()
        return {name: labels[name].to_numpy(dtype=object) for name in values}, stands

    def _nothing(self) -> Any:
        return UNKNOWN


class Microaggregator(_Numeric):
    """Numbers become means over groups of k to 2k-1 people, one value a person (MDAV).

    Parameters, attributes : as ``BoxAnonymizer``; there is no ``attack_``.

    Privacy
    -------
    Each released combination of means stands for at least k distinct people; rows of nobody do not leave. Spends nothing.

    Sources
    -------
    Domingo-Ferrer and Torra 2005; SOUNDNESS ruling 8.

    Examples
    --------
    >>> trips = pd.DataFrame({"km": [1.0, 1.0, 2.0, 9.0, 9.4], "person": ["ann", "ann", "bob", "cem", "dan"]})
    >>> mean = Microaggregator(k=2, rasters={"km": Raster(lower=0, upper=20, step=0.5)}, protect="person")
    >>> mean.fit_transform(trips)["km"].tolist()
    [1.5, 1.5, 1.5, 9.0, 9.0]
    """

    def _made(
        self, values: dict[str, np.ndarray], person: np.ndarray, rasters: dict[str, Raster]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        made = microaggregate(values, person, k=self.k, rasters=rasters)
        return made.values, made.group >= 0

    def _nothing(self) -> Any:
        return np.nan


def _floats(values: pd.Series) -> np.ndarray:
    try:
        return values.to_numpy(dtype=np.float64)
    except (TypeError, ValueError):  # whose text would tell a value
        raise SchemaError(
            f"column '{values.name}' has values that are no numbers", hint="read it as numbers."
        ) from None
