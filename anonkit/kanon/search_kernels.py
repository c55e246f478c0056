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
def add_keys(keys, column, places):  # type: ignore[no-untyped-def]
    """Add one column's part to mixed-radix keys: ``places`` is value number → level code × the column's stride."""
    for i in range(keys.shape[0]):
        keys[i] += places[column[i]]


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
    held = np.full(size, -1, dtype=np.int64)
    owner = np.empty(size, dtype=np.int32)
    group = np.empty(keys.shape[0], dtype=np.int32)
    first = np.empty(keys.shape[0], dtype=np.int32)
    count = 0
    for i in range(keys.shape[0]):
        key = keys[i]
        h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
        place = (h ^ (h >> np.uint64(32))) & mask
        while True:
            there = held[place]
            if there == key:
                group[i] = owner[place]
                break
            if there < 0:
                held[place] = key
                owner[place] = count
                first[count] = i
                group[i] = count
                count += 1
                break
            place = (place + np.uint64(1)) & mask
    return group, first[:count].copy()


@numba.njit(cache=True, nogil=True)
def unpack(keys, sizes, codes):  # type: ignore[no-untyped-def]
    """Put the value numbers of mixed-radix keys into ``codes``, one row a column, the first column lowest."""
    for i in range(keys.shape[0]):
        left = keys[i]
        for j in range(sizes.shape[0]):
            higher = left // sizes[j]
            codes[j, i] = left - higher * sizes[j]
            left = higher


@numba.njit(cache=True, nogil=True)
def order_by(numbers, size):  # type: ignore[no-untyped-def]
    """Stable order of numbers from -1 to ``size`` - 1: one walk to count them, one to place them."""
    place = np.zeros(size + 2, dtype=np.int64)
    for i in range(numbers.shape[0]):
        place[numbers[i] + 2] += 1
    for n in range(1, size + 2):
        place[n] += place[n - 1]
    order = np.empty(numbers.shape[0], dtype=np.int64)
    for i in range(numbers.shape[0]):
        order[place[numbers[i] + 1]] = i
        place[numbers[i] + 1] += 1
    return order


@numba.njit(cache=True, nogil=True)
def merge_sums(group, count, values):  # type: ignore[no-untyped-def]
    """Sum of ``values`` by group."""
    total = np.zeros(count, dtype=np.int64)
    for i in range(group.shape[0]):
        total[group[i]] += values[i]
    return total


@numba.njit(cache=True, nogil=True)
def build_dense(codes, used, places, rows, size):  # type: ignore[no-untyped-def]
    """Keys, groups and rows in one walk, for keys below ``size``: (group, first, rows).

    ``codes``: one row a column; ``places``: for each used column value number → part of the key.
    """
    count = codes.shape[1]
    seen = np.full(size, -1, dtype=np.int32)
    group = np.empty(count, dtype=np.int32)
    first = np.empty(min(count, size), dtype=np.int32)
    total = np.zeros(min(count, size), dtype=np.int64)
    found = 0
    for i in range(count):
        key = np.int64(0)
        for j in range(used.shape[0]):
            key += places[j, codes[used[j], i]]
        g = seen[key]
        if g < 0:
            g = found
            seen[key] = g
            first[g] = i
            found += 1
        group[i] = g
        total[g] += rows[i]
    return group, first[:found].copy(), total[:found].copy()


@numba.njit(cache=True, nogil=True)
def grown(held, owner):  # type: ignore[no-untyped-def]
    """The hash table of twice the size: small tables stay in the processor's cache."""
    size = 2 * held.shape[0]
    mask = np.uint64(size - 1)
    new_held = np.full(size, -1, dtype=np.int64)
    new_owner = np.empty(size, dtype=np.int32)
    for old in range(held.shape[0]):
        key = held[old]
        if key < 0:
            continue
        h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
        place = (h ^ (h >> np.uint64(32))) & mask
        while new_held[place] >= 0:
            place = (place + np.uint64(1)) & mask
        new_held[place] = key
        new_owner[place] = owner[old]
    return new_held, new_owner, mask


@numba.njit(cache=True, nogil=True)
def build_hash(codes, used, places, rows):  # type: ignore[no-untyped-def]
    """The same by open addressing, for keys of any size below 2^62."""
    count = codes.shape[1]
    size = 1 << 15
    mask = np.uint64(size - 1)
    held = np.full(size, -1, dtype=np.int64)
    owner = np.empty(size, dtype=np.int32)
    group = np.empty(count, dtype=np.int32)
    first = np.empty(count, dtype=np.int32)
    total = np.zeros(count, dtype=np.int64)
    found = 0
    for i in range(count):
        key = np.int64(0)
        for j in range(used.shape[0]):
            key += places[j, codes[used[j], i]]
        h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
        place = (h ^ (h >> np.uint64(32))) & mask
        while True:
            there = held[place]
            if there == key:
                g = int(owner[place])
                break
            if there < 0:
                held[place] = key
                owner[place] = found
                first[found] = i
                g = found
                found += 1
                if 2 * found > size:
                    held, owner, mask = grown(held, owner)
                    size *= 2
                break
            place = (place + np.uint64(1)) & mask
        group[i] = g
        total[g] += rows[i]
    return group, first[:found].copy(), total[:found].copy()


@numba.njit(cache=True, nogil=True)
def take_all(codes, steps, first):  # type: ignore[no-untyped-def]
    """Codes of the first member of each group, one level step a column (``steps`` padded, one row a column)."""
    out = np.empty((codes.shape[0], first.shape[0]), dtype=np.int32)
    for j in range(codes.shape[0]):
        for i in range(first.shape[0]):
            out[j, i] = steps[j, codes[j, first[i]]]
    return out


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
