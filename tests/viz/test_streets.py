"""Street maps: one path a class over the whole network, the same scene in both forms, nothing that was not given."""

from __future__ import annotations

from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pytest
import shapely
from anonkit.base.errors import SchemaError
from anonkit.viz import street_map
from anonkit.viz.colours import RULE, ramp, value_breaks

LINES = [shapely.LineString([(19 + i / 100, 42.4), (19 + (i + 1) / 100, 42.41)]) for i in range(6)]
NETWORK = gpd.GeoDataFrame({"street": range(6)}, geometry=LINES, crs=4326)
LINKS = NETWORK.assign(trips=[5, 10, 15, 20, 25, np.nan])


def paths(svg: object) -> dict[str, int]:
    """Colour → lines drawn in it; only paths that are strokes of streets."""
    found = {}
    for path in ElementTree.fromstring(str(svg)).iter("{http://www.w3.org/2000/svg}path"):  # noqa: S314
        if path.get("stroke-linecap") == "round":
            found[path.get("stroke")] = path.get("d").count("M")
    return found


def test_a_file_draws_the_network_in_grey_and_one_path_a_class() -> None:
    svg = street_map(LINKS, value="trips", base=NETWORK, title="Passages", form="file")
    colours = ramp(len(value_breaks(25.0)))  # breaks 0 1 2 5 10 20: the values fall into 5, 10 and 20
    assert paths(svg) == {RULE: 6, colours[3]: 1, colours[4]: 2, colours[5]: 2}
    text = str(svg)
    assert "http" not in text.replace("http://www.w3.org", "")
    assert "20 and more" in text
    assert "5 km" in text or "2 km" in text  # the scale bar: the frame is as wide as the map
    assert svg.width > 500


def test_the_notebook_form_has_a_trace_a_class_over_the_network() -> None:
    figure = street_map(LINKS, value="trips", base=NETWORK, title="Passages")
    assert [trace.type for trace in figure.data] == ["scattermap"] * 4
    assert [trace.name for trace in figure.data[1:]] == ["5–9", "10–19", "20 and more"]
    assert sum(int(np.isfinite(np.asarray(trace.lon)).sum()) for trace in figure.data[1:]) == 2 * 5
    assert figure.layout.map.style == "white-bg"


def test_kinds_are_drawn_in_their_own_colours_and_an_unknown_one_is_an_error() -> None:
    told = NETWORK.assign(kind=["told"] * 2 + ["not told"] * 4)
    kinds = {"not told": "#ff8800", "told": "#004466"}
    svg = street_map(told, value="kind", base=NETWORK, kinds=kinds, form="file")
    assert paths(svg) == {RULE: 6, "#ff8800": 4, "#004466": 2}
    with pytest.raises(SchemaError, match="no colour for"):
        street_map(told.assign(kind="other"), value="kind", base=NETWORK, kinds=kinds, form="file")
    with pytest.raises(SchemaError, match="lacks the columns"):
        street_map(NETWORK, value="trips", base=NETWORK, form="file")


def test_bends_below_a_pixel_are_left_out_of_the_picture() -> None:
    wavy = shapely.LineString(np.column_stack([np.linspace(19, 19.1, 400), 42.4 + 1e-7 * np.arange(400) % 2]))
    town = gpd.GeoDataFrame({"trips": [3]}, geometry=[wavy], crs=4326)
    assert len(str(street_map(town, value="trips", base=town, form="file"))) < 4000
