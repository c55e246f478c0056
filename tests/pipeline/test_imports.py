"""The main job loads what its recipe needs: nothing of routes, noise, learned attackers or notebooks."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("scipy", "numba", "geopandas", "sklearn", "opendp", "diffprivlib", "plotly", "cryptography")


def test_the_main_job_starts_without_what_other_jobs_need() -> None:
    asked = f"import sys, anonkit.pipeline.run; print(*sorted(set({HEAVY!r}) & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
