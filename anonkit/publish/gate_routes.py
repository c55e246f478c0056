"""The gate of a routes release: recount the written files from the tokenised passages, with SQL of its own.

Nothing here uses the code that made the tables: bins come from ``zoneinfo`` and arithmetic on seconds, persons are counted
by other queries, keys, counts and routes are read back from the written Parquet. What is asked: every number is that of
the recount, every row holds the thresholds, what is told of a link adds up to its whole, and no subtraction between links
at a junction, turns, routes and volumes leaves fewer than k (rulings 5, 6, 8, 11, 12, 26, 31).

Does not protect against a fault before the passages (matching, cutting of ends): tests start from the fixes for that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow.parquet as pq

from anonkit.base.findings import Finding, Status, finding
from anonkit.bundle import Resource
from anonkit.bundle.manifest import PACKAGE
from anonkit.engine import Session
from anonkit.publish.gate import file_findings
from anonkit.publish.gate_routes_rows import OCCURRENCES, PIECES, RouteRows
from anonkit.publish.gate_sql import ROW_RISK
from anonkit.publish.routes import STREETS, RouteReleaseSpec, route_resources
from anonkit.publish.spec import WORDS


def run_route_gate(
    folder: Path,
    spec: RouteReleaseSpec,
    resources: tuple[Resource, ...],
    *,
    passages: nw.LazyFrame[Any],
    session: Session,
) -> tuple[Finding, ...]:
    """Check everything that is about to leave.

    Parameters
    ----------
    folder : the staging folder, complete.
    passages : all passages after the cut of the ends, in order of travel; columns ``PASSAGES``. Raw, inside only.

    Returns
    -------
    Findings; any FAIL refuses the release.
    """
    return tuple(_findings(folder, spec, resources, passages, session))


def _findings(
    folder: Path, spec: RouteReleaseSpec, resources: tuple[Resource, ...], passages: nw.LazyFrame[Any], session: Session
) -> Iterator[Finding]:
    yield from file_findings(folder, resources)
    for resource in (*route_resources(spec), STREETS):
        path = folder / resource.paths[-1]
        if not path.is_file() or pq.read_schema(path).names != [field.name for field in resource.fields]:
            return  # already failed by its files or columns; nothing can be recounted
    gate = RouteGate(spec, folder, passages, session)
    yield from gate.counted("link_volumes", gate.volumes())
    yield from gate.completeness()
    if "turns" in spec.kinds:
        yield from gate.counted("turns", gate.turns())
        yield gate.remainder(
            "turns", gate.turn_rests(), "passages of a link that take no published turn are nobody or enough"
        )
    if "speeds" in spec.kinds:
        yield from gate.counted("speeds", gate.speeds(), counts=False)
        yield gate.statistics()
    if "patterns" in spec.kinds:
        yield from gate.counted("patterns", gate.patterns())
        yield gate.remainder(
            "patterns", gate.pattern_rests(), "volumes, turns and longer routes minus a route isolate nobody"
        )
    yield gate.only_told_links()
    yield gate.suppression()


class RouteGate(RouteRows):
    """Checks of one release."""

    def counted(self, name: str, keyed: tuple[str, tuple[str, ...]], *, counts: bool = True) -> Iterator[Finding]:
        """Numbers and thresholds of every row of a file."""
        rows, columns = keyed
        keys = [f"k{number}" for number in range(len(columns))]
        grouped = ", ".join(keys)
        known = " AND ".join(f"{key} IS NOT NULL" for key in keys)
        listed = ", ".join(f'"{column}" AS {key}' for column, key in zip(columns, keys, strict=True))
        most, share = self.spec.routes.rule.max_rows, self.spec.protection.dominance
        risk = ROW_RISK[self.spec.recipient_kind]
        written = "trips" if counts else "0"
        wrong = f"OR written <> n + {self._noise('record')}" if counts else ""
        answer = self._ask(
            f"WITH keyed AS MATERIALIZED (SELECT * FROM ({rows}) WHERE {known}), "
            f"one AS (SELECT {grouped}, unit, CASE WHEN unit IS NULL THEN count(*) ELSE least(count(*), {most}) END AS n, "
            f"any_value(record) AS record FROM keyed GROUP BY {grouped}, unit), "
            f"u AS (SELECT {grouped}, sum(n)::BIGINT AS n, count(unit) AS units, max(n) FILTER (unit IS NOT NULL) AS top, "
            f"(sum(record) FILTER (unit IS NOT NULL) % {2**40})::BIGINT AS record FROM one GROUP BY {grouped}), "
            f"d AS (SELECT {grouped}, count(driver) AS drivers, max(n) FILTER (driver IS NOT NULL) AS top_driver, "
            f"sum(n)::BIGINT AS raw FROM (SELECT {grouped}, driver, count(*) AS n FROM keyed GROUP BY ALL) GROUP BY {grouped}), "
            f"w AS (SELECT {listed}, {written} AS written FROM {{{name}}}) "
            f"SELECT count(*), count(*) - count(DISTINCT ({grouped})), count(*) FILTER (n IS NULL {wrong}), "
            "min(coalesce(units, 0)), min(coalesce(drivers, 0)), "
            f"count(*) FILTER (top * {share.denominator} > n * {share.numerator} "
            + (f"OR top_driver * {share.denominator} > raw * {share.numerator}" if self.k_driver is not None else "")
            + f"), count(*) FILTER (top * {risk.denominator} > n * {risk.numerator}) "
            f"FROM w LEFT JOIN u USING ({grouped}) LEFT JOIN d USING ({grouped})"
        )[0]
        size, twice, differ, fewest, fewest_drivers, dominated, risky = (int(value or 0) for value in answer)
        unit = WORDS[self.spec.unit]
        yield finding("not_empty", name, passed=size > 0, value=f"{size:,} rows", threshold="more than 0",
                      message="an empty product is no release", ruling="26, 37")  # fmt: skip
        yield finding(
            "rows", name, passed=differ == 0 and twice == 0, value=f"{differ:,} rows differ, {twice:,} stand twice",
            threshold="0 and 0", ruling="12, 26",
            message="keys and numbers of every row are those of the recount from the tokenised passages",
        )  # fmt: skip
        yield finding("class_size", name, passed=fewest >= self.k or size == 0, value=f"fewest {unit}: {fewest}",
                      threshold=f"at least {self.k}", ruling="1, 5, 31",
                      message=f"every released row was driven, a route in full, by at least {self.k} different {unit}")  # fmt: skip
        if self.k_driver is not None:
            yield finding(
                "class_size_drivers", name, passed=fewest_drivers >= self.k_driver or size == 0, value=f"fewest drivers: {fewest_drivers}",
                threshold=f"at least {self.k_driver}", ruling="4, 31",
                message=f"every released row holds at least {self.k_driver} different drivers",
            )  # fmt: skip
        yield finding("dominance", name, passed=dominated == 0, value=f"{dominated:,} rows above",
                      threshold=f"largest share at most {share}", ruling="6",
                      message="no one has more of a row's passages than the recipe allows")  # fmt: skip
        yield Finding(
            check="row_risk",
            product=name,
            status=Status.PASS if risky == 0 else Status.WARN,
            value=f"{risky:,} rows above",
            threshold=f"largest share at most {risk}",
            message=f"a passage's owner is guessed with at most {risk}, the usual limit for a {self.spec.recipient_kind} recipient",
            ruling="6, 34",
        )

    def completeness(self) -> Iterator[Finding]:
        """What is told of a link is all of it, and what is missing at a junction isolates nobody."""
        for name in [name for name in ("link_volumes", "speeds") if name in self.files]:
            rows, _ = self.volumes() if name == "link_volumes" else self.speeds()
            lost = self._ask(
                f"SELECT count(*) FROM ({rows}) WHERE k1 IS NULL AND link IN (SELECT link FROM {{{name}}})"
            )[0][0]
            yield finding("subtraction", f"{name}, parts", passed=lost == 0, value=f"{lost:,} passages left out of a told link",
                          threshold="0", message="the rows of a link add up to all its passages, or it is missing", ruling="9, 11")  # fmt: skip
        ends = (
            "SELECT node, unit, driver FROM (SELECT s.from_node AS node, r.unit, r.driver FROM {rows} r JOIN {streets} s USING (link) "
            "WHERE link NOT IN (SELECT link FROM {link_volumes}) UNION ALL "
            "SELECT s.to_node AS node, r.unit, r.driver FROM {rows} r JOIN {streets} s USING (link) "
            "WHERE link NOT IN (SELECT link FROM {link_volumes}) UNION ALL "
            "SELECT s.from_node AS node, p.unit, p.driver FROM ({pieces}) p JOIN {streets} s ON s.link = p.first UNION ALL "
            "SELECT s.to_node AS node, p.unit, p.driver FROM ({pieces}) p JOIN {streets} s ON s.link = p.last)"
        ).replace("{pieces}", PIECES)
        told = (
            "SELECT from_node AS node FROM {streets} WHERE link IN (SELECT link FROM {link_volumes}) UNION "
            "SELECT to_node FROM {streets} WHERE link IN (SELECT link FROM {link_volumes})"
        )
        poor = self._ask(
            f"SELECT count(*) FROM (SELECT node FROM ({ends}) SEMI JOIN ({told}) USING (node) GROUP BY node HAVING {self._poor()})"
        )[0][0]
        yield self.remainder(
            "link_volumes, junctions",
            poor,
            "who is missing at a junction, on untold links or where journeys are cut, is nobody or enough people",
        )

        yield self.remainder(
            "link_volumes, junctions by bin",
            self.bins_of_junctions(),
            "who is missing at a junction in a time bin, or passes from bin to bin there, is nobody or enough people",
        )

    def bins_of_junctions(self) -> int:
        """Junctions and bins at which what goes in minus what comes out is a few people."""
        keyed, _ = self.volumes()
        names = self._named("{rows} {streets} {link_volumes}", {})
        labelled = self._held(
            f"SELECT v.*, s.from_node, s.to_node FROM ({keyed}) v JOIN {{streets}} s ON s.link = v.link", **names
        )
        pieces = "PARTITION BY trip, piece ORDER BY row"
        events = f"SELECT *, lag(bin) OVER ({pieces}) AS before, lead(bin) OVER ({pieces}) AS after FROM {{labelled}}"
        missing = (
            "SELECT unnest([from_node, to_node]) AS node, bin, unit, driver FROM {labelled} WHERE k1 IS DISTINCT FROM bin "
            f"UNION ALL SELECT from_node, bin, unit, driver FROM ({events}) WHERE before IS DISTINCT FROM bin "
            f"UNION ALL SELECT to_node, bin, unit, driver FROM ({events}) WHERE after IS DISTINCT FROM bin"
        )
        told = "SELECT DISTINCT unnest([from_node, to_node]) AS node, bin FROM {labelled} WHERE k1 = bin"
        query = (
            f"SELECT count(*) FROM (SELECT node, bin FROM ({missing}) SEMI JOIN ({told}) USING (node, bin) "
            f"GROUP BY node, bin HAVING {self._poor()})"
        )
        return int(self._ask(query, labelled=labelled)[0][0])

    def remainder(self, name: str, poor: int, message: str) -> Finding:
        """A finding about remainders."""
        return finding("subtraction", name, passed=poor == 0, value=f"{poor:,} remainders too small",
                       threshold="each remainder 0 or at the thresholds", message=message, ruling="11, 31")  # fmt: skip

    def _poor(self, unit: str = "unit", driver: str = "driver") -> str:
        """SQL of a group of rows that is too small to be derivable."""
        drivers = f" OR count(DISTINCT {driver}) < {self.k_driver}" if self.k_driver is not None else ""
        return f"count(DISTINCT {unit}) < {self.k}{drivers}"

    def turn_rests(self) -> int:
        """Links of which the passages without a published turn are a few people's, on either side."""
        keyed, _ = self.turns()
        told = f"SELECT a.row FROM ({keyed}) a SEMI JOIN {{turns}} t ON t.from_link = a.k0 AND t.to_link = a.k1"
        found = 0
        for column, shift in (("from_link", 0), ("to_link", 1)):
            found += self._ask(
                f"SELECT count(*) FROM (SELECT link FROM {{rows}} r WHERE link IN (SELECT {column} FROM {{turns}}) "
                f"AND row NOT IN (SELECT row + {shift} FROM ({told})) GROUP BY link HAVING {self._poor()})"
            )[0][0]
        return found

    def pattern_rests(self) -> int:
        """Routes that a link's passages, a turn's, or a longer route's could be subtracted with."""
        keyed, _ = self.turns()
        steps = (
            f"SELECT p.pattern, p.step, p.link, r.row, r.unit, r.driver FROM ({OCCURRENCES}) o "
            "JOIN {pattern_links} p USING (pattern) JOIN {rows} r ON r.row = o.at + p.step"
        )
        walked = self._held(steps, **self._named(steps, {}))
        turned = (
            "SELECT w.pattern, w.step, w.link AS k0, p.link AS k1, w.unit, w.driver FROM {walked} w "
            "JOIN {pattern_links} p ON p.pattern = w.pattern AND p.step = w.step + 1"
        )
        alone = "SELECT pattern, step, link AS k0, 0 AS k1, unit, driver FROM {walked}"
        queries = [
            # a link's passages but those of all routes together
            f"SELECT count(*) FROM (SELECT link FROM {{rows}} WHERE link IN (SELECT link FROM {{pattern_links}}) "
            f"AND row NOT IN (SELECT row FROM {{walked}}) GROUP BY link HAVING {self._poor()})",
        ]
        for column, least in (("unit", self.k), ("driver", self.k_driver)):
            if least is not None:
                # a link's passages but those of one route at one step; a turn's; a route's walkers but those of longer ones
                queries.append(
                    self._beside("SELECT link AS k0, 0 AS k1, unit, driver FROM {rows}", alone, column, least)
                )
                queries.append(self._beside(f"SELECT k0, k1, unit, driver FROM ({keyed})", turned, column, least))
                queries.append(self._shorter(column, least))
        return sum(int(self._ask(query, walked=walked)[0][0]) for query in queries)

    def _beside(self, rows: str, walked: str, column: str, least: int) -> str:
        """SQL of the number of steps of routes whose link or turn has other passages, of fewer than ``least``.

        Somebody is among the others if he made more passages there than within the route: counted by person, so that the
        work grows with people, not with routes times passages.
        """
        return (
            f"WITH r AS MATERIALIZED (SELECT k0, k1, {column} AS u, count(*) AS n FROM ({rows}) GROUP BY ALL), "
            "t AS (SELECT k0, k1, sum(n) AS n, count(u) AS units FROM r GROUP BY k0, k1), "
            f"c AS (SELECT pattern, step, k0, k1, {column} AS u, count(*) AS n FROM ({walked}) GROUP BY ALL), "
            "f AS (SELECT c.pattern, c.step, c.k0, c.k1, sum(c.n) AS n, count(*) FILTER (c.u IS NOT NULL AND c.n = r.n) AS whole "
            "FROM c JOIN r ON r.k0 = c.k0 AND r.k1 = c.k1 AND r.u IS NOT DISTINCT FROM c.u GROUP BY ALL) "
            f"SELECT count(*) FROM f JOIN t USING (k0, k1) WHERE t.n > f.n AND t.units - f.whole < {least}"
        )

    def _shorter(self, column: str, least: int) -> str:
        holds = (
            "SELECT q.pattern AS short, p.pattern AS long FROM {pattern_links} q JOIN {patterns} x ON x.pattern = q.pattern "
            "JOIN {pattern_links} p ON p.link = q.link AND p.pattern <> q.pattern "
            "GROUP BY q.pattern, p.pattern, p.step - q.step HAVING count(*) = max(x.links)"
        )
        mine = f"SELECT DISTINCT pattern, {column} AS u FROM {{walked}} WHERE {column} IS NOT NULL"
        return (
            f"WITH holds AS ({holds}), mine AS ({mine}), "
            "also AS (SELECT DISTINCT short AS pattern, u FROM holds JOIN mine ON mine.pattern = holds.long) "
            "SELECT count(*) FROM (SELECT pattern, count(*) AS n FROM mine ANTI JOIN also USING (pattern, u) "
            f"WHERE pattern IN (SELECT short FROM holds) GROUP BY pattern HAVING n < {least})"
        )

    def statistics(self) -> Finding:
        """Speeds from one clipped median a person, within half a step of what is written, and none of too few."""
        low, high = self.spec.routes.speed_bounds_kmh
        step, k = self.spec.routes.step_kmh, self.k
        rows, _ = self.speeds()
        told = {"speed_kmh": ("avg(s)", "true"), "median_kmh": ("median(s)", f"count(*) >= {2 * k}"),
                "slow_kmh": ("quantile_cont(s, 0.85)", f"count(*) * 15 // 100 >= {k}")}  # fmt: skip
        picks = ", ".join(
            f"CASE WHEN {when} THEN greatest(any_value(length_m) * 3.6 / {value}, {step}) END AS {name}"
            for name, (value, when) in told.items()
        )
        wrong = " OR ".join(
            f"(w.{name} IS NULL) <> (c.{name} IS NULL) OR abs(w.{name} - c.{name}) > {step / 2 * (1 + 1e-6)} "
            f"OR abs(w.{name} / {step} - round(w.{name} / {step})) > 1e-6"
            for name in told
        )
        differ = self._ask(
            f"SELECT count(*) FROM {{speeds}} w LEFT JOIN (SELECT k0, k1, {picks} FROM (SELECT k0, k1, unit, "
            f"any_value(length_m) AS length_m, median(least(greatest(exit_s - enter_s, length_m * 3.6 / {high}), length_m * 3.6 / {low})) AS s "
            f"FROM ({rows}) WHERE k1 IS NOT NULL AND unit IS NOT NULL GROUP BY ALL) GROUP BY k0, k1) c "
            f"ON c.k0 = w.link AND c.k1 = w.bin WHERE c.k0 IS NULL OR {wrong}"
        )[0][0]
        return finding("statistics", "speeds", passed=differ == 0, value=f"{differ:,} rows differ", ruling="8",
                       threshold=f"one value each, clipped to {low:g} to {high:g} km/h, to {step:g}; quantiles of {k} on each side",
                       message="speeds are those of the recount, and none is told of too few")  # fmt: skip

    def only_told_links(self) -> Finding:
        """Turns, speeds and routes of told links only: they complete nothing that was left out at a junction."""
        parts = {"turns": ("from_link", "to_link"), "speeds": ("link",), "pattern_links": ("link",)}
        listed = [f"SELECT {column} AS link FROM {{{name}}}" for name, columns in parts.items() if name in self.files
                  for column in columns] or ["SELECT link FROM {link_volumes}"]  # fmt: skip
        query = f"SELECT count(DISTINCT link) FROM ({' UNION ALL '.join(listed)}) WHERE link NOT IN (SELECT link FROM {{link_volumes}})"
        count = self._ask(query)[0][0]
        return finding("subtraction", "links", passed=count == 0, value=f"{count:,} links beyond link_volumes", threshold="0",
                       message="no other table tells of a link that the volumes leave out", ruling="11")  # fmt: skip

    def suppression(self) -> Finding:
        """The band of the missing share is right, and told only where the missing hold the thresholds."""
        told = json.loads((self.folder / PACKAGE).read_text(encoding="utf-8"))["anonkit"]["privacy"]["suppressed_pct"]
        gone = "link NOT IN (SELECT link FROM {link_volumes})"
        total, missing, few = self._ask(
            f"SELECT count(*), count(*) FILTER ({gone}), count(*) FILTER ({gone}) > 0 AND "
            f"(SELECT {self._poor()} FROM {{rows}} WHERE {gone}) FROM {{rows}}"
        )[0]
        edges = ((0, "0"), (5, "<5"), (20, "5-20"), (50, "20-50"), (101, ">50"))
        share = 100 * missing / max(total, 1)
        right = next(name for edge, name in edges if share <= 0 or share < edge) if share > 0 else "0"
        passed = told == "withheld" or (told == right and not few)
        return finding("suppression", "link_volumes", passed=passed, value=told, threshold="right, or withheld", ruling="11",
                       message="the missing share is told in a band, and only where the missing are enough people")  # fmt: skip

    def _noise(self, record: str) -> str:
        noise = self.spec.noise
        steps = " ".join(f"WHEN {record} < {edge} THEN {n - noise.largest}" for n, edge in enumerate(noise.thresholds))
        return f"(CASE {steps} ELSE {noise.largest} END)"
