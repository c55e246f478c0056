"""The main job measured: a million simulated trips, Parquet in, a bundle out, beside a bare group-by and pandas.

``python benchmarks/main_job.py`` prints a table; ``--trips 20000000`` for the large run, ``--profile`` for the seconds
of each stage. Every run is a process of its own with two threads and 3 GB for the engine; the median of three counts,
and the peak memory is that of the whole process tree, sampled. Writing is part of it on every side.

- bare: DuckDB alone; cells and bins in SQL, two-level group-by (person in the inner key), classes with at least k
  persons, the same three products as Parquet and CSV. No tokens, no remainders, no gate, no dominance.
- release: ``anonkit release``, all of it; the gate is also shown apart.
- pandas: the same classes as bare.

Figures of one run belong together; the machine may be shared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
K = 5
THREADS, MEMORY = 2, "3GB"
LEVELS = {"trips": (1000, 2, 3), "flows": (1000, 2, 3), "volumes": (1000, 2, 3)}
"""Product → cell in metres, its factor over the base cell, hours of a bin."""

BARE = f"""
import json, sys, time
import duckdb
trips, out, lat, lon, offset, k = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7])
start = time.perf_counter()
con = duckdb.connect()
con.execute("SET threads = {THREADS}"); con.execute("SET memory_limit = '{MEMORY}'")
con.execute("SET preserve_insertion_order = false")
def cell(end):
    row = f"((floor({{end}}_lat * 1e6 + 0.5)::BIGINT + 90000000) // {{lat}} // 2)"
    col = f"((floor({{end}}_lon * 1e6 + 0.5)::BIGINT + 180000000) // {{lon}} // 2)"
    return f"100000000000000 + {{row}} * 10000000 + {{col}}"
con.execute(f"CREATE TEMP TABLE t AS SELECT person, mode, {{cell('start')}} AS start_cell, {{cell('end')}} AS end_cell, "
            f"(start_s + {{offset}}) // 10800 AS bin FROM read_parquet('{{trips}}') WHERE person IS NOT NULL")
def classes(keys, source):
    return (f"SELECT {{keys}}, sum(n)::BIGINT AS trips FROM (SELECT {{keys}}, person, count(*) AS n FROM {{source}} GROUP BY ALL) "
            f"GROUP BY {{keys}} HAVING count(*) >= {{k}}")
both = "(SELECT start_cell AS cell, bin, 'start' AS \\"end\\", person FROM t UNION ALL SELECT end_cell, bin, 'end', person FROM t)"
rows = "start_cell, end_cell, bin, mode"
products = {{
    "trips": f"SELECT {{rows}} FROM t SEMI JOIN ({{classes(rows, 't')}}) c USING ({{rows}}) ORDER BY ALL",
    "flows": classes("start_cell, end_cell, bin", "t") + " ORDER BY ALL",
    "volumes": classes('cell, bin, "end"', both) + " ORDER BY ALL",
}}
for name, query in products.items():
    con.execute(f"COPY ({{query}}) TO '{{out}}/{{name}}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    con.execute(f"COPY (SELECT * FROM read_parquet('{{out}}/{{name}}.parquet')) TO '{{out}}/{{name}}.csv' (HEADER)")
print(json.dumps({{"total": time.perf_counter() - start}}))
"""

PANDAS = """
import json, sys, time
start = time.perf_counter()
import numpy as np, pandas as pd
trips, out, lat, lon, offset, k = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7])
t = pd.read_parquet(trips, columns=["person", "mode", "start_s", "start_lon", "start_lat", "end_lon", "end_lat"])
t = t[t["person"].notna()]
for end in ("start", "end"):
    row = (np.floor(t[f"{end}_lat"] * 1e6 + 0.5).astype("int64") + 90_000_000) // lat // 2
    col = (np.floor(t[f"{end}_lon"] * 1e6 + 0.5).astype("int64") + 180_000_000) // lon // 2
    t[f"{end}_cell"] = 10**14 + row * 10**7 + col
