"""What leaves, as attackers meet it: its classes with their counts, and the rows of a sample of persons in them.

An attacker sees classes, not rows of persons; so of everybody only what a class holds is fetched, and rows only of the
persons who are attacked. What is asked of everybody (who is alone, whose places are his own, who carries the most, whose
company is the smallest) is counted by the engine. Source: own. Exact traces of the sampled: they stay in this process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from anonkit.engine import identifier
from anonkit.kanon.products import ROLLED
from anonkit.pipeline.attack_rows import EPOCH_DAY, MANY_PERSONS, PERSONS, WEEK_H, AttackRows, Ints, sampled_sql
from anonkit.risk.incidence import compact, incidence
from anonkit.risk.places import NIGHT_BEGIN_H, NIGHT_END_H, WORK_BEGIN_H, WORK_END_H

FEWEST_CLASSES = 200
"""So many of the smallest classes are searched first for the person in the smallest company."""
PLACES = 2**24
"""More than there are places; a count and a place are ranked as one number."""


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """The classes that leave at the first level, and a sample of the persons in them."""

    cells: Ints
    """The cell behind each code of a place."""
    start: Ints
    """Of each class: where from, where to, when, and what else it tells."""
    end: Ints | None
    bin: Ints
    more: Ints
    rows: Ints
    persons: Ints
    told: Ints
    """Rows as the recipient sees them: as written, noise included."""
    who: Ints
    """Of each fetched row: whose it is, its class, and its true local start in seconds."""
    row_class: Ints
    true_s: Ints
    few_class: Ints
    """Of each row of the classes of at most two rows: its class, and whose it is, -2 for nobody of the fetched."""
    few_owner: Ints
    sampled: int
    """Persons 0 … sampled − 1 are the sample."""
    targets: Mapping[str, int]
    """Who carries the most, and who is in the smallest company."""
    people: int
    """Everybody with a row that leaves."""
    alone: int
    """Of them: those who are alone in a class, and those who are one of two in one."""
    pairs: int
    alike: Mapping[str, tuple[Ints, Ints]]
    """Over everybody, by attack: sizes of the groups of persons with the same places, and groups of that size."""

    @cached_property
    def mine(self) -> Ints:
        """Fetched rows of the sample."""
        return np.flatnonzero(self.who < self.sampled)


def leaving(source: AttackRows) -> Leaving | None:
    """The classes that leave, with a sample of persons; None where nothing leaves.

    Privacy
    -------
    Exact traces of the sampled persons, for attacks only.
    """
    return _Reader(source).read()


@dataclass(frozen=True)
class _Reader:
    source: AttackRows

    def read(self) -> Leaving | None:
        session, base = self.source.session, self.source.recipe.time.time_bins
        names = ["number", *(_key(number) for number in range(self._depth)), "rows", "persons", "told", "m"]
        table = session.sql(f"SELECT {', '.join(names)} FROM {{classes}}", classes=self._classes)
        if not table.num_rows:
            return None
        order = np.argsort(table.column("number").to_numpy())
        told = {name: table.column(name).to_numpy()[order].astype(np.int64) for name in names}
        keys = [told[f"k{number}"] for number in range(self._depth)]
        cells, codes = np.unique(np.concatenate(keys[:-1]), return_inverse=True)
        size = len(order)
        people = int(session.value("SELECT count(*) FROM {loads}", loads=self._loads))
        sampled = min(people, self._most)
        rows, targets = self._attacked(told["persons"], sampled)
        alone, pairs = self._alone(told["persons"])
        few = self._few(told["rows"])
        return Leaving(
            cells=cells,
            start=codes[:size].astype(np.int64),
            end=codes[size:].astype(np.int64) if self._depth == 3 else None,
            bin=keys[-1],
            more=compact(told["m"])[1],
            rows=told["rows"],
            persons=told["persons"],
            told=told["told"],
            who=rows[0],
            row_class=rows[1],
            true_s=rows[2] * base.seconds,
            few_class=few[0],
            few_owner=few[1],
            sampled=sampled,
            targets=targets,
            people=people,
            alone=alone,
            pairs=pairs,
            alike={} if self.source.recipe.privacy.unit.value == "trip" else self._alike(),
        )

    @property
    def _most(self) -> int:
        """At most so many persons are attacked."""
        return MANY_PERSONS if self.source.many else PERSONS

    # --- classes ----------------------------------------------------------------------------------------------------
    @cached_property
    def _keys(self) -> list[str]:
        """The class's columns in the file: places, bin, further ones."""
        product = self.source.step.part.product
        return [name for name in product.keys if name not in (ROLLED, "end")]

    @property
    def _depth(self) -> int:
        """How many of them are places and bin."""
        return 2 if self.source.step.part.end else 3

    @cached_property
    def _classes(self) -> nw.LazyFrame[Any]:
        """The published classes by number: keys, ``rows, persons``, and ``told``, what the file tells of each."""
        part, names = self.source.step.part, self._keys
        conditions = [f"{ROLLED} = 0"] if part.product.roll_up else []
        conditions += [f"\"end\" = '{part.end}'"] if part.end else []
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        count = "count(*)" if part.product.kind == "trips" else "sum(trips)"
        listed = ", ".join(identifier(name) for name in names)
        renamed = ", ".join(f"{identifier(name)} AS {_key(number)}" for number, name in enumerate(names))
        more = ", ".join(identifier(name) for name in names[self._depth :])
        return self.source.session.table(
            f"SELECT row_number() OVER (ORDER BY {listed}) - 1 AS number, {renamed}, rows::BIGINT AS rows, "
            f"persons::BIGINT AS persons, coalesce(n, 0)::BIGINT AS told, "
            f"{f'(hash({more}) // 2)::BIGINT' if more else '0::BIGINT'} AS m "
            f"FROM {{published}} LEFT JOIN (SELECT {listed}, {count} AS n FROM {{file}} {where} GROUP BY ALL) USING ({listed})",
            published=self.source.decisions.steps[0].published,
            file=self.source.folder / f"{part.product.kind}.parquet",
        )

    # --- persons ----------------------------------------------------------------------------------------------------
    @cached_property
    def _told(self) -> str:
        return f"{self.source.step.part.told} = 0 AND {self.source.unit} IS NOT NULL"

    @cached_property
    def _loads(self) -> nw.LazyFrame[Any]:
        """How many rows of each unit leave."""
        return self.source.session.frame("SELECT * FROM {all} WHERE n > 0", all=self.source.everybody)

    def _placed(self, columns: str, where: str = "", *, join: str = "") -> str:
        """SQL of rows that leave with the class that each stands in; the names are those of `_tables`."""
        on = " AND ".join(
            f"c.{_key(number)} = r.{identifier(f'_key_{name}')}" for number, name in enumerate(self._keys)
        )
        return f"SELECT {columns} FROM {{rows}} r {join} JOIN {{classes}} c ON {on} WHERE {self._told}{where}"

    @cached_property
    def _tables(self) -> dict[str, Any]:
        recipe, step = self.source.recipe, self.source.step
        keyed = step.keyed(self.source.decisions.rows, recipe.geo.grid, recipe.time.time_bins)
        return {"rows": keyed, "classes": self._classes}

    def _alone(self, persons: Ints) -> tuple[int, int]:
        """How many are alone in a class and how many one of two, over everybody."""
        if persons.min() > 2:
            return 0, 0
        query = self._placed(f"{self.source.unit} AS p, persons", " AND persons <= 2")
        both = "count(*) FILTER (fewest = 1), count(*) FILTER (most = 2)"
        query = f"SELECT {both} FROM (SELECT p, min(persons) AS fewest, max(persons) AS most FROM ({query}) GROUP BY p)"
        alone, pairs = self.source.session.rows(query, **self._tables)[0]
        return int(alone), int(pairs)

    def _few(self, rows: Ints) -> tuple[Ints, Ints]:
        """Class and owner of each row of the classes of at most two rows."""
        if rows.min() > 2:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        join = f"LEFT JOIN {{listed}} l ON l.p = r.{self.source.unit}"
        query = self._placed("number, coalesce(who, -2) AS who", " AND c.rows <= 2", join=join)
        table = self.source.session.sql(query, listed=self._drawn, **self._tables)
        number, who = (table.column(name).to_numpy().astype(np.int64) for name in ("number", "who"))
        return number, who

    @cached_property
    def _drawn(self) -> nw.LazyFrame[Any]:
        """The sample: units as ``p``, and their numbers from 0 as ``who``."""
        drawn = self.source.session.frame(sampled_sql(self._most), units=self._loads)
        query = "SELECT p, row_number() OVER (ORDER BY p) - 1 AS who FROM {drawn}"
        return self.source.session.table(query, drawn=drawn)

    def _attacked(self, persons: Ints, sampled: int) -> tuple[tuple[Ints, Ints, Ints], dict[str, int]]:
        """Rows (whose, class, base bin) of the sample and of the two targets of a membership attacker."""
        session = self.source.session
        heaviest = session.table("SELECT p FROM {loads} ORDER BY n DESC, p LIMIT 1", loads=self._loads)
        order, most = np.sort(persons), FEWEST_CLASSES
        while True:  # nobody outside the smallest classes can be in smaller company than the next one's
            limit = int(order[min(most, len(order)) - 1])
            few = session.table(
                f"SELECT * FROM {{classes}} ORDER BY persons, number LIMIT {most}", classes=self._classes
            )
            query = self._placed(f"DISTINCT {self.source.unit} AS p")
            near = session.table(query, **{**self._tables, "classes": few})
            listed = session.table(
                "SELECT p, who FROM {drawn} UNION ALL BY NAME "
                f"SELECT p, {sampled} AS who FROM {{heaviest}} UNION ALL BY NAME "
                f"SELECT p, {sampled} + row_number() OVER (ORDER BY p) AS who FROM {{near}}",
                drawn=self._drawn, heaviest=heaviest, near=near,
            )  # fmt: skip
            join = f"JOIN {{listed}} l ON l.p = r.{self.source.unit}"
            table = session.sql(self._placed("who, number, r.start_bin AS b", join=join), listed=listed, **self._tables)  # fmt: skip
            rows = tuple(table.column(name).to_numpy().astype(np.int64) for name in ("who", "number", "b"))
            target, company = _smallest_company(rows[0], rows[1], persons, first=sampled + 1)
            if company <= np.log(limit) or most >= len(order):
                break
            most *= 10
        kept = (rows[0] <= sampled) | (rows[0] == target)
        return tuple(column[kept] for column in rows), {"heaviest": sampled, "most outlying": target}

    # --- places -----------------------------------------------------------------------------------------------------
    def _alike(self) -> dict[str, tuple[Ints, Ints]]:
        """Over everybody: sizes of the groups of persons with the same places, and how many groups have that size."""
        session, step, recipe = self.source.session, self.source.step, self.source.recipe
        grid, base, bins = recipe.geo.grid, recipe.time.time_bins, step.at.bins
        fine = self.source.distinct(self.source.place)
        cells = fine.with_columns(grid.coarsen(nw.col("f"), step.at.level).alias("cell"))
        week = f"(coarse * {bins.seconds} // 3600 + {0 if bins.pool != 'none' else 24 * EPOCH_DAY}) % {WEEK_H}"
        hours = session.frame(
            f"SELECT f, hour % 24 >= {NIGHT_BEGIN_H} OR hour % 24 < {NIGHT_END_H} AS night, "
            f"hour % 24 >= {WORK_BEGIN_H} AND hour % 24 < {WORK_END_H} AND hour // 24 < 5 AS office "
            f"FROM (SELECT f, {week} AS hour FROM {{bins}})",
            bins=self.source.distinct("start_bin").with_columns(bins.coarsen(nw.col("f"), base).alias("coarse")),
        )
        visits = session.table(
            f"SELECT {self.source.unit} AS p, c.number, count(*) AS n, count(*) FILTER (h.night) AS a, count(*) FILTER (h.office) AS o "
            "FROM {rows} r JOIN {cells} c ON c.f = r.{place} JOIN {hours} h ON h.f = r.start_bin ".replace("{place}", self.source.place)
            + f"WHERE {self._told} GROUP BY 1, 2",
            rows=self.source.decisions.rows,
            cells=session.table("SELECT f, dense_rank() OVER (ORDER BY cell) - 1 AS number FROM {cells}", cells=cells),
            hours=session.table("SELECT * FROM {hours}", hours=hours),
        )  # fmt: skip
        # The most frequent place is the largest number count · PLACES − place; of places that tie, the first.
        best = session.table(
            f"SELECT max(n * {PLACES} - number, 2) AS visited, max(a * {PLACES} - number) FILTER (a > 0) AS home, "
            f"max(o * {PLACES} - number, 2) FILTER (o > 0) AS work FROM {{visits}} GROUP BY p",
            visits=visits,
        )
        session.drop(visits)
        sets = {
            "top 2 places": f"SELECT {_place('visited[1]')} AS a, {_place('visited[2]')} AS b FROM {{best}}",
            "home and work": f"SELECT home AS a, CASE WHEN work[1] = home THEN work[2] ELSE work[1] END AS b FROM "
            f"(SELECT {_place('home')} AS home, [{_place('work[1]')}, {_place('work[2]')}] AS work FROM {{best}}) "
            "WHERE home IS NOT NULL OR work[1] IS NOT NULL",
        }
        found = {}
        for name, query in sets.items():
            ordered = "least(a, b), greatest(a, b)" if name.startswith("top") else "a, b"
            table = session.sql(
                f"SELECT size, count(*) AS groups FROM (SELECT count(*) AS size FROM ({query}) GROUP BY {ordered}) GROUP BY size",
                best=best,
            )
            found[name] = tuple(table.column(side).to_numpy().astype(np.int64) for side in ("size", "groups"))
        session.drop(best)
        return found


def _place(ranked: str) -> str:
    """SQL of the place that a ranked number stands for; null stays null."""
    return f"({PLACES} - {ranked} % {PLACES}) % {PLACES}"


def _key(number: int) -> str:
    return f"k{number}"


def _smallest_company(who: Ints, number: Ints, persons: Ints, *, first: int) -> tuple[int, float]:
    """Who from ``first`` on has the smallest mean logarithm of persons in his classes, and that mean."""
    table = incidence(np.where(who >= first, who, -1), number)
    mean = np.add.reduceat(np.log(persons[table.item_code][table.item]), table.person_start[:-1])
    mean = mean / np.diff(table.person_start)
    best = int(np.argmin(mean))
    return int(table.person_code[best]), float(mean[best])
