"""Times of the risk room against its acceptance; state ratios of one run, as machines differ.

python benchmarks/risk.py            # all
python benchmarks/risk.py unicity    # one
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
from anonkit.risk.incidence import combine
from anonkit.risk.location import ATTACKS, Visits, location_risk
from anonkit.risk.unicity import unicity_risk, unicity_surface

SKMOB_S = 15.7  # scikit-mobility 1.3.1, location attack, 40 users × 10 points, two known


def anchored(persons: int, points: int, places: int, seed: int) -> Visits:
    """Points of people with six habitual places each and some popular ones."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(persons), points)
    habit = rng.integers(0, places, (persons, 6))[person, rng.integers(0, 6, len(person))]
    popular = (rng.pareto(1.2, len(person)) * 20).astype(np.int64) % places
    place = np.where(rng.random(len(person)) < 0.7, habit, popular)
    return Visits(person=person, place=place, time_s=rng.integers(0, 30 * 86_400, len(person)))


def timed(label: str, limit_s: float, run: Callable[[], object]) -> None:
    begin = time.perf_counter()
    run()
    spent = time.perf_counter() - begin
    print(f"{label:<62} {spent:8.3f} s  limit {limit_s:g} s  {'ok' if spent <= limit_s else 'OVER'}", flush=True)


def location() -> None:
    small, large = anchored(40, 10, 60, 1), anchored(10_000, 100, 2_000, 2)
    for attack in ATTACKS:
        location_risk(small, attack=attack, known=2)
        timed(
            f"{attack}, 40 × 10, k=2, all backgrounds", 0.15, lambda a=attack: location_risk(small, attack=a, known=2)
        )  # type: ignore[misc]
    begin = time.perf_counter()
    for _ in range(20):
        location_risk(small, attack="location", known=2)
    print(f"location attack: {SKMOB_S / ((time.perf_counter() - begin) / 20):,.0f} × scikit-mobility's time")
    for attack in ATTACKS:
        timed(
            f"{attack}, 10,000 × 100, k=4, 100 backgrounds a person", 60,
            lambda a=attack: location_risk(large, attack=a, known=4, samples=100, seed=1),  # type: ignore[misc]
        )  # fmt: skip


def unicity() -> None:
    seen = anchored(50_000, 100, 5_000, 3)
    hour = np.asarray(seen.time_s) // 3600
    unicity_risk(seen.person[:1000], seen.place[:1000], known=(1, 2), persons=10, seed=1)
    timed(
        "unicity, 5 M points, p = 1 … 10, 2,000 persons", 60,
        lambda: unicity_risk(seen.person, combine(seen.place, hour), known=tuple(range(1, 11)), persons=2000, seed=1),
    )  # fmt: skip
    places = {f"1/{f}": seen.place // f for f in (1, 4, 16, 64)}
    times = {f"{h} h": hour // h for h in (1, 4, 24, 168)}
    timed(
        "unicity surface of 4 × 4 resolutions, 5 M points", 60,
        lambda: unicity_surface(seen.person, places, times, known=(1, 2, 4, 8), persons=2000, seed=1),
    )  # fmt: skip


if __name__ == "__main__":
    parts = {"location": location, "unicity": unicity}
    for name in sys.argv[1:] or parts:
        parts[name]()
