"""The compiled heart of map matching: candidates, Viterbi over candidates, and the links between them.

A hidden Markov model after Newson and Krumm 2009, "Hidden Markov map matching through noise and sparseness": a fix is
emitted by a place on a street with a normal density of its distance, and two places follow each other with an
exponential density of |route − crow-fly|. The probability of the best path among all paths comes out of the same pass
(forward sums beside the maxima). Trips are independent: one kernel call takes a run of trips and releases the
interpreter's lock, so that threads share the work. Nothing here protects anybody: matched links are raw (ruling 30).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from anonkit.geo.matching_index import search_routes

MOST = 16  # candidates a fix, both directions counted
FAR, STILL, OUTLIER, MATCHED = 0, 1, 2, 3  # state of a fix
_NONE = -1.0e300


@njit(cache=True, nogil=True)
def candidates(px, py, index, twin, oneway_only, length, link, offset, distance):  # type: ignore[no-untyped-def]
    """Nearest streets within the radius, each in both directions; fills the three arrays, returns how many."""
    radius, cell, origin_x, origin_y, columns, rows, cells, segments, x0, y0, x1, y1, owner, begin = index
    column, row = int((px - origin_x) // cell), int((py - origin_y) // cell)
    if column < 0 or row < 0 or column >= columns or row >= rows:
        return 0
    streets = 0
    most = MOST // 2
    square_radius = radius * radius
    for i in range(cells[row * columns + column], cells[row * columns + column + 1]):
        s = segments[i]
        dx, dy = x1[s] - x0[s], y1[s] - y0[s]
        mx, my = px - x0[s], py - y0[s]
        square = dx * dx + dy * dy
        share = 0.0 if square == 0.0 else min(1.0, max(0.0, (mx * dx + my * dy) / square))
        ex, ey = mx - share * dx, my - share * dy
        d = ex * ex + ey * ey
        if d > square_radius:
            continue
        at = begin[s] + share * math.sqrt(square)
        known = -1
        for j in range(streets):
            if link[j] == owner[s]:
                known = j
        if known >= 0:
            if d < distance[known]:
                distance[known], offset[known] = d, at
            continue
        if streets < most:
            place = streets
            streets += 1
        else:
            place = 0
            for j in range(1, streets):
                if distance[j] > distance[place]:
                    place = j
            if distance[place] <= d:
                continue
        link[place], offset[place], distance[place] = owner[s], at, d
    total = streets
    for j in range(streets):
        distance[j] = math.sqrt(distance[j])
        offset[j] = min(offset[j], length[link[j]])
        if twin[link[j]] >= 0 and not oneway_only:
            link[total], distance[total] = twin[link[j]], distance[j]
            offset[total] = max(0.0, length[twin[link[j]]] - offset[j])
            total += 1
    return total


@njit(cache=True, nogil=True)
def _table_route(source, target, table):  # type: ignore[no-untyped-def]
    """Metres and first link of a route in the table, (−1, −1) where it has none."""
    _, offset, targets, metres, first = table
    low, high = offset[source], offset[source + 1]
    end = high
    while low < high:
        middle = (low + high) >> 1
        if targets[middle] < target:
            low = middle + 1
        else:
            high = middle
    if low < end and targets[low] == target:
        return float(metres[low]), first[low]
    return -1.0, -1


@njit(cache=True, nogil=True)
def match_trips(  # type: ignore[no-untyped-def]
    first_trip, last_trip, fixes, x, y, t, index, table, street, settings,
    fix_link, fix_offset, fix_distance, fix_state, fix_piece, certainty,
):  # fmt: skip
    """Viterbi for the trips ``first_trip…last_trip``; fills the five fix arrays and the certainty of each trip."""
    out_offset, out_links, link_start, link_end, twin, length, toll = street
    noise, beta, beta_share, still, limit_ratio, limit_extra, top_speed, gap, skips, turn_penalty, beam, off_most = (
        settings
    )
    nodes = len(out_offset) - 1
    metres, stamp = np.zeros(nodes), np.zeros(nodes, np.int64)
    cost = length + toll
    first, into = np.zeros(nodes, np.int32), np.zeros(nodes, np.int32)
    keys, values = np.zeros(len(length) + 2), np.zeros(len(length) + 2, np.int32)
    reached = np.zeros(nodes, np.int64)
    mark = 0
    longest = 0
    for trip in range(first_trip, last_trip):
        longest = max(longest, fixes[trip + 1] - fixes[trip])
    link, at = np.zeros((longest, MOST), np.int32), np.zeros((longest, MOST))
    away, best, mass = np.zeros((longest, MOST)), np.zeros((longest, MOST)), np.zeros((longest, MOST))
    back = np.zeros((longest, MOST), np.int32)
    count, kept = np.zeros(longest, np.int64), np.zeros(longest, np.int64)
    score = np.zeros(MOST)
    routes = np.zeros((MOST, MOST))

    for trip in range(first_trip, last_trip):
        begin, stop = fixes[trip], fixes[trip + 1]
        piece, steps, lost = 0, 0, 0.0
        position = begin
        while position < stop:
            used, skipped, first_skipped = 0, 0, -1
            restart, seen, off, heard = -1, position, 0.0, t[position]
            i = position
            while i < stop:
                fix_state[i] = FAR
                if not (math.isfinite(x[i]) and math.isfinite(y[i])):
                    i += 1
                    continue
                crow = 0.0
                if used > 0:
                    p = kept[used - 1]
                    crow = math.hypot(x[i] - x[p], y[i] - y[p])
                    if t[i] - heard > gap:
                        restart = i
                        break
                    if crow < still:
                        fix_state[i] = STILL
                        heard = t[i]
                        i += 1
                        continue
                n = candidates(x[i], y[i], index, twin, False, length, link[used], at[used], away[used])
                if n == 0:
                    if used > 0:  # how far the trip went where no street is
                        off += math.hypot(x[i] - x[seen], y[i] - y[seen])
                        seen = i
                    i += 1
                    continue
                if used > 0 and seen != kept[used - 1]:
                    off += math.hypot(x[i] - x[seen], y[i] - y[seen])
                    if off > off_most:
                        restart = i
                        break
                if used == 0:
                    top = _NONE
                    for c in range(n):
                        best[0, c] = -0.5 * (away[0, c] / noise) ** 2 - toll[link[0, c]] / beta
                        mass[0, c] = best[0, c]
                        back[0, c] = -1
                        top = max(top, best[0, c])
                    kept[0], count[0], used = i, n, 1
                    seen, off, heard = i, 0.0, t[i]
                    i += 1
                    continue
                seconds = float(t[i] - t[kept[used - 1]])
                limit = limit_ratio * crow + limit_extra
                if seconds > 0:
                    limit = min(limit, top_speed * seconds + 2.0 * index[0])
                spread = beta + beta_share * crow
                previous = used - 1
                leader = _NONE
                for a in range(count[previous]):
                    leader = max(leader, best[previous, a])
                feasible = False
                reachable = crow <= limit
                for a in range(count[previous]):
                    for c in range(n):
                        routes[a, c] = -1.0
                    if best[previous, a] < leader - beam or not reachable:
                        continue
                    here = link[previous, a]
                    rest = length[here] - at[previous, a]
                    searched = False
                    for c in range(n):
                        there = link[used, c]
                        onward = at[used, c] - at[previous, a]
                        if here == there and onward >= -2.5 * noise:
                            routes[a, c] = abs(onward)
                            feasible = True
                            continue
                        if rest + toll[there] + at[used, c] > limit:
                            continue
                        source, target = link_end[here], link_start[there]
                        if source == target:
                            way = 0.0
                            start = there
                        elif limit <= table[0]:
                            way, start = _table_route(source, target, table)
                            if way < 0.0:
                                continue
                        else:
                            if not searched:
                                mark += 1
                                search_routes(
                                    source, limit, out_offset, out_links, link_end, cost,
                                    metres, first, into, stamp, mark, keys, values, reached,
                                )  # fmt: skip
                                searched = True
                            if stamp[target] != mark:
                                continue
                            way, start = metres[target], first[target]
                        route = rest + way + toll[there] + at[used, c]
                        if route > limit:
                            continue
                        if start == twin[here]:
                            route += turn_penalty
                        routes[a, c] = route
                        feasible = True
                if not feasible:
                    fix_state[i] = OUTLIER
                    if skipped == 0:
                        first_skipped = i
                    skipped += 1
                    if skipped > skips:
                        restart = first_skipped
                        break
                    i += 1
                    continue
                top = _NONE
                for c in range(n):
                    best[used, c], back[used, c] = _NONE, -1
                    emission = -0.5 * (away[used, c] / noise) ** 2
                    peak = _NONE
                    for a in range(count[previous]):
                        score[a] = _NONE
                        if routes[a, c] < 0.0 or best[previous, a] <= _NONE:
                            continue
                        move = emission - abs(routes[a, c] - crow) / spread
                        if best[previous, a] + move > best[used, c]:
                            best[used, c], back[used, c] = best[previous, a] + move, a
                        score[a] = mass[previous, a] + move
                        peak = max(peak, score[a])
                    if peak > _NONE:
                        total = 0.0
                        for a in range(count[previous]):
                            if score[a] > peak - 40.0:
                                total += math.exp(score[a] - peak)
                        mass[used, c] = peak + math.log(total)
                    else:
                        mass[used, c] = _NONE
                    top = max(top, best[used, c])
                kept[used], count[used] = i, n
                used += 1
                skipped = 0
                seen, off, heard = i, 0.0, t[i]
                i += 1
            # the piece is over: walk back from its best end
            if used >= 2:
                last, chosen = used - 1, 0
                peak = _NONE
                for c in range(count[last]):
                    if best[last, c] > best[last, chosen]:
                        chosen = c
                    peak = max(peak, mass[last, c])
                total = 0.0
                for c in range(count[last]):
                    if mass[last, c] > _NONE:
                        total += math.exp(mass[last, c] - peak)
                lost += peak + math.log(total) - best[last, chosen]
                steps += used
                for step in range(last, -1, -1):
                    f = kept[step]
                    fix_link[f], fix_offset[f] = link[step, chosen], at[step, chosen]
                    fix_distance[f], fix_state[f], fix_piece[f] = away[step, chosen], MATCHED, piece
                    chosen = back[step, chosen]
                for step in range(used):  # fixes at rest belong to the fix they rest at
                    until = kept[step + 1] if step + 1 < used else (restart if restart >= 0 else stop)
                    for f in range(kept[step] + 1, until):
                        if fix_state[f] == STILL:
                            fix_link[f], fix_offset[f] = fix_link[kept[step]], fix_offset[kept[step]]
                            fix_distance[f], fix_piece[f] = fix_distance[kept[step]], piece
                piece += 1
            elif used == 1:
                fix_state[kept[0]] = OUTLIER
                for f in range(kept[0] + 1, restart if restart >= 0 else stop):
                    if fix_state[f] == STILL:
                        fix_state[f] = OUTLIER
            position = restart if restart >= 0 else stop
        certainty[trip] = math.exp(-max(lost, 0.0) / steps) if steps > 0 else 0.0


@njit(cache=True, nogil=True)
def trace_trips(  # type: ignore[no-untyped-def]
    first_trip, last_trip, fixes, x, y, t, table, street, settings, fix_link, fix_offset, fix_state, fix_piece,
):  # fmt: skip
    """Links between the matched fixes: trip, piece, link, entry and exit second, entry and exit metre of each."""
    out_offset, out_links, link_start, link_end, _, length, toll = street
    limit_ratio, limit_extra = settings[4], settings[5]
    nodes = len(out_offset) - 1
    metres, stamp = np.zeros(nodes), np.zeros(nodes, np.int64)
    cost = length + toll
    first, into = np.zeros(nodes, np.int32), np.zeros(nodes, np.int32)
    keys, values = np.zeros(len(length) + 2), np.zeros(len(length) + 2, np.int32)
    reached = np.zeros(nodes, np.int64)
    between = np.zeros(nodes + 2, np.int32)
    room, used, mark = 4096, 0, 0
    whole = np.zeros((room, 3), np.int32)
    real = np.zeros((room, 4))
    for trip in range(first_trip, last_trip):
        previous = -1
        for i in range(fixes[trip], fixes[trip + 1]):
            if fix_state[i] == STILL and previous >= 0 and fix_link[i] >= 0 and fix_piece[i] == fix_piece[previous]:
                real[used - 1, 1] = float(t[i])  # time at rest belongs to where the vehicle rests, not to the way on
            if fix_state[i] != MATCHED:
                continue
            if used + nodes + 2 > room:
                room = 2 * room + nodes + 2
                whole_, real_ = np.zeros((room, 3), np.int32), np.zeros((room, 4))
                whole_[:used], real_[:used] = whole[:used], real[:used]
                whole, real = whole_, real_
            here, now = fix_link[i], float(t[i])
            if previous < 0 or fix_piece[previous] != fix_piece[i]:
                whole[used, 0], whole[used, 1], whole[used, 2] = trip, fix_piece[i], here
                real[used, 0] = real[used, 1] = now
                real[used, 2] = real[used, 3] = fix_offset[i]
                used += 1
                previous = i
                continue
            before, then = fix_link[previous], real[used - 1, 1]
            done = real[used - 1, 3]
            if before == here and fix_offset[i] - fix_offset[previous] >= -2.5 * settings[0]:
                real[used - 1, 1] = now
                real[used - 1, 3] = max(done, fix_offset[i])
                previous = i
                continue
            source, target = link_end[before], link_start[here]
            steps = 0
            node = source
            if source != target:
                crow = math.hypot(x[i] - x[previous], y[i] - y[previous])
                limit = limit_ratio * crow + limit_extra
                if limit <= table[0]:
                    while node != target:
                        _, link = _table_route(node, target, table)
                        between[steps] = link
                        steps += 1
                        node = link_end[link]
                else:
                    mark += 1
                    search_routes(
                        source, limit, out_offset, out_links, link_end, cost,
                        metres, first, into, stamp, mark, keys, values, reached,
                    )  # fmt: skip
                    node = target
                    while node != source:
                        between[steps] = into[node]
                        steps += 1
                        node = link_start[into[node]]
                    between[:steps] = between[:steps][::-1].copy()
            way = length[before] - done + fix_offset[i]
            for s in range(steps):
                way += length[between[s]]
            pace = (now - then) / way if way > 0 else 0.0
            clock = then + (length[before] - done) * pace
            real[used - 1, 1], real[used - 1, 3] = clock, length[before]
            for s in range(steps):
                whole[used, 0], whole[used, 1], whole[used, 2] = trip, fix_piece[i], between[s]
                real[used, 0] = clock
                clock += length[between[s]] * pace
                real[used, 1], real[used, 2], real[used, 3] = clock, 0.0, length[between[s]]
                used += 1
            whole[used, 0], whole[used, 1], whole[used, 2] = trip, fix_piece[i], here
            real[used, 0], real[used, 1], real[used, 2], real[used, 3] = clock, now, 0.0, fix_offset[i]
            used += 1
            previous = i
    return whole[:used].copy(), real[:used].copy()
