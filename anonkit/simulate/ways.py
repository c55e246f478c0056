"""The way of a trip between its ends: one corner, a little noise, points at even steps of time.

Simulated roads do not exist; a way turns once, so that trips between the same places share most of their points. Good
enough to fill formats that carry a track. No map, no snapping, no protection.
"""

from __future__ import annotations

from anonkit.simulate.draws import Draws

Point = tuple[float, float]


def way_points(
    start: Point, end: Point, *, start_s: int, end_s: int, every_s: int, draws: Draws
) -> list[tuple[int, float, float]]:
    """Give (epoch second, lon, lat) from start to end, at least the two ends.

    >>> [point[0] for point in way_points((0.0, 0.0), (1.0, 1.0), start_s=0, end_s=50, every_s=20, draws=Draws(1))]
    [0, 20, 40, 50]
    """
    times = [*range(start_s, end_s, every_s), end_s]
    noise = (2e-5 * draws.bell(2 * len(times))).tolist()
    points = []
    for place, time_s in enumerate(times):
        done = (time_s - start_s) / (end_s - start_s)
        # First east or west, then north or south; the corner is half of the way.
        east, north = min(2.0 * done, 1.0), max(2.0 * done - 1.0, 0.0)
        lon = start[0] + (end[0] - start[0]) * east
        lat = start[1] + (end[1] - start[1]) * north
        if 0 < place < len(times) - 1:
            lon, lat = lon + noise[2 * place], lat + noise[2 * place + 1]
        points.append((time_s, round(lon, 6), round(lat, 6)))
    return points
