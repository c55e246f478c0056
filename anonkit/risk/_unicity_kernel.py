"""The look-up of `unicity` for many millions of pairs, compiled: sorted lists of holders are walked side by side.

Loaded only where the plain arrays of `unicity.persons_who_fit` would not fit into memory; both give the same counts, and a
test compares them. Source: own. Protects nobody by itself.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@njit(cache=True)
def walk_holders(targets: Ints, points: Ints, item_start: Ints, holder: Ints) -> Ints:
    rows, depth = points.shape
    result = np.zeros((rows, depth), np.int64)
    for row in range(rows):
        first = points[row, 0]
        left = holder[item_start[first] : item_start[first + 1]].copy()
        size = len(left)
        result[row, 0] = size
        for k in range(1, depth):
            item = points[row, k]
            if item >= 0 and size > 1:
                begin, end = item_start[item], item_start[item + 1]
                kept = 0
                if (end - begin) > 16 * size:
                    for i in range(size):
                        low, high = begin, end
                        while low < high:
                            middle = (low + high) // 2
                            if holder[middle] < left[i]:
                                low = middle + 1
                            else:
                                high = middle
                        begin = low
                        if low < end and holder[low] == left[i]:
                            left[kept] = left[i]
                            kept += 1
                else:
                    j = begin
                    for i in range(size):
                        while j < end and holder[j] < left[i]:
                            j += 1
                        if j < end and holder[j] == left[i]:
                            left[kept] = left[i]
                            kept += 1
                size = kept
            result[row, k] = size
    return result
