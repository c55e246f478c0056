"""Records and their physical lines, against Python's csv and by hand; faults set aside one line at a time."""

from __future__ import annotations

import csv
import io

import pytest
from anonkit.engine.lines import Block, LineFault, LineLimits, RecordCutter, cut
from hypothesis import given, settings
from hypothesis import strategies as st

Found = tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]


def records(text: bytes, *, size: int = 10**6, fields: int = 2, **limits: int) -> Found:
    """(line, lines, text) of the records, (line, lines, fault) of the faults, cut from chunks of ``size`` bytes."""
    cutter = RecordCutter(quote=b'"', delimiter=",", fields=fields, first_line=1, limits=LineLimits(**limits))
    chunks = (text[at : at + size] for at in range(0, len(text), size))
    good: list[tuple[int, int, str]] = []
    bad: list[tuple[int, int, str]] = []
    for block in cut(chunks, cutter):
        good += _of(block)
        bad += [(line, lines, fault.value) for line, lines, fault in block.faults]
    return good, sorted(bad)


def _of(block: Block) -> list[tuple[int, int, str]]:
    physical = block.data.split(b"\n")[:-1]
    found, at = [], 0
    for line, lines in zip(block.start.tolist(), block.lines.tolist(), strict=True):
        found.append((line, lines, b"\n".join(physical[at : at + lines]).decode()))
        at += lines
    assert at == len(physical)
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_line_numbers_hold_with_quoted_newlines_blank_lines_crlf_and_no_final_newline(size: int) -> None:
    text = b'a,1\r\n\r\n"two\nlines",2\r\nb,3\n\n"x ""y"" \n\nz",4\nlast,5'
    good, bad = records(text, size=size)
    assert good == [
        (1, 1, "a,1\r"),
        (3, 2, '"two\nlines",2\r'),
        (5, 1, "b,3"),
        (7, 3, '"x ""y"" \n\nz",4'),
        (10, 1, "last,5"),
    ]
    assert bad == [(2, 1, "blank_line"), (6, 1, "blank_line")]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_stray_quote_takes_its_own_line_and_no_other(size: int) -> None:
    good, bad = records(b'a,1\nb 5" pipe,2\nc,3\nd,4\n', size=size)
    assert [line for line, _, _ in good] == [1, 3, 4]
    assert bad == [(2, 1, "stray_quote")]


def test_two_stray_quotes_do_not_swallow_the_lines_between_them() -> None:
    good, bad = records(b'a,1\nb 5" x,2\nc,3\nd 6" y,4\ne,5\n')
    assert [line for line, _, _ in good] == [1, 3, 5]
    assert bad == [(2, 1, "stray_quote"), (4, 1, "stray_quote")]


def test_an_open_quote_at_the_end_of_the_file_takes_its_line_only() -> None:
    good, bad = records(b'a,1\n"b,2\nc,3\n')
    assert [line for line, _, _ in good] == [1, 3]
    assert bad == [(2, 1, "stray_quote")]


def test_a_quoted_field_over_more_lines_than_allowed_is_a_stray_quote() -> None:
    long = b'"x' + b"\n" * 60 + b'y",1\n'
    good, bad = records(b"a,1\n" + long + b"b,2\n")
    assert [text for _, _, text in good] == ["a,1", "b,2"]
    assert sum(lines for _, lines, _ in bad) == 61


@pytest.mark.parametrize("size", [3, 10, 1000])
def test_a_line_that_is_too_long_is_passed_over(size: int) -> None:
    good, bad = records(b"a,1\n" + b"x" * 60 + b"\nb,2\n" + b"y" * 70, size=size, max_line_bytes=50)
    assert [line for line, _, _ in good] == [1, 3]
    assert bad == [(2, 1, "line_too_long"), (4, 1, "line_too_long")]


def test_a_replacement_mark_is_a_wrong_encoding_of_the_whole_record() -> None:
    good, bad = records('a,1\n"two\nl\ufffdnes",2\nb,3\n'.encode())
    assert [line for line, _, _ in good] == [1, 4]
    assert bad == [(2, 2, "wrong_encoding")]


FIELD = st.text(alphabet='ab,"\n ə', max_size=6)
ROWS = st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=12)


@settings(max_examples=200)
@given(rows=ROWS, size=st.integers(1, 40), end=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
def test_what_pythons_csv_writes_is_cut_into_the_same_rows(
    rows: list[tuple[str, str, str]], size: int, end: str, last: bool
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end).writerows(rows)
    text = out.getvalue() if last else out.getvalue().removesuffix(end)
    good, bad = records(text.encode(), size=size, fields=3)
    assert bad == []
    assert [tuple(next(csv.reader(io.StringIO(record, newline="")))) for _, _, record in good] == rows
    # each record begins where the ones before it end
    begins, line = [], 1
    for first, lines, _ in good:
        begins.append(first == line)
        line += lines
    assert all(begins)
    assert line - 1 == text.count("\n") + (not text.endswith("\n"))


@settings(max_examples=300)
@given(text=st.text(alphabet='a,"\n\r', max_size=80), size=st.integers(1, 30))
def test_no_line_of_any_text_is_lost(text: str, size: int) -> None:
    raw = text.encode()
    good, bad = records(raw, size=size)
    lines = raw.count(b"\n") + (bool(raw) and not raw.endswith(b"\n"))
    covered = [number for line, count, _ in [*good, *bad] for number in range(line, line + count)]
    assert sorted(covered) == list(range(1, lines + 1))


@settings(max_examples=150)
@given(text=st.text(alphabet='a,"\n', max_size=60), size=st.integers(1, 20))
def test_the_size_of_chunks_does_not_matter(text: str, size: int) -> None:
    assert records(text.encode(), size=size) == records(text.encode())


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({fault.value for fault in LineFault}) == len(LineFault)
