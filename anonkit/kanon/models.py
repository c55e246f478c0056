"""Privacy models: what one class of the released table must satisfy.

Thresholds (k persons, drivers or rows, distinct values, k-map) can only be helped by coarser classes, with and without
suppression. The others look at the shares inside a class: dominance of one person, entropy and recursive diversity,
t-closeness, (alpha,k), beta-likeness, delta-disclosure. Those are not monotone once classes may be suppressed (ruling
10), so the search never prunes by them unless nothing may be suppressed and rows are counted; which is which is
``monotone`` and ``monotone_unsuppressed``, proved in docs/PRUNING.md. Models combine: a class must pass each.
None of them stops membership inference, and a diverse class can still tell much (Li et al. 2007, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError
from anonkit.kanon.closeness import class_distances
from anonkit.kanon.parameters import require_within, whole

_TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Model:
    """One condition on a class."""

    monotone: ClassVar[bool] = False
    """Coarser classes keep what finer released ones satisfied, also when others were suppressed."""
    monotone_unsuppressed: ClassVar[bool] = False
    """The same where no class may be suppressed and rows are counted."""

    def threshold(self) -> tuple[str, int] | None:
        """(what is counted, least number) of a threshold model; None for the others."""
        return None


@dataclass(frozen=True, kw_only=True)
class KAnonymity(Model):
    """At least ``k`` distinct persons (drivers, rows) a class.

    Sources: Samarati and Sweeney 1998; persons instead of rows: SOUNDNESS ruling 1.

    >>> KAnonymity(k=5, protect="person").threshold()
    ('person', 5)
    """

    k: int
    protect: Literal["person", "driver", "row"]
    monotone: ClassVar[bool] = True
    monotone_unsuppressed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not whole(self.k) or self.protect not in ("person", "driver", "row"):
            raise SchemaError(
                f"k-anonymity with k={self.k!r} for '{self.protect}'",
                hint="a whole number k >= 1 for person, driver or row.",
            )

    def threshold(self) -> tuple[str, int]:
        return self.protect, self.k


@dataclass(frozen=True, kw_only=True)
class KMap(Model):
    """At least ``k`` people of a population table share the released values of a class (Sweeney 2002)."""

    k: int
    monotone: ClassVar[bool] = True
    monotone_unsuppressed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not whole(self.k):
            raise SchemaError(f"k-map with k={self.k!r}", hint="a whole number k >= 1.")

    def threshold(self) -> tuple[str, int]:
        return "population", self.k


@dataclass(frozen=True, kw_only=True)
class DistinctDiversity(Model):
    """At least ``l`` distinct values of a sensitive column (Machanavajjhala et al. 2007, section 4)."""

    l: int  # noqa: E741
    sensitive: str
    monotone: ClassVar[bool] = True
    monotone_unsuppressed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not whole(self.l):
            raise SchemaError(f"diversity with l={self.l!r}", hint="a whole number l >= 1.")

    def threshold(self) -> tuple[str, int]:
        return f"values:{self.sensitive}", self.l


@dataclass(frozen=True, kw_only=True)
class Dominance(Model):
    """No person has more than ``limit`` of a class's rows that have a person (ruling 6; the (1, limit) rule)."""

    limit: float
    protect: Literal["person", "driver"] = "person"
    monotone_unsuppressed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_within(self, "limit", 0, 1)