t["bin"] = (t["start_s"] + offset) // 10_800
def classes(frame, keys):
    inner = frame.groupby([*keys, "person"], observed=True).size()
    grouped = inner.groupby(level=list(range(len(keys))), observed=True)
    found = pd.DataFrame({"trips": grouped.sum(), "persons": grouped.size()}).reset_index()
    return found[found["persons"] >= k].drop(columns="persons")
rows = ["start_cell", "end_cell", "bin", "mode"]
ends = pd.concat([t.assign(cell=t[f"{e}_cell"], end=e)[["cell", "bin", "end", "person"]] for e in ("start", "end")])
products = {
    "trips": t[rows].merge(classes(t, rows)[rows], on=rows),
    "flows": classes(t, rows[:3]),
    "volumes": classes(ends, ["cell", "bin", "end"]),
}
for name, frame in products.items():
    frame = frame.sort_values(list(frame.columns))
    frame.to_parquet(f"{out}/{name}.parquet", compression="zstd", index=False)
    frame.to_csv(f"{out}/{name}.csv", index=False)
print(json.dumps({"total": time.perf_counter() - start}))
"""

RELEASE = """
import json, sys, time
start = time.perf_counter()
from anonkit.base.processor import prefer_fast_sorts
prefer_fast_sorts()  # as the command line does, before NumPy is loaded
from anonkit.base.progress import Progress
from anonkit.pipeline import release
imported = time.perf_counter() - start
progress = Progress()
result = release(sys.argv[1], out=sys.argv[2], progress=progress)
products = {p["part"]: [p["trips_released"], p["share_released"]] for p in result.run["products"]}
print(json.dumps({"total": time.perf_counter() - start, "import": imported, **progress.seconds, "products": products}))
"""


def recipe(folder: Path, trips: Path, zone: str, latitude: float, days: tuple[date, date]) -> Path:
    """The recipe of the release: the same products, levels and k as the bare query."""
    names = ("trip", "person", "mode", "start_lon", "start_lat", "end_lon", "end_lat")
    level = {kind: {"cell_m": cell, "bins": f"{hours}h"} for kind, (cell, _, hours) in LEVELS.items()}
    level["trips"] |= {"columns": ["mode"], "rows_per_person": 10}
    text = {
        "release": "benchmark",
        "title": "Simulated trips",
        "purpose": "benchmark",
        "recipient": {"name": "nobody", "kind": "internal"},
        "licence": "CC0-1.0",
        "period": {"from": days[0].isoformat(), "to": days[1].isoformat()},
        "privacy": {"guarantee": "k_anonymity", "protect": {"person": K}, "l_places": 1},
        "counts": {"rule": "exact"},
        "geo": {
            "cell_m": 500,
            "latitude": latitude,
            "area": str(ROOT / "data" / "areas" / "baku.geojson"),
            "levels": 4,
        },
        "time": {"bins": "1h", "zone": zone},
        "products": level,
        "inputs": [
            {
                "path": str(trips),
                "operator": "city",
                "columns": {**{name: name for name in names}, "start": "start_s", "end": "end_s"},
                "time": {"format": "epoch_s"},
                "checks": {"max_rejected": 0.9},
            }
        ],
        "engine": {"threads": THREADS, "memory_limit": MEMORY},
    }
    path = folder / "recipe.yml"
    path.write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
    return path


def tree_kb(root: int) -> int:
    """Resident memory of a process and all its children, kB."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    waiting, total = [root], 0
    while waiting:
        process = waiting.pop()
        waiting += parents.get(process, [])
        try:
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total


def measure(code: str, *arguments: object) -> dict[str, Any]:
    """One run in a process of its own: what it prints, wall seconds with start-up, peak memory of its tree."""
    start = time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": str(THREADS), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    peak = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], tree_kb(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    text, _ = process.communicate()
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"a run failed with code {process.returncode}")
    wall = time.perf_counter() - start
    return {**json.loads(text.strip().splitlines()[-1]), "wall": wall, "peak_mb": peak[0] / 1024}


