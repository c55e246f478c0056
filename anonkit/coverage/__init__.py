"""Coverage of the city and efficient routes, from published products only: no fix, no walk, no person is read here."""

from anonkit.coverage.efficient import LinkTimes, link_times, recommend, route_time
from anonkit.coverage.measures import (
    before_after,
    coverage,
    coverage_curve,
    detours,
    evenness,
    gaps,
    redundancy,
    to_cells,
    trips_needed,
)
from anonkit.coverage.noisy import noisy_links
from anonkit.coverage.positioning import nearest_nodes, position
from anonkit.coverage.savings import savings

__all__ = [
    "LinkTimes",
    "before_after",
    "coverage",
    "coverage_curve",
    "detours",
    "evenness",
    "gaps",
    "link_times",
    "nearest_nodes",
    "noisy_links",
    "position",
    "recommend",
    "redundancy",
    "route_time",
    "savings",
    "to_cells",
    "trips_needed",
]
