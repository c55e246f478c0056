"""A finding: one question that was put to a release, its answer, and the threshold that it was held against.

Gate, scorecard and report speak of the same findings; none of them carries a value of the data.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Status(Enum):
    """How a question was answered."""

    PASS = "PASS"  # noqa: S105
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, kw_only=True, repr=False)
class Finding:
    """One question, its answer and its threshold."""

    check: str
    """Short name, such as ``class_size``."""
    product: str
    """Which product or file it is about; ``release`` for the whole."""
    status: Status
    value: str
    """What was found, as a number with its unit."""
    threshold: str
    """What was asked for."""
    message: str
    """One sentence for the reviewer."""
    ruling: str = ""
    """Where the rule comes from."""

    def __repr__(self) -> str:
        return f"<{self.status.value} {self.check} of {self.product}: {self.value}; asked for: {self.threshold}>"

    @property
    def failed(self) -> bool:
        """Whether the gate must refuse."""
        return self.status is Status.FAIL

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        return {**asdict(self), "status": self.status.value}


def finding(
    check: str, product: str, *, passed: bool, value: object, threshold: object, message: str, ruling: str = ""
) -> Finding:
    """A PASS or a FAIL."""
    status = Status.PASS if passed else Status.FAIL
    return Finding(
        check=check,
        product=product,
        status=status,
        value=str(value),
        threshold=str(threshold),
        message=message,
        ruling=ruling,
    )
