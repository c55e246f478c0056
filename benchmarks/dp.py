"""Times of the DP kernels beside bare work of the same size; run alone: ``python benchmarks/dp.py``.

Prints noise for a million keys, 5 million trips → flows against a bare group-by plus noise, and 20,000 trips on 400 zones,
for which dp-mobility-report needed 15.7 s. On a busy machine only processor time and ratios within one run mean anything.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from anonkit.dp import DPFlows, PublicZones, plan
from anonkit.dp.mechanisms import DiscreteGaussian, DiscreteLaplace, exact
from anonkit.ledger import Ledger

PEER_S = 15.7


@dataclass(frozen=True, order=True)
class Took:
    """Processor time of one call, all threads, and wall time."""

    processor_s: float
    wall_s: float

    def __str__(self) -> str:
        return f"{self.processor_s:.2f} s of processor time ({self.wall_s:.2f} s by the clock)"


def seconds(work: Callable[[], Any]) -> Took:
    """How long one call took."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Took(time.process_time() - processor, time.perf_counter() - wall)


def table_of(trips: int, persons: int, zones: int) -> pa.Table:
    """Trips between random zones by persons of Pareto activity, with string tokens as after ``prepare``."""
    rng = np.random.default_rng(1)
    weight = rng.pareto(1.5, persons) + 1
    person = rng.choice(persons, trips, p=weight / weight.sum())
    names = pa.array([f"{number:016x}" for number in range(persons)])
    return pa.table(
        {
            "person": names.take(pa.array(person)),
            "start_cell": rng.integers(0, zones, trips),
            "end_cell": rng.integers(0, zones, trips),
        }
    )


def zones_of(side: int) -> PublicZones:
    """A square grid of zones of 500 m."""
    y, x = np.divmod(np.arange(side * side), side)
    return PublicZones.declared(np.arange(side * side), x_m=x * 500.0, y_m=y * 500.0, source="benchmark grid")


def main() -> None:
    """Print the table."""
    million = np.zeros(1_000_000, np.int64)
    laplace = DiscreteLaplace(sensitivity=3 * 2**20, epsilon=exact(1))
    gaussian = DiscreteGaussian(sensitivity=3 * 2**20, rho=exact("0.125"))
    print(f"noise, 1 M keys: Laplace {seconds(lambda: laplace.add(million))}; limit 15 s")
    print(f"noise, 1 M keys: Gaussian {seconds(lambda: gaussian.add(million))}; limit 30 s")
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger.create(
            Path(folder) / "bench.ledger",
            dataset="bench",
            privacy_unit="person",
            period="month",
            epsilon_cap=1000,
            delta_cap=1e-6,
            neighbours="add_or_remove",
        )
        settings: dict[str, Any] = {"ledger": ledger, "release": "bench", "periods": ("2026-09",)}
        for trips, persons, side in ((5_000_000, 500_000, 20), (5_000_000, 500_000, 6)):
            table, zones = table_of(trips, persons, side * side), zones_of(side)
            cells = side**4
            planned = plan("flows", epsilon=1, zones=zones)
            ours = min(seconds(lambda t=table, p=planned: DPFlows(plan=p, **settings).fit(t)) for _ in range(2))
            query = "select person, start_cell, end_cell, count(*) from t group by all"
            session = duckdb.connect()
            session.register("t", table)
            group = min(seconds(lambda s=session, q=query: s.sql(q).to_arrow_table()) for _ in range(2))
            noise = seconds(lambda n=cells: laplace.add(np.zeros(n, np.int64)))
            print(
                f"{trips:,} trips, {cells:,} cells: flows {ours}\n  person group-by {group}\n  noise {noise}\n"
                f"  ratio {ours.processor_s / (group.processor_s + noise.processor_s):.2f} in processor time, "
                f"{ours.wall_s / (group.wall_s + noise.wall_s):.2f} by the clock; limit 3"
            )
        small = table_of(20_000, 4000, 400)
        planned = plan("flows", epsilon=1, zones=zones_of(20))
        ours = seconds(lambda: DPFlows(plan=planned, **settings).fit(small))
        print(f"20,000 trips, 400 zones: {ours}; dp-mobility-report {PEER_S} s (another machine)")


if __name__ == "__main__":
    main()
