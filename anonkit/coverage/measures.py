"""How well the published traffic covers a city: shares, curve, evenness, redundancy, detours, gaps, before and after.

Everything here reads published tables and public reference data (streets, cells of the area) and nothing else; raw
fixes and matched walks are refused at the door. What is missing in a k-anonymous table is suppressed or empty, so its
coverage is a **lower bound** and says so (``high`` is null); a noisy table gives an expected share with an interval.

Does not protect against: a table that was not protected when it was made. Comparing two releases of overlapping
periods is refused by the registry before it gets here (ruling 13).

Sources: Lorenz 1905 and Gini 1912 for evenness; Hurlbert 1971 for the expected coverage of a share of the trips
(rarefaction).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anonkit.base.errors import SchemaError
from anonkit.coverage.noisy import noisy_share
from anonkit.geo.networks import Network
from anonkit.kanon.routes_product import RouteProduct, published

Floats = NDArray[np.float64]
WIDE = 1.959964
"""Half-width of a 95 % interval in standard deviations."""


def _sizes(product: RouteProduct, network: Network | None, cells: Any) -> tuple[str, pd.Series]:
    """Name of the place column and the public size of every place: metres of link, or one a cell."""
    if product.kind == "link_volumes":
        if network is None:
            raise SchemaError("Coverage of links needs the network.", hint="network=read_network(...).")
        product.check(network)
        return "link", pd.Series(network.length_m, index=pd.RangeIndex(network.links))
    if cells is None:
        raise SchemaError("Coverage of cells needs all cells of the public area.", hint="cells=grid.cells().")
    return "cell", pd.Series(1.0, index=pd.Index(np.asarray(cells)))


def noise_sd(product: RouteProduct) -> Floats:
    """Standard deviation of the counts' noise, row by row: as published, or that of the cell-key noise."""
    table = product.table
    if "noise_sd" in table:
        return table["noise_sd"].to_numpy(dtype=float)
    if {"trips_low", "trips_high"} <= set(table):
        return (table["trips_high"] - table["trips_low"]).to_numpy(dtype=float) / (2 * WIDE)
    return np.full(len(table), float(product.parameters.get("noise_variance", 0.0)) ** 0.5)


def coverage(
    product: RouteProduct, *, network: Network | None = None, cells: Any = None, least: float = 1.0
) -> pd.DataFrame:
    """Share of the network's length (or of the area's cells) that is served, in all and by hour, mode or operator.

    Parameters
    ----------
    product : link or cell volumes.
    network, cells : the whole of which a share is taken; public.
    least : trips from which a place counts as served; with noise, well above zero.

    Returns
    -------
    DataFrame, first row ``all``: ``part, share, low, high, covered, total`` (kilometres, or cells). Of k-anonymous
    tables ``share = low`` is a lower bound and ``high`` is null; of noisy ones the interval is 95 %.

    Privacy
    -------
    Reads a published table only.

    Examples
    --------
    >>> table = pd.DataFrame({"cell": [1, 1, 2], "bin": [8, 9, 8], "trips": [10, 5, 5]})
    >>> volumes = RouteProduct("cell_volumes", table, "", {"k": 5, "noise_variance": 1.0})
    >>> coverage(volumes, cells=[1, 2, 3, 4])[["part", "share", "covered"]].values.tolist()
    [['all', 0.5, 2.0], ['8', 0.5, 2.0], ['9', 0.25, 1.0]]
    """
    published(product, "link_volumes", "cell_volumes")
    place, size = _sizes(product, network, cells)
    noisy = "epsilon" in product.parameters
    table = product.table[product.table[place].isin(size.index)]
    table = table.assign(variance=noise_sd(product)[product.table[place].isin(size.index)] ** 2)
    unit, total = 1000.0 if place == "link" else 1.0, float(size.sum())
    parts: list[tuple[str, pd.DataFrame]] = [("all", table)]
    if product.part is not None:
        parts += [(_name(part), group) for part, group in table.groupby(product.part, sort=True) if part != -1]
    rows = []
    for name, group in parts:
        if noisy:
            summed = group.groupby(place)[["trips", "variance"]].sum()
            expected, low, high = noisy_share(
                summed["trips"].to_numpy(dtype=float),
                np.sqrt(summed["variance"].to_numpy(dtype=float)),
                size.loc[summed.index].to_numpy(dtype=float),
                least=least,
                laplace=product.parameters.get("noise", "laplace") == "laplace",
            )
        else:
            expected = low = float(size.loc[group.loc[group["trips"] >= least, place].unique()].sum())
            high = np.nan
        rows.append((name, expected / total, low / total, high / total, expected / unit, total / unit))
    return pd.DataFrame(rows, columns=["part", "share", "low", "high", "covered", "total"])


def _name(part: Any) -> str:
    return str(int(part)) if isinstance(part, int | float | np.integer) else str(part)


