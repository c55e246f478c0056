"""Which samples the project keeps, and how each is made again: one writer an operator, one for the lists.

``data/samples`` holds what these writers make from the constants in their modules; a test compares the bytes. Invented
people; nothing here came from an operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from anonkit.base.errors import SourceError
from anonkit.simulate.bakikart import write_bakikart
from anonkit.simulate.charge_az import write_charge_az
from anonkit.simulate.lists import write_lists
from anonkit.simulate.mds import write_mds
from anonkit.simulate.pokupi import write_pokupi
from anonkit.simulate.rides import SAMPLE_CITY, write_rides_csv
from anonkit.simulate.sensitive import write_places
from anonkit.simulate.streets import write_pokupi_routes
from anonkit.simulate.uklon import write_uklon


def write_kontaktplus(folder: Path) -> None:
    """Write the rides of KONTAKTPLUS, flat and as MDS."""
    write_mds(folder)
    write_rides_csv(folder / "rides.csv", SAMPLE_CITY)


SAMPLES: Mapping[str, Callable[[Path], None]] = MappingProxyType(
    {
        "bakikart": write_bakikart,
        "charge_az": write_charge_az,
        "kontaktplus": write_kontaktplus,
        "lists": write_lists,
        "places": write_places,
        "pokupi": write_pokupi,
        "pokupi_routes": write_pokupi_routes,
        "uklon": write_uklon,
    }
)


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
