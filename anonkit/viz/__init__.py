"""Figures: one function a figure, a plotly form for the notebook and an SVG form for files."""

from anonkit.viz.charts import class_size_chart, hour_week_map, profile_chart, suppression_week_map
from anonkit.viz.maps import cell_map, flow_map, suppression_map, zone_map
from anonkit.viz.noisy_flows import noisy_flow_maps
from anonkit.viz.streets import street_map
from anonkit.viz.svg import Svg

__all__ = [
    "Svg",
    "cell_map",
    "class_size_chart",
    "flow_map",
    "hour_week_map",
    "noisy_flow_maps",
    "profile_chart",
    "street_map",
    "suppression_map",
    "suppression_week_map",
    "zone_map",
]
