"""Card taps become trips: where a rider gets off is inferred from where the same card is tapped next.

A tap-on-only system knows boardings. The rule is the simplest of the literature's: the trip that begins with a tap ends
at the stop of the card's next tap of that local day; the day's last trip ends where the day's first began. A card with
one tap that day, or whose next tap is at the same stop, has no trip and is dropped by rule
(``alighting:one_tap``, ``alighting:same_stop``), so that the share inferred can be told (``inferred_share``).
A trip's end time is not inferred: the instant of the next tap is when the person is on the way again. ``end_s`` is the
start and ``duration_s`` is empty.

Taps are chained within a person and a card only, so that removing one person changes no other person's trips
(ruling 17). The card's id and all that chains its taps end here; nothing of it is stored.

Sources: Barry et al. 2002, Origin and Destination Estimation in New York City with Automated Fare System Data; Trépanier,
Tranchant and Chapleau 2007, Individual Trip Destination Estimation in a Transit Smart Card Automated Fare Collection
System. Does not look for the nearest stop of the line that was taken, nor for walks between lines: an inferred stop is
a guess about one person and good enough for counts only. Does not notice a trip made by other means between two taps.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from anonkit.engine import identifier
from anonkit.schema import TRIP_COLUMNS, Accounting, Column, LocalTime, Role, Schema, Table

ONE_TAP, SAME_STOP, NO_CARD = "alighting:one_tap", "alighting:same_stop", "alighting:no_card"
DAY_S = 86_400
PLACED = ("lon", "lat", "cell")


def chain_taps(table: Table) -> Table:
    """Taps as trips; tables of other kinds come back unchanged.

    Parameters
    ----------
    table : of kind ``taps``: ``visit, person, card, place, start_s``, coordinates (or ``cell``), and the lines' columns.
        Its zone says what a local day is.

    Returns
    -------
    Table of kind ``trips`` with as many rows; ``_rule`` names why a tap has no trip. Rows that are rejected or dropped
    already, and rows that repeat an earlier tap of the person, chain nothing.

    Privacy
    -------
    Drops the card. The rows still hold ids of persons and coordinates: keep it lazy.

    Sources
    -------
    Trépanier et al. 2007, section 3.
    """
    if table.schema.kind != "taps":
        return table
    table.schema.require("card", "visit", "person", "start_s")
    clock = LocalTime(table.schema.zone or "UTC")
    names = table.frame.collect_schema().names()
    placed = [name for name in PLACED if name in names]
    stop = "place" if not {"lon", "lat"} & set(placed) else "coalesce(place, lon::VARCHAR || ' ' || lat::VARCHAR)"
    again = "visit IS NOT NULL AND row_number() OVER (PARTITION BY _open, person, visit ORDER BY _line) > 1"
    chain = "WINDOW w AS (PARTITION BY _linked, person, card, _day ORDER BY start_s, _line)"
    whole = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    following = ", ".join(
        f"coalesce(lead({column}) OVER w, first_value({column}) OVER w) AS {alias}"
        for column, alias in (("_stop", "_next_stop"), *((name, f"_next_{name}") for name in placed))
    )
    rule = (
        "CASE WHEN _reason IS NOT NULL OR _rule IS NOT NULL THEN _rule WHEN person IS NULL AND _persons THEN NULL "
        f"WHEN card IS NULL THEN '{NO_CARD}' WHEN NOT _linked THEN NULL "
        f"WHEN _taps = 1 THEN '{ONE_TAP}' WHEN _next_stop = _stop THEN '{SAME_STOP}' END"
    )
    kept = [name for name in names if name not in ("visit", "card", "place", "energy_kwh", "amount", *placed, "_rule")]
    changed = ("end_s", "duration_s", "person")
    picks = [
        "visit AS trip",
        "person",
        "NULL::VARCHAR AS driver",
        "NULL::VARCHAR AS vehicle",
        "NULL::VARCHAR AS party",
        *(identifier(name) for name in kept if name not in changed),
        "start_s AS end_s",
        *(f"{name} AS start_{name}" for name in placed),
        *(f"_next_{name} AS end_{name}" for name in placed),
        "NULL::DOUBLE AS distance_m",
        "NULL::DOUBLE AS duration_s",
        f"{rule} AS _rule",
    ]
    persons = str(table.schema.privacy_unit.value == "person").lower()
    query = f"""
        SELECT {", ".join(picks)} FROM (
            SELECT *, {persons} AS _persons, count(*) OVER (w {whole}) AS _taps, {following}
            FROM (
                SELECT *, _open AND NOT ({again}) AS _linked
                FROM (
                    SELECT *, {stop} AS _stop, {clock.to_local_sql("start_s")} // {DAY_S} AS _day,
                        _reason IS NULL AND _rule IS NULL AND card IS NOT NULL AS _open
                    FROM {{frame}}
                )
            )
            {chain}
        )"""
    return table.with_frame(table.session.frame(query, frame=table.frame), _schema(table, placed))


def inferred_share(account: Accounting) -> Fraction:
    """Share of the taps that could be trips whose alighting stop is inferred; 1 where there was nothing to infer.

    >>> account = Accounting(source="x", physical=11, header=1, used=6, dropped={"alighting:one_tap": 2, "no_person": 2})
    >>> inferred_share(account)
    Fraction(3, 4)
    """
    without = sum(account.dropped.get(rule, 0) for rule in (ONE_TAP, SAME_STOP, NO_CARD))
    return Fraction(account.used, account.used + without) if account.used + without else Fraction(1)


def _schema(table: Table, placed: list[str]) -> Schema:
    ends = [f"{end}_{name}" for end in ("start", "end") for name in placed]
    known = {column.name: column for column in TRIP_COLUMNS}
    zones = Column(name="", role=Role.PLAIN, unit="cell", level="zone")
    columns = [column for column in TRIP_COLUMNS if not column.name.endswith(("_lon", "_lat"))]
    columns += [known.get(name, replace(zones, name=name)) for name in ends]
    mine = {column.name for column in columns}
    gone = {"visit", "card", "place", "energy_kwh", "amount", *placed}
    columns += [column for column in table.schema if column.name not in mine | gone]
    return replace(table.schema, columns=tuple(columns), kind="trips")
