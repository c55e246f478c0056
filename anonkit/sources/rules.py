"""Rows that an export holds and a release must not use, by name: whom a rule drops is counted, never lost.

An operator's export holds more than trips of riders: cancelled orders, trips of the crew, credits, chargers at homes.
Such rows are not faulty, so they are no rejected lines; they are dropped by a rule that bears a name. A rule looks at one
column of the row as it was written, before anything is parsed: a cancelled order without coordinates is a cancelled
order, not a broken line. A value that the rule does not know is dropped where the rule says what to ``keep``.

Rows are judged alone; ``referred_by`` alone looks at other rows, and only at rows of the same person (ruling 17).
Does not find what the export does not say: a private charger that is listed as public stays.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field, model_validator

NAME = r"^[a-z][a-z0-9_]*(:[a-z0-9_]+)?$"


class Rule(BaseModel):
    """Which rows are left out, by one column; exactly one way of saying it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    """What the accounting calls it, such as ``trip_type:not_rider``."""
    column: str | None = None
    """The operator's column; of ``shorter_than_s`` none."""
    keep: tuple[str, ...] = ()
    """Any other value is dropped, the empty one too."""
    drop: tuple[str, ...] = ()
    """These values are dropped."""
    empty: bool = False
    """Rows in which the column is empty are dropped."""
    referred_by: str | None = None
    """Rows whose ``column`` is named in this column of another row of the same person are dropped."""
    shorter_than_s: int | None = Field(default=None, ge=1)
    """Rows whose end lies less than this after the start are dropped; looked at when nothing is wrong with the row."""

    @model_validator(mode="after")
    def _one_way(self) -> Rule:
        ways = [bool(self.keep), bool(self.drop), self.empty, self.referred_by is not None]
        if sum(ways) + (self.shorter_than_s is not None) != 1:
            raise ValueError(f"rule {self.name!r} says one of keep, drop, empty, referred_by, shorter_than_s")
        if (self.column is None) != (self.shorter_than_s is not None):
            raise ValueError(f"rule {self.name!r} needs a column; shorter_than_s none")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The operator's columns that the rule reads."""
        return tuple(name for name in (self.column, self.referred_by) if name is not None)


def dropped_sql(rules: tuple[Rule, ...], text: Callable[[str], str], *, person: str | None) -> str:
    """SQL of the first rule that drops a row as it was written, or null; a line that is no row has none.

    Parameters
    ----------
    text : a column's name → SQL of its trimmed text, null where empty.
    person : the operator's column of persons, which ``referred_by`` compares.
    """
    cases = ["WHEN _fault IS NOT NULL THEN NULL"]
    for rule in rules:
        if rule.column is None:
            continue
        value = text(rule.column)
        if rule.keep:
            condition = f"{value} IS NULL OR {value} NOT IN ({_list(rule.keep)})"
        elif rule.drop:
            condition = f"{value} IN ({_list(rule.drop)})"
        elif rule.empty:
            condition = f"{value} IS NULL"
        else:
            assert rule.referred_by is not None
            other, own = text(rule.referred_by), text(person) if person is not None else "''"
            named = f"SELECT row({other}, {own}) FROM {{file}} WHERE {other} IS NOT NULL AND _fault IS NULL"
            condition = f"row({value}, {own}) IN ({named})"
        cases.append(f"WHEN {condition} THEN {_literal(rule.name)}")
    return f"CASE {' '.join(cases)} END" if len(cases) > 1 else "NULL::VARCHAR"


def short_sql(rules: tuple[Rule, ...]) -> str:
    """SQL of the first rule that drops a row for its length, or null."""
    cases = [
        f"WHEN end_s - start_s < {rule.shorter_than_s} THEN {_literal(rule.name)}"
        for rule in rules
        if rule.shorter_than_s is not None
    ]
    return f"CASE {' '.join(cases)} END" if cases else "NULL::VARCHAR"


def _list(values: tuple[str, ...]) -> str:
    return ", ".join(map(_literal, values))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
