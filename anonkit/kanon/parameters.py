"""What a privacy parameter may be: a k that is no whole number, or a share beyond one, is a mistake and never a setting.

Such a value would not fail by itself: 2.5 people compare like three, a t of 2 or a dominance of 1.5 lets every class out. It
protects nobody by itself.
"""

from __future__ import annotations

from numbers import Real

import numpy as np

from anonkit.base.errors import SchemaError


def whole(value: object, *, least: int = 1) -> bool:
    """Whether it is a whole number of ``least`` or more; True is none.

    >>> whole(5), whole(2.5), whole(True), whole(1, least=2)
    (True, False, False, False)
    """
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= least)


def require_within(owner: object, name: str, low: float, high: float = np.inf) -> None:
    """Raise unless the field ``name`` is a number from ``low`` to ``high``.

    Raises
    ------
    SchemaError : with the field and the span.
    """
    value = getattr(owner, name)
    if not isinstance(value, Real) or isinstance(value, bool) or not low <= float(value) <= high:
        span = f"from {low:g}" + ("" if high == np.inf else f" to {high:g}")
        raise SchemaError(f"{type(owner).__name__} with {name}={value!r}", hint=f"a number {span}.")