@dataclass(frozen=True, kw_only=True)
class ShareModel(Model):
    """A condition on the shares of a sensitive column's values in the class, beside those in the whole table."""

    sensitive: str

    def over(self, labels: np.ndarray) -> Self:
        """The model for a table whose sensitive values have these labels, in order of their numbers."""
        return self

    def value(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        """The figure of each class (rows of ``counts``), in the model's own unit."""
        raise NotImplementedError

    def passes(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        """Which classes satisfy the model; a class without any value does not."""
        raise NotImplementedError


def _shares(counts: np.ndarray) -> np.ndarray:
    total = counts.sum(axis=1, keepdims=True)
    return counts / np.maximum(total, 1)


@dataclass(frozen=True, kw_only=True)
class EntropyDiversity(ShareModel):
    """exp of the entropy of the shares is at least ``l`` (Machanavajjhala et al. 2007, definition 4.1)."""

    l: float  # noqa: E741
    monotone_unsuppressed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_within(self, "l", 1)

    def value(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        q = _shares(counts)
        return np.exp(-np.where(q > 0, q * np.log(np.where(q > 0, q, 1)), 0.0).sum(axis=1))

    def passes(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        return (counts.sum(axis=1) > 0) & (self.value(counts, overall) >= self.l * (1 - _TINY))


@dataclass(frozen=True, kw_only=True)
class RecursiveDiversity(ShareModel):
    """(c,l): the most frequent value is rarer than c times the sum from the l-th on (definition 4.2).

    pycanon 1.3.6 sorts the counts upwards before applying the formula; here r1 is the largest, as in the paper.
    """

    c: float
    l: int  # noqa: E741
    monotone_unsuppressed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_within(self, "c", 0)
        if not whole(self.l):
            raise SchemaError(f"recursive diversity with l={self.l!r}", hint="a whole number l >= 1.")

    def value(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        """r1 / (r_l + … + r_m); infinite where fewer than l values occur."""
        most, tail = self._parts(counts)
        return np.where(tail > 0, most / np.maximum(tail, 1), np.inf)

    def passes(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        most, tail = self._parts(counts)
        return most < self.c * tail

    def _parts(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r1 and r_l + … + r_m; none of both where no value is known at all."""
        falling = -np.sort(-counts, axis=1)
        return counts.max(axis=1, initial=0), falling[:, self.l - 1 :].sum(axis=1)


@dataclass(frozen=True, kw_only=True)
class TCloseness(ShareModel):
    """The earth mover's distance between class and table is at most ``t`` (Li, Li and Venkatasubramanian 2007)."""

    t: float
    distance: Literal["equal", "ordered", "hierarchical"]
    tree: Any = field(default=None, repr=False)
    """For ``hierarchical``: a Hierarchy with the column's values among its base values."""
    monotone_unsuppressed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_within(self, "t", 0, 1)
        if self.distance not in ("equal", "ordered", "hierarchical"):
            raise SchemaError(f"no distance '{self.distance}'", hint="equal, ordered or hierarchical.")

    def over(self, labels: np.ndarray) -> Self:
        if self.tree is None:
            return self
        places = pd.Index([str(v) for v in self.tree.labels[0]]).get_indexer(pd.Index([str(v) for v in labels]))
        if (places < 0).any():
            raise SchemaError(
                f"{int((places < 0).sum())} of {len(labels)} values of '{self.sensitive}' are not in the tree of t-closeness",
                hint="a Hierarchy that has each of them as a base value.",
            )
        codes = tuple(level[places] for level in self.tree.codes)
        base = np.arange(len(places), dtype=np.int32)
        made = replace(self.tree, codes=(base, *codes[1:]), labels=(labels, *self.tree.labels[1:]))
        return replace(self, tree=made)

    def value(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        return class_distances(_shares(counts), overall / max(overall.sum(), 1), kind=self.distance, tree=self.tree)

    def passes(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        return (counts.sum(axis=1) > 0) & (self.value(counts, overall) <= self.t + _TINY)


@dataclass(frozen=True, kw_only=True)
class AlphaK(ShareModel):
    """No value (or the one value named) has more than ``alpha`` of the class (Wong et al. 2006); k is a KAnonymity."""

    alpha: float
    of_value: Any = None
    """The value that must not be common; None for each of them."""
    value_number: int | None = None
    """Its number, where labels are not known; ``of_value`` finds it in each table."""
    monotone_unsuppressed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_within(self, "alpha", 0, 1)

    def over(self, labels: np.ndarray) -> Self:
        if self.of_value is None:
            return self
        places = [place for place, label in enumerate(labels) if str(label) == str(self.of_value)]
        if not places:
            raise SchemaError(
                f"the value of (alpha,k) is not among the {len(labels)} values of '{self.sensitive}'",
                hint="its spelling?",
            )
        return replace(self, value_number=places[0])

    def value(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        q = _shares(counts)
        return q.max(axis=1, initial=0.0) if self.value_number is None else q[:, self.value_number]

    def passes(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        return (counts.sum(axis=1) > 0) & (self.value(counts, overall) <= self.alpha + _TINY)


@dataclass(frozen=True, kw_only=True)
class BetaLikeness(ShareModel):
    """The share of a value grows by at most ``beta`` of itself; enhanced: by min(beta, -ln p) (Cao and Karras 2012)."""

    beta: float
    enhanced: bool
    monotone_unsuppressed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_within(self, "beta", 0)

    def value(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        """Largest relative gain of a value; a value that the table does not have is left out."""
        p = overall / max(overall.sum(), 1)
        have = p > 0
        return ((_shares(counts)[:, have] - p[have]) / p[have]).max(axis=1, initial=0.0)

    def passes(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        p = overall / max(overall.sum(), 1)
        have = p > 0
        gain = (_shares(counts)[:, have] - p[have]) / p[have]
        limit = np.minimum(self.beta, -np.log(p[have])) if self.enhanced else np.full(have.sum(), self.beta)
        return (counts.sum(axis=1) > 0) & (gain <= limit + _TINY).all(axis=1)


@dataclass(frozen=True, kw_only=True)
class DeltaDisclosure(ShareModel):
    """|ln(q/p)| is at most ``delta`` for each value (Brickell and Shmatikov 2008).

    ``absent="ignore"`` looks at the values present in the class, as pycanon and ARX do, and is not monotone even
    without suppression; ``absent="violates"`` is the paper's definition: a class that lacks a value tells that too.
    """

    delta: float
    absent: Literal["ignore", "violates"] = "ignore"

    def __post_init__(self) -> None:
        require_within(self, "delta", 0)

    def value(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        p = overall / max(overall.sum(), 1)
        have = p > 0
        q = _shares(counts)[:, have]
        ratio = np.where(q > 0, np.abs(np.log(np.where(q > 0, q, 1) / p[have])), 0.0)
        if self.absent == "violates":
            ratio = np.where(q > 0, ratio, np.inf)
        return ratio.max(axis=1, initial=0.0)

    def passes(self, counts: np.ndarray, overall: np.ndarray) -> np.ndarray:
        return (counts.sum(axis=1) > 0) & (self.value(counts, overall) <= self.delta + _TINY)
