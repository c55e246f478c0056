"""The gate's look at the files themselves: none beside the declared, their columns, their order, no identifiers in them.

Why: what is recounted is what the tables say; what the folder gives away beside them (a file more, a column more, the order of
the input, a phone in a name) is looked at here, in the bytes that leave. Rulings 5 and 26.

Does not protect against identifiers of a shape that no pattern knows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from anonkit.base.errors import BundleError
from anonkit.base.findings import Finding, finding
from anonkit.bundle import Resource, check_files
from anonkit.bundle.manifest import files_of
from anonkit.publish.told import word_findings
from anonkit.schema.patterns import scan_column, scan_values

BATCH = 1_000_000


def file_findings(folder: Path, resources: tuple[Resource, ...]) -> Iterator[Finding]:
    """What holds for the files of any release: none beside the declared, their columns, their order, no identifiers.

    Reads the files by Arrow alone, so that it may run while an engine is busy.
    """
    yield from _files(folder, resources)
    yield from word_findings(folder)
    for resource in resources:
        yield from _columns(folder, resource)
        yield from _identifiers(folder, resource)


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
            with (folder / path).open(encoding="utf-8-sig", newline="") as file:
                names = next(csv.reader(file), [])
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
    text, parquet = (folder / path for path in resource.paths)
    schema = pq.read_schema(parquet)
    options = pa.csv.ConvertOptions(
        column_types={field.name: field.type for field in schema}, strings_can_be_null=True, null_values=[""]
    )
    same, ordered = True, True
    with pa.csv.open_csv(text, convert_options=options) as reader:
        before: tuple[Any, ...] | None = None
        for left, right in zip(_batches(pq.ParquetFile(parquet).iter_batches(BATCH)), _batches(reader), strict=False):
            same = same and all(map(pa.ChunkedArray.equals, left.columns, right.columns))
            ordered = ordered and _is_sorted(left, before)
            before = tuple(column[-1].as_py() for column in left.columns) if left.num_rows else before
        lines = _count_lines(text)
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


def _identifiers(folder: Path, resource: Resource) -> Iterator[Finding]:
    path = folder / resource.paths[-1]
    if not path.is_file():
        return
    found: dict[str, int] = {}
    roles = _roles(resource)
    for field in pq.read_schema(path):
        kind = _kind(field.type)
        if kind is not None:
            listed = _distinct(path, field.name)
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


def _distinct(path: Path, column: str) -> list[Any]:
    """The different values of a column, nulls left out; by row groups, since columns may be longer than memory."""
    with pq.ParquetFile(path) as file:
        found = [pc.unique(batch.column(0)) for batch in file.iter_batches(BATCH, columns=[column])]
    return pc.unique(pa.concat_arrays(found)).drop_null().to_pylist() if found else []


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
