"""anonkit: pooled trips of urban mobility operators, made fit to sell, license or share.

Names load when first used (PEP 562), so that ``import anonkit`` on the bare install touches no release package.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from anonkit.version import __version__

_WHERE = {
    # name: module that holds it
    "release": "anonkit.pipeline",
    "read_trips": "anonkit.pipeline.steps",
    "prepare": "anonkit.pipeline.steps",
    "generalise": "anonkit.pipeline.steps",
    "safe_products": "anonkit.pipeline.steps",
    "open_release": "anonkit.reader",
    "verify": "anonkit.reader",
    "Table": "anonkit.schema",
    "Grid": "anonkit.geo",
    "Zones": "anonkit.geo",
    "TimeBins": "anonkit.geo",
    "class_sizes": "anonkit.pipeline.sizes",
    "KAnonymizer": "anonkit.kanon.estimators",
    "k_anonymise": "anonkit.kanon.estimators",
    "Hierarchy": "anonkit.kanon.hierarchies",
    "intervals": "anonkit.kanon.hierarchies_travel",
    "clock_time": "anonkit.kanon.hierarchies_travel",
    "nested_grid": "anonkit.kanon.hierarchies_travel",
    "h3_cells": "anonkit.kanon.hierarchies_travel",
    "KAnonymity": "anonkit.kanon.models",
    "KMap": "anonkit.kanon.models",
    "Dominance": "anonkit.kanon.models",
    "DistinctDiversity": "anonkit.kanon.models",
    "EntropyDiversity": "anonkit.kanon.models",
    "RecursiveDiversity": "anonkit.kanon.models",
    "TCloseness": "anonkit.kanon.models",
    "AlphaK": "anonkit.kanon.models",
    "BetaLikeness": "anonkit.kanon.models",
    "DeltaDisclosure": "anonkit.kanon.models",
    "adapt": "anonkit.kanon.adaptive",
    "BoxAnonymizer": "anonkit.kanon.numeric",
    "Microaggregator": "anonkit.kanon.numeric",
    "partition": "anonkit.kanon.mondrian",
    "Raster": "anonkit.kanon.mondrian",
    "microaggregate": "anonkit.kanon.microaggregation",
    "protect_sets": "anonkit.kanon.setvalued",
    "DaySets": "anonkit.kanon.days",
    "preset": "anonkit.kanon.presets",
    "Ledger": "anonkit.ledger",
    "read_network": "anonkit.geo.networks_read",
    "Matcher": "anonkit.geo.matching",
    "read_fixes": "anonkit.pipeline.steps_routes",
    "match": "anonkit.pipeline.steps_routes",
    "release_routes": "anonkit.kanon.routes_release",
    "RouteProduct": "anonkit.kanon.routes_product",
    "RouteSpec": "anonkit.kanon.routes_release",
    "RouteRule": "anonkit.kanon.routes",
    "EndRule": "anonkit.geo.trimming",
    "CellKeyNoise": "anonkit.kanon",
    "Protection": "anonkit.classes",
}
_ROOMS = (
    *("base", "engine", "schema", "geo", "sources", "classes", "kanon", "dp", "risk"),
    *("utility", "viz", "coverage", "simulate", "registry", "vault", "ledger"),
)

__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(import_module(_WHERE[name]), name)
    elif name in _ROOMS:
        value = import_module(f"anonkit.{name}")
    else:
        raise AttributeError(f"module 'anonkit' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE, *_ROOMS})


class _Faces(ModuleType):
    """Importing the room ``anonkit.prepare`` must not hide the step ``anonkit.prepare`` that an analyst types."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _WHERE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Faces
