from __future__ import annotations

import re
from typing import Any

import geopandas as gpd
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely
from anonkit import viz
from anonkit.base.errors import SchemaError
from anonkit.geo import Grid
from anonkit.schema import Table
from anonkit.viz.svg_map import view_box


def squares(codes: Any) -> Any:
    return shapely.box(codes, 0, codes + 1, 1)


ROWS = pd.DataFrame({"cell": [1, 1, 2, 4], "trips": [4, 3, 20, 1]})


def told(picture: Any) -> list[str]:
    return re.findall(r"<title>([^<]*)</title>", picture.text)


def test_rows_of_one_cell_are_summed() -> None:
    assert told(viz.cell_map(ROWS, shapes=squares, form="file")) == ["1: 7 trips", "2: 20 trips", "4: 1 trips"]


def test_without_a_value_rows_are_counted() -> None:
    assert told(viz.cell_map(ROWS, value=None, shapes=squares, form="file"))[0] == "1: 2 trips"


@pytest.mark.parametrize("kind", ["pandas", "arrow", "narwhals", "lazy", "geopandas", "table"])
def test_every_kind_of_table_gives_the_same_picture(kind: str) -> None:
    tables = {
        "pandas": lambda: ROWS,
        "arrow": lambda: pa.Table.from_pandas(ROWS),
        "narwhals": lambda: nw.from_native(ROWS),
        "lazy": lambda: nw.from_native(ROWS).lazy(),
        "geopandas": lambda: gpd.GeoDataFrame(ROWS, geometry=squares(ROWS["cell"].to_numpy()), crs="EPSG:4326"),
        "table": lambda: Table.of(ROWS),
    }
    expected = viz.cell_map(ROWS, shapes=squares, form="file").text
    assert viz.cell_map(tables[kind](), shapes=squares, form="file").text == expected


def test_a_geodataframe_brings_its_own_shapes() -> None:
    own = gpd.GeoDataFrame(ROWS, geometry=squares(ROWS["cell"].to_numpy()), crs="EPSG:4326")
    assert viz.cell_map(own, form="file").text == viz.cell_map(ROWS, shapes=squares, form="file").text


