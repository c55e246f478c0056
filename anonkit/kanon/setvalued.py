"""k^m-anonymity of sets and sequences: what a recipient who knows m places of one person's day can do.

Where a recipe publishes a person's trips of one day together (the default never does), every combination of at most m
items that occurs must occur for at least k persons, in any order (sets) or in the order of the day (sequences). Items
are generalised along their hierarchy, each value with its siblings, cheapest first, until that holds; what still fails
at the top is left out (Terrovitis, Mamoulis and Kalnis 2008). It bounds who knows up to m items exactly; who knows more
is not bounded, and a published set still shows habits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.kanon.hierarchies import Hierarchy
from anonkit.kanon.parameters import whole


@dataclass(frozen=True, kw_only=True)
class Protected:
    """Released sets (labels), aligned with the input, and how far each base value was generalised."""

    sets: tuple[tuple[str, ...], ...]
    level_of: np.ndarray
    """Level of each base value; the hierarchy's height means left out."""
    left_out: int
    """Items left out. Inside only."""


def protect_sets(
    sets: Sequence[Sequence[object]],
    persons: Sequence[object],
    hierarchy: Hierarchy,
    *,
    k: int,
    m: int,
    ordered: bool = False,
) -> Protected:
    """Generalise items until each combination of up to ``m`` of them is shared by ``k`` persons.

    Parameters
    ----------
    sets : items of one person and day, in order.
    persons : whose set it is; null adds no person (ruling 1).
    hierarchy : of the items.
    k, m : no defaults.
    ordered : protect sequences (the order of the day) instead of sets.

    Privacy
    -------
    Every released combination of at most m items occurs for at least k persons. Spends nothing.

    Sources
    -------
    Terrovitis, Mamoulis and Kalnis 2008, Privacy-preserving anonymization of set-valued data.

    >>> zone = Hierarchy.from_mapping("zone", {"a1": ["a", "*"], "a2": ["a", "*"], "b1": ["b", "*"]})
    >>> days = [["a1", "b1"], ["a2", "b1"], ["a1"]]
    >>> protect_sets(days, [1, 2, 3], zone, k=2, m=2).sets
    (('a', 'b1'), ('a', 'b1'), ('a',))
    """
    if not whole(k, least=2) or not whole(m) or len(sets) != len(persons):
        raise SchemaError(
            "k^m needs whole numbers k >= 2 and m >= 1, and one person a set", hint="k=5, m=2, persons aligned."
        )
    coded = [hierarchy.encode(np.asarray(list(s), dtype=object)) if len(s) else np.zeros(0, int) for s in sets]
    level_of = np.zeros(hierarchy.sizes[0], dtype=np.int64)
    for size in range(1, m + 1):
        while True:
            bad = _rare(_released(coded, hierarchy, level_of, ordered), persons, k=k, size=size, ordered=ordered)
            if not bad:
                break
            worst = Counter(item for combination in bad for item in combination)
            _raise_cheapest(hierarchy, level_of, worst)
    shown = _released(coded, hierarchy, level_of, ordered)
    named = [[str(hierarchy.labels[lv][code]) for lv, code in items] for items in shown]
    texts = tuple(tuple(items if ordered else sorted(items)) for items in named)
    left_out = sum(int((level_of[c] >= hierarchy.height).sum()) for c in coded)
    return Protected(sets=texts, level_of=level_of, left_out=left_out)


Item = tuple[int, int]


def _released(
    coded: Sequence[np.ndarray], hierarchy: Hierarchy, level_of: np.ndarray, ordered: bool
) -> list[tuple[Item, ...]]:
    shown = []
    for codes in coded:
        items: list[Item] = []
        for code in codes.tolist():
            level = int(level_of[code])
            if level < hierarchy.height:
                items.append((level, int(hierarchy.codes[level][code])))
        if ordered:
            kept = [item for i, item in enumerate(items) if i == 0 or items[i - 1] != item]
            shown.append(tuple(kept))
        else:
            shown.append(tuple(sorted(set(items))))
    return shown


def _rare(
    shown: Sequence[tuple[Item, ...]], persons: Sequence[object], *, k: int, size: int, ordered: bool
) -> list[tuple[Item, ...]]:
    """Combinations of ``size`` items that fewer than ``k`` persons have."""
    who: dict[tuple[Item, ...], set[object]] = defaultdict(set)
    for items, person in zip(shown, persons, strict=True):
        for combination in set(combinations(items, size)):
            known = person is not None and person == person
            who[combination] |= {person} if known else set()
    return [combination for combination, people in who.items() if len(people) < k]


def _raise_cheapest(hierarchy: Hierarchy, level_of: np.ndarray, worst: Counter[Item]) -> None:
    """Raise the item that is in most rare combinations for what its raising costs in leaves."""

    def worth(item: Item) -> tuple[float, Item]:
        level, code = item
        if level + 1 >= hierarchy.height:
            return worst[item] / (2.0 * hierarchy.sizes[0]), item
        leaf = int(np.flatnonzero(hierarchy.codes[level] == code)[0])
        family = int((hierarchy.codes[level + 1] == hierarchy.codes[level + 1][leaf]).sum())
        return worst[item] / family, item

    level, code = max(worst, key=worth)
    members = hierarchy.codes[level] == code
    if level + 1 >= hierarchy.height:
        level_of[members] = hierarchy.height
        return
    parent = hierarchy.codes[level + 1][np.flatnonzero(members)[0]]
    family = hierarchy.codes[level + 1] == parent
    level_of[family] = np.maximum(level_of[family], level + 1)
