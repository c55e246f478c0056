"""Every reason has a file that shows it, a row in docs/INPUT.md, a sentence and one thing to do; no line is lost."""

from __future__ import annotations

import gzip
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anonkit.base.errors import SourceError
from anonkit.engine import LineFault
from anonkit.schema import Reason

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("bad_files", Path(__file__).with_name("bad.py"))
assert _spec is not None
assert _spec.loader is not None
bad = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bad)
FIXTURES = {name.removeprefix("bad_"): make for name, make in vars(bad).items() if name.startswith("bad_")}


def test_enum_fixtures_and_table_of_the_docs_name_the_same_reasons_in_the_same_order() -> None:
    text = (ROOT / "docs" / "INPUT.md").read_text(encoding="utf-8")
    text = text.split("## Why a line is rejected")[1]
    table = re.findall(r"^\| `([a-z_]+)` \| (.+?) \| (.+?) \|$", text, flags=re.M)
    reasons = [(reason.value, reason.what, reason.hint) for reason in Reason]
    assert table == reasons
    assert set(FIXTURES) == {reason.value for reason in Reason}


def test_every_fault_of_a_line_is_a_reason() -> None:
    assert {fault.value for fault in LineFault} <= {reason.value for reason in Reason}


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.value)
def test_r25_the_bad_line_and_no_other_is_rejected_with_reason_and_line_and_no_value(reason: Reason, read: Any) -> None:
    content, said = FIXTURES[reason.value]()
    reading = read(content, **said)
    assert reading.accounting.rejected == {reason.value: 1}
    assert reading.accounting.used == 3
    expected = 2 if reason is Reason.BAD_JSON else 3
    listed = {"source": "town", "line": expected, "lines": 1, "reason": reason.value}
    assert reading.rejected == [listed]  # and nothing else: no value of the line


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.value)
def test_every_reason_says_what_is_wrong_and_one_thing_to_do(reason: Reason) -> None:
    assert len(reason.what) > 10
    assert len(reason.hint) > 10


def test_all_bad_lines_in_one_file_are_each_counted_once(read: Any) -> None:
    rows = []
    for name, make in FIXTURES.items():
        content, said = make()
        if not set(said) - {"checks"} and name not in ("line_too_long", "duplicate"):
            rows.append((name, content.split(b"\n")[2]))
    good = bad.line(id="T1").encode()
    content = b"\n".join([bad.HEADER.encode(), good, *(row for _, row in rows)]) + b"\n"
    reading = read(content, checks={"require": ["person"]})
    assert reading.accounting.rejected == dict.fromkeys(sorted(name for name, _ in rows), 1)
    assert reading.accounting.physical == len(rows) + 2


# --- letters and encodings ----------------------------------------------------------------------------------------


def test_azerbaijani_letters_in_utf8_make_the_same_person_with_and_without_a_mark(read: Any) -> None:
    row = bad.line(rider="Ülviyyə Şıxəliyeva ğöçı").encode()
    plain = read(b"\n".join([bad.HEADER.encode(), row])).rows
    marked = read(b"\xef\xbb\xbf" + b"\n".join([bad.HEADER.encode(), row])).rows
    assert plain[0]["person"] == marked[0]["person"] == "Ülviyyə Şıxəliyeva ğöçı"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp1254", "iso8859-9"])
def test_a_file_in_another_encoding_is_read_when_it_is_named_or_marked(encoding: str, read: Any) -> None:
    text = "\r\n".join([bad.HEADER, bad.line(rider="Şükür Çağrı"), bad.line(id="T8")]) + "\r\n"
    said = {} if encoding == "utf-16" else {"encoding": encoding}
    reading = read(text.encode(encoding), **said)
    assert reading.rows[0]["person"] == "Şükür Çağrı"
    assert reading.accounting.used == 2


def test_a_cp1254_file_that_nobody_named_loses_only_the_lines_with_letters_and_says_so(read: Any) -> None:
    text = "\n".join([bad.HEADER, bad.line(rider="Şükür"), bad.line(id="T8")])
    assert read(text.encode("cp1254")).accounting.rejected == {"wrong_encoding": 1}
    assert "cp1254" in Reason.WRONG_ENCODING.hint


def test_utf16_without_a_mark_is_refused_with_the_encoding_to_name(read: Any) -> None:
    with pytest.raises(SourceError, match=r"every other byte is zero[\s\S]*encoding: utf-16-le"):
        read("\n".join([bad.HEADER, bad.line()]).encode("utf-16-le"))


def test_an_encoding_that_nobody_knows_is_refused(read: Any) -> None:
    with pytest.raises(SourceError, match=r"no encoding 'azeri'"):
        read("\n".join([bad.HEADER, bad.line()]), encoding="azeri")


def test_column_names_in_another_encoding_are_refused(read: Any) -> None:
    with pytest.raises(SourceError, match=r"names of its columns[\s\S]*cp1254"):
        read("id,sürücü\n1,2\n".encode("cp1254"))


