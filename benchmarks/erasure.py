"""What a list of erased people costs: 1 M rows, 200,000 subjects on the list, against the same release without the list.

Run ``.venv/bin/python benchmarks/erasure.py``; goal: at most 1.3 times the time. Made-up rides of 300,000 people with phone,
e-mail and card; the list names people by phone, in three spellings, or by e-mail, and half of its entries are known to nobody.
Both runs map the identifiers; ``--bare`` also times a recipe that maps none. Compare within a run; on a loaded machine the
processors' time is the steadier measure.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import yaml
from anonkit.pipeline import release

PEOPLE = 300_000
AREA = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[49.75, 40.3], [50.05, 40.3], [50.05, 40.5], [49.75, 40.5], [49.75, 40.3]]],
            },
        }
    ],
}


def phone(number: np.ndarray, spelling: np.ndarray) -> list[str]:
    """A mobile number of Azerbaijan, as different people write it."""
    forms = ("+99450{:07d}", "050 {:03d} {:02d} {:02d}", "+994 (50) {:03d}-{:02d}-{:02d}")
    return [
        forms[s].format(n) if s == 0 else forms[s].format(n // 10_000, n // 100 % 100, n % 100)
        for n, s in zip(number.tolist(), spelling.tolist(), strict=True)
    ]


def write_inputs(folder: Path, rows: int, listed: int, first: int) -> None:
    """Rides, and a list of which every second entry is known to nobody."""
    draw = np.random.default_rng(5)
    person = draw.integers(0, PEOPLE, rows)
    numbers = np.array(phone(np.arange(PEOPLE), draw.integers(0, 3, PEOPLE)), dtype=object)
    start = np.datetime64("2026-03-01T00:00:00") + draw.integers(0, 28 * 86_400, rows).astype("timedelta64[s]")
    end = start + draw.integers(300, 1_800, rows).astype("timedelta64[s]")
    ends = {
        name: np.round(low + draw.random(rows) * width, 5)
        for name, low, width in (
            ("slon", 49.8, 0.1),
            ("slat", 40.35, 0.08),
            ("elon", 49.8, 0.1),
            ("elat", 40.35, 0.08),
        )
    }
    table = pa.table(
        {
            "id": pa.array(np.char.add("T", np.arange(rows).astype(str))),
            "rider": pa.array(np.char.add("U", person.astype(str))),
            "phone": pa.array(numbers[person].tolist()),
            "email": pa.array(np.char.add(np.char.add("u", person.astype(str)), "@example.org")),
            "card": pa.array(np.char.add("411111", np.char.zfill(person.astype(str), 10))),
            "start": pa.array(np.datetime_as_string(start)),
            "end": pa.array(np.datetime_as_string(end)),
            **ends,
        }
    )
    pa.csv.write_csv(table, folder / "rides.csv")
    chosen = first + draw.choice(2 * PEOPLE, listed, replace=False)
    by_phone = draw.random(listed) < 0.7
    spelt = phone(chosen, draw.integers(0, 3, listed))
    list_ = pa.table(
        {
            "phone": pa.array([text if use else None for text, use in zip(spelt, by_phone, strict=True)]),
            "email": pa.array(
                [None if use else f"U{n}@EXAMPLE.org" for n, use in zip(chosen.tolist(), by_phone, strict=True)]
            ),
        }
    )
    pa.csv.write_csv(list_, folder / "erasure.csv")
    (folder / "area.geojson").write_text(json.dumps(AREA))


def recipe(folder: Path, *, identifiers: bool, listed: bool) -> Path:
    """The recipe with or without the list."""
    columns = {"trip": "id", "person": "rider", "start": "start", "end": "end"}
    columns |= {"start_lon": "slon", "start_lat": "slat", "end_lon": "elon", "end_lat": "elat"}
    entry: dict[str, Any] = {"path": "rides.csv", "operator": "town", "columns": columns}
    if identifiers:
        entry["identifiers"] = {"phone": "phone", "email": "email", "card_number": "card"}
    said: dict[str, Any] = {
        "release": "erasure",
        "title": "Benchmark",
        "purpose": "benchmark",
        "recipient": {"name": "nobody", "kind": "internal"},
        "licence": "CC0-1.0",
        "period": {"from": "2026-03-01", "to": "2026-03-31"},
        "privacy": {"guarantee": "k_anonymity", "protect": {"person": 11}},
        "geo": {"cell_m": 1000, "latitude": 40.4, "area": "area.geojson", "levels": 4},
        "time": {"bins": "1h", "zone": "UTC"},
        "products": {"flows": {"cell_m": 2000, "bins": "6h"}, "volumes": {"cell_m": 2000, "bins": "6h"}},
        "registry_subjects": False,
        "inputs": [entry],
    }
    if listed:
        said["lists"] = {"erasure": "erasure.csv"}
    path = folder / f"recipe-{identifiers}-{listed}.yml"
    path.write_text(yaml.safe_dump(said, sort_keys=False))
    return path


def timed(folder: Path, path: Path, name: str) -> tuple[float, float, dict[str, Any]]:
    """Seconds of the clock and of the processors for one release with a register of its own."""
    began, used = time.perf_counter(), time.process_time()
    result = release(path, out=folder / name, registry=folder / f"{name}.registry")
    return time.perf_counter() - began, time.process_time() - used, result.run


def main() -> None:
    """Time both and print the ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--listed", type=int, default=200_000)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument(
        "--strangers", action="store_true", help="a list of people who are not in the rows: nothing gets less"
    )
    parser.add_argument("--repeat", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_inputs(folder, given.rows, given.listed, PEOPLE if given.strangers else 0)
        with_list, without = (
            recipe(folder, identifiers=True, listed=True),
            recipe(folder, identifiers=True, listed=False),
        )
        clock: dict[str, list[float]] = {"without": [], "with": []}
        processors: dict[str, list[float]] = {"without": [], "with": []}
        for turn in range(given.repeat):
            for name, path in (("without", without), ("with", with_list)):
                wall, used, run = timed(folder, path, f"{name}{turn}")
                clock[name].append(wall)
                processors[name].append(used)
                gone = run["lines"][0]["dropped"].get("erasure", 0)
                print(f"{name:<8} the list: {wall:.1f} s, processors {used:.1f} s, {gone:,} rows erased", flush=True)
        if given.bare:
            wall, used, _ = timed(folder, recipe(folder, identifiers=False, listed=False), "bare")
            print(f"no identifiers mapped: {wall:.1f} s, processors {used:.1f} s")
        ratio = min(clock["with"]) / min(clock["without"])
        print(
            f"ratio {ratio:.2f} (goal: at most 1.30); of the processors' time "
            f"{min(processors['with']) / min(processors['without']):.2f}"
        )
        sys.exit(0 if ratio <= 1.3 else 1)


if __name__ == "__main__":
    main()
