"""Two folders: the one that is handed over, and the one that stays.

The bundle is written into a staging folder beside its place and renamed at the very end, after the gate. A run that is
killed leaves at most a staging folder, which the next run of the same release removes; a refused run removes it itself.
The inside folder has mode 0700 and lies outside the bundle.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from anonkit.base.errors import RecipeError
from anonkit.engine import private_folder, replace_file, to_disk

RUN = "run.json"


class Handover:
    """Places of one release, held by a lock while the release is made.

    Parameters
    ----------
    out : the folder that is to be handed over; must not exist.
    inside : the folder that stays; default ``<out>.inside`` beside it.
    """

    def __init__(self, out: Path, inside: Path | None = None) -> None:
        self.out = out.parent.resolve() / out.name if out.name not in ("", "..") else out.resolve()
        self.inside = (inside if inside is not None else self.out.with_name(self.out.name + ".inside")).resolve()
        self._lock: IO[str] | None = None
        self._held: int | None = None
        self._saver: ThreadPoolExecutor | None = None
        self.staging: Path | None = None

    def __enter__(self) -> Handover:
        if self.inside == self.out or self.out in self.inside.parents or self.inside in self.out.parents:
            raise RecipeError("the inside folder and the bundle lie in one another", hint="give --inside another place")
        if os.path.lexists(self.out):
            raise RecipeError(
                f"{self.out.name} exists already; a release is never overwritten",
                hint="give --out a new folder, or remove the old one first",
            )
        if self.inside.is_dir() and not (self.inside / ".lock").is_file() and any(self.inside.iterdir()):
            raise RecipeError(
                f"the inside folder {self.inside.name} holds other files; it would be closed to others and cleaned",
                hint="give --inside a new or empty folder, or the one of an earlier run",
            )
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            private_folder(self.inside)
        except OSError as error:
            raise RecipeError(
                f"the folders of the release cannot be made: {error.strerror}",
                hint="give --out a place you may write to",
            ) from error
        self._lock = (self.inside / ".lock").open("w")
        self._hold(self._lock.fileno())
        for stale in self.inside.glob(".anonkit-*"):
            shutil.rmtree(stale, ignore_errors=True)
        for half in self.inside.glob(".*.partial"):
            half.unlink(missing_ok=True)
        for stale in self.out.parent.glob(f".{self.out.name}.partial-*"):
            handle = os.open(stale, os.O_RDONLY)
            try:
                self._hold(handle)  # a living run of the same release, with another inside folder, holds its own
                shutil.rmtree(stale, ignore_errors=True)
            finally:
                os.close(handle)
        self.staging = Path(tempfile.mkdtemp(prefix=f".{self.out.name}.partial-", dir=self.out.parent))
        self._held = os.open(self.staging, os.O_RDONLY)
        self._hold(self._held)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._saver is not None:
            self._saver.shutdown(cancel_futures=True)
        if self.staging is not None:
            shutil.rmtree(self.staging, ignore_errors=True)
        self._let_go()

    def _hold(self, handle: int) -> None:
        """Lock an open file or folder; refuse if somebody else holds it."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._let_go()
            raise RecipeError(
                "another run is making this release", hint="wait for it, or give --out another folder"
            ) from None

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
        if self._lock is not None:
            self._lock.close()
        self._held = self._lock = None

    def begin_saving(self) -> None:
        """Bring the staged files to the disk while they are looked at; `hand_over` then has little left to wait for."""
        assert self.staging is not None
        self._saver = ThreadPoolExecutor(max_workers=1)
        for path in sorted(self.staging.rglob("*")):
            self._saver.submit(to_disk, path)

    def hand_over(self) -> None:
        """Make the staging folder the bundle, in one step."""
        assert self.staging is not None
        for path in (*self.staging.rglob("*"), self.staging):
            path.chmod(0o755 if path.is_dir() else 0o644)
        for path in (*sorted(self.staging.rglob("*")), self.staging):  # what is there already costs nothing
            to_disk(path)
        self.staging.rename(self.out)
        self.staging = None
        to_disk(self.out.parent)

    def write_run(self, run: dict[str, Any]) -> None:
        """Write ``run.json`` into the inside folder."""
        with replace_file(self.inside / RUN) as partial:
            partial.write_text(json.dumps(run, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")

    def write_rejected(self, lines: pa.Table) -> None:
        """Write ``rejected.parquet`` into the inside folder: source, line, lines, reason."""
        with replace_file(self.inside / "rejected.parquet") as partial:
            pq.write_table(lines, partial)
