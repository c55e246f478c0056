"""Shared by the tests of sources: write a file, read it through to the accounting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from anonkit.engine import Session
from anonkit.prepare import account_for, mark_duplicates, rejected_lines, tokenise
from anonkit.schema import Accounting
from anonkit.sources import InputSpec, read_generic, visits_as_trips

AS_OF_S = 1_790_000_000
"""2026-09-21: everything in the fixtures lies before it."""
NOVEMBER_S = 1_793_880_000
"""2026-11-05, after all samples."""
BOX = (49.7, 40.2, 50.2, 40.6)
"""Around Baku."""
COLUMNS = {
    "trip": "id",
    "person": "rider",
    "start": "start",
    "end": "end",
    "start_lon": "slon",
    "start_lat": "slat",
    "end_lon": "elon",
    "end_lat": "elat",
}
HEADER = "id,rider,start,end,slon,slat,elon,elat,fare"
GOOD = "{id},{rider},2026-03-03 08:00:00,2026-03-03 08:20:00,49.85,40.38,49.87,40.40,2.5"


class Reading:
    """One input, read to its end."""

    def __init__(
        self,
        spec: InputSpec,
        session: Session,
        zones: dict[str, int] | None,
        *,
        as_of_s: int = AS_OF_S,
        box: tuple[float, float, float, float] = BOX,
    ) -> None:
        table, self.opened = read_generic(spec, session=session, as_of_s=as_of_s, box=box, zones=zones)
        self.table = table
        frame = tokenise(visits_as_trips(table), key=b"k" * 32).frame
        if "_rule" not in frame.collect_schema().names():
            frame = session.frame("SELECT *, NULL::VARCHAR AS _rule FROM {frame}", frame=frame)
        frame = mark_duplicates(session.checkpoint(frame, "read"), session)
        self.accounting: Accounting = account_for(
            frame,
            session,
            source=spec.operator,
            physical=self.opened.physical(session),
            header=self.opened.header_lines,
        )
        self.rejected = rejected_lines(frame, session, source=spec.operator).to_pylist()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The usable rows, as the source gives them."""
        frame = self.table.session.frame("SELECT * FROM {t} WHERE _reason IS NULL ORDER BY _line", t=self.table.frame)
        found: list[dict[str, Any]] = self.table.session.collect(frame).to_pylist()
        return found


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(threads=1) as opened:
        yield opened


@pytest.fixture
def read(tmp_path: Path, session: Session) -> Callable[..., Reading]:
    """Write ``content`` as a file, read it by the town's column map with changes."""

    def run(
        content: bytes | str,
        *,
        name: str = "rides.csv",
        columns: dict[str, str] | None = None,
        zones: dict[str, int] | None = None,
        **changes: Any,
    ) -> Reading:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        said: dict[str, Any] = {"time": {"zone": "Asia/Baku"}, "columns": columns or COLUMNS, **changes}
        return Reading(InputSpec.model_validate({"path": path, "operator": "town", **said}), session, zones)

    return run


@pytest.fixture
def of_source(session: Session) -> Callable[..., Reading]:
    """Read a file by the preset of an operator's format, as of November 2026."""

    def run(path: Path, source: str, *, box: tuple[float, float, float, float] = BOX, **said: Any) -> Reading:
        data = {"time": {"zone": "Asia/Baku"}, **said, "path": path, "source": source}
        if source == "pokupi" or source.startswith(("charge", "ocpi")):
            data["time"] = said.get("time", {})
        return Reading(InputSpec.model_validate(data), session, None, as_of_s=NOVEMBER_S, box=box)

    return run


def good(number: int) -> str:
    """A line that can be used."""
    return GOOD.format(id=f"T{number}", rider=f"P{number}")


@pytest.fixture
def lines() -> Callable[..., str]:
    """A file of three good lines and some more."""

    def make(*more: str) -> str:
        return "\n".join([HEADER, good(1), good(2), good(3), *more]) + "\n"

    return make
