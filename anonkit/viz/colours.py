"""Colours, classes of values and how numbers are written, shared by the notebook and the file form of every figure.

Ramps run from light to dark in one hue, so that they survive a black-and-white printer and colour-blind eyes; what is
missing or suppressed is orange, never a shade of the value's own hue: suppressed is not zero. Class breaks are round
numbers, not quantiles of the data. Source: Brewer 2003, ColorBrewer in Print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from anonkit.base.errors import SchemaError

BLUES = ("#dcebf3", "#a9d0e3", "#6baed0", "#3484b8", "#185d97", "#0b3765")
ORANGES = ("#fff3e0", "#fdd9a8", "#fbb069", "#ee7f38", "#c24d14")
"""Suppressed share in the bands 0, <5, 5-20, 20-50 and >50 per cent."""
BEFORE, AFTER, LIMIT = "#9aa5ae", "#0f6e84", "#b3261e"
"""What was there, what leaves, and the line that must not be crossed."""
INK, FAINT, RULE, PAPER, LAND = "#1c2a33", "#5c6b75", "#d9dfe3", "#ffffff", "#f3f1ea"
STEPS = (1, 2, 5)


def nice(value: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below ``value``.

    >>> nice(37), nice(0.12), nice(500)
    (50, 0.2, 500)
    """
    if value <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(value))
    for step in STEPS:
        if step * power >= value * (1 - 1e-9):
            found = step * power
            return int(found) if found >= 1 else round(found, 10)
    return int(10 * power) if power >= 0.1 else round(10 * power, 10)


def value_breaks(highest: float, *, classes: int = len(BLUES)) -> tuple[float, ...]:
    """Lower ends of value classes from 0 up, each twice to two and a half times the one before.

    >>> value_breaks(380)
    (0, 10, 20, 50, 100, 200)
    >>> value_breaks(3)
    (0, 1, 2)
    """
    series = [step * 10**power for power in range(13) for step in STEPS]
    below = [value for value in series if value <= highest]
    return (0, *below[-(classes - 1) :]) if len(below) >= 2 else (0, 1)


def class_of(values: np.ndarray, breaks: Sequence[float]) -> np.ndarray:
    """Number of the class of each value, from 0; -1 where there is no value.

    >>> class_of(np.array([0.0, 10, 19, 500, np.nan]), (0, 10, 20)).tolist()
    [0, 1, 1, 2, -1]
    """
    found = np.searchsorted(np.asarray(breaks, float), values, side="right") - 1
    return np.where(np.isnan(values), -1, np.clip(found, 0, None))


def ramp(count: int, colours: Sequence[str] = BLUES) -> tuple[str, ...]:
    """``count`` colours of a ramp, light to dark, as far apart as it allows."""
    if not 1 <= count <= len(colours):
        raise SchemaError(f"{count} classes, the ramp has {len(colours)}", hint="give fewer breaks")
    if count == 1:
        return (colours[len(colours) // 2],)
    return tuple(colours[round(number * (len(colours) - 1) / (count - 1))] for number in range(count))


def class_labels(breaks: Sequence[float], *, whole: bool = True) -> tuple[str, ...]:
    """How classes read in a legend.

    >>> class_labels((0, 10, 20))
    ('under 10', '10–19', '20 and more')
    >>> class_labels((0, 1, 2))
    ('0', '1', '2 and more')
    """
    labels = []
    for low, high in zip(breaks, [*breaks[1:], None], strict=True):
        if high is None:
            labels.append(f"{number(low)} and more")
        elif low == 0 and not (whole and high == 1):
            labels.append(f"under {number(high)}")
        elif whole:
            labels.append(number(low) if high - low == 1 else f"{number(low)}–{number(high - 1)}")
        else:
            labels.append(f"{number(low)} to {number(high)}")
    return tuple(labels)


def number(value: float) -> str:
    """A number as a reader wants it.

    >>> number(12345), number(0.25), number(3.0), number(float("nan"))
    ('12,345', '0.25', '3', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percent(share: float | None) -> str:
    """A share in per cent; never 0 % for something, never 100 % for not quite all.

    >>> percent(0.851), percent(0.0004), percent(0.9999), percent(0), percent(None)
    ('85 %', '<1 %', '>99 %', '0 %', '–')
    """
    if share is None or math.isnan(share):
        return "–"
    if 0 < share < 0.01:
        return "<1 %"
    if 0.99 < share < 1:
        return ">99 %"
    return f"{share * 100:.0f} %"
