"""JSON Lines and documents: every line or record comes out once, values as they were written, memory bounded."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import SourceError
from anonkit.engine import JsonFile, Session
from anonkit.engine.json_document import records_of
from anonkit.engine.lines import LineLimits
from hypothesis import given, settings
from hypothesis import strategies as st

SHARED = settings(max_examples=80)


def write(folder: Path, content: bytes | str, name: str = "t.json") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, *columns: str, **said: Any) -> list[dict[str, Any]]:
    file = JsonFile.open(path, **said)
    file.columns = columns or file.names
    return [row for batch in file.batches() for row in batch.to_pylist()]


# --- lines --------------------------------------------------------------------------------------------------------


def test_lines_give_nested_values_as_they_were_written(tmp_path: Path) -> None:
    text = (
        '{"id": 7, "at": {"lat": 40.50, "lon": 49.8}, "ok": true, "stops": [{"n": "a"}, {"n": "b"}], "e": 1.2E+12}\n'
        '{"id": "8", "at": null}\n'
    )
    rows = read(write(tmp_path, text), "id", "at.lat", "ok", "stops.1.n", "e", "stops")
    assert [row["id"] for row in rows] == ["7", "8"]
    assert rows[0]["at.lat"] == "40.50"
    assert rows[0]["ok"] == "true"
    assert rows[0]["stops.1.n"] == "b"
    assert rows[0]["e"] == "1.2E+12"  # still seen as an id that a spreadsheet destroyed
    assert json.loads(rows[0]["stops"]) == [{"n": "a"}, {"n": "b"}]
    assert rows[1]["at.lat"] is None


def test_each_bad_line_is_a_fault_of_its_own(tmp_path: Path) -> None:
    deep = "[" * 100_000
    lines = [
        '{"id": 1}',
        "",
        '{"id": 2',
        "[3]",
        '{"id": NaN}',
        '{"id": "\\ud800"}',
        f'{{"id": {deep}}}',
        '{"id": 8}',
    ]
    rows = read(write(tmp_path, "\n".join(lines)), "id")
    assert [(row["_line"], row["_fault"]) for row in rows] == [
        (1, None),
        (2, "blank_line"),
        *((number, "bad_json") for number in (3, 4, 5, 6, 7)),
        (8, None),
    ]
    assert [row["id"] for row in rows if row["_fault"] is None] == ["1", "8"]


def test_wrong_bytes_and_long_lines_are_set_aside(tmp_path: Path) -> None:
    content = b'{"id": "a"}\n{"id": "\xdc"}\n{"id": "' + b"x" * 200 + b'"}\n{"id": "b"}\n'
    rows = read(write(tmp_path, content), "id", limits=LineLimits(max_line_bytes=100))
    assert [row["_fault"] for row in rows] == [None, "wrong_encoding", "line_too_long", None]


def test_the_key_that_holds_the_dots_goes_before_the_path(tmp_path: Path) -> None:
    assert read(write(tmp_path, '{"a.b": "whole", "a": {"b": "inner"}}\n'), "a.b")[0]["a.b"] == "whole"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marks_are_understood(tmp_path: Path, encoding: str) -> None:
    assert read(write(tmp_path, '{"id": "Şəhər"}\n'.encode(encoding)), "id")[0]["id"] == "Şəhər"


@SHARED
@given(values=st.lists(st.dictionaries(st.sampled_from("abc"), st.none() | st.text() | st.integers()), min_size=1))
def test_any_objects_come_back_line_by_line(tmp_path: Path, values: list[dict[str, Any]]) -> None:
    path = write(tmp_path, "\n".join(json.dumps(value) for value in values))
    expected = [
        None
        if any(isinstance(v, str) and any("\ud800" <= c <= "\udfff" for c in v) for v in value.values())
        else {key: None if value.get(key) is None else str(value[key]) for key in "abc"}
        for value in values
    ]
    rows = read(path, "a", "b", "c")
    assert [{key: row[key] for key in "abc"} if row["_fault"] is None else None for row in rows] == expected


# --- documents ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 50, 10_000])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_document_gives_its_records_whatever_the_chunks(size: int, indent: int | None) -> None:
    whole = {
        "version": "2.0",
        "skip": {"trips": [1, {"x": "]}"}]},
        "data": {"n": 3, "trips": [{"id": n} for n in range(5)], "z": [0]},
        "end": None,
    }
    text = json.dumps(whole, indent=indent)
    chunks = (text[at : at + size] for at in range(0, len(text), size))
    found = list(records_of(chunks, ("data", "trips"), name="t.json", limit=10_000))
    assert [(record.line, record.value) for record in found] == [(n + 1, {"id": n}) for n in range(5)]


@pytest.mark.parametrize("text", ["[]", '{"data": []}', "[ ]\n"])
def test_an_empty_list_has_no_records(tmp_path: Path, text: str) -> None:
    path = ("data",) if "data" in text else ()
    assert list(records_of(iter([text]), path, name="t", limit=100)) == []


def test_an_element_that_is_no_object_is_a_fault(tmp_path: Path) -> None:
    rows = read(write(tmp_path, '[{"id": 1}, 2, null, {"id": 3}]'), "id")
    assert [(row["_line"], row["_fault"]) for row in rows] == [(1, None), (2, "bad_json"), (3, "bad_json"), (4, None)]


@pytest.mark.parametrize("cut", range(1, 45))
def test_a_document_that_breaks_off_anywhere_is_refused(tmp_path: Path, cut: int) -> None:
    text = '{"v": 1, "data": [{"id": 1}, {"id": 22}], "w": [2]}'
    with pytest.raises(SourceError, match=r"t\.json"):
        list(records_of(iter([text[: len(text) - cut]]), ("data",), name="t.json", limit=1_000))


def test_a_syntax_fault_names_the_line_and_no_value(tmp_path: Path) -> None:
    text = '[\n{"id": "a"},\n{"phone": "+994501234567" oops},\n{"id": "b"}]'
    with pytest.raises(SourceError, match="line 3: no valid JSON") as caught:
        read(write(tmp_path, text), "id")
    assert "99450" not in str(caught.value)


def test_a_document_without_the_name_of_its_list_is_refused_with_the_lists(tmp_path: Path) -> None:
    text = json.dumps({"version": 1, "trips": [{"id": 1}]}, indent=1)
    with pytest.raises(SourceError, match=r"it has the lists \['trips'\][\s\S]*records: data"):
        JsonFile.open(write(tmp_path, text))


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no key 'rides'"):
        JsonFile.open(write(tmp_path, '{"trips": []}'), records="rides")


def test_something_that_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no JSON"):
        JsonFile.open(write(tmp_path, "id,name\n1,2\n"))


def test_one_value_longer_than_the_limit_is_refused(tmp_path: Path) -> None:
    text = json.dumps([{"id": "x" * 10_000}])
    chunks = (text[at : at + 100] for at in range(0, len(text), 100))
    with pytest.raises(SourceError, match="longer than 16 MB"):
        list(records_of(chunks, (), name="t", limit=1_000))


def test_a_gzip_document_is_scanned_twice_by_the_engine(tmp_path: Path) -> None:
    content = gzip.compress(json.dumps({"data": [{"id": n, "at": {"x": n / 2}} for n in range(50_000)]}).encode())
    file = JsonFile.open(write(tmp_path, content, "t.json.gz"), records="data")
    file.columns = ("id", "at.x")
    with Session(threads=1) as session:
        frame = session.scan_stream(file)
        for _ in range(2):
            assert session.value("SELECT sum(id::BIGINT)::BIGINT FROM {t}", t=frame) == 50_000 * 49_999 // 2
    assert file.lines_seen == 50_000
    assert file.names == ("id", "at.x")
