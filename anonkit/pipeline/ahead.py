"""Modules of later stages, loaded while the engine reads.

Reading keeps the engine's threads busy and Python idle; what the attacks and the linear system need takes a third of a second to
load. Nothing depends on it: a stage that comes first loads its modules itself. Touches no data.
"""

from __future__ import annotations

from importlib import import_module
from threading import Thread

LATER = (
    "scipy.sparse.csgraph",
    "scipy.optimize",
    "anonkit.pipeline.review",
    "anonkit.pipeline.answers",
    "anonkit.viz.svg_map",
    "anonkit.viz.svg_chart",
)
"""What `decide`, `review` and `report` import when they are reached."""


def load_ahead() -> None:
    """Begin to load the modules of later stages beside everything else."""
    Thread(target=_load, name="anonkit-load-ahead", daemon=True).start()


def _load() -> None:
    for name in LATER:
        import_module(name)
