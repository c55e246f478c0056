"""From a scene to the form that was asked for."""

from __future__ import annotations

from typing import Any, Literal

from anonkit.base.errors import SchemaError
from anonkit.viz.scene import GridScene, MapScene, Scene

Form = Literal["notebook", "file"]
"""``notebook``: a plotly figure; ``file``: an ``Svg``, for pages and printers."""


def drawn(scene: Scene, form: Form) -> Any:
    """The scene in one of its two forms.

    Raises
    ------
    SchemaError : there is no such form.
    """
    if form == "file":
        from anonkit.viz.svg_chart import draw_bars, draw_grid
        from anonkit.viz.svg_map import draw_map

        if isinstance(scene, MapScene):
            return draw_map(scene)
        return draw_grid(scene) if isinstance(scene, GridScene) else draw_bars(scene)
    if form == "notebook":
        from anonkit.viz.plotly_form import plotly_bars, plotly_grid, plotly_map

        if isinstance(scene, MapScene):
            return plotly_map(scene)
        return plotly_grid(scene) if isinstance(scene, GridScene) else plotly_bars(scene)
    raise SchemaError(f"{form!r} is no form of a figure", hint="form='notebook' or form='file'")
