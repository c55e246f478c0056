"""Guess what one column of an unknown export is: by its values where they tell, else by its name.

What a guess shows are counts, shares and formats, never a value; months are told where at least eleven rows lie in each.
A guess is put to a person, who decides: it **protects nobody**. A direct identifier that is neither named as one nor
looks like one (an account number, a nickname) is not found here; that is why columns are published by naming them only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pyarrow as pa

from anonkit.engine import Session
from anonkit.pipeline.vocabulary import (
    DIRECT,
    DRIVERS,
    LATITUDE,
    LONGITUDE,
    MEASURES,
    OF_PLACES,
    PERSONS,
    PLACES,
    TIMES,
    TRIPS,
    VEHICLES,
    fold,
    side,
)
from anonkit.schema.patterns import scan_column

MANY = 30
"""Distinct values from which on a column may name people or things; fewer are categories."""
MOST = 0.9
FEWEST = 11
"""Rows in a month before the month is told."""
DATES = ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%y")
CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
FORMATS = (*(f"{date} {clock}" for date in DATES for clock in CLOCKS), "%Y%m%d%H%M%S")
STAMP = "TRY_CAST(regexp_replace(v, '(Z|[+-][0-9]{2}(:?[0-9]{2})?)$', '') AS TIMESTAMP)"
SIGNS = {
    "polyline": "v LIKE '[[%'",
    "stamp": "regexp_matches(v, '[0-9][-/.:T ][0-9]') OR regexp_matches(v, '^[0-9]{14}$')",
    "iso": f"regexp_matches(v, ':[0-9]') AND {STAMP} IS NOT NULL",
    "offset": r"regexp_matches(v, ':[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$')",
    "date": r"regexp_matches(v, '^[0-9]{4}-[0-9]{2}-[0-9]{2}$')",
    "clock": r"regexp_matches(v, '^[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?( ?[APap][Mm])?$')",
    "epoch_s": "TRY_CAST(v AS DOUBLE) BETWEEN 1000000000 AND 2500000000",
    "epoch_ms": "TRY_CAST(v AS DOUBLE) BETWEEN 1000000000000 AND 2500000000000",
    "number": "TRY_CAST(v AS DOUBLE) IS NOT NULL AND NOT starts_with(v, '+')",
    "comma": r"regexp_matches(v, '^-?[0-9]+(,[0-9]+)?$')",
    "with_comma": r"regexp_matches(v, '^-?[0-9]+,[0-9]+$')",
    "fraction": r"regexp_matches(v, '^-?[0-9]+[.,][0-9]+$')",
    "degrees": "abs(TRY_CAST(replace(v, ',', '.') AS DOUBLE)) <= 180",
    "words": r"regexp_matches(v, '\S+\s+\S+\s+\S')",
}
"""What is asked of every value of a column, in one pass."""


@dataclass(frozen=True, kw_only=True)
class InspectedColumn:
    """One column and what it seems to be."""

    name: str
    guess: str
    """``start``, ``person``, ``direct``, ``category``, … or ``unknown``."""
    detail: str
    """Why, in words."""
    filled: float
    """Share of rows that say something."""
    distinct: int
    """Distinct values in the sample."""
    format: str = ""
    """How a time is written: ``iso``, ``epoch_s``, or a strptime format."""
    rival: str = ""
    """The same with day and month exchanged, where all values fit both."""
    decimal: str = ""
    """The decimal sign of a number with a fraction."""


def guess_column(name: str, values: pa.ChunkedArray, session: Session) -> InspectedColumn:
    """What a column seems to be, alone; `settled` then looks at all of them together."""
    table = session.from_arrow(pa.table({"v": values}))
    text = session.sql("SELECT nullif(trim(v::VARCHAR), '') AS v FROM {t}", t=table)
    rows, filled, distinct = session.rows(
        "SELECT count(*), count(v), count(DISTINCT v) FROM {t}", t=session.from_arrow(text)
    )[0]
    if not filled:
        return InspectedColumn(name=name, guess="empty", detail="no values", filled=0.0, distinct=0)
    known = text.filter(pa.compute.is_valid(text.column("v")))
    column = _Column(name, known, str(values.type), distinct, session)
    found = column.as_time() or column.as_place() or column.by_name() or column.by_kind()
    return replace(found, filled=filled / max(rows, 1), distinct=distinct)


class _Column:
    """The filled values of one column as text, and what share of them shows which sign."""

    def __init__(self, name: str, known: pa.Table, kind: str, distinct: int, session: Session) -> None:
        self.name, self.plain, self.kind, self.distinct, self.rows = name, fold(name), kind, distinct, known.num_rows
        self._known, self._session = session.from_arrow(known), session
        self._values = known.column("v")
        asked = list(SIGNS)
        shares = session.rows(f"SELECT {', '.join(_share(SIGNS[sign]) for sign in asked)} FROM {{t}}", t=self._known)[0]
        self.sign = {sign: float(share or 0) for sign, share in zip(asked, shares, strict=True)}

    def _is(self, guess: str, detail: str, *, format: str = "", rival: str = "", decimal: str = "") -> InspectedColumn:
        return InspectedColumn(
            name=self.name,
            guess=guess,
            detail=detail,
            filled=0.0,
            distinct=self.distinct,
            format=format,
            rival=rival,
            decimal=decimal,
        )

    def as_time(self) -> InspectedColumn | None:
        """A time, a date, or the clock of a date in another column."""
        if self.kind.startswith("timestamp"):
            return self._time("iso", "v::TIMESTAMP", "time of the file's own type")
        if self.sign["date"] > MOST:
            return self._dated("iso")
        if self.sign["clock"] > MOST:
            shares = {form: self._of(f"try_strptime(v, '{form}') IS NOT NULL") for form in CLOCKS}
            form = max(shares, key=lambda form: shares[form])
            return self._is(self._at("clock"), f"a clock without a date, {form}", format=form)
        if self.sign["iso"] > MOST:
            zoned = "with" if self.sign["offset"] > MOST else "without"
            return self._time("iso", STAMP, f"iso {zoned} offset")
        if self.sign["stamp"] > MOST:
            shares = {form: self._of(f"try_strptime(v, '{form}') IS NOT NULL") for form in (*FORMATS, *DATES)}
            form = max(shares, key=lambda form: shares[form])
            if shares[form] > MOST:
                rival = form.replace("%m/%d", "%d/%m")
                if rival != form and shares[rival] == shares[form]:  # no month is told by a format that may be wrong
                    what = self._at("date") if form in DATES else side(self.name) or "time"
                    return self._is(what, f"{form} or {rival}: no day is above 12", format=form, rival=rival)
                return self._dated(form) if form in DATES else self._time(form, f"try_strptime(v, '{form}')", form)
        if TIMES.search(self.plain) and "duration" not in self.plain:
            for form, divisor in (("epoch_s", 1), ("epoch_ms", 1000)):
                if self.sign[form] > MOST:
                    return self._time(form, f"to_timestamp(TRY_CAST(v AS DOUBLE) / {divisor})::TIMESTAMP", form)
        return None

    def as_place(self) -> InspectedColumn | None:
        """A route or a coordinate."""
        if self.sign["polyline"] > MOST:
            return self._is("polyline", "JSON list of points")
        for axis, word in (("lon", LONGITUDE), ("lat", LATITUDE)):
            if word.search(self.plain) and self.sign["degrees"] > MOST and self.sign["fraction"] > 0.5:
                return self._is(self._at(axis), f"degrees{self._comma}", decimal=self._decimal)
        return None

    def by_name(self) -> InspectedColumn | None:
        """Somebody, something or a place that the name speaks of."""
        detail, plain = f"by its name; {self.distinct:,} distinct in the sample", self.plain
        many = self.distinct > MANY or self.distinct == self.rows
        if DIRECT.search(plain) and not self._numeric and OF_PLACES.search(plain):
            return self._is("text", f"names of places, {self.distinct:,} distinct")
        if DIRECT.search(plain) and self._worded:
            return self._is("direct", detail)
        for guess, word in (("driver", DRIVERS), ("person", PERSONS), ("vehicle", VEHICLES), ("trip", TRIPS)):
            if many and word.search(plain) and self.sign["fraction"] < 0.5:
                hits = self._hits()
                return self._is(guess, f"{detail}; looks like {hits}" if hits else detail)
        return None

    def by_kind(self) -> InspectedColumn:
        """An identifier by its values, a place's id, a measure, a number, a category."""
        hits = self._hits()
        if hits:
            return self._is("direct", f"values look like {hits}")
        if PLACES.search(self.plain) and self.sign["fraction"] < 0.5:
            return self._is("place", f"{self.distinct:,} place{'' if self.distinct == 1 else 's'}")
        if self._numeric:
            for guess, word in MEASURES:
                if word.search(self.plain):
                    return self._is(guess, f"number{self._comma}", decimal=self._decimal)
            if self.distinct == self.rows > MANY and self.sign["fraction"] == 0:
                return self._is("each", f"number, another one in each of {self.distinct:,} rows")
            return self._is("number", f"{self.distinct:,} distinct{self._comma}", decimal=self._decimal)
        if self.sign["words"] > 0.5 and self.distinct > 0.3 * self.rows:
            return self._is("direct", f"free text, {self.distinct:,} distinct in the sample")
        if self.distinct == self.rows > MANY:
            return self._is("each", f"text, another one in each of {self.distinct:,} rows")
        if self.distinct <= MANY:
            return self._is("category", f"{self.distinct} categor{'y' if self.distinct == 1 else 'ies'}")
        return self._is("unknown", f"text, {self.distinct:,} distinct")

    @property
    def _numeric(self) -> bool:
        return self.sign["number"] > 0.98 or self.sign["comma"] > 0.98

    @property
    def _worded(self) -> bool:
        """Text, or numbers that are written like no measure: phones, cards."""
        return not self._numeric or (self.sign["fraction"] == 0 and self.distinct > MANY)

    @property
    def _decimal(self) -> str:
        if self.sign["with_comma"] > 0.1:
            return ","
        return "." if self.sign["fraction"] > 0.1 else ""

    @property
    def _comma(self) -> str:
        return ", decimal comma" if self._decimal == "," else ""

    def _hits(self) -> str:
        """The kind of identifier that most values look like; of numbers only where it is the rule, not a chance."""
        distinct = self._values.unique().drop_null()
        if self.sign["fraction"] > 0.1:
            return ""
        if not self._numeric:
            hits = scan_column(self.name, distinct, kind="text")
        else:
            whole = [int(text) for text in distinct.to_pylist() if re.fullmatch(r"\d{1,18}", text)]
            hits = scan_column(self.name, whole, kind="integer") if whole else {}
            hits = {kind: count for kind, count in hits.items() if count > MOST * len(whole)}
        return max(hits, key=lambda kind: hits[kind]) if hits else ""

    def _of(self, condition: str) -> float:
        return float(self._session.value(f"SELECT {_share(condition)} FROM {{t}}", t=self._known) or 0)

    def _at(self, what: str) -> str:
        end = side(self.name)
        return f"{end}_{what}" if end else what

    def _dated(self, form: str) -> InspectedColumn:
        return self._is(self._at("date"), f"a date without a clock, {form}", format=form)

    def _time(self, form: str, stamp: str, detail: str) -> InspectedColumn:
        months = self._session.rows(
            f"SELECT strftime(m, '%Y-%m') FROM (SELECT date_trunc('month', {stamp}) AS m FROM {{t}}) "
            f"WHERE m IS NOT NULL GROUP BY m HAVING count(*) >= {FEWEST} ORDER BY m",
            t=self._known,
        )
        if months:
            first, last = months[0][0], months[-1][0]
            detail += f"; {first}" if first == last else f"; {first} to {last}"
        return self._is(side(self.name) or "time", detail, format=form)


