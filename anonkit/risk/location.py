"""Eight location attacks: how many people fit what somebody knows of a person's places?

The attacker knows ``known`` points of his target and looks for persons in the data who fit; the risk of a background
is 1 / (persons who fit), the risk of a person the largest over his backgrounds. Same definitions as scikit-mobility
1.3.1 (values in tests), computed on bit sets: one bit a person, one row a point, a background is an AND of rows.
All backgrounds are tried, or ``samples`` of them, seeded: then the worst is a lower bound of the true worst.
Two definitions there are slips and have a switch here: its home and work takes the two *least* visited places
(``rule="least"``), and its time precision "Hour" is a day; ours is the given step.
Source: Pellungrini et al. 2017, doi 10.1145/3106774. Does not cover an attacker with wrong or fuzzy places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anonkit.base.errors import SchemaError
from anonkit.risk._location_kernel import match_backgrounds
from anonkit.risk.incidence import Incidence, combine, incidence, starts
from anonkit.risk.result import RiskFigure, value_figure

Attack = Literal[
    "location",
    "location_sequence",
    "location_time",
    "unique_location",
    "location_frequency",
    "location_probability",
    "location_proportion",
    "home_and_work",
]
ATTACKS: tuple[Attack, ...] = (
    "location",
    "location_sequence",
    "location_time",
    "unique_location",
    "location_frequency",
    "location_probability",
    "location_proportion",
    "home_and_work",
)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Visits:
    """Points of persons: codes of person and place (negative: unknown), and the time of each, if known."""

    person: NDArray[np.integer]
    place: NDArray[np.integer]
    time_s: NDArray[np.integer] | None = None


@dataclass(frozen=True, kw_only=True)
class LocationRisk:
    """Risk of each attacked person under one location attack."""

    attack: str
    known: int
    person_code: Ints
    worst: Floats
    """1 / fewest persons who fit, over the backgrounds tried."""
    mean: Floats
    """Mean over sampled backgrounds of 1 / persons who fit; NaN where all were searched for the worst."""
    samples: int | None
    seed: int | None
    persons_in_data: int

    def figure(self, *, control: LocationRisk | None = None) -> RiskFigure:
        """Mean over persons with interval; guessing is 1 / persons, control the same on people not in the data."""
        tried = "all backgrounds" if self.samples is None else f"{self.samples} backgrounds a person"
        return value_figure(
            f"location attack: {self.attack}",
            self.worst,
            baseline=1 / max(1, self.persons_in_data),
            control=control.worst if control else None,
            control_excuses=False,
            seed=self.seed or 0,
            assumptions=(f"the attacker knows {self.known} true points; {tried}; worst background of each person",),
            details={"share_at_certainty": float((self.worst == 1).mean()) if len(self.worst) else 0.0},
        )


def location_risk(
    visits: Visits,
    *,
    attack: Attack,
    known: int,
    tolerance: float = 0.0,
    time_step_s: int = 3600,
    samples: int | None = None,
    seed: int | None = None,
    targets: Visits | None = None,
    rule: Literal["most", "least"] = "most",
) -> LocationRisk:
    """Risk of every person when ``known`` of his points are known.

    Parameters
    ----------
    visits : the data that is attacked.
    attack : one of ``ATTACKS``.
    known : int >= 1. Length of the background; a person with fewer points is known whole.
    tolerance : share in [0, 1] by which a frequency, probability or proportion may differ.
    time_step_s : seconds; two times in one step are the same time (``location_time`` only).
    samples : backgrounds a person, drawn with ``seed``; None tries all of them.
    targets : other people to look for, e.g. a control that is not in the data; default: everybody in ``visits``.
    rule : ``home_and_work`` takes the two most visited places; ``"least"`` is what scikit-mobility 1.3.1 computes.

    Returns
    -------
    LocationRisk

    Raises
    ------
    SchemaError : unknown attack, a time is missing, or a parameter is out of range.

    Privacy
    -------
    Attacks raw or released points; the result is about persons and stays inside. Memory: points of one person times
    persons / 8 bytes.

    Sources
    -------
    Pellungrini et al. 2017; scikit-mobility 1.3.1, ``skmob/privacy/attacks.py``.

    Examples
    --------
    Persons 0 and 1 share places 3 and 4; only person 1 was at place 5.

    >>> seen = Visits(person=np.array([0, 0, 1, 1, 1]), place=np.array([3, 4, 3, 4, 5]))
    >>> location_risk(seen, attack="unique_location", known=2).worst.tolist()
    [0.5, 1.0]
    """
    _check(visits, attack, known, tolerance, samples, seed)
    timed = attack in ("location_time", "location_sequence")
    for one in (visits, targets):
        if one is not None and timed and one.time_s is None:
            raise SchemaError(f"the attack {attack!r} needs the time of each point.", hint="give Visits(time_s=…).")
    data_item, target_item, other = _codes(visits, targets, attack, time_step_s)
    data = incidence(visits.person, data_item)
    if attack == "home_and_work":
        data, known = _top(data, 2, rule), 2
    if targets is None:
        aim = data
    else:
        aim = incidence(other.person, target_item)
        aim = _top(aim, 2, rule) if attack == "home_and_work" else aim
    moment_start, moment = _moments(visits, data_item, data) if attack == "location_sequence" else _NO_MOMENTS
    point_start, point = _points(other, target_item, aim, attack)
    value, holder_value = _values(data, attack)
    aim_value, _ = _values(aim, attack)
    kind = {"location_sequence": 1, "location_proportion": 2}.get(attack, 0)
    valued = attack in ("location_frequency", "location_probability")
    shift = _item_numbers(aim, data)
    worst, mean = match_backgrounds(
        point_start, point, aim.person_start, aim.item, aim_value, shift,
        data.persons, data.item_start, data.holder, data.holder_count, holder_value,
        data.person_start, data.item, value, moment_start, moment,
        known, tolerance, kind, valued, -1 if samples is None else samples, np.uint64(seed or 0),
    )  # fmt: skip
    return LocationRisk(
        attack=attack,
        known=known,
        person_code=aim.person_code,
        worst=worst,
        mean=mean,
        samples=samples,
        seed=seed,
        persons_in_data=data.persons,
    )


_NO_MOMENTS = (np.zeros(1, np.int64), np.zeros(0, np.int64))


def _check(visits: Visits, attack: str, known: int, tolerance: float, samples: int | None, seed: int | None) -> None:
    if attack not in ATTACKS:
        raise SchemaError(f"unknown location attack {attack!r}.", hint=f"one of {', '.join(ATTACKS)}.")
    if known < 1 or not 0 <= tolerance <= 1:
        raise SchemaError("known must be at least 1 and tolerance within 0 … 1.", hint="for example known=2.")
    if samples is not None and (samples < 1 or seed is None):
        raise SchemaError("sampling needs samples >= 1 and a seed.", hint="give samples=1000, seed=1.")
    if len(visits.person) != len(visits.place):
        raise SchemaError("person and place differ in length.", hint="give one entry of each a point.")


def _codes(visits: Visits, targets: Visits | None, attack: str, step: int) -> tuple[Ints, Ints, Visits]:
    """Items of the data and of the targets in one numbering."""
    parts = [visits] if targets is None else [visits, targets]
    place = np.concatenate([np.asarray(one.place, np.int64) for one in parts])
    if attack == "location_time":
        time = np.concatenate([np.asarray(one.time_s, np.int64) // step for one in parts])
        place = combine(place, time - (time.min() if len(time) else 0))
    return place[: len(visits.place)], place[len(visits.place) :] if targets is not None else place, parts[-1]


def _points(visits: Visits, item: Ints, aim: Incidence, attack: str) -> tuple[Ints, Ints]:
    """Points of each target in the order in which backgrounds are drawn: as position among his distinct items."""
    if attack == "location_sequence":
        start, track = _tracks(visits, item, aim)
        owner = np.repeat(np.arange(aim.persons), np.diff(start))
        key = owner * max(1, aim.items) + track
        pairs = np.repeat(np.arange(aim.persons), np.diff(aim.person_start)) * max(1, aim.items) + aim.item
        return start, np.searchsorted(pairs, key) - aim.person_start[owner]
    times = aim.count if attack in ("location", "location_time") else np.ones_like(aim.count)
    owner = np.repeat(np.arange(aim.persons), np.diff(aim.person_start))
    position = np.arange(len(aim.item)) - aim.person_start[owner]
    return starts(np.repeat(owner, times), aim.persons), np.repeat(position, times)


def _tracks(visits: Visits, item: Ints, table: Incidence) -> tuple[Ints, Ints]:
    """Item numbers of each person in order of time."""
    kept = (visits.person >= 0) & (item >= 0)
    who = np.searchsorted(table.person_code, visits.person[kept])
    what = np.searchsorted(table.item_code, item[kept])
    assert visits.time_s is not None
    order = np.lexsort((np.asarray(visits.time_s)[kept], who))
    return starts(who[order], table.persons), what[order].astype(np.int64)


def _moments(visits: Visits, item: Ints, table: Incidence) -> tuple[Ints, Ints]:
    """For each (person, item) pair the ascending positions in the person's track."""
    start, track = _tracks(visits, item, table)
    owner = np.repeat(np.arange(table.persons), np.diff(start))
    order = np.lexsort((track, owner))
    return np.concatenate([[0], np.cumsum(table.count)]).astype(np.int64), order - start[owner[order]]