def middle(runs: list[dict[str, Any]], name: str) -> float:
    return statistics.median(run[name] for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", type=int, default=1_000_000)
    parser.add_argument("--persons", type=int, default=None, help="default: one for 25 trips")
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=20260901)
    parser.add_argument("--skip", nargs="*", default=[], choices=["pandas", "bare", "release"])
    parser.add_argument("--keep", type=Path, default=None, help="keep the simulated trips in this file, or use it")
    arguments = parser.parse_args()

    from anonkit.geo import Grid
    from anonkit.schema import LocalTime
    from anonkit.simulate import City, write_trips_parquet

    first = date(2026, 9, 1)
    with tempfile.TemporaryDirectory(prefix="anonkit-benchmark-") as temporary:
        folder = Path(temporary)
        # modules are compiled before the first run and kept, as those of anything installed are
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        trips = arguments.keep or folder / "trips.parquet"
        if not trips.exists():
            persons = arguments.persons or max(arguments.trips // 25, 100)
            city = City(persons=persons, trips=arguments.trips, days=arguments.days, start=first, seed=arguments.seed)
            print(f"simulated {write_trips_parquet(trips, city):,} trips of {persons:,} persons", flush=True)
        zone, latitude = "Asia/Baku", 40.4
        grid = Grid(cell_m=500, latitude=latitude)
        offset = LocalTime(zone).offset(1_788_220_800)
        last = date.fromordinal(first.toordinal() + arguments.days)
        path = recipe(folder, trips.absolute(), zone, latitude, (first, last))
        measure("import duckdb, pandas, pyarrow, anonkit.pipeline.run, anonkit.pipeline.review; print('{}')")
        runs: dict[str, list[dict[str, Any]]] = {"bare": [], "release": [], "pandas": []}
        for number in range(arguments.runs):  # in turn, so that a busy minute of the machine hits all alike
            for side, found in runs.items():
                if side in arguments.skip:
                    continue
                out = folder / f"{side}-{number}"
                if side == "release":
                    found.append(measure(RELEASE, path, out))
                else:
                    out.mkdir()
                    code = BARE if side == "bare" else PANDAS
                    found.append(measure(code, trips, out, grid.lat_step, grid.lon_step, offset, K))
                for made in folder.glob(f"{side}-{number}*"):
                    shutil.rmtree(made)
        show({side: found for side, found in runs.items() if found})


def show(runs: dict[str, list[dict[str, Any]]]) -> None:
    """The table, and the stages of the release."""
    base = middle(runs["bare"], "total") if "bare" in runs else float("nan")
    print("| side | seconds (median) | with start-up | × bare | peak MB |")
    print("|---|---|---|---|---|")
    for side, found in runs.items():
        total = middle(found, "total")
        row = f"| {side} | {total:.2f} | {middle(found, 'wall'):.2f} | {total / base:.1f} | {middle(found, 'peak_mb'):.0f} |"
        print(row)
        if side == "release":
            gate, imported = middle(found, "gate"), middle(found, "import")
            bare_work = total - imported
            print(f"| release less import | {bare_work:.2f} | | {bare_work / base:.1f} | |")
            print(f"| release less import and gate | {bare_work - gate:.2f} | | {(bare_work - gate) / base:.1f} | |")
            print(f"| gate alone | {gate:.2f} | | {gate / base:.1f} | |")
    if "release" in runs:
        stages = [name for name, value in runs["release"][0].items() if isinstance(value, float)]
        stages = [name for name in stages if name not in ("total", "wall", "peak_mb")]
        print("stages: " + ", ".join(f"{name} {middle(runs['release'], name):.2f} s" for name in stages))
        print(f"released: {runs['release'][0]['products']}")


if __name__ == "__main__":
    main()
