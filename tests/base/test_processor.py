"""NumPy sorts with AVX2 on the one processor whose AVX-512 sorts are slow, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from anonkit.base.processor import VARIABLE

INFO = "processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: 17\nflags\t\t: fpu avx2 {flag}\n\nprocessor\t: 1\n"
ASKED = (
    "import sys; from pathlib import Path; from anonkit.base.processor import prefer_fast_sorts; environment = {before}; "
    "print(prefer_fast_sorts(environment, processor=Path(sys.argv[1])), *environment.values())"
)


def asked(path: Path, before: str = "{}") -> str:
    """What a fresh process, in which NumPy is not loaded, comes to."""
    code = ASKED.replace("{before}", before)
    return subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("vendor", "family", "flag", "told"),
    [
        ("AuthenticAMD", "25", "avx512f", "True X86_V4"),  # Zen 4
        ("AuthenticAMD", "25", "avx", "False"),  # Zen 3 has no AVX-512
        ("AuthenticAMD", "26", "avx512f", "False"),  # Zen 5
        ("GenuineIntel", "6", "avx512f", "False"),
    ],
)
def test_only_zen4_is_told_to_sort_otherwise(tmp_path: Path, vendor: str, family: str, flag: str, told: str) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(INFO.format(vendor=vendor, family=family, flag=flag))
    assert asked(info).startswith(told)


def test_what_somebody_has_set_stays_and_no_information_is_no_reason(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(INFO.format(vendor="AuthenticAMD", family="25", flag="avx512f"))
    assert asked(info, "{'NPY_DISABLE_CPU_FEATURES': 'AVX2'}") == "False AVX2\n"
    assert asked(tmp_path / "nothing").startswith("False")


def test_the_command_line_loads_numpy_only_after_it_was_told() -> None:
    code = "import sys, anonkit.cli; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_numpy_takes_every_name_that_it_is_told_and_warns_of_none(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(INFO.format(vendor="AuthenticAMD", family="25", flag="avx512f"))
    code = (
        "import sys; from pathlib import Path; from anonkit.base.processor import prefer_fast_sorts; "
        "told = prefer_fast_sorts(processor=Path(sys.argv[1])); import numpy; print(told, numpy.sort(numpy.array([3, 1, 2])))"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", code, str(info)],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != VARIABLE},
        check=True,
    )
    assert found.stdout == "True [1 2 3]\n"
