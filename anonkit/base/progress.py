"""Progress of long work: stages with names in the terminal (rich) or the notebook (tqdm), or silence.

A ``Progress`` is told of every stage's begin and end and of the moments between which a kill must do no harm; the
crash tests listen to those moments. Nothing told here holds data: names and counts only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Silent progress; the base of all others. ``seconds`` keeps each stage's duration."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage; its duration lands in ``seconds``."""
        self.begin(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self.end(name)

    def begin(self, name: str) -> None:
        """A stage starts."""

    def end(self, name: str) -> None:
        """A stage is complete."""

    def moment(self, name: str) -> None:
        """A point at which a kill must do no harm."""

    def close(self) -> None:
        """The work is over."""


class TerminalProgress(Progress):
    """One line a stage on standard error, by rich."""

    def __init__(self, stages: tuple[str, ...] = ()) -> None:
        super().__init__()
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._total = len(stages)
        self._number = 0
        self._status = self._console.status("")

    def begin(self, name: str) -> None:
        self._number += 1
        self._status.update(f"[{self._number}/{self._total}] {name}" if self._total else name)
        self._status.start()

    def end(self, name: str) -> None:
        self._status.stop()
        self._console.print(f"  {name:<10} {self.seconds[name]:6.1f} s", style="dim")

    def close(self) -> None:
        self._status.stop()


class NotebookProgress(Progress):
    """One bar over the stages, by tqdm.auto."""

    def __init__(self, stages: tuple[str, ...] = ()) -> None:
        super().__init__()
        from tqdm.auto import tqdm

        self._bar = tqdm(total=len(stages) or None, unit="stage")

    def begin(self, name: str) -> None:
        self._bar.set_description(name)

    def end(self, name: str) -> None:
        self._bar.update(1)

    def close(self) -> None:
        self._bar.close()
