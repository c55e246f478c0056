"""The inner loops of the search, compiled with Numba: packing class keys, grouping them, counting persons by a stamp.

Counting distinct persons a class costs as much as counting rows once the pairs (class, person) are sorted by person:
walking along them, a class whose "last person seen" stamp already shows the person is not counted again. Source: the
sorted-scan distinct count (e.g. Graefe 1993, Query Evaluation Techniques for Large Databases, section 4). The loops
hold counts and codes only; they protect nobody by themselves.
"""

from __future__ import annotations

import numba
import numpy as np

EMPTY = np.int64(-1)


@numba.njit(cache=True, nogil=True)
def pack_keys(codes, maps, strides, rep):  # type: ignore[no-untyped-def]
    """Mixed-radix key of each class: sum of its columns' level codes times the column's stride.

    ``codes``: base codes, column by column; ``maps``: for each column base code → code on the node's level, padded.
    """
    count = rep.shape[0]
    keys = np.zeros(count, dtype=np.int64)
    for j in range(codes.shape[0]):
        stride = strides[j]
        if stride == 0:
            continue
        column, mapping = codes[j], maps[j]
        for i in range(count):
            keys[i] += mapping[column[rep[i]]] * stride
    return keys


@numba.njit(cache=True, nogil=True)
def group_dense(keys, size):  # type: ignore[no-untyped-def]
    """Group numbers in order of first sight, for keys below ``size``; returns (group of key, first index of group)."""
    seen = np.full(size, -1, dtype=np.int32)
    group = np.empty(keys.shape[0], dtype=np.int32)
    first = np.empty(min(keys.shape[0], size), dtype=np.int32)
    count = 0
    for i in range(keys.shape[0]):
        g = seen[keys[i]]
        if g < 0:
            g = count
            seen[keys[i]] = g
            first[g] = i
            count += 1
        group[i] = g
    return group, first[:count].copy()


@numba.njit(cache=True, nogil=True)
def group_hash(keys):  # type: ignore[no-untyped-def]
    """Group numbers in order of first sight, by open addressing, for any non-negative keys."""
    size = 16
    while size < 2 * keys.shape[0]:
        size *= 2
    mask = np.uint64(size - 1)
    table = np.full(size, -1, dtype=np.int32)
    group = np.empty(keys.shape[0], dtype=np.int32)
    first = np.empty(keys.shape[0], dtype=np.int32)
    count = 0
    for i in range(keys.shape[0]):
        key = keys[i]
        h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(29)
        place = h & mask
        while True:
            g = table[place]
            if g < 0:
                table[place] = count
                first[count] = i
                group[i] = count
                count += 1
                break
            if keys[first[g]] == key:
                group[i] = g
                break
            place = (place + np.uint64(1)) & mask
    return group, first[:count].copy()


@numba.njit(cache=True, nogil=True)
def merge_sums(group, count, values):  # type: ignore[no-untyped-def]
    """Sum of ``values`` by group."""
    total = np.zeros(count, dtype=np.int64)
    for i in range(group.shape[0]):
        total[group[i]] += values[i]
    return total


@numba.njit(cache=True, nogil=True)
def merge_any(group, count, flags):  # type: ignore[no-untyped-def]
    """True for a group that has a true member: what is safe in a part is safe in the whole."""
    out = np.zeros(count, dtype=np.bool_)
    for i in range(group.shape[0]):
        if flags[i]:
            out[group[i]] = True
    return out


@numba.njit(cache=True, nogil=True)
def count_units(group, safe, least, pair_class, pair_unit, count):  # type: ignore[no-untyped-def]
    """Distinct units (persons, drivers, values) of each class that no finer table has shown to be safe.

    Pairs must be sorted by unit. ``safe`` is changed in place: true once a class has ``least`` units. Returns the
    counts (exact where ``safe`` stays false) and the pairs that coarser tables still need, one a class and unit.
    """
    stamp = np.full(count, -1, dtype=np.int32)
    units = np.zeros(count, dtype=np.int32)
    kept_class = np.empty(pair_class.shape[0], dtype=np.int32)
    kept_unit = np.empty(pair_class.shape[0], dtype=np.int32)
    kept = 0
    for i in range(pair_class.shape[0]):
        c = group[pair_class[i]]
        if safe[c]:
            continue
        unit = pair_unit[i]
        if stamp[c] == unit:
            continue
        stamp[c] = unit
        units[c] += 1
        if units[c] >= least:
            safe[c] = True
            continue
        kept_class[kept] = c
        kept_unit[kept] = unit
        kept += 1
    left = 0
    for i in range(kept):
        if not safe[kept_class[i]]:
            kept_class[left] = kept_class[i]
            kept_unit[left] = kept_unit[i]
            left += 1
    return units, kept_class[:left].copy(), kept_unit[:left].copy()


@numba.njit(cache=True, nogil=True)
def count_lost(group, released, pair_class, pair_unit):  # type: ignore[no-untyped-def]
    """Units that have no pair in a released class, and the pairs of those units (sorted by unit, as they came)."""
    size = pair_class.shape[0]
    kept_class = np.empty(size, dtype=np.int32)
    kept_unit = np.empty(size, dtype=np.int32)
    kept, lost, i = 0, 0, 0
    while i < size:
        start, unit, found = i, pair_unit[i], False
        while i < size and pair_unit[i] == unit:
            if released[group[pair_class[i]]]:
                found = True
            i += 1
        if not found:
            lost += 1
            for j in range(start, i):
                kept_class[kept] = group[pair_class[j]]
                kept_unit[kept] = unit
                kept += 1
    return lost, kept_class[:kept].copy(), kept_unit[:kept].copy()


@numba.njit(cache=True, nogil=True)
def distinct_units(classes, units, count):  # type: ignore[no-untyped-def]
    """Distinct units a class, exact; pairs sorted by unit, no threshold."""
    stamp = np.full(count, -1, dtype=np.int64)
    found = np.zeros(count, dtype=np.int64)
    for i in range(classes.shape[0]):
        c = classes[i]
        if c >= 0 and stamp[c] != units[i]:
            stamp[c] = units[i]
            found[c] += 1
    return found


@numba.njit(cache=True, nogil=True)
def largest_unit(classes, units, weights, count):  # type: ignore[no-untyped-def]
    """Rows of the unit that has most of each class; pairs sorted by unit."""
    stamp = np.full(count, -1, dtype=np.int64)
    own = np.zeros(count, dtype=np.int64)
    most = np.zeros(count, dtype=np.int64)
    for i in range(classes.shape[0]):
        c = classes[i]
        if c < 0:
            continue
        if stamp[c] != units[i]:
            stamp[c] = units[i]
            own[c] = 0
        own[c] += weights[i]
        if own[c] > most[c]:
            most[c] = own[c]
    return most
