"""Public inputs as types: keys, zones, bounds and steps that carry their source and hash, never a raw array.

What: frozen values which say where they come from. Why: a list of cells taken from the trips tells that somebody
travelled there, and a bound taken from the trips is the heaviest rider's own figure; both break differential privacy
without a trace in the numbers (ruling 18). Raw arrays, frames, and numbers that come straight out of a computation
(NumPy and pandas scalars) are refused with ``PrivacyLeakError``. Source: SOUNDNESS ruling 18; OpenDP's explicit
domains. What it does not protect against: somebody who copies figures out of the data by hand and calls them public;
the source and the hash are printed in the release for that reason.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anonkit.base.errors import PrivacyLeakError, SchemaError

LOOKUP = 2**22
PUBLIC_HINT = "declare it: PublicKeys.from_file('zones.csv', columns=…), or spend epsilon on a selection."


def plain_int(value: Any, name: str, *, least: int = 1) -> int:
    """Return ``value`` if somebody typed it: a Python int. A NumPy scalar was computed from something, so it raises.

    >>> plain_int(3, "max_trips")
    3
    """
    if type(value) is not int:
        raise PrivacyLeakError(
            f"{name} must be a typed whole number, got {type(value).__name__}: it looks computed from the trips.",
            hint=f"choose {name} from public knowledge, or let the paid activity histogram choose it.",
        )
    if value < least:
        raise SchemaError(f"{name} must be at least {least}, got {value}.", hint=f"set {name} to {least} or more.")
    return value


def plain_number(value: Any, name: str) -> float:
    """Return ``value`` if it is a plain Python int or float; anything computed raises ``PrivacyLeakError``."""
    if type(value) not in (int, float):
        raise PrivacyLeakError(
            f"{name} must be a typed number, got {type(value).__name__}: it looks computed from the trips.",
            hint=f"choose {name} from public knowledge (a timetable, a speed limit, the size of the city).",
        )
    return float(value)


def _digest(array: np.ndarray, names: tuple[str, ...]) -> str:
    return hashlib.sha256(repr(names).encode() + np.ascontiguousarray(array, "<i8").tobytes()).hexdigest()


def _frozen(values: Any, kind: type) -> np.ndarray:
    array: np.ndarray = np.array(values, dtype=kind)
    array.setflags(write=False)
    return array


def require(value: Any, kind: type, name: str) -> Any:
    """Raise ``PrivacyLeakError`` unless ``value`` is the declared public type ``kind``."""
    if not isinstance(value, kind):
        raise PrivacyLeakError(
            f"{name} must be {kind.__name__}, got {type(value).__name__}: keys, bounds and resolution are public "
            "inputs with a source and a hash.",
            hint=PUBLIC_HINT,
        )
    return value


@dataclass(frozen=True, kw_only=True, eq=False)
class PublicKeys:
    """The rows of a published table, declared before the data is read.

    >>> keys = PublicKeys.declared([[1], [2], [5]], columns=("cell",), source="city grid 2026")
    >>> len(keys), keys.locate(np.array([[5], [9]])).tolist()
    (3, [2, -1])
    """

    columns: tuple[str, ...]
    """Column names, one a part of the key."""
    values: np.ndarray = field(repr=False)
    """int64, one row a key, one column a part."""
    source: str
    """Who published the list: a file, a law, an earlier release."""
    sha256: str
    """Hash of the values, frozen into the ledger's reservation."""

    @classmethod
    def declared(cls, values: Any, *, columns: tuple[str, ...], source: str) -> PublicKeys:
        """Keys typed or computed from a public grid; ``source`` says which."""
        if not isinstance(source, str) or not source.strip():
            raise PrivacyLeakError("public keys need a source.", hint="source='zones of the city, 2026 edition'")
        array = _frozen(values, np.int64)
        if array.ndim != 2 or array.shape[1] != len(columns) or not len(array):
            raise SchemaError(
                f"keys must have one row a key and {len(columns)} columns, got shape {array.shape}.",
                hint="PublicKeys.declared([[cell], …], columns=('cell',), source=…).",
            )
        if len(np.unique(array, axis=0)) != len(array):
            raise SchemaError("public keys repeat.", hint="list each key once.")
        return cls(columns=tuple(columns), values=array, source=source, sha256=_digest(array, tuple(columns)))

    @classmethod
    def from_file(cls, path: str | Path, *, columns: tuple[str, ...]) -> PublicKeys:
        """Read keys from a public CSV with a header; the source becomes the file's name and its SHA-256."""
        raw = Path(path).read_bytes()
        rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
        missing = [name for name in columns if not rows or name not in rows[0]]
        if missing:
            raise SchemaError(f"{Path(path).name} lacks the columns {missing}.", hint="name the CSV's own columns.")
        values = [[int(row[name]) for name in columns] for row in rows]
        source = f"{Path(path).name} sha256:{hashlib.sha256(raw).hexdigest()}"
        return cls.declared(values, columns=columns, source=source)

    def __len__(self) -> int:
        return len(self.values)

    def locate(self, rows: np.ndarray) -> np.ndarray:
        """Index of each row among the keys, −1 where it is none of them. A rule local to a row."""
        rows = np.asarray(rows, np.int64)
        index, known = np.zeros(len(rows), np.int64), np.zeros(len(self.values), np.int64)
        inside, size = np.ones(len(rows), bool), 1
        for part in range(len(self.columns)):
            levels = pd.Index(np.unique(self.values[:, part]))
            place = levels.get_indexer(pd.Index(rows[:, part]))
            inside &= place >= 0
            index = index * len(levels) + place
            known = known * len(levels) + levels.get_indexer(pd.Index(self.values[:, part]))
            size *= len(levels)
        index[~inside] = 0
        if size <= LOOKUP:
            table = np.full(size, -1, np.int64)
            table[known] = np.arange(len(known))
            found = table[index]
        else:
            found = pd.Index(known).get_indexer(pd.Index(index))
        return np.where(inside, found, -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class PublicZones:
    """Zones with the position of their centres in metres: what distance bands and blocks are made from.

    >>> zones = PublicZones.declared([7, 8], x_m=[0, 500], y_m=[0, 0], source="grid 500 m")
    >>> len(zones.pairs())
    4
    """

    zone: np.ndarray = field(repr=False)
    """int64 ids."""
    x_m: np.ndarray = field(repr=False)
    """Centre, metres east of any public point."""
    y_m: np.ndarray = field(repr=False)
    """Centre, metres north."""
    source: str
    """Who published the zones."""
    sha256: str
    """Hash of ids and centres."""

    @classmethod
    def declared(cls, zone: Any, *, x_m: Any, y_m: Any, source: str) -> PublicZones:
        """Zones from a public file or grid."""
        keys = PublicKeys.declared(np.asarray(zone).reshape(-1, 1), columns=("zone",), source=source)
        x, y = _frozen(x_m, np.float64), _frozen(y_m, np.float64)
        if x.shape != (len(keys),) or y.shape != (len(keys),) or not np.isfinite([x, y]).all():
            raise SchemaError("each zone needs one finite x_m and y_m.", hint="give the centres in metres.")
        digest = hashlib.sha256(keys.sha256.encode() + x.tobytes() + y.tobytes()).hexdigest()
        return cls(zone=_frozen(zone, np.int64), x_m=x, y_m=y, source=source, sha256=digest)

    def __len__(self) -> int:
        return len(self.zone)

    def pairs(self, columns: tuple[str, str] = ("start_cell", "end_cell")) -> PublicKeys:
        """Every zone with every zone, origin first."""
        start, end = np.repeat(self.zone, len(self)), np.tile(self.zone, len(self))
        return PublicKeys.declared(np.stack([start, end], 1), columns=columns, source=self.source)

    def distance_m(self) -> np.ndarray:
        """Straight distance of every pair, in the order of ``pairs``."""
        return np.hypot(self.x_m[:, None] - self.x_m, self.y_m[:, None] - self.y_m).ravel()


@dataclass(frozen=True, kw_only=True)
class PublicSteps:
    """Public bounds and step of a measured quantity: values are clipped to them and rounded to the step.

    >>> PublicSteps(low=0, high=60, step=15, unit="min", source="timetable").grid().tolist()
    [0.0, 15.0, 30.0, 45.0, 60.0]
    """

    low: float
    high: float
    step: float
    unit: str
    source: str

    def __post_init__(self) -> None:
        low, high, step = (plain_number(getattr(self, name), name) for name in ("low", "high", "step"))
        if not low < high or step <= 0 or (high - low) / step > 100_000:
            raise SchemaError("need low < high and a positive step.", hint="low=0, high=7200, step=60 (seconds).")
        if not isinstance(self.source, str) or not self.source.strip():
            raise PrivacyLeakError("public bounds need a source.", hint="source='speed limit and size of the city'")

    def grid(self) -> np.ndarray:
        """The values that can be published."""
        return float(self.low) + self.step * np.arange(round((self.high - self.low) / self.step) + 1)

    def index(self, values: np.ndarray) -> np.ndarray:
        """Number of each value's step after clipping; a rule local to a row."""
        clipped = np.clip(np.asarray(values, float), self.low, self.high)
        return np.floor((clipped - self.low) / self.step + 0.5).astype(np.int64)

    @property
    def sha256(self) -> str:
        """Hash of bounds, step and unit."""
        return hashlib.sha256(repr((self.low, self.high, self.step, self.unit)).encode()).hexdigest()