def _by_place(product: RouteProduct, network: Network | None, cells: Any) -> tuple[Floats, Floats, NDArray[Any]]:
    """Trips and size of every place of the whole, zeros included, and the places' codes."""
    place, size = _sizes(product, network, cells)
    trips = product.table.groupby(place)["trips"].sum().clip(lower=0).reindex(size.index, fill_value=0)
    return trips.to_numpy(dtype=float), size.to_numpy(dtype=float), np.asarray(size.index)


def coverage_curve(
    product: RouteProduct, *, network: Network | None = None, cells: Any = None, steps: int = 40
) -> pd.DataFrame:
    """Expected share of the covered places that a random share of the trips would still cover.

    A place with v trips is met by a share f of the trips with probability 1 − (1 − f)^v. The curve refers to what is
    published as covered: a suppressed side street is not in it.

    Returns
    -------
    DataFrame ``trip_share, covered_share, network_share``.

    Privacy
    -------
    Reads a published table only; no trip is drawn.

    Examples
    --------
    >>> table = pd.DataFrame({"cell": [1, 2], "trips": [100, 10]})
    >>> curve = coverage_curve(RouteProduct("cell_volumes", table, "", {"k": 5}), cells=[1, 2, 3, 4])
    >>> trips_needed(curve)["trip_share"].round(3).tolist()
    [0.018, 0.088, 0.206]
    """
    published(product, "link_volumes", "cell_volumes")
    trips, size, _ = _by_place(product, network, cells)
    share = np.r_[0.0, np.geomspace(1e-5, 1.0, max(steps, 2) * 8)]
    met = trips > 0
    covered = np.array([(size[met] * -np.expm1(trips[met] * _log_rest(f))).sum() for f in share])
    top = max(float(size[met].sum()), 1e-12)
    return pd.DataFrame(
        {"trip_share": share, "covered_share": covered / top, "network_share": covered / float(size.sum())}
    )


def _log_rest(share: float) -> float:
    return float(np.log1p(-share)) if share < 1 else -1e3


def trips_needed(curve: pd.DataFrame, *, shares: Sequence[float] = (0.5, 0.8, 0.95), trips: float | None = None) -> Any:
    """Share of the trips that covers 50, 80 and 95 % of what all of them cover, and how many that is.

    ``trips`` is a published total of trips (or vehicles, where vehicles make equally many trips).
    """
    found = np.interp(list(shares), curve["covered_share"], curve["trip_share"])
    table = pd.DataFrame({"covered_share": list(shares), "trip_share": found})
    return table if trips is None else table.assign(trips=np.ceil(found * trips).astype(int))


def evenness(product: RouteProduct, *, network: Network | None = None, cells: Any = None, whole: bool = True) -> Any:
    """Gini coefficient and Lorenz curve of trips over length (or cells): 0 is even, 1 is all on one street.

    Parameters
    ----------
    whole : over the whole network, places without published trips counted as zero; otherwise over covered ones only.

    Returns
    -------
    (gini, DataFrame ``place_share, trip_share``).

    Examples
    --------
    >>> table = pd.DataFrame({"cell": [1, 2], "trips": [30, 10]})
    >>> volumes = RouteProduct("cell_volumes", table, "", {"k": 5})
    >>> evenness(volumes, cells=[1, 2], whole=True)[0], evenness(volumes, cells=[1, 2, 3, 4])[0]
    (0.25, 0.625)
    """
    published(product, "link_volumes", "cell_volumes")
    trips, size, _ = _by_place(product, network, cells)
    if not whole:
        trips, size = trips[trips > 0], size[trips > 0]
    amount = trips * size  # trips on a link times its length: kilometres driven
    order = np.argsort(trips, kind="stable")
    x = np.r_[0.0, np.cumsum(size[order])] / max(size.sum(), 1e-12)
    y = np.r_[0.0, np.cumsum(amount[order])] / max(amount.sum(), 1e-12)
    gini = 1.0 - float(np.sum(np.diff(x) * (y[1:] + y[:-1])))
    return gini, pd.DataFrame({"place_share": x, "trip_share": y})


def redundancy(product: RouteProduct, *, network: Network | None = None, cells: Any = None) -> pd.DataFrame:
    """How often each covered kilometre (or cell) is served, by part; of operators, the share that several serve.

    Returns
    -------
    DataFrame ``part, times_served, shared``; ``shared`` is the share of covered length served by two parts or more
    (null in rows of one part).
    """
    published(product, "link_volumes", "cell_volumes")
    place, size = _sizes(product, network, cells)
    table = product.table[product.table["trips"] > 0].assign(size=lambda t: size.reindex(t[place]).to_numpy())
    whole = table.drop_duplicates(place)["size"].sum()
    parts = table.groupby(place)[product.part].nunique() if product.part else pd.Series(dtype=float)
    several = size.reindex(parts.index[parts > 1]).sum() / whole if len(parts) and whole else np.nan
    rows = [("all", float((table["trips"] * table["size"]).sum() / whole) if whole else 0.0, several)]
    if product.part:
        for part, group in table.groupby(product.part, sort=True):
            served = float((group["trips"] * group["size"]).sum() / group["size"].sum())
            rows.append((_name(part), served, np.nan))
    return pd.DataFrame(rows, columns=["part", "times_served", "shared"])


