"""Tokens that stand twice are found, whatever the lots they are looked for in."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from anonkit.engine import Session
from anonkit.prepare import repeats

TOKENS = [2**59 + 5, 3, None, 3, 2**59 + 5, 7, None, 2**58, 3, 2**60 - 1, -4, -4]


@pytest.mark.parametrize("at_once", [repeats.AT_ONCE, 5, 1])
def test_values_of_several_rows_are_found(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(repeats, "AT_ONCE", at_once)
    with Session(threads=1) as session:
        frame = session.from_arrow(pa.table({"trip": pa.array(TOKENS, pa.int64())}))
        found = repeats.repeated(frame, "trip", session)
        assert found is not None
        several = sorted(session.collect(found).column("trip").to_pylist())
        assert several == sorted(value for value, n in Counter(TOKENS).items() if n > 1 and value is not None)


def test_no_repeated_value_is_nothing() -> None:
    with Session(threads=1) as session:
        for values in ([], [1, 2, None, None]):
            frame = session.from_arrow(pa.table({"trip": pa.array(values, pa.int64())}))
            assert repeats.repeated(frame, "trip", session) is None