# --- whole files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said", "message"),
    [
        (b"", {}, r"is empty[\s\S]*export it again"),
        (b"\n\n  \n", {}, "blank lines only"),
        (b"a\rb\rc", {}, "carriage return only"),
        (gzip.compress(b"id,rider\n" * 100)[:-12], {"name": "rides.csv.gz"}, r"truncated[\s\S]*copy the export"),
        (b"no gzip at all", {"name": "rides.csv.gz"}, "damaged or truncated gzip"),
        (b"id,rider\n1,2\n", {}, r"lacks the columns \['start'"),
        (b"T1,+994501234567\nT2,x\n", {}, r"1 of 2 names of its columns look like values, so none[\s\S]*no header\?"),
        (b"PAR1", {"name": "rides.parquet"}, "not a readable Parquet file"),
        (b"x", {"name": "rides.xlsx"}, r"'.xlsx' are not read[\s\S]*\.csv"),
        (",".join(f"c{n}" for n in range(20_001)).encode() + b"\n", {}, r"20001 columns[\s\S]*delimiter"),
    ],
    ids=["empty", "blank", "mac", "truncated", "no gzip", "lacks", "no header", "parquet", "suffix", "wide"],
)
def test_a_file_that_cannot_be_read_is_refused_with_what_to_do(
    content: bytes, said: dict[str, Any], message: str, read: Any
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        read(content, **said)
    assert caught.value.hint


def test_a_gzip_file_that_breaks_off_late_is_refused_not_shortened(read: Any) -> None:
    rows = [bad.HEADER] + [bad.line(id=f"T{n}", rider=f"P{n * 7919 % 100_003}") for n in range(60_000)]
    whole = gzip.compress("\n".join(rows).encode())
    with pytest.raises(SourceError, match="truncated gzip"):
        read(whole[: len(whole) // 2], name="rides.csv.gz")


def test_a_missing_file_is_named_without_its_folders(read: Any, tmp_path: Path, session: Any) -> None:
    from anonkit.sources import InputSpec, read_generic

    spec = InputSpec(path=tmp_path / "gone.csv", operator="town", columns=bad.COLUMNS)
    with pytest.raises(SourceError, match=r"there is no file gone\.csv"):
        read_generic(spec, session=session, as_of_s=0)


def test_a_header_and_nothing_else_is_refused(town: Any) -> None:
    with pytest.raises(SourceError, match=r"a header and nothing else[\s\S]*export it again"):
        town.release()


def test_ten_thousand_columns_are_read_for_the_eight_that_are_mapped(read: Any) -> None:
    names = bad.HEADER.split(",") + [f"extra_{number}" for number in range(9_991)]
    rows = [",".join([bad.line(id=f"T{n}", rider=f"P{n}"), *["x"] * 9_991]) for n in range(20)]
    reading = read("\n".join([",".join(names), *rows]))
    assert reading.accounting.used == 20
    assert len(reading.opened.dropped_columns) == 9_992  # the fare too


def test_columns_that_differ_in_capitals_only_are_refused(read: Any) -> None:
    text = "\n".join([bad.HEADER.replace("fare", "ID"), bad.line()])
    with pytest.raises(SourceError, match=r"\['ID', 'id'\] differ in capitals only"):
        read(text, columns={**bad.COLUMNS, "vehicle": "ID"})


def test_repeated_and_empty_column_names_get_names_of_their_own(read: Any) -> None:
    reading = read("\n".join([f"{bad.HEADER},fare,,_line", bad.line() + ",1,2,3"]))
    assert reading.opened.dropped_columns == ("fare", "fare_2", "column_11", "_line_2")


LONG = """
import resource, sys
from pathlib import Path
from anonkit.engine import CsvFile

def chunks():
    yield b"1,2\\n3,"
    for _ in range(125):
        yield b"x" * 8_000_000
    yield b"\\n5,6\\n"

path = Path(sys.argv[1])
path.write_bytes(b"a,b\\n1,2\\n")
file = CsvFile.open(path)
file._chunks = chunks
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = [row for batch in file.batches() for row in batch.to_pylist()]
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print([(row["_line"], row["_fault"]) for row in rows], file.lines_seen, (after - before) // 1024)
"""


@pytest.mark.slow
def test_a_line_of_a_gigabyte_is_set_aside_in_bounded_memory(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LONG, str(tmp_path / "long.csv")], capture_output=True, text=True, check=True
    )
    found, seen, grown = re.fullmatch(r"(\[.*\]) (\d+) (\d+)\s*", run.stdout).groups()  # type: ignore[union-attr]
    assert found == "[(2, None), (4, None), (3, 'line_too_long')]"
    assert int(seen) == 4
    assert int(grown) < 150  # MB


def test_the_sum_of_lines_is_checked(read: Callable[..., Any]) -> None:
    from dataclasses import replace

    accounting = read("\n".join([bad.HEADER, bad.line()])).accounting
    with pytest.raises(SourceError, match="2 physical lines came in, 1 are accounted for"):
        replace(accounting, used=0).check()
