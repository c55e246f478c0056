"""The house stands: an arrow points only downwards, and the reader needs the base install only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def test_every_contract_of_the_layers_is_kept() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "--no-cache"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "0 broken" in done.stdout


def test_import_of_anonkit_and_of_its_reader_loads_no_release_package() -> None:
    heavy = "sklearn scipy numba pydantic yaml plotly opendp diffprivlib dp_accounting h3 cryptography phonenumbers"
    code = (
        "import sys, anonkit, anonkit.reader, anonkit.cli\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
