"""One-way signs as evidence, not as law: a street driven against its sign is recognised, and never counted.

A street file is of another year than the trips, signs are drawn wrong way round, taxis have lanes of their own. A matcher
that holds every sign for true then invents a detour around the block, or loses the trip at that street. Here each one-way
link gets a link against its sign that only the matcher sees and that costs metres to enter. What was driven on it keeps
the trip together and is then left out: link numbers of products stay those of the public network, and a passage that the
network does not know is nobody's. Protects nobody: matched links are raw (ruling 30).

Source of soft one-way restrictions in matching: Valhalla's trace options and barefoot treat them as costs or filters; the
share that is driven against a sign is reported, so that a street file that is wrong shows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from anonkit.geo.networks import Floats, Network


def both_ways(network: Network) -> Network:
    """The network and, numbered after its links, one link against the sign of each one-way street.

    Privacy
    -------
    Made from the public network; reads no trip.

    Examples
    --------
    >>> from anonkit.geo.networks import Plane, network_from_streets
    >>> net = network_from_streets(shape_x=[0, 60, 100], shape_y=[0, 0, 0], shape_count=[3], node_start=[1], node_end=[2],
    ...     forward=[True], backward=[False], speed_kmh=[30], street_class=["a"], plane=Plane())
    >>> wide = both_ways(net)
    >>> wide.links, wide.twin.tolist(), wide.shape_x.tolist()
    (2, [1, 0], [0.0, 60.0, 100.0, 100.0, 60.0, 0.0])
    """
    one = np.flatnonzero(network.oneway)
    count = np.diff(network.shape_offset)[one]
    begin = np.r_[0, np.cumsum(count)]
    place = np.arange(begin[-1]) - np.repeat(begin[:-1], count)
    taken = np.repeat(network.shape_offset[one + 1] - 1, count) - place
    fresh = np.arange(network.links, network.links + len(one), dtype=np.int32)
    twin = np.r_[network.twin, one.astype(np.int32)]
    twin[one] = fresh
    return replace(
        network,
        link_start=np.r_[network.link_start, network.link_end[one]],
        link_end=np.r_[network.link_end, network.link_start[one]],
        twin=twin,
        length_m=np.r_[network.length_m, network.length_m[one]],
        speed_kmh=np.r_[network.speed_kmh, network.speed_kmh[one]],
        link_class=np.r_[network.link_class, network.link_class[one]],
        shape_offset=np.r_[network.shape_offset, network.shape_offset[-1] + begin[1:]].astype(np.int64),
        shape_x=np.r_[network.shape_x, network.shape_x[taken]],
        shape_y=np.r_[network.shape_y, network.shape_y[taken]],
    )


def signed(
    network: Network, wide: Network, link: NDArray[np.int32], offset_m: Floats
) -> tuple[NDArray[np.int32], Floats]:
    """The public link and metre of each place: where the sign was ignored, the same place on the street's only link."""
    own = np.asarray(link)
    against = own >= network.links
    if not against.any():
        return own, np.asarray(offset_m, dtype=float)
    real = np.where(against, wide.twin[np.maximum(own, 0)], own)
    metres = np.where(against, network.length_m[np.maximum(real, 0)] - offset_m, offset_m)
    return real.astype(np.int32), metres
