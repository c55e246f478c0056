"""The bare wheel beside the newest scikit-learn: a researcher opens and verifies a release, and no more is loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READ = """
import sys
import anonkit
heavy = "sklearn scipy numba pydantic yaml plotly opendp diffprivlib dp_accounting h3 cryptography phonenumbers".split()
assert not [name for name in heavy if name in sys.modules], "import anonkit loads release packages"
from anonkit.reader import open_release
release = open_release(sys.argv[1])
assert release.privacy["k"] == 5 and len(release.flows.to_pandas()) and len(release.to_geodataframe("flows"))
assert not [name for name in heavy if name in sys.modules and name != "scipy"], "the reader loads release packages"
import importlib.metadata, sklearn
assert not {"opendp", "diffprivlib", "numba", "phonenumbers"} & {d.name for d in importlib.metadata.distributions()}
print("scikit-learn", sklearn.__version__, "rows", len(release.flows.to_pandas()))
"""


def run(*command: object, **more: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=1800, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command[:4]}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return str(done.stdout)


@pytest.mark.slow
def test_bare_wheel_opens_and_verifies_beside_the_newest_scikit_learn(bundle: Path, tmp_path: Path) -> None:
    uv = shutil.which("uv") or Path(sys.executable).with_name("uv")
    if not Path(uv).is_file():
        pytest.skip("needs uv, which `make venv` installs")
    run(uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("anonkit-*.whl")
    venv = tmp_path / "venv"
    run(uv, "venv", "--quiet", "--python", sys.executable, venv)
    python = venv / "bin" / "python"
    run(uv, "pip", "install", "--quiet", "--python", python, wheel, "scikit-learn>=1.8")
    bare = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    assert "scikit-learn 1." in run(python, "-c", READ, bundle, cwd=tmp_path, env=bare)
    assert "complete and unaltered" in run(venv / "bin" / "anonkit", "verify", bundle, cwd=tmp_path, env=bare)
    done = subprocess.run(
        [venv / "bin" / "anonkit", "release", "recipe.yml", "--out", "out"], capture_output=True, cwd=tmp_path, env=bare
    )
    assert done.returncode == 2, "the release verb without its extra names the extra and ends with 2"
    assert b"anonkit[release]" in done.stderr
