"""Attacks that are run on releases, and the risk they show: value, interval, baseline, control.

Names are loaded when they are first used (PEP 562), as some attacks bring Numba and scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "assess": ("Assessment", "Roles", "assess_table"),
    "chains": ("ReleasedTrips", "chain_risk"),
    "classes": ("ClassRisk", "class_risk"),
    "differencing": ("derived_counts", "differencing_risk", "feasible"),
    "document": ("risk_document", "risk_schema"),
    "fuzzing": ("Ends", "louisville_fuzz", "same_offset_attack"),
    "hashes": ("ALGORITHMS", "hash_shape", "reverse_hashes"),
    "incidence": ("combine", "hold_out"),
    "leaks": ("index_leak", "neighbour_leak", "order_leak"),
    "linkage": ("fresh_pseudonyms", "link_periods"),
    "location": ("ATTACKS", "LocationRisk", "Visits", "location_risk"),
    "membership": ("Worlds", "auc_limit", "heaviest", "membership_risk", "most_outlying"),
    "places": ("home_work_risk", "top_places_risk"),
    "population": ("population_uniqueness",),
    "recoding": ("minimality", "refine"),
    "recovery": ("recover", "recovery_risk"),
    "result": ("Interval", "RiskFigure", "auc_interval", "mean_interval", "share_interval"),
    "routes": ("circle_fit", "patterns_walked_in_full", "subpath_risk"),
    "scorecard": ("Evidence", "Question", "questions", "answer_questions", "risk_threshold", "verdict"),
    "three_tests": ("inference", "linkability", "one_row_a_person", "singling_out"),
    "trips": ("class_table", "destination_inference", "trip_risk", "trip_uniqueness"),
    "unicity": ("square_cells", "unicity_risk", "unicity_surface"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [*sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'anonkit.risk' has no attribute {name!r}")
    return getattr(import_module(f"anonkit.risk.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
