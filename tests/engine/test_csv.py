"""Delimited files: what comes out equals what Python's csv reads, whatever was written; lines always add up."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import SourceError
from anonkit.engine import CsvFile, Session
from hypothesis import given, settings
from hypothesis import strategies as st

SHARED = settings(max_examples=150)


def read(path: Path, **said: Any) -> list[dict[str, Any]]:
    file = CsvFile.open(path, **said)
    return [row for batch in file.batches() for row in batch.to_pylist()]


def write(folder: Path, content: bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


# --- against Python's csv -----------------------------------------------------------------------------------------

FIELD = st.text(alphabet='ab,;"\n 1ə.', min_size=1, max_size=8)


@SHARED
@given(rows=st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=10), mark=st.booleans(), end=st.booleans())
def test_what_python_writes_comes_back(tmp_path: Path, rows: list[tuple[str, str]], mark: bool, end: bool) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n" if end else "\n").writerows([("left", "right"), *rows])
    content = (b"\xef\xbb\xbf" if mark else b"") + out.getvalue().encode()
    found = read(write(tmp_path, content), delimiter=",")
    assert [(row["left"], row["right"]) for row in found] == rows
    assert all(row["_fault"] is None for row in found)


@SHARED
@given(body=st.text(alphabet='ab,"\n', max_size=60))
def test_of_any_text_each_line_is_a_row_or_a_fault(tmp_path: Path, body: str) -> None:
    path = write(tmp_path, b"left,right\n" + body.encode())
    file = CsvFile.open(path, delimiter=",")
    found = [row for batch in file.batches() for row in batch.to_pylist()]
    lines = 1 + body.count("\n") + (bool(body) and not body.endswith("\n"))
    assert file.lines_seen == lines
    assert 1 + sum(row["_lines"] for row in found) == lines
    good = [row for row in found if row["_fault"] is None]
    # a row that came through is one that Python's csv reads from its physical lines as well
    physical = path.read_text(encoding="utf-8").split("\n")
    for row in good:
        record = "\n".join(physical[row["_line"] - 1 : row["_line"] - 1 + row["_lines"]])
        values = next(csv.reader(io.StringIO(record, newline="")))
        assert [value or None for value in values] == [row["left"], row["right"]]


def test_an_odd_record_that_the_parser_would_merge_costs_itself_only(tmp_path: Path) -> None:
    # line 3 has two quotes; the second opens a field that would swallow what follows
    path = write(tmp_path, b'left,right\n1,a\n5" pipe,"open\n2,b\n3,c\n')
    found = read(path)
    assert [(row["left"], row["_line"]) for row in found if row["_fault"] is None] == [("1", 2), ("2", 4), ("3", 5)]
    assert [(row["_line"], row["_fault"]) for row in found if row["_fault"]] == [(3, "stray_quote")]


def test_a_carriage_return_inside_a_line_costs_itself_only(tmp_path: Path) -> None:
    found = read(write(tmp_path, b"left,right\n1,a\n2,b\rc\n3,d\n"))
    assert [row["left"] for row in found if row["_fault"] is None] == ["1", "3"]
    assert [(row["_line"], row["_fault"]) for row in found if row["_fault"]] == [(3, "ragged_line")]


# --- dialect ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_on_the_first_lines(tmp_path: Path, mark: str) -> None:
    text = "\n".join(mark.join(row) for row in [("id", "at", "km"), ("1", "a", "2"), ("2", "b", "3")])
    assert CsvFile.open(write(tmp_path, text.encode())).dialect.delimiter == mark


def test_decimal_commas_do_not_make_the_comma_the_delimiter(tmp_path: Path) -> None:
    content = b"id;lon;lat\n1;49,85;40,38\n2;49,86;40,39\n"
    assert CsvFile.open(write(tmp_path, content)).dialect.names == ("id", "lon", "lat")


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"a,b\n1,2\n", 2), (b"\n\n  \na,b\n1,2\n", 5), (b'"a\nname",b\n1,2\n', 3), (b"\xef\xbb\xbfa,b\r\n1,2\r\n", 2)],
    ids=["plain", "blank lines above", "a name over two lines", "mark and crlf"],
)
def test_the_first_record_knows_its_line_below_any_header(tmp_path: Path, content: bytes, line: int) -> None:
    file = CsvFile.open(write(tmp_path, content))
    rows = [row for batch in file.batches() for row in batch.to_pylist()]
    assert [row["_line"] for row in rows] == [line]
    assert list(rows[0].values())[:2] == ["1", "2"]
    assert file.lines_seen == line


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "cp1254", "utf-16-le", "koi8-r"])
def test_encodings_are_transcoded_across_the_borders_of_chunks(
    tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anonkit.engine.csv.CHUNK_BYTES", 7)
    letters = {"cp1254": "Şığ", "koi8-r": "Ёжик"}.get(encoding, "Şəhər 🚲")
    content = f"id,name\n1,{letters}\n2,b\n".encode(encoding)
    said = {} if encoding in ("utf-8-sig", "utf-16", "utf-32") else {"encoding": encoding}
    found = read(write(tmp_path, content), **said)
    assert [row["name"] for row in found] == [letters, "b"]


def test_a_long_line_after_the_header_does_not_upset_the_dialect(tmp_path: Path) -> None:
    path = write(tmp_path, b"a,b\n" + b"x" * 400_000 + b",1\n2,3\n")
    found = read(path)
    assert [(row["b"], row["_line"]) for row in found] == [("1", 2), ("3", 3)]


# --- scanning -----------------------------------------------------------------------------------------------------


def test_a_file_can_be_scanned_again_and_only_for_the_columns_asked(tmp_path: Path) -> None:
    file = CsvFile.open(write(tmp_path, b"a,b,c\n1,2,3\n4,5,6\n"))
    file.columns = ("c", "a")
    with Session(threads=1) as session:
        frame = session.scan_stream(file)
        assert frame.collect_schema().names() == ["c", "a", "_line", "_lines", "_fault"]
        for _ in range(3):
            assert sorted(session.rows("SELECT a, c FROM {t}", t=frame)) == [("1", "3"), ("4", "6")]


def test_a_truncated_gzip_file_raises_through_the_engine(tmp_path: Path) -> None:
    body = "\n".join(f"{number},{number * 7919 % 100_003}" for number in range(200_000))
    whole = gzip.compress(f"a,b\n{body}\n".encode())
    path = write(tmp_path, whole[: len(whole) // 2], "t.csv.gz")
    with Session(threads=1) as session:
        frame = session.scan_stream(CsvFile.open(path))
        with pytest.raises(SourceError, match="truncated gzip"):
            session.rows("SELECT count(*) FROM {t}", t=frame)


def test_a_whole_gzip_file_equals_the_plain_one(tmp_path: Path) -> None:
    content = b"a,b\n1,2\n\n3,4\n"
    plain = read(write(tmp_path, content))
    assert read(write(tmp_path, gzip.compress(content), "t.csv.gz")) == plain


def test_lines_are_counted_over_many_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anonkit.engine.csv.CHUNK_BYTES", 1_000)
    body = "".join(f'{number},"x\ny"\n' if number % 3 == 0 else f"{number},z\n" for number in range(3_000))
    file = CsvFile.open(write(tmp_path, f"a,b\n{body}".encode()))
    rows = [row for batch in file.batches() for row in batch.to_pylist()]
    assert [int(row["a"]) for row in rows] == list(range(3_000))
    assert file.lines_seen == 1 + body.count("\n")
    assert 1 + sum(row["_lines"] for row in rows) == file.lines_seen
