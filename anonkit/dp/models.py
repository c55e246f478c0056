"""Models trained on bounded trips: travel-time band or mode from zone and hour, with a guarantee for persons.

What: diffprivlib's classifiers, fed with exactly ``rows`` rows: at most m trips a person by keyed hash, filled up with
random public rows, features scaled to 0…1 by declared bounds, classes declared. Why: diffprivlib guards one *replaced*
row of a table of known size and reads classes from the data; trips of a person are many rows, the number of trips is
private, and a class that only one person has would show. A person changes at most m of the ``rows`` rows; where a row
can move between classes or leaves it counts twice (``ROWS_CHANGED``). Source: Chaudhuri et al. 2011; Vaidya et al. 2013;
Fletcher, Islam 2017; group privacy: Dwork, Roth 2014, theorem 2.2. What it does not protect against: models and scores
on raw trips are raw-data results (ruling 21): score on held-out persons inside, or pay for it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from anonkit.base.entropy import fresh_key
from anonkit.base.errors import LedgerError, PrivacyLeakError, SchemaError
from anonkit.dp.bounding import hash_order, sample_trips
from anonkit.dp.columns import Unit, arrow_of, unit_codes
from anonkit.dp.mechanisms import exact
from anonkit.dp.mechanisms_diffprivlib import ROWS_CHANGED, PersonAccountant, model, refuse
from anonkit.dp.public import plain_int, plain_number


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One numeric input with public bounds; values are clipped to them."""

    column: str
    low: float
    high: float
    source: str

    def __post_init__(self) -> None:
        if not plain_number(self.low, "low") < plain_number(self.high, "high"):
            raise SchemaError(f"feature {self.column!r} needs low < high.", hint="low=0, high=24")
        if not isinstance(self.source, str) or not self.source.strip():
            raise PrivacyLeakError("bounds of a feature need a public source.", hint="source='hours of the day'")

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Values clipped and scaled to 0…1; NaN becomes the middle. Local to a row."""
        clipped = np.clip(np.asarray(values, float), self.low, self.high)
        return np.nan_to_num((clipped - self.low) / (self.high - self.low), nan=0.5)


def training_rows(
    codes: np.ndarray,
    features: np.ndarray,
    target: np.ndarray,
    order: np.ndarray,
    *,
    max_trips: int,
    rows: int,
    classes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Exactly ``rows`` rows in random order: bounded trips, cut by keyed hash, filled with random public rows.

    Adding a person puts in at most ``max_trips`` rows and takes out as many others, by the hash or public ones: the
    multiset changes by at most ``max_trips`` replacements. One public row of each class is always there, so that no
    class can vanish. Rows whose class is not declared (−1) are left out, a rule local to a row.
    """
    rng = np.random.default_rng(secrets.randbits(128))
    room = plain_int(rows, "rows", least=2 * classes) - classes
    known = np.where(target >= 0, codes, -1)
    kept = np.nonzero(sample_trips(known, order, max_trips=max_trips))[0]
    kept = kept[np.argsort(order[kept], kind="stable")][:room]
    fill = room - len(kept)
    public = rng.random((fill + classes, features.shape[1]))
    labels = np.concatenate([target[kept], rng.integers(0, classes, fill), np.arange(classes)])
    table = np.concatenate([features[kept], public])
    shuffle = rng.permutation(len(table))
    return table[shuffle], labels[shuffle]


class DPClassifier(ClassifierMixin, BaseEstimator):
    """A diffprivlib classifier on trips, private for persons and charged to our ledger.

    Parameters
    ----------
    model : "GaussianNB", "RandomForestClassifier" or "LogisticRegression"; others are refused with the reason.
    features : tuple of ``Feature``. target : column. classes : its public values.
    epsilon : cost for a person. max_trips : rows of a person. rows : size of the training table, public.
    ledger, release, periods, period_column : as for releasers.
    options : further settings of diffprivlib's model, none of them from data.

    Attributes
    ----------
    model_ : the fitted diffprivlib model, on features scaled to 0…1 and class numbers.
    epsilon_row_ : what diffprivlib was given, epsilon / (max_trips · replacements a row).
    """

    def __init__(
        self,
        *,
        model: str,
        features: tuple[Feature, ...],
        target: str,
        classes: tuple[Any, ...],
        epsilon: float,
        max_trips: int,
        rows: int,
        ledger: Any = None,
        release: str = "",
        periods: tuple[str, ...] = (),
        period_column: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.features = features
        self.target = target
        self.classes = classes
        self.epsilon = epsilon
        self.max_trips = max_trips
        self.rows = rows
        self.ledger = ledger
        self.release = release
        self.periods = periods
        self.period_column = period_column
        self.options = options

    def fit(self, X: Any, y: None = None) -> DPClassifier:
        """Train on trips (a table with person, trip, features and target); charges ``epsilon`` to the ledger."""
        refuse(self.model)
        if self.ledger is None:
            raise LedgerError("a private model needs a ledger.", hint="ledger=ak.Ledger.open('city.ledger')")
        if not isinstance(self.classes, tuple) or len(set(self.classes)) != len(self.classes) or len(self.classes) < 2:
            raise PrivacyLeakError(
                "classes must be a typed tuple of two or more public values.", hint="classes=('bike', 'scooter')"
            )
        if not all(isinstance(feature, Feature) for feature in self.features):
            raise PrivacyLeakError("features must be Feature values with public bounds.", hint="Feature(column=…, …)")
        epsilon, max_trips = exact(self.epsilon), plain_int(self.max_trips, "max_trips")
        factor = max_trips * ROWS_CHANGED.get(self.model, 2)
        self.epsilon_row_ = float(epsilon / factor) * (1 - 2**-50)
        unit = Unit(period=self.period_column, periods=tuple(self.periods))
        columns = ["person", "trip", self.target, *(feature.column for feature in self.features)]
        table = arrow_of(X, (*columns, *([self.period_column] if self.period_column else [])))
        codes = unit_codes(table, unit, privacy_unit=self.ledger.terms.privacy_unit)
        number = {value: place for place, value in enumerate(self.classes)}
        target = np.array([number.get(value, -1) for value in table[self.target].to_pylist()], np.int64)
        order = hash_order(table["trip"].to_numpy(), key=fresh_key())
        rows, labels = training_rows(
            codes, self._scaled(table), target, order, max_trips=max_trips, rows=self.rows, classes=len(self.classes)
        )
        accountant = PersonAccountant(
            self.ledger,
            release=self.release,
            product=f"model.{self.model}",
            periods=tuple(self.periods),
            rows_a_person=factor,
            keys_hash="",
            bounds={"max_trips": max_trips, "rows": self.rows},
        )
        fitted = model(
            self.model,
            epsilon_row=self.epsilon_row_,
            accountant=accountant,
            features=len(self.features),
            classes=len(self.classes),
            **(self.options or {}),
        )
        self.model_ = fitted.fit(rows, labels)
        self.classes_ = np.array(self.classes)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Class of each row; costs nothing, the model is already paid."""
        table = arrow_of(X, tuple(feature.column for feature in self.features))
        return self.classes_[self.model_.predict(self._scaled(table))]

    def _scaled(self, table: Any) -> np.ndarray:
        return np.stack([feature.scale(table[feature.column].to_numpy()) for feature in self.features], 1)


def epsilon_a_row(epsilon: float, *, model: str, max_trips: int) -> Fraction:
    """What diffprivlib is given for a person's ``epsilon``.

    >>> float(epsilon_a_row(1.0, model="GaussianNB", max_trips=2))
    0.25
    """
    return exact(epsilon) / (max_trips * ROWS_CHANGED[model])
