"""The same noisy flow map several times over, side by side, with the interval of every flow drawn into it.

What: one small map for each table of flows; a flow is a band from zone to zone, dark as wide as the lower end of its
interval, light as wide as the upper end, with a line for the noisy value. Why: noise that is only in a caption is not
seen; here a flow that may be nobody has no dark core. Source: Tufte 1983, small multiples. What it does not protect
against: it draws the table as it is, and the interval of each flow alone; of the many flows on a map some lie outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from anonkit.base.errors import SchemaError
from anonkit.viz.colours import AFTER, RULE

if TYPE_CHECKING:  # loaded when a figure is drawn: the page of a release has none of these
    import plotly.graph_objects as go

COLUMNS = ("start_cell", "end_cell", "capped_noisy", "capped_low", "capped_high")
WIDEST = 0.35
"""Width of the widest band, in typical distances between neighbouring zones."""
LIGHT = "#a9d0e3"


def noisy_flow_maps(
    tables: Mapping[str, pd.DataFrame], centres: pd.DataFrame, *, most: int = 25, title: str = ""
) -> go.Figure:
    """Maps of the largest flows of each table, on one scale.

    Parameters
    ----------
    tables : title of a map → table with start_cell, end_cell, capped_noisy, capped_low, capped_high (``DPFlows.flows_``).
    centres : columns cell, x_m, y_m.
    most : flows that are drawn; the largest of the *last* table, so that all maps show the same ones.

    Privacy
    -------
    None: shows noisy tables as they are.

    Raises
    ------
    SchemaError : a table lacks a column, or a flow's zone has no centre.
    """
    for name, table in tables.items():
        missing = [column for column in COLUMNS if column not in table.columns]
        if missing:
            raise SchemaError(
                f"the flows {name!r} lack the columns {missing}.", hint="pass DPFlows(...).fit(trips).flows_"
            )
    place = centres.set_index("cell")[["x_m", "y_m"]]
    last = list(tables.values())[-1]
    chosen = last[last["start_cell"] != last["end_cell"]].nlargest(most, "capped_noisy")
    keys = pd.MultiIndex.from_frame(chosen[["start_cell", "end_cell"]])
    if not (set(keys.get_level_values(0)) | set(keys.get_level_values(1))) <= set(place.index):
        raise SchemaError("a flow begins or ends in a zone without a centre.", hint="centres needs every cell.")
    start = place.loc[keys.get_level_values(0)].to_numpy() / 1000
    end = place.loc[keys.get_level_values(1)].to_numpy() / 1000
    apart = np.median(np.hypot(*(end - start).T)) if len(chosen) else 1.0
    figures = {name: table.set_index(["start_cell", "end_cell"]).loc[keys] for name, table in tables.items()}
    widest = max((float(table["capped_high"].max()) for table in figures.values()), default=1.0)
    from plotly.subplots import make_subplots

    drawing = make_subplots(
        cols=len(tables), rows=1, subplot_titles=list(tables), shared_yaxes=True, horizontal_spacing=0.02
    )
    for number, table in enumerate(figures.values(), start=1):
        for column, colour, label in (("capped_high", LIGHT, "may be there"), ("capped_low", AFTER, "surely there")):
            width = np.maximum(table[column].to_numpy(float), 0) / widest * WIDEST * apart
            x, y = _bands(start, end, width)
            drawing.add_scatter(
                x=x, y=y, fill="toself", mode="none", fillcolor=colour, name=label, legendgroup=label,
                showlegend=number == 1, hoverinfo="skip", row=1, col=number,
            )  # fmt: skip
        middle = (start + end) / 2
        told = [
            f"{noisy:,.0f} rides, 95 % between {low:,.0f} and {high:,.0f}"
            for noisy, low, high in table[["capped_noisy", "capped_low", "capped_high"]].to_numpy(float)
        ]
        drawing.add_scatter(
            x=middle[:, 0], y=middle[:, 1], mode="markers", marker={"size": 4, "color": RULE}, text=told,
            hoverinfo="text", showlegend=False, row=1, col=number,
        )  # fmt: skip
    drawing.update_xaxes(title_text="km", showgrid=False, zeroline=False)
    drawing.update_yaxes(showgrid=False, zeroline=False, scaleanchor="x", scaleratio=1)
    return drawing.update_layout(title=title, plot_bgcolor="#ffffff", height=420, margin={"t": 60, "b": 40})


def _bands(start: np.ndarray, end: np.ndarray, width: np.ndarray) -> tuple[list[Any], list[Any]]:
    """Corners of one quadrangle a flow, right of its line so that the reverse flow lies beside it; None between them."""
    along = end - start
    right = np.stack([along[:, 1], -along[:, 0]], 1) / np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    far = right * width[:, None]
    x: list[Any] = []
    y: list[Any] = []
    for a, b, off, wide in zip(start, end, far, width, strict=True):
        if wide > 0:
            corners = np.array([a, b, b + off, a + off, a])
            x += [*corners[:, 0].tolist(), None]
            y += [*corners[:, 1].tolist(), None]
    return x, y
