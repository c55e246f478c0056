"""Risk of what somebody already has: a bundle of ours, its inside folder, or anybody's CSV or Parquet.

An inside folder tells the exact figures of ``risk.json``. A bundle alone holds no persons: rows are counted (a class of n
rows is at most n persons, so the risk is at least 1/n) and what its description declares is taken as the most that is
promised. A foreign table is taken with the roles that its owner names; columns of ids are looked for without being asked.
Source: issue 7, part 8; rulings 26, 34. Does not guess roles, and cannot prove k of a bundle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import yaml

from anonkit.base.errors import AnonkitError, RecipeError, SourceError
from anonkit.bundle import CHECKSUMS, check_files, read_package
from anonkit.publish.signature import RISK
from anonkit.risk.assess import Roles, assess_table
from anonkit.risk.hashes import hash_shape
from anonkit.risk.trips import trip_uniqueness
from anonkit.schema.patterns import scan_column

SEED = 1
MOST_ALIKE = 0.5
"""A column is one of identifiers when more than this share of its distinct values look like one."""
COUNTS = ("trips",)
ROLE_KEYS = ("person", "quasi", "place", "time", "identifiers")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One figure: its name, its value as people read it, and what it means."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PathRisk:
    """What was found at a path."""

    kind: Literal["table", "bundle", "inside"]
    figures: tuple[Measured, ...]
    risk: Fraction | None
    """The row-level risk that a threshold is held against; None: there are no classes (a noisy release)."""
    flagged: tuple[str, ...] = ()
    """Columns that hold identifiers, with their kind."""
    unit: str = "row"

    def exceeds(self, threshold: Fraction) -> bool:
        """Whether the risk is above the threshold, or identifiers are there (exact fractions, ruling 34)."""
        return bool(self.flagged) or (self.risk is not None and self.risk > threshold)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "kind": self.kind,
            "unit": self.unit,
            "risk": None if self.risk is None else str(self.risk),
            "flagged": list(self.flagged),
            "figures": [{"name": one.name, "value": one.value, "note": one.note} for one in self.figures],
        }


@dataclass
class _Found:
    figures: list[Measured] = field(default_factory=list)
    flagged: list[str] = field(default_factory=list)
    risk: Fraction | None = None

    def add(self, name: str, value: object, note: str = "") -> None:
        self.figures.append(Measured(name=name, value=str(value), note=note))

    def worse(self, risk: Fraction) -> None:
        self.risk = risk if self.risk is None else max(self.risk, risk)


def read_roles(path: Path | None, given: Mapping[str, Any]) -> Roles:
    """Roles from a small YAML file, with those given beside it taking its place.

    Raises
    ------
    RecipeError : the file cannot be read or has other keys.
    """
    told: dict[str, Any] = {}
    if path is not None:
        try:
            told = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise RecipeError(f"{path.name} is no readable YAML", hint=f"keys are {list(ROLE_KEYS)}") from error
        if not isinstance(told, dict) or set(told) - set(ROLE_KEYS):
            raise RecipeError(f"{path.name} has other keys than {list(ROLE_KEYS)}", hint="quasi: [from, to, hour]")
    told |= {name: value for name, value in given.items() if value}
    lists = {name: tuple(_listed(told.get(name))) for name in ("quasi", "place", "time", "identifiers")}
    return Roles(person=told.get("person"), **lists)


def assess_path(path: Path, roles: Roles | None = None) -> PathRisk:
    """Measure what lies at a path.

    Parameters
    ----------
    path : a released folder, an inside folder, a CSV or a Parquet file.
    roles : of a foreign table's columns.

    Raises
    ------
    SourceError : there is nothing readable. RecipeError : a foreign table without roles.

    Privacy
    -------
    Counts and shares only; no value of the table.
    """
    if (path / RISK).is_file():
        return _inside(path)
    if (path / CHECKSUMS).is_file():
        return _bundle(path)
    if not path.is_file():
        raise SourceError(f"{path.name} is no table, bundle or inside folder", hint="give a CSV, a Parquet or a folder")
    if roles is None or not roles.quasi:
        names = list(_read(path, rows=5).columns)
        raise RecipeError(
            f"nothing says which columns of {path.name} somebody can know; it has {names}",
            hint="--quasi from,to,hour and, where people are named, --person; or --roles roles.yml",
        )
    return _table(path, roles)


# --- ours ---------------------------------------------------------------------------------------------------------------
def _inside(folder: Path) -> PathRisk:
    try:
        document = json.loads((folder / RISK).read_text(encoding="utf-8"))
        answers = {found["check"][4:]: found for found in document["scorecard"]}
        text = answers["risk"]["value"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{RISK} of {folder.name} is damaged", hint="make the release again") from error
    found = _Found()
    for key, answer in answers.items():
        found.add(key, f"{answer['status']} {answer['value']}", answer["threshold"])
    for one in document["figures"]:
        found.add(
            one["name"],
            f"{one['value']:.4f}",
            f"95 % [{one['low']:.4f}, {one['high']:.4f}], guessing {one['baseline']:.4f}",
        )
    if answers["identifiers"]["status"] == "FAIL":
        found.flagged.append("see question 1")
    noisy = text in ("by the gate", "not measured")
    return PathRisk(
        kind="inside",
        figures=tuple(found.figures),
        risk=None if noisy else Fraction(text),
        flagged=tuple(found.flagged),
        unit="person",
    )


def _bundle(folder: Path) -> PathRisk:
    check_files(folder)
    package = read_package(folder)
    privacy = package["anonkit"]["privacy"]
    found = _Found()
    found.add("statement", privacy["statement"])
    noisy = privacy["guarantee"] != "k_anonymity"
    for resource in package["resources"]:
        path = folder / resource["path"]
        if path.suffix != ".csv":
            continue
        frame = _read(path)
        found.flagged += [f"{resource['name']}.{text}" for text in _identifiers(frame, bundle=True)]
        if not noisy and resource["name"] in ("trips", "flows", "volumes"):
            _product(resource["name"], frame, privacy, found)
    if not noisy:
        declared = Fraction(privacy["dominance"])
        found.worse(declared)
        found.add(
            "most that is promised", declared, "largest share of one person in a class; exact figures stay inside"
        )
    return PathRisk(
        kind="bundle", figures=tuple(found.figures), risk=found.risk, flagged=tuple(found.flagged), unit=privacy["unit"]
    )


def _product(name: str, frame: pd.DataFrame, privacy: Mapping[str, Any], found: _Found) -> None:
    """Rows of a class bound its persons from above; the bands that are told bound them from below."""
    bands = [column for column in frame.columns if column.endswith("_at_least")]
    told = frame[bands[0]] if bands else None
    keys = [column for column in frame.columns if column not in (*COUNTS, *bands)]
    if not len(frame):
        return
    if name == "trips":
        alone = trip_uniqueness(*(pd.factorize(frame[column])[0] for column in keys))
        sizes = frame.groupby(keys, dropna=False).size()
        found.add(f"{name}: rows", f"{alone.rows:,}", f"{alone.classes:,} classes")
        found.add(f"{name}: unique rows", f"{float(alone.unique_rows):.2%}", "alone in all columns")
        spread = int((privacy.get("noise") or {}).get("largest", 0))
        note = f"numbers of rows are perturbed by up to {spread}" if spread else "at most so many persons"
        found.add(f"{name}: fewest rows in a class", int(sizes.min()), note)
        found.worse(Fraction(1, int(sizes.min()) + spread))
        small = int((sizes + spread < privacy["k"]).sum())
        if small:
            found.add(f"{name}: classes under k", small, "they cannot hold k persons")
            found.worse(Fraction(1))
    elif told is not None:
        found.add(f"{name}: classes", f"{len(frame):,}", f"fewest told: {int(told.min())}")
        if int(told.min()) < privacy["k"]:
            found.worse(Fraction(1))


# --- anybody's ----------------------------------------------------------------------------------------------------------
def _table(path: Path, roles: Roles) -> PathRisk:
    frame = _read(path)
    found = _Found()
    table = assess_table({name: frame[name].to_numpy() for name in frame.columns}, roles, seed=SEED)
    asked = {name for name in (*roles.quasi, *roles.place, *roles.time, roles.person) if name}
    found.flagged += [
        f"{name}: {shape.values:,} ids, {shape.hash_like:.0%} look like hashes" if shape.flagged
        else f"{name}: {shape.values:,} ids, declared"
        for name, shape in table.identifiers.items()
    ]  # fmt: skip
    found.flagged += _identifiers(frame.drop(columns=list(roles.identifiers)), but=asked)
    risk, trips = table.classes, table.trips
    found.add("rows", f"{trips.rows:,}", f"{trips.classes:,} classes of what was named as knowable")
    if table.unit == "person":
        found.add("persons", f"{risk.persons:,}", f"{risk.rows_without_person:,} rows name nobody")
        found.add(
            "persons alone in a class", f"{risk.unique_persons:,}", f"{risk.unique_classes:,} classes of one person"
        )
    found.add("unique rows", f"{float(trips.unique_rows):.1%}", "alone in all that was named")
    found.add("rows in classes under 5", f"{float(trips.rows_under_5):.1%}")
    found.add(f"fewest {table.unit}s in a class", risk.smallest)
    found.add("largest risk of a row", risk.prosecutor_max, f"largest share of one {table.unit} in his class")
    found.add("mean risk of a row", f"{float(risk.prosecutor_mean):.3f}")
    for one in table.figures:
        if one.name.startswith("unicity"):
            told = f"95 % [{float(one.low):.1%}, {float(one.high):.1%}], guessing {float(one.baseline):.1%}"
            found.add(one.name, f"{float(one.value):.1%}", told)
    return PathRisk(
        kind="table",
        figures=tuple(found.figures),
        risk=risk.prosecutor_max if risk.classes else Fraction(1),
        flagged=tuple(found.flagged),
        unit=table.unit,
    )


def _identifiers(frame: pd.DataFrame, *, but: set[str] | None = None, bundle: bool = False) -> list[str]:
    """Columns most of whose distinct values look like an identifier; in a bundle one value is too many."""
    flagged = []
    for name in frame.columns:
        if but and name in but:
            continue
        values = frame[name].dropna()
        text = not pd.api.types.is_numeric_dtype(values)
        distinct = pd.unique(values.astype(str) if text else values)
        if not len(distinct):
            continue
        if text and hash_shape(distinct).flagged:
            flagged.append(f"{name}: {len(distinct):,} values that look like hashes")
            continue
        whole = pd.api.types.is_integer_dtype(values)
        kind: Literal["text", "integer", "float"] = "text" if text else "integer" if whole else "float"
        # Codes of cells and bins are known by their names in a bundle; elsewhere the scan goes by shape alone.
        hits = scan_column("cell" if bundle and name == "area" else str(name), distinct.tolist(), kind=kind)
        most = max(hits, key=lambda key: hits[key], default=None)
        if most is not None and (bundle or hits[most] > MOST_ALIKE * len(distinct)) and most != "coordinate":
            flagged.append(f"{name}: {hits[most]:,} of {len(distinct):,} values look like {most}")
    return flagged


def _read(path: Path, *, rows: int | None = None) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            return frame.head(rows) if rows else frame
        return pd.read_csv(path, nrows=rows, low_memory=False)
    except AnonkitError:
        raise
    except Exception as error:
        raise SourceError(f"{path.name} is no readable CSV or Parquet", hint="UTF-8, comma, a header line") from error


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else [str(part) for part in value]
