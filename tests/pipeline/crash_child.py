"""Run by test_crash.py: makes releases in forked children that kill themselves at a given moment.

``crash_child.py RECIPE FOLDER [MOMENT …]``: without moments, one sound run prints the names of all moments; with them,
for each moment a child runs into ``FOLDER/<n>/out`` and dies there. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from anonkit.base.progress import Progress
from anonkit.pipeline import release


class Counting(Progress):
    """Remembers the moments; kills its process at the one that it was given."""

    def __init__(self, fatal: int | None = None) -> None:
        super().__init__()
        self.fatal = fatal
        self.names: list[str] = []

    def moment(self, name: str) -> None:
        self.names.append(name)
        if self.fatal == len(self.names) - 1:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    recipe, folder, moments = Path(sys.argv[1]), Path(sys.argv[2]), [int(number) for number in sys.argv[3:]]
    ends = {}
    for moment in moments:
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            release(recipe, out=folder / str(moment) / "out", progress=Counting(moment))
            os._exit(0)
        ends[moment] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    progress = Counting()
    if not moments:
        release(recipe, out=folder / "out", progress=progress)
    print(json.dumps({"ends": ends, "moments": progress.names}))


if __name__ == "__main__":
    main()