def _values(table: Incidence, attack: str) -> tuple[Floats, Floats]:
    """Frequency, or probability, of each pair by person and by item."""
    total = np.add.reduceat(table.count, table.person_start[:-1]) if table.persons else table.count
    whole = total.astype(float) if attack == "location_probability" else np.ones(table.persons)
    owner = np.repeat(np.arange(table.persons), np.diff(table.person_start))
    return table.count / whole[owner], table.holder_count / whole[table.holder]


def _item_numbers(aim: Incidence, data: Incidence) -> Ints:
    """Number in the data of each item of the targets; −1 where nobody there has it."""
    if not data.items:
        return np.full(aim.items, -1, np.int64)
    place = np.minimum(np.searchsorted(data.item_code, aim.item_code), data.items - 1)
    return np.where(data.item_code[place] == aim.item_code, place, -1).astype(np.int64)


def _top(table: Incidence, places: int, rule: str) -> Incidence:
    """The pairs of each person's ``places`` most (or least) visited items; ties by item code."""
    owner = np.repeat(np.arange(table.persons), np.diff(table.person_start))
    order = np.lexsort((table.item, table.count if rule == "least" else -table.count, owner))
    rank = np.arange(len(order)) - table.person_start[owner[order]]
    kept = order[rank < places]
    return incidence(table.person_code[owner[kept]], table.item_code[table.item[kept]])