def _share(condition: str) -> str:
    return f"avg(CASE WHEN {condition} THEN 1.0 ELSE 0 END)"


SINGLE = (
    *("start", "end", "start_date", "start_clock", "end_date", "end_clock", "trip", "person", "driver", "vehicle"),
    *("start_lon", "start_lat", "end_lon", "end_lat", "start_place", "end_place"),
    *("distance_m", "duration_s", "amount", "energy_kwh"),
)
"""Guesses of which a table has but one."""


def settled(columns: tuple[InspectedColumn, ...]) -> tuple[InspectedColumn, ...]:
    """One column for each guess that can have but one, the fullest; what is left over fills what is missing.

    >>> times = [InspectedColumn(name=n, guess=g, detail="", filled=1, distinct=9) for n, g in (("a", "time"), ("b", "end"))]
    >>> [column.guess for column in settled(tuple(times))]
    ['start', 'end']
    """
    guesses = {column.name: _sided(column) for column in columns}
    taken: set[str] = set()
    left: list[str] = []
    for column in sorted(columns, key=lambda column: -column.filled):
        guess = guesses[column.name]
        if guess in SINGLE and guess in taken:
            left.append(column.name)
        taken.add(guess)
    for name in left:
        later = guesses[name] == "start" and "end" not in taken  # departure and arrival both begin something
        guesses[name] = "end" if later else "unknown"
        taken.add(guesses[name])
    for loose, pair in (
        ("time", ("start", "end")),
        ("date", ("start_date", "end_date")),
        ("clock", ("start_clock", "end_clock")),
    ):
        for column in (column for column in columns if guesses[column.name] == loose):
            free = next((guess for guess in pair if guess not in taken), "unknown")
            guesses[column.name] = free
            taken.add(free)
    for column in (column for column in columns if guesses[column.name] == "each"):
        guesses[column.name] = "unknown" if "trip" in taken else "trip"
        taken.add("trip")
    return tuple(replace(column, guess=guesses[column.name]) for column in columns)


def _sided(column: InspectedColumn) -> str:
    """A place is one of two; without a word for which, it stays a place."""
    if column.guess == "place" and side(column.name):
        return f"{side(column.name)}_place"
    return column.guess
