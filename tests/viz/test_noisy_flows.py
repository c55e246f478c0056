"""A flow that may be nobody has no dark core, and all maps are on one scale."""

from __future__ import annotations

import pandas as pd
import pytest
from anonkit.base.errors import SchemaError
from anonkit.viz import noisy_flow_maps

CENTRES = pd.DataFrame({"cell": [1, 2, 3], "x_m": [0.0, 1000.0, 0.0], "y_m": [0.0, 0.0, 1000.0]})


def table(half: float) -> pd.DataFrame:
    flows = pd.DataFrame({"start_cell": [1, 2, 1], "end_cell": [2, 3, 1], "capped_noisy": [100.0, 20.0, 500.0]})
    return flows.assign(capped_low=flows["capped_noisy"] - half, capped_high=flows["capped_noisy"] + half)


def test_a_flow_that_may_be_nobody_has_no_core() -> None:
    figure = noisy_flow_maps({"0.1": table(50), "2": table(10)}, CENTRES)
    light, core = figure.data[0], figure.data[1]
    # two flows between different zones: five corners and a gap each; of the smaller one 20 - 50 < 0
    assert len(light.x) == 12
    assert len(core.x) == 6
    assert len(figure.data[4].x) == 12  # at epsilon 2 both are surely there
    # the widest band of all maps is 150 rides; 110 at epsilon 2 are drawn to the same scale
    height = [max(abs(y) for y in data.y[:5]) for data in (figure.data[0], figure.data[3])]
    assert height[1] / height[0] == pytest.approx(110 / 150)


def test_tables_without_intervals_or_centres_are_refused() -> None:
    with pytest.raises(SchemaError, match="capped_low"):
        noisy_flow_maps({"a": table(1).drop(columns="capped_low")}, CENTRES)
    with pytest.raises(SchemaError, match="without a centre"):
        noisy_flow_maps({"a": table(1)}, CENTRES.head(2))