def test_missing_shapes_and_columns_are_errors_with_a_hint() -> None:
    with pytest.raises(SchemaError, match=r"shapes=grid\.polygons"):
        viz.cell_map(ROWS, form="file")
    with pytest.raises(SchemaError, match=r"lacks the columns \['zone'\]"):
        viz.cell_map(ROWS, cell="zone", shapes=squares, form="file")
    zones = gpd.GeoDataFrame({"cell": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs="EPSG:4326")
    with pytest.raises(SchemaError, match="2 of 3 codes have no shape"):
        viz.cell_map(ROWS, shapes=zones, form="file")
    with pytest.raises(SchemaError, match="cannot be drawn from a int"):
        viz.cell_map(3, shapes=squares, form="file")


def test_a_cell_without_a_row_has_no_colour_and_the_note_says_why() -> None:
    outline = shapely.box(0, 0, 6, 2)
    picture = viz.cell_map(ROWS, shapes=squares, area=outline, form="file")
    assert "no colour: none, or suppressed" in picture.text
    assert len(told(picture)) == 3


def test_both_forms_tell_the_same_numbers() -> None:
    file_form = viz.cell_map(ROWS, shapes=squares, form="file")
    figure = viz.cell_map(ROWS, shapes=squares, form="notebook")
    hovers = sorted(text for trace in figure.data for text in (trace.hovertext or ()))
    assert hovers == sorted(told(file_form))


def test_the_notebook_form_asks_for_no_tiles() -> None:
    flows = pd.DataFrame({"start_cell": [1, 2], "end_cell": [2, 2], "trips": [5, 9]})
    for figure in (
        viz.cell_map(ROWS, shapes=squares, area=shapely.box(0, 0, 6, 2)),
        viz.flow_map(flows, shapes=squares, area=shapely.box(0, 0, 6, 2)),
    ):
        assert figure.layout.map.style == "white-bg"
        assert {layer.sourcetype for layer in figure.layout.map.layers} == {"geojson"}
        assert {trace.type for trace in figure.data} <= {"choroplethmap", "scattermap"}
        assert not any("text" in (trace.mode or "") for trace in figure.data if trace.type == "scattermap")
        assert "http" not in figure.to_json().replace("plotly", "")


def test_flows_left_out_are_said() -> None:
    flows = pd.DataFrame({"start_cell": [1, 1, 2], "end_cell": [1, 2, 1], "trips": [5, 9, 2]})
    picture = viz.flow_map(flows, shapes=squares, most=2, form="file")
    assert "2 largest flows; 1 more with 2 trips are not drawn" in picture.text
    assert "1 → 2: 9 trips" in told(picture)
    assert "2 → 1: 2 trips" not in told(picture)
    with pytest.raises(SchemaError, match="at least one flow"):
        viz.flow_map(flows, shapes=squares, most=0)


def test_noise_below_zero_draws_no_flow() -> None:
    flows = pd.DataFrame({"start_cell": [1, 1, 2], "end_cell": [1, 2, 1], "trips": [-3, 9, 0]})
    picture = viz.flow_map(flows, shapes=squares, form="file")
    assert "1 largest flows" in picture.text
    assert "nan" not in picture.text
    nothing = viz.flow_map(flows.assign(trips=-1), shapes=squares, area=shapely.box(0, 0, 4, 2), form="file")
    assert "0 largest flows" in nothing.text


def test_a_flow_within_a_cell_is_a_ring() -> None:
    flows = pd.DataFrame({"start_cell": [1], "end_cell": [1], "trips": [5]})
    assert viz.flow_map(flows, shapes=squares, form="file").text.count("<circle") == 1


def test_the_worst_hour_of_an_area_is_drawn() -> None:
    bands = pd.DataFrame({"area": [1, 1, 2], "suppressed_pct": ["0", ">50", "5-20"]})
    assert told(viz.suppression_map(bands, shapes=squares, form="file")) == [
        "1: &gt;50 % in its worst hour",
        "2: 5-20 % in its worst hour",
    ]


@pytest.mark.parametrize(("share", "band"), [(0, 0), (0.01, 1), (0.05, 2), (0.2, 3), (0.5, 4), (1, 4)])
def test_exact_shares_fall_into_the_released_bands(share: float, band: int) -> None:
    from anonkit.viz.colours import ORANGES

    picture = viz.suppression_map(pd.DataFrame({"area": [1], "s": [share]}), share="s", shapes=squares, form="file")
    assert f'fill="{ORANGES[band]}" stroke' in picture.text


def test_zones_are_named() -> None:
    zones = gpd.GeoDataFrame({"name": ["Səbail"], "trips": [7]}, geometry=[shapely.box(0, 0, 1, 1)], crs="EPSG:4326")
    assert told(viz.zone_map(zones, value="trips", name="name", form="file")) == ["Səbail: 7 trips"]
    with pytest.raises(SchemaError, match="needs a GeoDataFrame"):
        viz.zone_map(ROWS, value="trips", name="cell")


def test_the_view_holds_all_cells_in_the_shape_of_the_page() -> None:
    from anonkit.viz.scene import Area, MapScene

    grid = Grid(cell_m=500, latitude=40.4)
    cells = np.array([grid.code(49.8, 40.38), grid.code(49.9, 40.41)])
    areas = tuple(Area(shape=shape, key=-1, text="") for shape in grid.polygons(cells))
    west, south, east, north = view_box(MapScene(title="", unit="", areas=areas))
    boxes = np.array([area.shape.bounds for area in areas])
    assert west < boxes[:, 0].min()
    assert east > boxes[:, 2].max()
    assert south < boxes[:, 1].min()
    assert north > boxes[:, 3].max()
