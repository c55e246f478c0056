"""The main job loads what its recipe needs: nothing of routes, noise, learned attackers or notebooks."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

HEAVY = ("scipy", "numba", "geopandas", "sklearn", "opendp", "diffprivlib", "plotly", "cryptography")


def test_the_main_job_starts_without_what_other_jobs_need() -> None:
    asked = f"import sys, anonkit.pipeline.run; print(*sorted(set({HEAVY!r}) & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_a_release_at_named_levels_loads_no_search(town: Any) -> None:
    recipe, out = town.busy().recipe(), town.folder / "out"
    asked = (
        "import sys; from anonkit.pipeline import release; release(sys.argv[1], out=sys.argv[2]); "
        "print(*sorted({'sklearn', 'numba', 'opendp', 'diffprivlib', 'plotly'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", asked, str(recipe), str(out)], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr[-2000:]
    assert found.stdout.split() == []
