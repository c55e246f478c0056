"""Which samples the project keeps, and how each is made again: one writer an operator.

``data/samples`` holds what these writers make from the constants in their modules; a test compares the bytes. Invented
people; nothing here came from an operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from anonkit.base.errors import SourceError
from anonkit.simulate.rides import SAMPLE_CITY, write_rides_csv


def write_kontaktplus(folder: Path) -> None:
    """Write the rides of KONTAKTPLUS."""
    write_rides_csv(folder / "rides.csv", SAMPLE_CITY)


SAMPLES: Mapping[str, Callable[[Path], None]] = MappingProxyType({"kontaktplus": write_kontaktplus})


def write_sample(name: str, folder: str | Path) -> list[Path]:
    """Write the committed sample ``name`` into ``folder/name``.

    Parameters
    ----------
    name : a key of ``SAMPLES``.
    folder : usually ``data/samples``.

    Returns
    -------
    list of the files in the sample's folder.

    Raises
    ------
    SourceError : no sample of that name.

    Privacy
    -------
    Invented people; spends nothing.

    Sources
    -------
    The formats are named in ``data/README.md``.
    """
    if name not in SAMPLES:
        raise SourceError(f"There is no sample {name!r}.", hint=f"one of {sorted(SAMPLES)}.")
    target = Path(folder) / name
    target.mkdir(parents=True, exist_ok=True)
    SAMPLES[name](target)
    return sorted(target.iterdir())
