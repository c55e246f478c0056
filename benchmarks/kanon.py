"""The search for k-anonymous levels measured: Adult beside the values of ARX, and a million simulated trips.

``python benchmarks/kanon.py`` prints a table of one run; ``adult`` and ``trips`` run one part, ``large`` is 20 million
trips end to end (simulation left out, coding and search included). Loading is shown apart from the search. The trips
are simulated here from a seed: persons with a home and a work cell, rush hours, 32 × 32 cells of 500 m, 15-minute bins
of a week, duration and distance in public intervals; k = 5 persons, 5 % of rows. The machine is shared: compare figures
of one run only, processor time beside the clock.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.hierarchies_travel import clock_time, intervals, nested_grid
from anonkit.kanon.measures import MEASURES
from anonkit.kanon.models import KAnonymity
from anonkit.kanon.search import search
from anonkit.kanon.search_tables import ClassTable

COLUMNS = ["sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation"]
REAL = Path(os.environ.get("ANONKIT_REAL_DATA", Path(__file__).parents[1] / "../shared/data"))
ARX = {0.0: "0.04 s", 0.05: "0.5 s"}


def timed(table: ClassTable, hierarchies: list[Hierarchy], *, repeats: int, **options: object) -> tuple:
    """Best clock and processor time of some searches, and the last result."""
    clock, processor, found = [], [], None
    for _ in range(repeats):
        begin, own = time.perf_counter(), time.thread_time()
        found = search(table, hierarchies, **options)
        clock.append(time.perf_counter() - begin)
        processor.append(time.thread_time() - own)
    return min(clock), min(processor), found


def adult(repeats: int) -> list[dict]:
    """The census table with ARX's hierarchies: 6,480 nodes."""
    folder = REAL / "adult"
    if not folder.exists():
        return []
    frame = pd.read_csv(folder / "adult.csv", sep=";", dtype=str)
    hierarchies = [Hierarchy.from_csv(folder / f"adult_hierarchy_{c}.csv", column=c) for c in COLUMNS]
    codes = {h.column: h.encode(frame[h.column]) for h in hierarchies}
    table = ClassTable.of(codes, sizes=[h.sizes[0] for h in hierarchies])
    models = [KAnonymity(k=5, protect="row")]
    search(table, hierarchies, models, max_suppressed=0.0)
    rows = []
    for measure in ("discernibility", "ncp", "class_size", "entropy"):
        for limit in (0.0, 0.05):
            options = {"models": models, "max_suppressed": limit, "measure": measure}
            clock, processor, found = timed(table, hierarchies, repeats=repeats, **options)
            other = ARX[limit] if measure == "discernibility" else ""
            rows.append(line(f"adult k=5 rows {limit:.0%}", measure, clock, processor, found, other))
    return rows


def simulate(rows: int, *, seed: int, side: int = 32, days: int = 7) -> tuple[dict, list[Hierarchy], np.ndarray]:
    """Base value numbers of trips, their hierarchies, and persons."""
    g = np.random.default_rng(seed)
    persons = max(rows // 10, 10)
    activity = g.lognormal(0, 1, persons)
    person = g.choice(persons, size=rows, p=activity / activity.sum())

    def places(count: int) -> np.ndarray:
        at = np.clip(np.round(g.normal(side / 2, side / 6, (count, 2))), 0, side - 1).astype(np.int64)
        return at[:, 0] * side + at[:, 1]

    home, work = places(persons), places(persons)
    start = np.where(g.random(rows) < 0.5, home[person], places(rows))
    end = np.where(g.random(rows) < 0.5, work[person], places(rows))
    rush = np.where(g.random(rows) < 0.5, g.normal(8.5, 1.5, rows), g.normal(17.5, 2.5, rows))
    when = g.integers(0, days, rows) * 96 + np.clip(np.round(rush * 4), 0, 95).astype(np.int64)
    straight = np.hypot(start // side - end // side, start % side - end % side) * 500
    distance = straight * 1.3 + g.exponential(400, rows)
    duration = distance / 300 + g.exponential(4, rows)
    cells = np.arange(side * side)
    spread = {"rows": cells // side, "columns": cells % side, "cell_m": 500, "factors": [2, 4, 8, 16]}
    clock = ["1h", "3h", "day_type 3h", "clock 3h", "clock 6h", "*"]
    hierarchies = [
        nested_grid("start_cell", cells, **spread),
        nested_grid("end_cell", cells, **spread),
        clock_time("start_bin", np.arange(days * 96), value_s=900, levels=clock),
        intervals("duration_min", lower=0, upper=60, widths=[5, 10, 20], unit="min"),
        intervals("distance_m", lower=0, upper=20_000, widths=[1000, 2000, 4000], unit="m"),
    ]
    values = dict(zip([h.column for h in hierarchies], [start, end, when, duration, distance], strict=True))
    return values, hierarchies, person


def trips(rows: int, repeats: int, measures: tuple[str, ...], seed: int) -> list[dict]:
    """Simulated trips: 4,032 nodes, k = 5 persons, 5 % of rows."""
    values, hierarchies, person = simulate(rows, seed=seed)
    begin = time.perf_counter()
    codes = {h.column: h.encode(values[h.column]) for h in hierarchies}
    table = ClassTable.of(codes, sizes=[h.sizes[0] for h in hierarchies], person=person)
    loading = time.perf_counter() - begin
    models = [KAnonymity(k=5, protect="person")]
    found_rows = []
    for measure in measures:
        options = {"models": models, "max_suppressed": 0.05, "measure": measure}
        clock, processor, found = timed(table, hierarchies, repeats=repeats, **options)
        found_rows.append(line(f"{rows:,} trips", measure, clock, processor, found, f"load {loading:.1f} s"))
    return found_rows


def line(what: str, measure: str, clock: float, processor: float, found: object, other: str) -> dict:
    """One row of the table."""
    return {
        "table": what,
        "measure": measure,
        "clock_s": round(clock, 3),
        "processor_s": round(processor, 3),
        "levels": ",".join(map(str, found.levels)),
        "suppressed": found.suppressed_rows,
        "classes": found.classes,
        "visited": f"{len(found.visits)}/{found.nodes}",
        "best": found.optimal,
        "beside": other,
    }


def main() -> None:
    """Parse the arguments and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="all", choices=["all", "adult", "trips", "large"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measures", nargs="+", default=["displacement", "ncp", "discernibility"], choices=MEASURES)
    given = parser.parse_args()
    rows: list[dict] = []
    if given.part in ("all", "adult"):
        rows += adult(given.repeats)
    if given.part in ("all", "trips"):
        rows += trips(given.rows, given.repeats, tuple(given.measures), given.seed)
    if given.part == "large":
        rows += trips(20_000_000, 1, ("displacement",), given.seed)
    print(pd.DataFrame(rows).to_string(index=False))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
