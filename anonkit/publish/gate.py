"""The gate: recount the written files against the tokenised table, with SQL of its own.

Nothing here uses the code that made the files: cells and bins are derived by other formulas, persons are counted by
other queries, keys and counts are read back from the written Parquet. Whatever does not come out is a FAIL, and a
release with a FAIL is refused (exit code 3). Source: rulings 5, 6, 11, 26.

Does not protect against a wrong recipe (thresholds too low, a pseudonym mapped as a category), nor against faults before
the tokenised table; the recount test in ``tests/recount`` starts from the raw file for that reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow.parquet as pq

from anonkit.base.findings import Finding, Status, finding
from anonkit.bundle import Resource
from anonkit.engine import Session
from anonkit.kanon import Step
from anonkit.publish.gate_companions import companions
from anonkit.publish.gate_files import file_findings
from anonkit.publish.gate_operators import operators
from anonkit.publish.gate_places import sensitive_places
from anonkit.publish.gate_printed import as_the_rule_says
from anonkit.publish.gate_recount import Recount
from anonkit.publish.gate_rows import GateRows
from anonkit.publish.gate_sql import ROW_RISK, GateSql
from anonkit.publish.gate_system import System
from anonkit.publish.spec import ReleaseSpec
from anonkit.publish.write import product_resource


def run_gate(
    folder: Path,
    spec: ReleaseSpec,
    resources: tuple[Resource, ...],
    *,
    used: nw.LazyFrame[Any],
    session: Session,
) -> tuple[Finding, ...]:
    """Check everything that is about to leave.

    Parameters
    ----------
    folder : the staging folder, complete.
    resources : the tables that the description names.
    used : the tokenised rows at base cells and bins, before thinning: ``trip``, the unit, ``driver``, cells, bin, extras.

    Returns
    -------
    Findings; any FAIL refuses the release.
    """
    return tuple(_findings(folder, spec, resources, used, session))


def _findings(
    folder: Path, spec: ReleaseSpec, resources: tuple[Resource, ...], used: nw.LazyFrame[Any], session: Session
) -> Iterator[Finding]:
    missing = [path for resource in resources for path in resource.paths if not (folder / path).is_file()]
    with ThreadPoolExecutor(max_workers=1) as worker:  # the files are read while the rows are counted
        files = worker.submit(lambda: tuple(file_findings(folder, resources)))
        recounted = () if missing else tuple(_recounted(folder, spec, resources, used, session))
        yield from files.result()
    yield from recounted


def _recounted(
    folder: Path, spec: ReleaseSpec, resources: tuple[Resource, ...], used: nw.LazyFrame[Any], session: Session
) -> Iterator[Finding]:
    """What the rows say of the files, all of which are there."""
    yield from companions(used, spec, session)
    yield from sensitive_places(folder, spec, resources, session)
    sql = GateSql(spec, session)
    for product in spec.products:
        declared = [column.name for column in product_resource(product, spec).fields]
        if pq.read_schema(folder / f"{product.kind}.parquet").names != declared:
            return  # failed by its columns; nothing can be recounted
    yield from _counted(folder, sql, used)
    if sql.asks_rows:
        marked = sql.marked(sql.rows(used), folder)
        for step in spec.steps:
            yield from _statistics(step, folder, marked, sql)
            yield from operators(step, marked, sql)
        session.drop(marked)
    yield from as_the_rule_says(folder, spec, session)


def _counted(folder: Path, sql: GateSql, used: nw.LazyFrame[Any]) -> Iterator[Finding]:
    """What is counted in one look at the rows, lot by lot."""
    rows = GateRows(sql, used, folder)
    count, system = Recount(sql, rows, folder), System(sql, rows)
    with ThreadPoolExecutor(max_workers=1) as worker:  # rows and columns of a lot while its classes are counted
        asked: Future[None] | None = None
        for lot in rows.lots():
            told = count.told(lot)
            if asked is not None:
                asked.result()
            asked = worker.submit(system.add, lot, told)
            count.add(lot, told)
        if asked is not None:
            asked.result()
    rows.drop()
    for step in sql.spec.steps:
        yield from _recount(step, count, sql.spec)
    yield from system.findings()
    yield from _suppression(count)


def _recount(step: Step, count: Recount, spec: ReleaseSpec) -> Iterator[Finding]:
    counts = count.compare(step)
    protection = spec.protection
    name = _name(step)
    yield finding(
        "not_empty",
        name,
        passed=counts["released_rows"] > 0 or step.number > 0,
        value=f"{counts['released_rows']:,} trips in {counts['released_classes']:,} classes"
        if counts["released_classes"] or not step.number
        else "nothing was left to gather",
        threshold="a roll-up may gather nothing" if step.number else "more than 0",
        message="an empty product is no release",
        ruling="26, 37",
    )
    yield finding(
        "rows",
        name,
        passed=counts["mismatches"] == 0,
        value=f"{counts['mismatches']:,} classes differ",
        threshold="0",
        message="keys and numbers of trips of every class are those of the recount from the tokenised table",
        ruling="26",
    )
    yield finding(
        "class_size",
        name,
        passed=_at_least(counts["fewest"], protection.k, step),
        value=_fewest(spec.counted, counts["fewest"]),
        threshold=f"at least {protection.k}",
        message=f"every released class holds at least {protection.k} different {spec.counted}",
        ruling="1, 5",
    )
    if protection.k_driver is not None:
        yield finding(
            "class_size_drivers",
            name,
            passed=_at_least(counts["fewest_drivers"], protection.k_driver, step),
            value=_fewest("drivers", counts["fewest_drivers"]),
            threshold=f"at least {protection.k_driver}",
            message=f"every released class holds at least {protection.k_driver} different drivers",
            ruling="4",
        )
    yield finding(
        "dominance",
        name,
        passed=counts["dominated"] == 0,
        value=f"{counts['dominated']:,} classes above",
        threshold=f"largest share at most {protection.dominance}",
        message="no one has more of a class's rows than the recipe allows",
        ruling="6",
    )
    threshold = ROW_RISK[spec.recipient_kind]
    yield Finding(
        check="row_risk",
        product=name,
        status=Status.PASS if counts["risky"] == 0 else Status.WARN,
        value=f"{counts['risky']:,} classes above",
        threshold=f"largest share at most {threshold}",
        message=f"a row's owner is guessed with at most {threshold}, the usual limit for a {spec.recipient_kind} recipient",
        ruling="6, 34",
    )
    yield finding(
        "subtraction",
        name,
        passed=counts["leaks"] == 0,
        value=f"{counts['leaks']:,} remainders too small",
        threshold="each remainder over finer products 0 or at the thresholds",
        message="subtracting finer products from this one isolates nobody",
        ruling="11",
    )
    small = count.small_bins(step)
    yield finding(
        "bin_totals",
        name,
        passed=small == 0,
        value=f"{small:,} bins with a small rest",
        threshold="each bin's unpublished rest 0 or at the thresholds",
        message="knowing the total of a time bin isolates nobody",
        ruling="11",
    )
    if step.part.end is None and protection.l_places > 1:
        alike = count.alike(step)
        yield finding(
            "diversity",
            name,
            passed=alike == 0,
            value=f"{alike:,} places and times with too few counterparts",
            threshold=f"at least {protection.l_places} destinations, and origins",
            message="origin and time leave the destination open, destination and time the origin",
            ruling="7",
        )


def _name(step: Step) -> str:
    return step.part.name + (f", roll-up {step.number}" if step.number else "")


def _fewest(counted: str, fewest: int | None) -> str:
    return "no class" if fewest is None else f"fewest {counted}: {fewest}"


def _at_least(fewest: int | None, threshold: int, step: Step) -> bool:
    """An empty first level was refused by ``not_empty``; an empty roll-up is nothing to hold against."""
    return step.number > 0 if fewest is None else fewest >= threshold


def _statistics(step: Step, folder: Path, marked: nw.LazyFrame[Any], sql: GateSql) -> Iterator[Finding]:
    if not step.part.product.statistics:
        return
    wrong = sql.wrong_statistics(marked, step, folder / f"{step.part.product.kind}.parquet")
    yield finding(
        "statistics",
        _name(step),
        passed=wrong == 0,
        value=f"{wrong:,} values differ",
        threshold=f"one value for each of at least {sql.k} {sql.spec.counted}, clipped and rounded",
        message="means and medians are those of the recount, and none is told of too few",
        ruling="8",
    )


def _suppression(count: Recount) -> Iterator[Finding]:
    wrong = count.wrong_bands()
    yield finding(
        "suppression",
        "suppression",
        passed=wrong == 0,
        value=f"{wrong:,} zone-hours wrong or too small",
        threshold="0",
        message="bands are right and told only for zone-hours that hold the thresholds",
        ruling="11",
    )
