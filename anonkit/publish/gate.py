"""The gate: recount the written files against the tokenised table, with SQL of its own.

Nothing here uses the code that made the files: cells and bins are derived by other formulas, persons are counted by
other queries, keys and counts are read back from the written Parquet. Whatever does not come out is a FAIL, and a
release with a FAIL is refused (exit code 3). Source: rulings 5, 6, 11, 26.

Does not protect against a wrong recipe (thresholds too low, a pseudonym mapped as a category), nor against faults before
the tokenised table; the recount test in ``tests/recount`` starts from the raw file for that reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from anonkit.base.errors import BundleError
from anonkit.base.findings import Finding, Status, finding
from anonkit.bundle import Resource, check_files
from anonkit.bundle.manifest import files_of
from anonkit.engine import Session
from anonkit.kanon import Step
from anonkit.publish.gate_companions import companions
from anonkit.publish.gate_operators import operators
from anonkit.publish.gate_places import sensitive_places
from anonkit.publish.gate_printed import as_the_rule_says
from anonkit.publish.gate_sql import ROW_RISK, GateSql
from anonkit.publish.gate_system import system_findings
from anonkit.publish.spec import ReleaseSpec
from anonkit.publish.told import word_findings
from anonkit.publish.write import product_resource
from anonkit.schema.patterns import scan_column, scan_values

BATCH = 1_000_000


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
    yield from file_findings(folder, resources, session)
    broken = [path for resource in resources for path in resource.paths if not (folder / path).is_file()]
    if broken:
        return
    yield from companions(used, spec, session)
    yield from sensitive_places(folder, spec, resources, session)
    sql = GateSql(spec, session)
    for product in spec.products:
        declared = [column.name for column in product_resource(product, spec).fields]
        if pq.read_schema(folder / f"{product.kind}.parquet").names != declared:
            return  # already failed by its columns; nothing can be recounted
    marked = sql.marked(sql.rows(used), folder)
    for step in spec.steps:
        yield from _recount(step, folder / f"{step.part.product.kind}.parquet", marked, sql, spec)
        yield from operators(step, marked, sql)
    yield from system_findings(marked, sql)
    yield from as_the_rule_says(folder, spec, session)
    yield from _suppression(folder, marked, sql, spec)
    session.drop(marked)


def file_findings(folder: Path, resources: tuple[Resource, ...], session: Session) -> Iterator[Finding]:
    """What holds for the files of any release: none beside the declared, their columns, their order, no identifiers."""
    yield from _files(folder, resources)
    yield from word_findings(folder)
    for resource in resources:
        yield from _columns(folder, resource)
        yield from _identifiers(folder, resource, session)


def _files(folder: Path, resources: tuple[Resource, ...]) -> Iterator[Finding]:
    declared = {path for resource in resources for path in resource.paths} | {"README.md", "datapackage.json"}
    present = set(files_of(folder))
    yield finding(
        "files",
        "release",
        passed=present == declared,
        value=f"{len(present - declared)} undeclared, {len(declared - present)} missing",
        threshold="0 and 0",
        message="the folder holds exactly the files that its description names",
        ruling="26",
    )
    held = _checksums_hold(folder)
    yield finding(
        "checksums",
        "release",
        passed=held,
        value="as listed" if held else "a file differs",
        threshold="as listed",
        message="nothing was changed after the checksums were written",
        ruling="26",
    )
    found = scan_values(present)
    yield finding(
        "identifiers",
        "file names",
        passed=not found,
        value=sum(found.values()),
        threshold=0,
        message="no file name looks like an identifier",
        ruling="5",
    )


def _checksums_hold(folder: Path) -> bool:
    try:
        check_files(folder)
    except BundleError:
        return False
    return True


def _columns(folder: Path, resource: Resource) -> Iterator[Finding]:
    declared = [column.name for column in resource.fields]
    for path in resource.paths:
        if not (folder / path).is_file():
            continue
        if path.endswith(".parquet"):
            names = pq.read_schema(folder / path).names
        else:
            with pa.csv.open_csv(folder / path) as reader:
                names = reader.schema.names
        yield finding(
            "columns",
            path,
            passed=names == declared,
            value=", ".join(name for name in names if name not in declared) or "as declared",
            threshold=", ".join(declared),
            message="the file has the declared columns and no other",
            ruling="5",
        )
    if not resource.parquet_only and all((folder / path).is_file() for path in resource.paths):
        yield _same_and_sorted(folder, resource, declared)


def _same_and_sorted(folder: Path, resource: Resource, declared: list[str]) -> Finding:
    csv, parquet = (folder / path for path in resource.paths)
    schema = pq.read_schema(parquet)
    options = pa.csv.ConvertOptions(
        column_types={field.name: field.type for field in schema}, strings_can_be_null=True, null_values=[""]
    )
    same, ordered = True, True
    with pa.csv.open_csv(csv, convert_options=options) as reader:
        before: tuple[Any, ...] | None = None
        for left, right in zip(_batches(pq.ParquetFile(parquet).iter_batches(BATCH)), _batches(reader), strict=False):
            same = same and all(map(pa.ChunkedArray.equals, left.columns, right.columns))
            ordered = ordered and _is_sorted(left, before)
            before = tuple(column[-1].as_py() for column in left.columns) if left.num_rows else before
        lines = _count_lines(csv)
    same = same and lines == pq.read_metadata(parquet).num_rows + 1
    return finding(
        "order",
        resource.name,
        passed=same and ordered,
        value=("sorted" if ordered else "not sorted") + (", CSV as Parquet" if same else ", CSV differs from Parquet"),
        threshold="sorted by all columns; CSV as Parquet",
        message="no order of the input survives, and both forms say the same",
        ruling="26",
    )


def _batches(source: Any) -> Iterator[pa.Table]:
    """Tables of exactly ``BATCH`` rows, but for the last."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in source:
        waiting.append(batch)
        count += batch.num_rows
        while count >= BATCH:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, BATCH).combine_chunks()
            waiting = table.slice(BATCH).to_batches()
            count -= BATCH
    if count:
        yield pa.Table.from_batches(waiting).combine_chunks()


