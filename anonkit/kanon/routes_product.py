"""A route product: a table that passed its thresholds or its noise, and says under which parameters.

It is the only thing that ``anonkit.coverage`` takes. The columns of each kind are fixed, so a table of trips, fixes or
persons is refused at the door; that guards against mistakes, not against somebody who renames columns on purpose. This
module knows nothing of matched walks, so that what reads products cannot reach raw routes by an import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from anonkit.base.errors import BundleError, PrivacyLeakError, SchemaError
from anonkit.bundle import check_files, read_package
from anonkit.geo.networks import Network

PARTS = frozenset({"bin", "mode", "operator", "period"})
_NOISE = frozenset({"trips_low", "trips_high", "noise_sd"})
_COUNT = frozenset({"trips"})
COLUMNS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "link_volumes": (frozenset({"link"}) | _COUNT, PARTS | _NOISE),
    "cell_volumes": (frozenset({"cell"}) | _COUNT, PARTS | _NOISE | {"end"}),
    "turns": (frozenset({"from_link", "to_link"}) | _COUNT, PARTS | _NOISE),
    "speeds": (frozenset({"link", "speed_kmh"}), PARTS | {"median_kmh", "slow_kmh"}),
    "patterns": (frozenset({"pattern", "links", "length_m"}) | _COUNT, PARTS | _NOISE),
    "flows": (frozenset({"start_cell", "end_cell"}) | _COUNT, PARTS | _NOISE),
}
"""Columns that each kind must have, and those it may have."""


@dataclass(frozen=True, eq=False)
class RouteProduct:
    """A published table with its kind, its network and the parameters that protect it."""

    kind: str
    table: pd.DataFrame
    network: str
    """Digest of the public network that link numbers refer to; empty where there are none."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """``k`` (at least 2) or ``epsilon``, and the public figures beside them."""
    suppressed_pct: str = "withheld"
    """Band of the share of passages that is missing (ruling 11)."""

    def __post_init__(self) -> None:
        if self.kind not in COLUMNS:
            raise SchemaError(f"Unknown kind of route product {self.kind!r}.", hint=f"one of {', '.join(COLUMNS)}.")
        must, may = COLUMNS[self.kind]
        have = set(map(str, self.table.columns))
        if must - have:
            raise SchemaError(f"{self.kind} lack the columns {sorted(must - have)}.", hint="read the released file.")
        if have - must - may:
            raise PrivacyLeakError(
                f"{self.kind} have columns that no published table has: {sorted(have - must - may)}.",
                hint="pass a product of anonkit.kanon.routes or of a release, not trips or fixes.",
            )
        k, epsilon = self.parameters.get("k"), self.parameters.get("epsilon")
        if not ((k is not None and k >= 2) or (epsilon is not None and epsilon > 0)):
            raise PrivacyLeakError(
                f"These {self.kind} say neither k nor epsilon.",
                hint="a published product names what protects it: parameters={'k': …} or {'epsilon': …}.",
            )

    @classmethod
    def from_release(cls, folder: str | Path, kind: str) -> RouteProduct:
        """A table of a handed-over release of routes, as coverage and recommendations take it.

        Parameters
        ----------
        folder : what ``anonkit release`` handed over.
        kind : ``link_volumes``, ``turns``, ``speeds`` or ``patterns``.

        Raises
        ------
        BundleError : the folder is not one of ours, was altered, or has no such table.
        """
        folder = Path(folder)
        check_files(folder)
        own = read_package(folder)["anonkit"]
        path = folder / f"{kind}.parquet"
        if kind not in COLUMNS or not path.is_file() or "network" not in own:
            raise BundleError(
                f"{folder.name} has no table of routes {kind!r}", hint="open_release(...).tables lists them"
            )
        table = pd.read_parquet(path)
        if kind == "patterns":
            links = pd.read_parquet(folder / "pattern_links.parquet").sort_values(["pattern", "step"])
            listed = links.groupby("pattern")["link"].agg(list)
            table["links"] = [listed[pattern] for pattern in table["pattern"]]
        if "capped_noisy" in table:  # the signed number is the one to add up
            names = [name for name in ("link", "bin") if name in table]
            table = table[names].assign(trips=table["capped_noisy"], noise_sd=table["noise_sd"])
        privacy = own["privacy"]
        noise = privacy.get("noise") or {}
        parameters = {name: privacy[name] for name in ("k", "k_driver", "epsilon") if privacy.get(name) is not None}
        parameters |= {"noise_variance": float(noise.get("variance", 0.0))}
        told: dict[str, Any] = next((entry for entry in privacy.get("products", ()) if entry["kind"] == kind), {})
        parameters |= {name: value for name, value in told.items() if name != "kind"}
        return cls(kind, table, own["network"]["digest"], parameters, privacy.get("suppressed_pct", "withheld"))

    def __repr__(self) -> str:
        return f"RouteProduct({self.kind}, {len(self.table):,} rows, suppressed {self.suppressed_pct} %)"

    @property
    def part(self) -> str | None:
        """The released column that splits a place: bin, mode, operator or period."""
        return next((str(name) for name in self.table.columns if name in PARTS), None)

    def check(self, network: Network) -> None:
        """Refuse a network whose links have other numbers."""
        if self.network != network.digest:
            raise SchemaError(
                f"These {self.kind} refer to another street network than {network.source!r}.",
                hint="read the network file that the release names.",
            )

    def to_geodataframe(self, network: Network) -> Any:
        """The rows with the public shape of their link (of a turn: the link it leaves; of a route: all its links), WGS 84.

        Links of a route are written as text, so that GeoParquet, GeoPackage and ``explore(tiles=None)`` take the frame.
        """
        if self.kind == "patterns":
            self.check(network)
            return self._whole_routes(network)
        column = "from_link" if self.kind == "turns" else "link"
        if column not in self.table:
            raise SchemaError(f"{self.kind} have no column {column!r}.", hint="join them to the shapes of their cells.")
        self.check(network)
        shapes = network.to_geodataframe().iloc[self.table[column].to_numpy()].reset_index(drop=True)
        frame = shapes[["street", "class", "geometry"]].join(self.table.reset_index(drop=True))
        return frame[[*self.table.columns, "street", "class", "geometry"]]

    def _whole_routes(self, network: Network) -> Any:
        import geopandas as gpd
        import shapely

        shapes = network.to_geodataframe()
        lines = shapes.geometry.to_numpy()
        routes = [shapely.linestrings(shapely.get_coordinates(lines[list(links)])) for links in self.table["links"]]
        table = self.table.assign(links=[" ".join(map(str, links)) for links in self.table["links"]])
        return gpd.GeoDataFrame(table.reset_index(drop=True), geometry=routes, crs=shapes.crs)


def published(product: Any, *kinds: str) -> RouteProduct:
    """The product itself, or a refusal: coverage and routing read nothing raw (ruling 30).

    Raises
    ------
    PrivacyLeakError : something else than a route product, for example fixes, walks or a table of trips.
    """
    if not isinstance(product, RouteProduct):
        raise PrivacyLeakError(
            f"{type(product).__name__} is no published product.",
            hint="pass a RouteProduct of anonkit.kanon.routes, or one made from a released table.",
        )
    if kinds and product.kind not in kinds:
        raise SchemaError(f"This takes {' or '.join(kinds)}, not {product.kind}.", hint="pass the other product.")
    return product
