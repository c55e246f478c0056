"""Machine-near part of the location attacks: backgrounds against bit sets of persons, compiled by Numba.

For one target every known point is a row of bits, one bit a person who fits it; a background is the AND of its rows,
and the persons who fit are its set bits. Order and proportions are looked at only for the persons who are left.
Source: own. Protects nobody: it is the attack.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MEAN_BACKGROUNDS = 4
"""Backgrounds over which the mean is taken where each person who is left must be looked at."""

_M1, _M2, _M4 = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
_H1 = np.uint64(0x0101010101010101)
_ONE, _TWO, _FOUR, _TOP = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)
_STEP, _MIX1, _MIX2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)


@njit(cache=True, inline="always")
def _ones(x: np.uint64) -> np.uint64:
    x = x - ((x >> _ONE) & _M1)
    x = (x & _M2) + ((x >> _TWO) & _M2)
    x = (x + (x >> _FOUR)) & _M4
    return (x * _H1) >> _TOP


@njit(cache=True)
def _mix(state: np.uint64) -> np.uint64:
    """SplitMix64: the next random word of a seeded sequence."""
    z = (state ^ (state >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    return z ^ (z >> _S31)


@njit(cache=True)
def _pair(item: Ints, begin: int, end: int, wanted: int) -> int:
    """Where a person's ascending items hold ``wanted``, which they do."""
    low, high = begin, end
    while low < high:
        middle = (low + high) // 2
        if item[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)
def _follows(item: Ints, begin: int, end: int, moment_start: Ints, moment: Ints, chosen: Ints, size: int) -> bool:
    """Whether a person has the chosen items in this order: for each, his first moment after the one before."""
    now = -1
    for k in range(size):
        pair = _pair(item, begin, end, chosen[k])
        low, last = moment_start[pair], moment_start[pair + 1]
        high = last
        while low < high:
            middle = (low + high) // 2
            if moment[middle] <= now:
                low = middle + 1
            else:
                high = middle
        if low == last:
            return False
        now = moment[low]
    return True


@njit(cache=True)
def _proportional(
    item: Ints, value: Floats, begin: int, end: int, chosen: Ints, own: Floats, size: int, tolerance: float
) -> bool:
    """Whether a person's frequencies of the chosen items stand in the same proportion to their largest."""
    theirs = np.empty(size)
    top, own_top = 0.0, 0.0
    for k in range(size):
        theirs[k] = value[_pair(item, begin, end, chosen[k])]
        top = max(top, theirs[k])
        own_top = max(own_top, own[k])
    for k in range(size):
        mine, other = own[k] / own_top, theirs[k] / top
        if mine < other - other * tolerance or mine > other + other * tolerance:
            return False
    return True


@njit(cache=True)
def match_backgrounds(
    point_start: Ints, point: Ints, aim_start: Ints, aim_item: Ints, aim_value: Floats, shift: Ints,
    persons: int, item_start: Ints, holder: Ints, holder_count: Ints, holder_value: Floats,
    person_start: Ints, item: Ints, value: Floats, moment_start: Ints, moment: Ints,
    known: int, tolerance: float, kind: int, valued: bool, samples: int, seed: np.uint64,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Largest and mean of 1 / persons who fit, over the backgrounds of each target."""
    targets = len(point_start) - 1
    words = (persons + 63) // 64
    worst, mean = np.zeros(targets), np.zeros(targets)
    for t in range(targets):
        base, own_items = aim_start[t], aim_start[t + 1] - aim_start[t]
        points = point_start[t + 1] - point_start[t]
        size = min(known, points)
        if size == 0:
            continue
        # Row begin of each own item: as many rows as he has points of it.
        depth = np.zeros(own_items + 1, np.int64)
        for i in range(point_start[t], point_start[t + 1]):
            depth[point[i] + 1] += 1
        for j in range(own_items):
            depth[j + 1] += depth[j]
        bits = np.zeros((points, words), np.uint64)
        for j in range(own_items):
            number = shift[aim_item[base + j]]
            if number < 0:
                continue
            for h in range(item_start[number], item_start[number + 1]):
                if valued:
                    other, mine = holder_value[h], aim_value[base + j]
                    if mine < other - other * tolerance or mine > other + other * tolerance:
                        continue
                who = holder[h]
                for level in range(min(depth[j + 1] - depth[j], holder_count[h])):
                    bits[depth[j] + level, who >> 6] |= _ONE << np.uint64(who & 63)
        partial = np.zeros((size, words), np.uint64)
        choice = np.arange(size)
        chosen, own = np.empty(size, np.int64), np.empty(size)
        tried, averaged, total, best = 0, 0, 0.0, 0.0
        state = _mix(seed + _STEP * np.uint64(t + 1))
        first_changed = 0
        while True:
            if samples >= 0:
                if tried == samples:
                    break
                first_changed = 0
                # Floyd's draw of distinct positions, then ascending order.
                for filled in range(size):
                    last = points - size + filled
                    state += _STEP
                    draw = int(_mix(state) % np.uint64(last + 1))
                    for k in range(filled):
                        if choice[k] == draw:
                            draw = last
                            break
                    choice[filled] = draw
                choice.sort()
            for k in range(first_changed, size):
                j = point[point_start[t] + choice[k]]
                level = 0
                for earlier in range(k):
                    if point[point_start[t] + choice[earlier]] == j:
                        level += 1
                row = depth[j] + level
                chosen[k], own[k] = shift[aim_item[base + j]], aim_value[base + j]
                for w in range(words):
                    partial[k, w] = bits[row, w] if k == 0 else partial[k - 1, w] & bits[row, w]
            # Order and proportions are counted in full for the mean of the first backgrounds only; later, and where
            # no mean is asked for, counting stops when this background cannot be the worst any more.
            full = kind == 0 or (samples >= 0 and tried < MEAN_BACKGROUNDS)
            fit = 0
            for w in range(words):
                word = partial[size - 1, w]
                if kind == 0:
                    fit += int(_ones(word))
                    continue
                while word and (full or fit * best < 1.0):
                    lowest = word & (~word + _ONE)
                    word ^= lowest
                    who = w * 64 + int(_ones(lowest - _ONE))
                    begin, end = person_start[who], person_start[who + 1]
                    if kind == 1:
                        fit += _follows(item, begin, end, moment_start, moment, chosen, size)
                    else:
                        fit += _proportional(item, value, begin, end, chosen, own, size, tolerance)
            risk = 1.0 / fit if fit else 0.0
            tried += 1
            if full:
                averaged += 1
                total += risk
            best = max(best, risk)
            if best == 1.0 and not full:
                break
            if samples < 0:
                if best == 1.0:
                    break
                # Next combination in lexicographic order.
                k = size - 1
                while k >= 0 and choice[k] == points - size + k:
                    k -= 1
                if k < 0:
                    break
                choice[k] += 1
                for later in range(k + 1, size):
                    choice[later] = choice[later - 1] + 1
                first_changed = k
        worst[t] = best
        mean[t] = total / averaged if samples >= 0 and averaged else np.nan
    return worst, mean
