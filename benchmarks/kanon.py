"""The search for k-anonymous levels measured: Adult beside other tools, a million trips, and 20 million end to end.

``python benchmarks/kanon.py`` prints all of it in one run; ``adult``, ``trips``, ``large`` and ``others`` are its parts.

- adult: ARX's hierarchies, 6,480 nodes, k = 5 rows; cold is the first search of a process. Beside it ARX's seconds from the
  conformance figures, measured with ARX itself on another day: the ratio is a hint.
- trips: simulated here from a seed: persons with a home and a work cell, rush hours, 32 × 32 cells of 500 m, 15-minute
  bins of a week, duration and distance in public intervals; 4,032 nodes, k = 5 persons, 5 % of rows. Loading is apart.
- large: simulated raw trips (coordinates, seconds) from a Parquet file to a released Parquet file: cells and bins, groups,
  search, classes, writing; 2 threads, 4 GB for the run, of which the engine gets three fifths as in ``anonkit release``.
  Peak memory is the process tree's. A refusal for size is printed as it stands: its hint names the base level to take.
- others: anjana and pycanon on Adult. With ``--install`` from the package index into an environment of their own in a
  temporary folder, beside this search in the same minute; without, the conformance figures.

The machine may be shared: compare figures of one run only, processor time beside the clock, ratios before seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.hierarchies_travel import clock_time, intervals, nested_grid
from anonkit.kanon.measures import MEASURES
from anonkit.kanon.models import KAnonymity
from anonkit.kanon.search import search
from anonkit.kanon.search_tables import ClassTable
from main_job import measure

COLUMNS = ["sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation"]
REAL = Path(os.environ.get("ANONKIT_REAL_DATA", Path(__file__).parents[1] / "../shared/data"))
ARX_S = {0.0: 0.04, 0.05: 0.5}
"""ARX's seconds, warm, for discernibility (conformance figures)."""
CLOCK = ["1h", "3h", "day_type 3h", "clock 3h", "clock 6h", "*"]
FIRST, DAYS = date(2026, 9, 1), 28

COLD = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import kanon
table, hierarchies = kanon.adult_table()
begin = time.perf_counter()
kanon.search(table, hierarchies, [kanon.KAnonymity(k=5, protect="row")], max_suppressed=float(sys.argv[2]))
print(json.dumps({"cold": time.perf_counter() - begin}))
"""

LARGE = """
import json, sys, time
begin = time.perf_counter()
sys.path.insert(0, sys.argv[1])
import kanon
print(json.dumps({**kanon.end_to_end(*sys.argv[2:5]), "total": time.perf_counter() - begin, "processor": time.process_time()}))
"""

OTHERS = """
import json, sys, time
import pandas as pd
folder, columns = sys.argv[1], sys.argv[2].split(",")
from anjana.anonymity import k_anonymity, utils
from pycanon import anonymity
frame = pd.read_csv(f"{folder}/adult.csv", sep=";", dtype=str)
trees = {c: pd.read_csv(f"{folder}/adult_hierarchy_{c}.csv", sep=";", header=None, dtype=str) for c in columns}
hierarchies = {c: {level: tree[level].values for level in tree} for c, tree in trees.items()}
def seconds(work):
    begin = time.perf_counter()
    return work(), time.perf_counter() - begin
released, anjana = seconds(lambda: k_anonymity(frame, [], columns, 5, 5, hierarchies))
levels = [int(level) for level in utils.get_transformation(released, columns, hierarchies)]
k, pycanon = seconds(lambda: anonymity.k_anonymity(released, columns))
print(json.dumps({"anjana": anjana, "levels": levels, "released": len(released), "rows": len(frame), "pycanon": pycanon, "k": int(k)}))
"""


def timed(table: ClassTable, hierarchies: list[Hierarchy], *, repeats: int, **options: object) -> tuple:
    """Best clock and processor time of some searches, and the last result."""
    clock, processor, found = [], [], None
    for _ in range(repeats):
        begin, own = time.perf_counter(), time.process_time()
        found = search(table, hierarchies, **options)
        clock.append(time.perf_counter() - begin)
        processor.append(time.process_time() - own)
    return min(clock), min(processor), found


def adult_table() -> tuple[ClassTable, list[Hierarchy]]:
    """The census table with ARX's hierarchies."""
    folder = REAL / "adult"
    frame = pd.read_csv(folder / "adult.csv", sep=";", dtype=str)
    hierarchies = [Hierarchy.from_csv(folder / f"adult_hierarchy_{c}.csv", column=c) for c in COLUMNS]
    codes = {h.column: h.encode(frame[h.column]) for h in hierarchies}
    return ClassTable.of(codes, sizes=[h.sizes[0] for h in hierarchies]), hierarchies


