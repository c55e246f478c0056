"""The session: keyed hashes equal Python's, files appear whole, nothing of a run stays, errors carry no values."""

from __future__ import annotations

import hashlib
import hmac
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from anonkit.base.errors import SchemaError, SourceError
from anonkit.engine import EngineError, Session, identifier
from hypothesis import given, settings
from hypothesis import strategies as st

SHARED = settings(max_examples=60)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(threads=1, folder=tmp_path / "runs") as opened:
        yield opened


# --- keyed hashes -------------------------------------------------------------------------------------------------


@SHARED
@given(
    key=st.binary(min_size=1, max_size=100),
    texts=st.lists(st.none() | st.text(st.characters(exclude_characters="\x00", codec="utf-8")), min_size=1),
    prefix=st.text(st.characters(exclude_characters="\x00{}", codec="utf-8"), max_size=5),
)
def test_hmac_equals_pythons_for_any_text_and_key(
    session: Session, key: bytes, texts: list[str | None], prefix: str
) -> None:
    frame = session.from_arrow(pa.table({"row": range(len(texts)), "id": pa.array(texts, pa.string())}))
    hashed = session.hmac(frame, "id", key=key, name="token", prefix=prefix)
    found = session.rows("SELECT token FROM {t} ORDER BY row", t=hashed)
    expected = [
        None if text is None else hmac.new(key, (prefix + text).encode(), hashlib.sha256).hexdigest() for text in texts
    ]
    assert [row[0] for row in found] == expected


def test_a_token_is_the_first_sixty_bits_of_the_hmac_and_positive(session: Session) -> None:
    frame = session.from_arrow(pa.table({"id": [f"P{number}" for number in range(1_000)]}))
    sql = session.token_sql('"id"', key=b"k" * 32, prefix="person")
    found = session.rows(f"SELECT id, {sql} FROM {{t}}", t=frame)
    for text, token in found:
        digest = hmac.new(b"k" * 32, ("person" + text).encode(), hashlib.sha256).hexdigest()
        assert token == int(digest[:15], 16)
    assert len({token for _, token in found}) == 1_000


def test_the_key_stands_in_no_sql_text(session: Session) -> None:
    sql = session.hmac_sql('"id"', key=b"secret-key-of-the-run", prefix="")
    assert "secret" not in sql
    assert b"secret-key-of-the-run".hex() not in sql.lower()


# --- writes -------------------------------------------------------------------------------------------------------


def test_parquet_and_csv_are_written_in_order_and_whole(session: Session, tmp_path: Path) -> None:
    frame = session.from_arrow(pa.table({"n": [3, 1, 2], "name": ["c", "a", "ə, b"]}))
    session.write_parquet(frame, tmp_path / "t.parquet", order=("n",))
    session.write_csv(frame, tmp_path / "t.csv", order=("n",))
    assert pq.read_table(tmp_path / "t.parquet").column("n").to_pylist() == [1, 2, 3]
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == 'n,name\n1,a\n2,"ə, b"\n3,c\n'


def test_rows_that_come_many_times_are_written_in_order(session: Session, tmp_path: Path) -> None:
    numbers = list(range(300_000, 0, -1))
    frame = session.from_arrow(pa.table({"n": numbers, "times": [number % 3 for number in numbers]}))
    session.write_parquet(frame, tmp_path / "t.parquet", order=("n",), times="times")
    session.write_csv(session.scan_parquet(tmp_path / "t.parquet"), tmp_path / "t.csv")
    expected = [number for number in range(1, 300_001) for _ in range(number % 3)]
    assert pq.read_table(tmp_path / "t.parquet").to_pydict() == {"n": expected}
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").split("\n") == ["n", *map(str, expected), ""]


def test_a_write_that_fails_leaves_the_old_file(session: Session, tmp_path: Path) -> None:
    target = tmp_path / "t.csv"
    target.write_text("old")
    broken = session.frame("SELECT (1 / 0)::INTEGER AS n, error('no') AS m")
    with pytest.raises(EngineError, match="could not answer"):
        session.write_csv(broken, target)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.glob("*t.csv*")] == ["t.csv"]


def test_a_checkpoint_is_computed_once(session: Session) -> None:
    calls = []

    def work(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        calls.append(len(x))
        return (x + y).astype(np.int64)

    name = session.point_function(work)
    frame = session.frame(f"SELECT {name}(n::DOUBLE, 1.0) AS s FROM range(10) t(n)")
    kept = session.checkpoint(frame, "sums")
    done = len(calls)
    assert done
    assert session.value("SELECT sum(s)::BIGINT FROM {t}", t=kept) == 55
    assert session.value("SELECT count(*) FROM {t}", t=kept) == 10
    assert len(calls) == done


def test_the_run_folder_is_private_and_gone_when_the_session_closes(tmp_path: Path) -> None:
    with Session(folder=tmp_path / "runs") as session:
        session.checkpoint(session.frame("SELECT 1 AS n"), "one")
        assert session.folder.stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "runs").stat().st_mode & 0o777 == 0o700
        folder = session.folder
    assert not folder.exists()


# --- errors -------------------------------------------------------------------------------------------------------


def test_an_engine_error_carries_no_value(session: Session) -> None:
    frame = session.from_arrow(pa.table({"id": ["+994501234567"]}))
    with pytest.raises(EngineError) as caught:
        session.sql("SELECT CAST(id AS DATE) FROM {t}", t=frame)
    assert "99450" not in str(caught.value)


def test_frames_of_others_are_refused(session: Session) -> None:
    import narwhals.stable.v2 as nw
    import pandas as pd

    with pytest.raises(SchemaError, match="a frame of pandas"):
        session.collect(nw.from_native(pd.DataFrame({"n": [1]})))  # type: ignore[arg-type]


def test_a_missing_parquet_file_is_named(session: Session, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no file gone\.parquet"):
        session.scan_parquet(tmp_path / "gone.parquet")


def test_row_numbers_of_parquet_begin_at_one(session: Session, tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [5, 6, 7]}), tmp_path / "t.parquet")
    frame = session.scan_parquet(tmp_path / "t.parquet", row_numbers=True)
    assert sorted(session.rows("SELECT _line, n FROM {t}", t=frame)) == [(1, 5), (2, 6), (3, 7)]


def test_the_repr_shows_no_rows(session: Session) -> None:
    session.from_arrow(pa.table({"lon": [49.85]}))
    assert repr(session) == "Session(duckdb)"


def test_identifiers_cannot_break_out_of_their_quotes() -> None:
    assert identifier('a" FROM x; --') == '"a"" FROM x; --"'


def test_errors_survive_pickling() -> None:
    error = EngineError("the embedded engine could not answer", hint="none")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


@pytest.mark.parametrize("lent", [2**28, 40, 0])
def test_gathered_pieces_are_one_table_wherever_they_are_kept(
    session: Session, monkeypatch: pytest.MonkeyPatch, lent: int
) -> None:
    from anonkit.engine import session as module

    monkeypatch.setattr(module, "LENT", lent)
    whole = session.gather()
    for part in ([1, 2], [], [3], [4, 5, 6]):
        whole.add(pa.table({"a": pa.array(part, pa.int64()), "b": pa.array([str(n) for n in part], pa.string())}))
    frame = whole.frame()
    assert session.rows("SELECT a, b FROM {f} ORDER BY a", f=frame) == [(n, str(n)) for n in range(1, 7)]
    assert session.value("SELECT count(*) FROM {f}", f=whole.frame()) == 6


def test_nothing_gathered_is_a_fault_of_the_program(session: Session) -> None:
    with pytest.raises(EngineError, match="nothing was put"):
        session.gather().frame()
