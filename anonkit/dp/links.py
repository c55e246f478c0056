"""Noisy volumes of street links: every link of the public network and every bin, whether anybody drove there or not.

What: ``DPLinks(...).fit(passages)`` draws once and charges the ledger; ``links_`` has a row for every link and bin. Why:
k-anonymous links do not stop membership inference and leave quiet streets out; noisy ones may go to the public (ruling
35) and tell quiet streets with their error. A person's passages are weighted to a declared cap T (a commuter drives
hundreds of links): all of them together move all sums together by T at most, however long his journeys are. Ends of
journeys are cut before (ruling 30), each person's by his own ends (ruling 17).

Keys are links of a public network file, times the bins of the period, never the links that were driven (ruling 18). What it
does not protect against: sums below the cap's bias, which the intervals do not cover (ruling 20); a network file that was
drawn from trips.

Sources: Wilson et al. 2020, Differentially Private SQL with Bounded User Contribution, section 3; rulings 16 to 20.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError
from anonkit.dp.public import PublicKeys, require
from anonkit.dp.releasers import DPVolumes

if TYPE_CHECKING:
    from anonkit.geo.matching import Walks
    from anonkit.geo.networks import Network

LINK, BIN = "link", "bin"


def link_keys(network: Network, *, bins: range | None = None) -> PublicKeys:
    """All links of a public network, times all bins of the period where volumes are told by time.

    Parameters
    ----------
    network : from ``read_network`` of a public file; its name and digest become the source.
    bins : ``TimeBins.span(first, last)``; public, made from dates.

    Raises
    ------
    PrivacyLeakError : ``bins`` is a list or an array: it looks taken from the passages.

    Privacy
    -------
    Reads no passage.

    Examples
    --------
    >>> from anonkit.geo.networks import Plane
    >>> from anonkit.geo.networks_cells import network_from_cells, square_cells
    >>> x, y, pairs = square_cells(width=3, height=1, cell_m=100)
    >>> town = network_from_cells(centre_x=x, centre_y=y, neighbours=pairs, speed_kmh=36, plane=Plane(), source="town")
    >>> len(link_keys(town)), len(link_keys(town, bins=range(24)))
    (4, 96)
    """
    source = f"{network.source or 'a public network'} digest:{network.digest}"
    links = np.arange(network.links, dtype=np.int64)
    if bins is None:
        return PublicKeys.declared(links[:, None], columns=(LINK,), source=source)
    numbers = np.array(require(bins, range, "bins"), dtype=np.int64)
    values = np.stack([np.repeat(links, len(numbers)), np.tile(numbers, len(links))], 1)
    return PublicKeys.declared(values, columns=(LINK, BIN), source=f"{source}, bins of the period")


def link_passages(walks: Walks, person: Any, *, bin: Any = None) -> pd.DataFrame:
    """The table that ``DPLinks`` reads: ``person, link`` and, by time, ``bin``; one row a passage. Raw, inside only.

    Parameters
    ----------
    walks : with their ends cut.
    person : token of each trip's person; a null person counts for nobody (ruling 1).
    bin : bin of each passage.

    Privacy
    -------
    As raw as coordinates until noise is added.
    """
    tokens = pd.Series(list(person), dtype=object)
    if len(tokens) != walks.trips:
        raise SchemaError(f"{len(tokens)} persons for {walks.trips} trips.", hint="one person a trip, None for nobody.")
    whole = tokens.map(lambda token: None if token is None or token != token else str(token))
    table = pd.DataFrame({"person": whole.to_numpy()[walks.trip], LINK: walks.link.astype(np.int64)})
    return table if bin is None else table.assign(bin=np.asarray(bin, dtype=np.int64))


class DPLinks(DPVolumes):
    """Passages of links with noise; ``links_`` after ``fit``.

    ``plan`` is ``dp.plan("volumes", epsilon=…, keys=link_keys(network, bins=…), max_trips=T)``, where T caps the
    *passages* of a person. ``links_`` has ``link`` (and ``bin``), ``trips`` (never negative), the signed ``capped_noisy``
    with its interval, and ``noise_sd``. A second ``fit`` is a second draw and spends again.
    """

    product = "volumes"

    def _draw(self, table: Any, codes: np.ndarray, purse: Any) -> None:
        if self._keys().columns[0] != LINK:
            raise SchemaError("DPLinks needs keys of links.", hint="keys=link_keys(network, bins=…)")
        super()._draw(table, codes, purse)
        noise = self.measurement_.noise
        self.links_ = self.volumes_.assign(noise_sd=float(noise.standard_deviation) / self.measurement_.scale)
