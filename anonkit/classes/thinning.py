"""At most m rows of a person in a class.

A commuter's forty trips in a class of five persons make four rows in five his. Thinning keeps m of them, chosen by the
keyed hash that the trip token is; which ones stay tells nothing. What is thinned is dropped from the whole release, not
from one product of it, else subtraction would give it back (ruling 11).
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from anonkit.base.errors import RecipeError
from anonkit.classes.arrays import groups


def thin_rows(frame: nw.LazyFrame[Any], by: list[str], *, unit: str, max_rows: int) -> nw.LazyFrame[Any]:
    """Keep at most ``max_rows`` rows of each unit and class; rows without a unit stay.

    Parameters
    ----------
    frame : one row a trip; columns ``by``, ``unit`` and ``trip`` (token of the run: a keyed hash).
    max_rows : int >= 1. Rows a person and class.

    Privacy
    -------
    Bounds a person's share of a class. Depends on that person's rows only (ruling 17).
    """
    if max_rows < 1:
        raise RecipeError(f"max_rows is {max_rows}", hint="keep at least one row a person and class")
    counts = frame.filter(~nw.col(unit).is_null()).group_by([*by, unit]).agg(nw.len().alias("_n"))
    heavy = frame.join(counts.filter(nw.col("_n") > max_rows), on=[*by, unit], how="semi")
    order = nw.col("trip").rank("ordinal").over(*by, unit).alias("_rank")
    beyond = heavy.select("trip", order, *by, unit).filter(nw.col("_rank") > max_rows)
    return frame.join(beyond, on=["trip", unit], how="anti")


def thinned(of: np.ndarray, unit: np.ndarray, trip: np.ndarray, *, max_rows: int) -> np.ndarray:
    """Which rows stay when at most ``max_rows`` rows of each unit and class do: `thin_rows` on arrays.

    Parameters
    ----------
    of : class of each row, from 0. unit : code of its person, -1 for nobody, whose rows all stay. trip : token.

    Privacy
    -------
    As of `thin_rows`.
    """
    if max_rows < 1:
        raise RecipeError(f"max_rows is {max_rows}", hint="keep at least one row a person and class")
    found = groups([(of, int(of.max(initial=0)) + 1), (unit + 1, int(unit.max(initial=-1)) + 2)])
    heavy = (found.sizes > max_rows) & (unit[found.first] >= 0)
    mine = found.order[np.repeat(heavy, found.sizes)]  # line by line
    sizes = found.sizes[heavy]
    line = np.repeat(np.arange(len(sizes)), sizes)
    by_token = mine[np.lexsort((trip[mine], line))]
    place = np.arange(len(mine)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    stays = np.ones(len(of), dtype=bool)
    stays[by_token[place >= max_rows]] = False
    return stays
