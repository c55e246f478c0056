"""``ak.class_sizes``: how many rows and people each class of a table has, as a table that shows no row by itself.

The counting is `classes.class_sizes`. A notebook that ends a cell with its result must not print classes of one person; who
wants to see them asks for ``to_pandas()``. What it does **not** do: suppress anything.
"""

from __future__ import annotations

from anonkit.classes import class_sizes as count
from anonkit.schema import Column, Role, Schema, Table

COUNTS = (
    Column(name="rows", role=Role.PLAIN, unit="rows"),
    Column(name="persons", role=Role.PLAIN, unit="people"),
    Column(name="top_rows", role=Role.PLAIN, unit="rows", level="of the one with most"),
)


def class_sizes(table: Table, *, by: list[str], protect: str) -> Table:
    """Class sizes of a table: ``rows``, distinct ``protect`` values (``persons``), rows of the largest one.

    Parameters
    ----------
    table : after ``generalise``.
    by : columns that make a class.
    protect : column whose distinct values are counted: ``person``, ``driver`` or ``trip``.

    Raises
    ------
    SchemaError : a column is not there.

    Privacy
    -------
    Exact counts of small classes: for the analyst's eyes, inside.
    """
    frame = count(table, by=by, protect=protect)
    keys = tuple(table.schema[name] for name in by)
    schema = Schema(
        columns=(*keys, *COUNTS),
        kind=f"classes of {table.schema.kind}",
        source=table.schema.source,
        zone=table.schema.zone,
        tessellation=table.schema.tessellation,
        privacy_unit=table.schema.privacy_unit,
    )
    return Table(frame, schema, table.session, shapes=table.shapes)
