"""Where every physical line went: used, dropped by a rule, or rejected for a reason.

The sum must come out exactly; a source that loses a line silently cannot be trusted with a promise of erasure either.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from anonkit.base.errors import SourceError


@dataclass(frozen=True, kw_only=True, repr=False)
class Accounting:
    """Physical lines of one input."""

    source: str
    physical: int
    header: int
    used: int
    dropped: dict[str, int] = field(default_factory=dict)
    """Rule → lines."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Reason → lines."""
    mended: dict[str, int] = field(default_factory=dict)
    """Fault → used lines in which it was put right; they are among ``used``, and listed with the rejected ones."""
    dropped_columns: tuple[str, ...] = ()
    """Columns of the file that no rule mentions: never read (default deny)."""
    inferred: float | None = None
    """Of card taps: the share of those that could be trips whose alighting stop was inferred."""

    def check(self) -> Accounting:
        """Raise ``SourceError`` unless lines in = header + used + dropped + rejected; return self."""
        out = self.header + self.used + sum(self.dropped.values()) + sum(self.rejected.values())
        if out != self.physical:
            raise SourceError(
                f"{self.source}: {self.physical} physical lines came in, {out} are accounted for",
                hint="the file changed while it was read, or anonkit is at fault: keep the file and report it",
            )
        return self

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        return asdict(self)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        parts = [f"{self.source}: {self.physical:,} lines = {self.header} header + {self.used:,} used"]
        parts += [f"{count:,} dropped ({rule})" for rule, count in sorted(self.dropped.items())]
        if self.mended:
            parts[0] += f" ({', '.join(f'{count:,} mended: {fault}' for fault, count in sorted(self.mended.items()))})"
        parts += [f"{count:,} rejected ({reason})" for reason, count in sorted(self.rejected.items())]
        return " + ".join(parts)