def _is_sorted(table: pa.Table, before: tuple[Any, ...] | None) -> bool:
    """Whether rows ascend by all columns (nulls last), also from the batch before."""
    undecided = np.ones(max(table.num_rows - 1, 0), dtype=bool)
    for column in table.columns:
        values = column.combine_chunks()
        codes = values.dictionary_encode() if pa.types.is_string(values.type) else None
        if codes is not None:
            order = np.argsort(np.argsort(np.array(codes.dictionary.to_pylist(), dtype=object).astype(str)))
            filled = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            numbers = np.where(filled < 0, len(order), order[filled] if len(order) else filled)
        else:
            last = np.inf if pa.types.is_floating(values.type) else 2**62
            numbers = values.fill_null(last).to_numpy(zero_copy_only=False)
        if np.any(undecided & (numbers[1:] < numbers[:-1])):
            return False
        undecided &= numbers[1:] == numbers[:-1]
    if before is None or not table.num_rows:
        return True
    first = tuple(column[0].as_py() for column in table.columns)
    return tuple((value is None, value) for value in before) <= tuple((value is None, value) for value in first)


def _count_lines(path: Path) -> int:
    count = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            count += chunk.count(b"\n")
    return count


def _identifiers(folder: Path, resource: Resource, session: Session) -> Iterator[Finding]:
    path = folder / resource.paths[-1]
    if not path.is_file():
        return
    found: dict[str, int] = {}
    roles = _roles(resource)
    for field in pq.read_schema(path):
        kind = _kind(field.type)
        if kind is not None:
            quoted = '"' + field.name.replace('"', '""') + '"'
            values = session.sql(f"SELECT DISTINCT {quoted} AS v FROM {{file}} WHERE {quoted} IS NOT NULL", file=path)
            listed = values.column("v").to_pylist()
            for name, count in scan_column(field.name, listed, kind=kind, role=roles.get(field.name)).items():
                found[name] = found.get(name, 0) + count
        for name, count in scan_values([field.name]).items():
            found[name] = found.get(name, 0) + count
    yield finding(
        "identifiers",
        resource.name,
        passed=not found,
        value=", ".join(f"{count} like {name}" for name, count in sorted(found.items())) or "0",
        threshold="0",
        message="no text in the file looks like a phone, e-mail, card, plate, id or coordinate",
        ruling="5",
    )


