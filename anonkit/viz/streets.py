"""Maps of a street network for pages and printers: streets by classes of a value, or by what is told of them.

One scene, two forms, as for cells; the interactive maps of notebooks with hover texts are in ``routes``. The whole public
network is drawn beneath in grey, so that a street without a colour is seen as a street. Draws what it is given: a table of
exact passages is as raw as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely

from anonkit.base.errors import SchemaError
from anonkit.viz.colours import class_labels, class_of, ramp, value_breaks
from anonkit.viz.forms import Form, drawn
from anonkit.viz.scene import Key, MapScene, Strokes
from anonkit.viz.tables import require

PIXELS = 800
"""A bend that is smaller than the view over this number is not drawn."""


def street_map(
    links: Any,
    *,
    value: str,
    base: Any,
    kinds: Mapping[str, str] | None = None,
    breaks: Sequence[float] | None = None,
    title: str = "",
    unit: str = "passages",
    note: str = "no colour: none, or not told",
    form: Form = "notebook",
) -> Any:
    """Streets coloured by a value, or by the words of a column.

    Parameters
    ----------
    links : GeoDataFrame of lines with the column ``value``; a null value is not drawn.
    base : GeoDataFrame of the whole public network.
    kinds : word → colour, where ``value`` holds words; drawn in this order, the last on top.
    breaks : lower ends of classes, where it holds numbers; by default round ones up to the largest.

    Returns
    -------
    plotly Figure or ``Svg``.

    Raises
    ------
    SchemaError : the column is missing, or a word has no colour.

    Privacy
    -------
    None: shows the table as it is.

    Examples
    --------
    >>> import geopandas as gpd
    >>> town = gpd.GeoDataFrame({"trips": [4, 30]}, geometry=shapely.from_wkt(["LINESTRING (0 0, 1 0)", "LINESTRING (1 0, 1 1)"]))
    >>> street_map(town, value="trips", base=town, title="Passages", form="file").title
    'Passages'
    """
    require(links, value)
    rows = links[links[value].notna().to_numpy()]
    if kinds is not None:
        unknown = sorted(set(rows[value]) - set(kinds))
        if unknown:
            raise SchemaError(f"kinds has no colour for {unknown}", hint=f"it has {list(kinds)}")
        code = rows[value].map({word: number for number, word in enumerate(kinds)}).to_numpy(dtype=int)
        keys = tuple(Key(colour=colour, label=word) for word, colour in kinds.items())
    else:
        found = rows[value].to_numpy(dtype=float)
        chosen = tuple(breaks) if breaks is not None else value_breaks(found.max(initial=1.0))
        code = class_of(found, chosen)
        labels = class_labels(chosen, whole=bool(np.all(found == np.floor(found))))
        keys = tuple(Key(colour=c, label=text) for c, text in zip(ramp(len(chosen)), labels, strict=True))
    west, south, east, north = base.total_bounds
    fine = max(east - west, north - south) / PIXELS
    parts = [Strokes(shape=_together(base.geometry.to_numpy(), fine), key=-1)]
    for number in range(len(keys)):
        if (code == number).any():
            parts.append(Strokes(shape=_together(rows.geometry.to_numpy()[code == number], fine), key=number))
    return drawn(MapScene(title=title, unit=unit, keys=keys, strokes=tuple(parts), note=note), form)


def _together(lines: Any, fine: float) -> Any:
    return shapely.multilinestrings(shapely.get_parts(shapely.simplify(lines, fine, preserve_topology=False)))