def gaps(demand: RouteProduct, service: RouteProduct, *, cells: Any, least: float) -> pd.DataFrame:
    """Where people want to go and nothing drives, and where things drive and nobody asks.

    Parameters
    ----------
    demand : cell volumes (departures) or flows (summed by origin).
    service : cell volumes of vehicles on their way.
    cells : all cells of the public area.
    least : trips from which a cell counts as having demand or service; above the noise.

    Returns
    -------
    DataFrame ``cell, demand, service, kind`` for all cells; a cell below ``least`` in both is ``neither``, which
    includes suppressed.
    """
    published(demand, "cell_volumes", "flows")
    published(service, "cell_volumes")
    place = "start_cell" if demand.kind == "flows" else "cell"
    index = pd.Index(np.asarray(cells), name="cell")
    table = pd.DataFrame(
        {
            "demand": demand.table.groupby(place)["trips"].sum().clip(lower=0).reindex(index, fill_value=0),
            "service": service.table.groupby("cell")["trips"].sum().clip(lower=0).reindex(index, fill_value=0),
        }
    ).reset_index()
    asked, served = table["demand"] >= least, table["service"] >= least
    kind = np.select(
        [asked & served, asked, served], ["both", "demand without service", "service without demand"], "neither"
    )
    return table.assign(kind=kind)


def to_cells(volumes: RouteProduct, *, cell_of_link: Any) -> RouteProduct:
    """Passages of a published link volume summed over the links of each public cell.

    ``cell_of_link`` is public: the cell of each link's midpoint. Rounding adds up; ``noise_sd`` carries it.

    Privacy
    -------
    Reads a published table only; the sum tells nothing that its parts do not.
    """
    published(volumes, "link_volumes")
    by = ["cell"] + ([volumes.part] if volumes.part else [])
    table = volumes.table.assign(
        cell=np.asarray(cell_of_link)[volumes.table["link"].to_numpy()], variance=noise_sd(volumes) ** 2
    )
    summed = table.groupby(by)[["trips", "variance"]].sum().reset_index()
    summed = summed.assign(noise_sd=np.sqrt(summed["variance"])).drop(columns="variance")
    return RouteProduct("cell_volumes", summed, volumes.network, volumes.parameters, volumes.suppressed_pct)


def detours(patterns: RouteProduct, *, network: Network) -> pd.DataFrame:
    """How much longer the published routes are than the shortest way between their ends (1 is the shortest way).

    Returns
    -------
    DataFrame ``pattern, trips, length_m, shortest_m, ratio``; the mean of ``ratio`` weighted by ``trips`` is the
    city's detour ratio.
    """
    published(patterns, "patterns").check(network)
    table = patterns.table
    first = np.array([links[0] for links in table["links"]], dtype=np.int64)
    last = np.array([links[-1] for links in table["links"]], dtype=np.int64)
    sources, place = np.unique(network.link_end[first].astype(np.int64), return_inverse=True)
    between = network.distances(sources)[place, network.link_start[last]] if len(table) else np.zeros(0)
    shortest = np.where(
        first == last, network.length_m[first], network.length_m[first] + between + network.length_m[last]
    )
    lengths = np.array([network.length_m[links].sum() for links in table["links"]], dtype=float)
    return pd.DataFrame(
        {
            "pattern": table["pattern"].to_numpy(),
            "trips": table["trips"].to_numpy(),
            "length_m": lengths,
            "shortest_m": shortest,
            "ratio": lengths / np.maximum(shortest, 1e-9),
        }
    )


def before_after(
    before: RouteProduct, after: RouteProduct, *, network: Network | None = None, cells: Any = None
) -> pd.DataFrame:
    """Change of trips a place between two released periods, with what rounding or noise leaves uncertain.

    Returns
    -------
    DataFrame ``link`` (or ``cell``)``, before, after, change, low, high, clear``; places missing in one of a
    k-anonymous pair are null there (suppressed or empty) and never clear.
    """
    for product in (before, after):
        published(product, "link_volumes", "cell_volumes")
    if before.kind != after.kind:
        raise SchemaError(f"{before.kind} and {after.kind} cannot be compared.", hint="take the same product twice.")
    place, size = _sizes(before, network, cells)
    columns = {}
    for name, product in (("before", before), ("after", after)):
        rows = product.table.assign(variance=noise_sd(product) ** 2).groupby(place)
        columns[name], columns[f"{name}_variance"] = rows["trips"].sum(), rows["variance"].sum()
    table = pd.DataFrame(columns)
    table = table[table.index.isin(size.index)].sort_index()
    change = table["after"] - table["before"]
    half = WIDE * np.sqrt(table["before_variance"] + table["after_variance"])
    return pd.DataFrame(
        {
            place: table.index,
            "before": table["before"].to_numpy(),
            "after": table["after"].to_numpy(),
            "change": change.to_numpy(),
            "low": (change - half).to_numpy(),
            "high": (change + half).to_numpy(),
            "clear": (change.abs() > half).to_numpy(),
        }
    )