def _kind(type_: pa.DataType) -> Literal["text", "integer", "float"] | None:
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "text"
    if pa.types.is_integer(type_):
        return "integer"
    return "float" if pa.types.is_floating(type_) else None


def _roles(resource: Resource) -> dict[str, Literal["cell", "bin", "count"]]:
    """What whole numbers a table declares: anything else of the shape of a phone or card is looked at."""
    named: dict[str, Literal["cell", "bin", "count"]] = {
        **dict.fromkeys(("cell", "start_cell", "end_cell", "area"), "cell"),
        **dict.fromkeys(("bin", "start_bin", "hour"), "bin"),
        **dict.fromkeys(("trips", "rolled_up"), "count"),
    }
    return named | {column.name: "count" for column in resource.fields if column.name.endswith("_at_least")}


def _recount(step: Step, path: Path, marked: nw.LazyFrame[Any], sql: GateSql, spec: ReleaseSpec) -> Iterator[Finding]:
    counts = sql.compare(marked, step, path)
    protection = spec.protection
    name = step.part.name + (f", roll-up {step.number}" if step.number else "")
    yield finding(
        "not_empty",
        name,
        passed=counts["released_rows"] > 0 or step.number > 0,
        value=f"{counts['released_rows']:,} trips in {counts['released_classes']:,} classes",
        threshold="more than 0",
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
        value=f"fewest {spec.counted}: {counts['fewest']}",
        threshold=f"at least {protection.k}",
        message=f"every released class holds at least {protection.k} different {spec.counted}",
        ruling="1, 5",
    )
    if protection.k_driver is not None:
        yield finding(
            "class_size_drivers",
            name,
            passed=_at_least(counts["fewest_drivers"], protection.k_driver, step),
            value=f"fewest drivers: {counts['fewest_drivers']}",
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
    small = sql.small_bins(marked, step)
    yield finding(
        "bin_totals",
        name,
        passed=small == 0,
        value=f"{small:,} bins with a small rest",
        threshold="each bin's unpublished rest 0 or at the thresholds",
        message="knowing the total of a time bin isolates nobody",
        ruling="11",
    )
    if step.part.product.statistics:
        wrong = sql.wrong_statistics(marked, step, path)
        yield finding(
            "statistics",
            name,
            passed=wrong == 0,
            value=f"{wrong:,} values differ",
            threshold=f"one value for each of at least {protection.k} {spec.counted}, clipped and rounded",
            message="means and medians are those of the recount, and none is told of too few",
            ruling="8",
        )
    if step.part.end is None and protection.l_places > 1:
        alike = sql.alike(marked, step)
        yield finding(
            "diversity",
            name,
            passed=alike == 0,
            value=f"{alike:,} places and times with too few counterparts",
            threshold=f"at least {protection.l_places} destinations, and origins",
            message="origin and time leave the destination open, destination and time the origin",
            ruling="7",
        )


def _at_least(fewest: int | None, threshold: int, step: Step) -> bool:
    """An empty first level was refused by ``not_empty``; an empty roll-up is nothing to hold against."""
    return step.number > 0 if fewest is None else fewest >= threshold


def _suppression(folder: Path, rows: nw.LazyFrame[Any], sql: GateSql, spec: ReleaseSpec) -> Iterator[Finding]:
    wrong = sql.wrong_bands(rows, folder / "suppression.parquet")
    yield finding(
        "suppression",
        "suppression",
        passed=wrong == 0,
        value=f"{wrong:,} zone-hours wrong or too small",
        threshold="0",
        message="bands are right and told only for zone-hours that hold the thresholds",
        ruling="11",
    )
