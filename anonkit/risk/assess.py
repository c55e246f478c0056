"""Risk of anybody's table: columns with roles in, figures out; what ``anonkit risk PATH`` runs.

The caller says which columns say who (person), what others can know (quasi), where and when, and which hold ids.
Without a person column every row counts as its own person, and the figures say so: that is the *best* case for
the publisher, as one person may own many rows. Source: issue 7, part 8. Does not guess roles from names, and cannot see
an attacker who knows more than the quasi-identifiers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from anonkit.base.errors import SchemaError
from anonkit.risk.classes import ClassRisk, class_risk
from anonkit.risk.hashes import HashShape, hash_shape
from anonkit.risk.incidence import combine
from anonkit.risk.result import RiskFigure
from anonkit.risk.trips import TripUniqueness, class_table, trip_uniqueness
from anonkit.risk.unicity import unicity_risk

KNOWN_POINTS = (1, 2, 4)


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the columns of a foreign table are."""

    quasi: tuple[str, ...]
    """Columns somebody can know; together they make the class."""
    person: str | None = None
    place: tuple[str, ...] = ()
    """Columns that say where, for unicity."""
    time: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    """Columns of ids that are published; looked at by shape only."""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What was found in a table."""

    classes: ClassRisk
    trips: TripUniqueness
    figures: tuple[RiskFigure, ...]
    identifiers: Mapping[str, HashShape]
    unit: str
    """``person``, or ``row`` where the table names nobody."""

    def fails_over(self, threshold: Fraction) -> bool:
        """Whether the largest row-level risk is above the threshold, or ids are published (exact fractions)."""
        flagged = any(shape.flagged for shape in self.identifiers.values())
        return flagged or not self.classes.passes(threshold)


def assess_table(columns: Mapping[str, ArrayLike], roles: Roles, *, seed: int, persons: int = 2000) -> Assessment:
    """Class risk, uniqueness, unicity and id shapes of a table.

    Parameters
    ----------
    columns : arrays by name, all of one length; a null in a quasi-identifier is a value of its own, a null person is
        nobody (ruling 1).
    roles : what the columns are.
    seed : of the sampled attacks.
    persons : at most so many are attacked for unicity.

    Returns
    -------
    Assessment

    Raises
    ------
    SchemaError : a column of the roles is missing, or there is no quasi-identifier.

    Privacy
    -------
    Reads the table in memory; returns counts and shares only.

    Sources
    -------
    See the module.

    Examples
    --------
    >>> found = assess_table({"who": ["a", "a", "b"], "from": [1, 1, 1]}, Roles(quasi=("from",), person="who"), seed=1)
    >>> found.classes.prosecutor_max, found.fails_over(Fraction(1, 11))
    (Fraction(2, 3), True)
    """
    wanted = {*roles.quasi, *roles.place, *roles.time, *roles.identifiers, *([roles.person] if roles.person else [])}
    missing = sorted(wanted - set(columns))
    if missing or not roles.quasi:
        raise SchemaError(
            f"the table lacks the columns {missing}." if missing else "no quasi-identifier was named.",
            hint=f"it has {sorted(columns)}; name those that somebody can know.",
        )
    rows = len(np.asarray(columns[roles.quasi[0]]))
    person = _codes(columns[roles.person], null=-1) if roles.person else np.arange(rows)
    quasi = [_codes(columns[name], null=0) for name in roles.quasi]
    figures: list[RiskFigure] = []
    classes = class_risk(*class_table(person, *quasi))
    figures += classes.figures()
    if roles.person and roles.place and roles.time:
        item = _together(columns, (*roles.place, *roles.time))
        figures += unicity_risk(person, item, known=KNOWN_POINTS, persons=persons, seed=seed)
    return Assessment(
        classes=classes,
        trips=trip_uniqueness(*quasi),
        figures=tuple(figures),
        identifiers={name: hash_shape(map(str, pd.unique(pd.Series(columns[name])))) for name in roles.identifiers},
        unit="person" if roles.person else "row",
    )


def _codes(values: ArrayLike, *, null: int) -> NDArray[np.int64]:
    """Codes from 1, nulls as ``null``."""
    codes, _ = pd.factorize(np.asarray(values))
    return np.where(codes < 0, null, codes + 1).astype(np.int64)


def _together(columns: Mapping[str, ArrayLike], names: Sequence[str]) -> NDArray[np.int64]:
    return combine(*(_codes(columns[name], null=-1) for name in names))
