"""Street figures: one trace a class, nothing fetched in files, what is not given is not drawn."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from anonkit.viz.routes import coverage_bars, curve_figure, gap_map, link_map, lorenz_figure, route_map

LINES = [shapely.LineString([(i, 40), (i + 1, 40.5)]) for i in range(6)]
LINKS = gpd.GeoDataFrame({"trips": [5, 10, 15, 20, 25, 30]}, geometry=LINES, crs=4326)


@pytest.mark.parametrize(("where", "kind"), [("notebook", "scattermap"), ("file", "scatter")])
def test_streets_are_drawn_in_round_classes_over_the_network(where: str, kind: str) -> None:
    figure = link_map(LINKS, value="trips", unit="trips", base=LINKS, where=where)  # type: ignore[arg-type]
    assert {trace.type for trace in figure.data} == {kind}
    # breaks 0 1 2 5 10 20: the values 5 … 30 fall into 5–10, 10–20 and ≥ 20; the network is the first trace
    assert [trace.name for trace in figure.data[1:]] == ["5–10 trips", "10–20 trips", "≥ 20 trips"]
    drawn = sum(int(np.isfinite(np.asarray(t.lon if kind == "scattermap" else t.x)).sum()) for t in figure.data[1:])
    assert drawn == 2 * len(LINKS)
    text = figure.to_json()
    assert "http" not in text.replace("http://www.w3.org", "")


def test_equal_values_make_one_class_and_no_value_none() -> None:
    assert len(link_map(LINKS.assign(trips=5), value="trips", unit="trips").data) == 1
    assert len(link_map(LINKS.iloc[:0], value="trips", unit="trips", base=LINKS).data) == 1


def test_routes_name_their_time_and_interval() -> None:
    routes = gpd.GeoDataFrame(
        {"rank": [1, 2], "by": "fastest", "time_s": [300, 360.0], "low_s": [240, 300.0], "high_s": [420, 500.0]},
        geometry=LINES[:2],
    )
    figure = route_map(routes, base=LINKS)
    assert figure.data[-1].name == "fastest 1: 5.0 min (4.0–7.0)"


def test_gaps_are_drawn_by_kind() -> None:
    cells = gpd.GeoDataFrame({"kind": ["both", "demand without service"]}, geometry=[shapely.box(0, 0, 1, 1)] * 2)
    assert {trace.name for trace in gap_map(cells, where="file").data} == {"both", "demand without service"}


def test_curves_and_bars_have_their_axes() -> None:
    curve = pd.DataFrame({"trip_share": [0.01, 1.0], "covered_share": [0.5, 1.0]})
    assert "50 %" in curve_figure(curve, needed=curve.iloc[:1]).data[1].text[0]
    lorenz = pd.DataFrame({"place_share": [0, 1.0], "trip_share": [0, 1.0]})
    assert lorenz_figure(lorenz, gini=0.25).data[1].name == "Gini 0.25"
    table = pd.DataFrame({"part": ["all", "8"], "share": [0.5, 0.4], "low": [0.5, 0.4], "high": [np.nan, np.nan]})
    assert coverage_bars(table).layout.yaxis.title.text == "covered at least, %"
    assert coverage_bars(table.assign(high=0.6)).data[0].error_y.array is not None