def adult(repeats: int) -> list[dict]:
    """6,480 nodes, warm; the search for discernibility cold too."""
    if not (REAL / "adult").exists():
        print("adult: the data folder is not here (ANONKIT_REAL_DATA)")
        return []
    table, hierarchies = adult_table()
    models = [KAnonymity(k=5, protect="row")]
    search(table, hierarchies, models, max_suppressed=0.0)
    rows = []
    for name in ("discernibility", "ncp", "class_size", "entropy"):
        for limit in (0.0, 0.05):
            options = {"models": models, "max_suppressed": limit, "measure": name}
            clock, processor, found = timed(table, hierarchies, repeats=repeats, **options)
            other = ""
            if name == "discernibility":
                cold = measure(COLD, Path(__file__).parent, limit)["cold"]
                other = f"cold {cold:.2f} s; {clock / ARX_S[limit]:.2f} of ARX's {ARX_S[limit]} s"
            rows.append(line(f"adult k=5 rows {limit:.0%}", name, clock, processor, found, other))
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
    hierarchies = [
        nested_grid("start_cell", cells, **spread),
        nested_grid("end_cell", cells, **spread),
        clock_time("start_bin", np.arange(days * 96), value_s=900, levels=CLOCK),
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
    for name in measures:
        fresh = replace(table, packed=[])  # the first search packs the table: it is measured too
        options = {"models": models, "max_suppressed": 0.05, "measure": name}
        first, _, _ = timed(fresh, hierarchies, repeats=1, **options)
        clock, processor, found = timed(fresh, hierarchies, repeats=repeats, **options)
        told = f"{clock / 2:.2f} of 2 s; first {first:.2f} s; load {loading:.1f} s"
        found_rows.append(line(f"{rows:,} trips", name, clock, processor, found, told))
    return found_rows


def end_to_end(source: str, out: str, name: str) -> dict:
    """Raw trips of a Parquet file to a released Parquet file; seconds of each stage."""
    import narwhals.stable.v2 as nw
    from anonkit.engine import Session
    from anonkit.geo import Grid, TimeBins, generalise
    from anonkit.kanon.estimators import KAnonymizer
    from anonkit.schema import Column, Role, Schema, Table
    from anonkit.simulate import BAKU, write_areas

    seconds, marks = {}, [time.perf_counter()]

    def mark(stage: str) -> None:
        marks.append(time.perf_counter())
        seconds[stage] = round(marks[-1] - marks[-2], 1)

    with Session(threads=2, memory_limit="2.4GB", folder=Path(out).parent) as session:
        area = next(p for p in write_areas(Path(out).parent / "areas") if p.name == "baku.geojson")
        grid, bins = Grid(cell_m=500, latitude=40.4, area=area), TimeBins("15min", zone=BAKU.zone)
        period = (FIRST, date.fromordinal(FIRST.toordinal() + DAYS - 1))
        trips = Table.of(source, session=session, zone=BAKU.zone)
        binned = generalise(trips, cells=grid, bins=bins, period=period, keep=("duration_s", "distance_m"))
        duration = nw.min_horizontal(nw.col("duration_s") // 300 * 5, nw.lit(55)).alias("duration_min")
        distance = nw.min_horizontal((nw.col("distance_m") // 1000) * 1000, nw.lit(19_000)).alias("distance_m")
        keys = ("start_cell", "end_cell", "start_bin")
        frame = session.checkpoint(binned.frame.select("person", *keys, duration, distance), "base")
        quasi = [Column(name=n, role=Role.QUASI) for n in ("duration_min", "distance_m")]
        schema = Schema(columns=(*(binned.schema[n] for n in ("person", *keys)), *quasi), zone=BAKU.zone)
        mark("cells_and_bins")
        public = grid.cells()
        row, column = public % 10**14 // 10**7, public % 10**7
        parents = {f: (i + 2) * 10**14 + row // f * 10**7 + column // f for i, f in enumerate((2, 4, 8, 16))}
        spread = {"rows": row, "columns": column, "cell_m": 500, "factors": (2, 4, 8, 16), "parents": parents}
        hierarchies = [
            *(nested_grid(name, public, **spread) for name in keys[:2]),
            clock_time("start_bin", np.array(bins.span(*period)), value_s=900, levels=CLOCK),
            intervals("duration_min", lower=0, upper=60, widths=[5, 10, 20], unit="min"),
            intervals("distance_m", lower=0, upper=20_000, widths=[1000, 2000, 4000], unit="m"),
        ]
        anon = KAnonymizer(
            k=5, protect="person", max_suppressed=0.05, measure=name, hierarchies=hierarchies, keep_units=False
        )
        table = Table(frame, schema, session)
        released = anon.fit_transform(table)
        mark("fit_transform")
        session.write_parquet(released.frame, Path(out))
        mark("write")
        planned = anon.plan(table)
        mark("plan")
        groups = f"{planned['groups']:,} groups, {planned['bytes'] >> 20} of at most {planned['limit'] >> 20} MiB"
    found = anon.result_
    return {
        "trips": found.total_rows,
        "levels": anon.levels_,
        "suppressed": found.suppressed_rows,
        "classes": found.classes,
        "visited": f"{len(found.visits)}/{found.nodes}",
        "best": found.optimal,
        "input": groups,
        "search": round(found.seconds, 1),
        "seconds": seconds,
    }


def large(rows: int, seed: int, name: str, keep: Path | None) -> None:
    """Simulate raw trips, and take them end to end in a process of its own."""
    from anonkit.simulate import City, write_trips_parquet

    with tempfile.TemporaryDirectory(prefix="anonkit-kanon-") as folder:
        source = keep or Path(folder) / "trips.parquet"
        if not source.exists():
            city = City(persons=max(rows // 25, 100), trips=rows, days=DAYS, start=FIRST, seed=seed)
            print(f"simulated {write_trips_parquet(source, city):,} raw trips", flush=True)
        told = measure(LARGE, Path(__file__).parent, source.absolute(), Path(folder) / "released.parquet", name)
        told["total"] -= told["seconds"].pop("plan")
    print(f"end to end, {told['trips']:,} trips, k=5 persons, 5 %, {name}: {told['levels']}")
    print(f"  {told['total']:.1f} s ({told['processor']:.1f} s of processors), peak {told['peak_mb'] / 1024:.2f} GiB")
    print(f"  {told['seconds']}, of it the search {told['search']} s; input {told['input']}")
    print(f"  {told['suppressed']:,} suppressed, {told['classes']:,} classes, {told['visited']} nodes visited")


def others(install: bool) -> None:
    """anjana and pycanon on Adult, k = 5, 5 %, beside the optimum of this search."""
    if not install or not (REAL / "adult").exists():
        print(
            "anjana on adult, k=5: 4.6 s at NCP .3267 (conformance figures; the optimum is .2618). --install measures it."
        )
        return
    table, hierarchies = adult_table()
    options = {"models": [KAnonymity(k=5, protect="row")], "max_suppressed": 0.05, "measure": "ncp"}
    search(table, hierarchies, **options)
    with tempfile.TemporaryDirectory(prefix="anonkit-others-") as folder:
        home = Path(folder) / "env"
        python = home / "bin/python"
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        wanted = ["anjana==1.2.3", "pycanon==1.3.5"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
        command = [python, "-c", OTHERS, REAL / "adult", ",".join(COLUMNS)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    clock, _, found = timed(table, hierarchies, repeats=3, **options)
    share = 1 - told["released"] / told["rows"]
    cells = [
        (h.leaves(lv)[h.codes[lv]] - 1) / max(h.sizes[0] - 1, 1)
        for h, lv in zip(hierarchies, told["levels"], strict=True)
    ]
    weights = [
        np.bincount(codes, weights=table.rows, minlength=h.sizes[0])
        for h, codes in zip(hierarchies, table.codes, strict=True)
    ]
    ncp = float(
        np.mean([(cell * weight).sum() / table.total_rows for cell, weight in zip(cells, weights, strict=True)])
    )
    print(f"anjana 1.2.3: {told['anjana']:.2f} s, levels {told['levels']}, suppressed {share:.1%}, NCP about {ncp:.4f}")
    print(
        f"this search:  {clock:.3f} s ({told['anjana'] / clock:.0f} times faster), levels {found.levels}, NCP {found.loss:.4f}"
    )
    begin = time.perf_counter()
    adult_table()
    own = time.perf_counter() - begin
    print(
        f"pycanon 1.3.5: k={told['k']} of anjana's table in {told['pycanon']:.3f} s; reading, coding and grouping all here {own:.3f} s"
    )


def line(what: str, name: str, clock: float, processor: float, found: object, other: str) -> dict:
    """One row of the table."""
    return {
        "table": what,
        "measure": name,
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", default="all", choices=["all", "adult", "trips", "large", "others"])
    parser.add_argument("--rows", type=int, default=1_000_000, help="trips of the part trips")
    parser.add_argument("--large-rows", type=int, default=20_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measures", nargs="+", default=list(MEASURES), choices=MEASURES)
    parser.add_argument("--keep", type=Path, default=None, help="keep the simulated raw trips in this file, or use it")
    parser.add_argument(
        "--install", action="store_true", help="install anjana and pycanon into a temporary environment"
    )
    given = parser.parse_args()
    print(f"processors {os.cpu_count()}, load {os.getloadavg()[0]:.1f}")
    rows: list[dict] = []
    if given.part in ("all", "adult"):
        rows += adult(given.repeats)
    if given.part in ("all", "trips"):
        rows += trips(given.rows, given.repeats, tuple(given.measures), given.seed)
    if rows:
        print(pd.DataFrame(rows).to_string(index=False))
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    if given.part in ("all", "others"):
        others(given.install)
    if given.part in ("all", "large"):
        large(given.large_rows, given.seed, "displacement", given.keep)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
