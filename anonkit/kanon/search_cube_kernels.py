"""The inner loops of row counting over whole nodes, compiled with Numba: count into a cube, fold a cube, add it up.

A cube holds the rows of every class of a node, one cell a combination of values, empty ones included: no group
numbers, no branches, so that a walk costs a few nanoseconds a base class. The loops hold counts and codes only; they
protect nobody by themselves.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def count_rows(words, places, lead, rows, runs, begin, end, cube):  # type: ignore[no-untyped-def]
    """Add the rows of runs ``begin`` to ``end`` into their cells.

    ``runs``: first row of each value of the ordering column; ``lead``: that value's part of the cell's number. ``words``:
    packed values of the other columns, numbers of ``places``, one column each.
    """
    for run in range(begin, end):
        first = lead[run]
        if words.shape[1] == 2:
            for i in range(runs[run], runs[run + 1]):
                cube[first + places[words[i, 0]] + places[words[i, 1]]] += rows[i]
        elif words.shape[1] == 1:
            for i in range(runs[run], runs[run + 1]):
                cube[first + places[words[i, 0]]] += rows[i]
        else:
            for i in range(runs[run], runs[run + 1]):
                cell = first
                for j in range(words.shape[1]):
                    cell += places[words[i, j]]
                cube[cell] += rows[i]


@numba.njit(cache=True, nogil=True)
def lost_in_buckets(words, places, lead, rows, runs, begin, end, least_hash, below, bits, least):  # type: ignore[no-untyped-def]
    """Rows of runs ``begin`` to ``end`` in buckets of fewer than ``least``; one of 2^bits holds all cells of its hash.

    For cells too many to hold. Cell numbers wrap at 32 bits, which is part of the hash; only cells whose hash is at least
    ``least_hash`` and below ``below`` are counted.
    """
    buckets = np.zeros(1 << bits, dtype=rows.dtype)
    mask = np.uint32(buckets.shape[0] - 1)
    for run in range(begin, end):
        for i in range(runs[run], runs[run + 1]):
            cell = np.uint32(lead[run])
            for j in range(words.shape[1]):
                cell = np.uint32(cell + np.uint32(places[words[i, j]]))
            mixed = np.uint32(np.uint64(cell) * np.uint64(0x9E3779B1))
            if least_hash <= mixed < below:
                buckets[(mixed ^ (mixed >> np.uint32(15))) & mask] += rows[i]
    lost = np.int64(0)
    for bucket in range(buckets.shape[0]):
        lost += buckets[bucket] if buckets[bucket] < least else 0
    return lost


@numba.njit(cache=True, nogil=True)
def count_blocks(words, places, lead, rows, runs, blocks, begin, end, cells, cube, least, allowed):  # type: ignore[no-untyped-def]
    """Count blocks ``begin`` to ``end``, of ``cells`` cells each; the rows found in cells below ``least``.

    ``blocks``: first run of each block. The walk ends with the first block after which more than ``allowed`` are found.
    """
    lost = np.int64(0)
    for block in range(begin, end):
        if runs[blocks[block]] == runs[blocks[block + 1]]:
            continue
        count_rows(words, places, lead, rows, runs, blocks[block], blocks[block + 1], cube)
        for cell in range(block * cells, (block + 1) * cells):
            lost += cube[cell] if cube[cell] < least else 0
        if lost > allowed:
            return lost
    return lost


@numba.njit(cache=True, nogil=True)
def fold(cube, lead, trail, out):  # type: ignore[no-untyped-def]
    """Add the cells of a finer cube into a coarser one; the cell of (i, j) is ``lead[i] + trail[j]``."""
    width = trail.shape[0]
    for i in range(lead.shape[0]):
        first = lead[i]
        for j in range(width):
            rows = cube[i * width + j]
            if rows:
                out[first + trail[j]] += rows


@numba.njit(cache=True, nogil=True)
def rows_below(cube, least):  # type: ignore[no-untyped-def]
    """Rows in cells of fewer than ``least``."""
    lost = np.int64(0)
    for cell in range(cube.shape[0]):
        lost += cube[cell] if cube[cell] < least else 0
    return lost


@numba.njit(cache=True, nogil=True)
def add_up(cube, width, least, room):  # type: ignore[no-untyped-def]
    """(rows, classes, squared rows, largest) of cells of ``least`` and more, the others' number, and their rows.

    The last two are the rows of the others by the leading and by the trailing part of the cell number. ``room`` is filled
    with the number of kept cells by how often ``least`` fits into one, and in the end with the sum of that.
    """
    lost_lead = np.zeros(cube.shape[0] // width, dtype=np.int64)
    lost_trail = np.zeros(width, dtype=np.int64)
    most = room.shape[0] - 2
    rows, classes, squares, largest, small = np.int64(0), np.int64(0), 0.0, np.int64(0), np.int64(0)
    for i in range(lost_lead.shape[0]):
        lost = np.int64(0)
        for j in range(width):
            held = np.int64(cube[i * width + j])
            if held == 0:
                continue
            if held < least:
                small += 1
                lost += held
                lost_trail[j] += held
                continue
            rows += held
            classes += 1
            squares += float(held) * float(held)
            largest = max(largest, held)
            fit = held // least
            room[min(fit, most)] += 1
            room[most + 1] += fit
        lost_lead[i] = lost
    return rows, classes, squares, largest, small, lost_lead, lost_trail
