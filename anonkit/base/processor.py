"""A processor on which NumPy's choice of instructions is slow, told to NumPy before it is loaded.

On AMD's Zen 4 the AVX-512 sorts of NumPy take four to five times as long as its AVX2 sorts: the instruction that stores
compressed vectors is microcoded there (numpy/x86-simd-sort issue 6; AMD, Software Optimization Guide for Zen 4, 2.11.2).
Classes are found and recounted by sorting, so a release takes a fifth longer for it. NumPy reads ``NPY_DISABLE_CPU_FEATURES``
once, when it is loaded; only the command line sets it, for its own process. Results are the same either way. In a notebook
set it before the kernel starts. Has nothing to do with anybody's data.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import MutableMapping
from pathlib import Path

VARIABLE = "NPY_DISABLE_CPU_FEATURES"
AVX512 = "X86_V4 AVX512_ICL AVX512_SPR AVX512F AVX512_SKX AVX512_CLX AVX512_CNL"
"""Names of all versions of NumPy; of those that it does not know it warns, and passes over them."""
ZEN_3_AND_4 = "25"
"""AMD's processor family; of the two only Zen 4 has AVX-512."""


def prefer_fast_sorts(
    environment: MutableMapping[str, str] = os.environ, *, processor: Path = Path("/proc/cpuinfo")
) -> bool:
    """Have NumPy sort with AVX2 on Zen 4; whether anything was set. Does nothing once NumPy is loaded, or where the variable is set."""
    if VARIABLE in environment or "numpy" in sys.modules or not _is_zen4(processor):
        return False
    environment[VARIABLE] = AVX512
    warnings.filterwarnings("ignore", "During parsing environment variable", ImportWarning)
    return True


def _is_zen4(processor: Path) -> bool:
    try:
        first = processor.read_text().partition("\n\n")[0]  # the others are alike
    except OSError:
        return False
    pairs = (line.partition(":") for line in first.splitlines())
    told = {name.strip(): value.strip() for name, _, value in pairs}
    of_amd = told.get("vendor_id") == "AuthenticAMD" and told.get("cpu family") == ZEN_3_AND_4
    return of_amd and "avx512f" in told.get("flags", "").split()
