from __future__ import annotations

import re
from pathlib import Path
from xml.dom.minidom import parseString

import pandas as pd
import pytest
import shapely
from anonkit import viz
from anonkit.geo import TimeBins
from anonkit.viz.svg import Drawing, text_of
from hypothesis import given
from hypothesis import strategies as st

PLANTED = '<img src=x onerror="document.title=1">'


def squares(codes: object) -> object:
    return shapely.box(codes, 0, codes + 1, 1)  # type: ignore[operator]


@given(st.text())
def test_any_text_stays_text(value: str) -> None:
    drawing = Drawing(10, 10, title=value)
    drawing.text(0, 0, value, font_size=value)
    drawing.rect(0, 0, 1, 1, fill=value, told=value)
    if all(ord(letter) >= 32 and not 0xD800 <= ord(letter) <= 0xDFFF and ord(letter) < 0xFFFE for letter in value):
        document = parseString(drawing.done().text)  # noqa: S318 - our own text
        assert not document.getElementsByTagName("img")
    assert "<img" not in drawing.done().text.lower()


def test_quotes_cannot_leave_an_attribute() -> None:
    assert text_of('" onload="x') == "&quot; onload=&quot;x"
    assert text_of("' onload='x") == "&#39; onload=&#39;x"


def test_names_in_a_map_are_escaped() -> None:
    table = pd.DataFrame({"cell": [1, 2], "trips": [3, 4], "name": [PLANTED, "Nəsimi"]})
    picture = viz.cell_map(table, shapes=squares, name="name", title=PLANTED, form="file").text
    assert "<img" not in picture
    assert "&lt;img src=x" in picture
    assert "Nəsimi" in picture


def test_a_picture_holds_no_script_link_font_or_address() -> None:
    table = pd.DataFrame({"start_cell": [1, 1], "end_cell": [1, 2], "bin": [3, 4], "trips": [3, 4]})
    bins = TimeBins("3h of week", zone="Asia/Baku")
    for picture in (
        viz.flow_map(table, shapes=squares, form="file"),
        viz.hour_week_map(table, bins=bins, form="file"),
        viz.cell_map(table, cell="start_cell", shapes=squares, form="file"),
        viz.class_size_chart({"1": 3, "2": 1}, {"1": 0, "2": 1}, k=2, form="file"),
    ):
        without = picture.text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?:|<script|href|@import|url\(|on\w+=", without)
        parseString(picture.text)  # noqa: S318 - our own text


def test_save_writes_the_whole_picture(tmp_path: Path) -> None:
    picture = Drawing(10, 10, title="x").done()
    assert picture.save(tmp_path / "x.svg").read_text(encoding="utf-8") == picture.text
    assert [path.name for path in tmp_path.iterdir()] == ["x.svg"]


def test_repr_of_a_picture_shows_no_content() -> None:
    drawing = Drawing(10, 10, title="Starts")
    drawing.text(0, 0, "secret")
    assert "secret" not in repr(drawing.done())


@pytest.mark.parametrize("form", ["html", "", "FILE"])
def test_an_unknown_form_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="form='notebook'"):
        viz.class_size_chart({"1": 3}, form=form)  # type: ignore[arg-type]
