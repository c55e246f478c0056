"""The door of the estimators: which kinds of table they take, and what is wrong with one that they cannot.

A data frame or GeoDataFrame is worked on as it is, anonkit's own Table in the engine. A relation of DuckDB and every frame
that hands over Arrow (Arrow, Polars, narwhals) is fetched whole and becomes a data frame: what is larger than memory comes in
by ``Table.of(path)``. Sensitive values are numbered here too, in their own order, and a null is no value. Protects nobody.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from anonkit.base.errors import SchemaError
from anonkit.schema import Table


def taken(data: Any) -> Any:
    """The table as an estimator works on it: a Table as it is, everything else as a data frame.

    >>> taken(pa.table({"zone": ["a"], "person": [1]})).columns.tolist()
    ['zone', 'person']
    """
    if isinstance(data, Table):
        return data
    if not isinstance(data, pd.DataFrame):
        native = nw.to_native(data, pass_through=True)
        if not isinstance(native, pd.DataFrame):
            try:
                native = pa.table(native).to_pandas() if hasattr(native, "__arrow_c_stream__") else None
            except pa.ArrowInvalid:  # a column alone hands over Arrow too
                native = None
        if native is None:
            raise SchemaError(
                f"a {type(data).__name__} is no table",
                hint="a data frame, a GeoDataFrame, a DuckDB relation, or Table.of(…).",
            )
        data = native
    twice = sorted({str(name) for name in data.columns[data.columns.duplicated()]})
    if twice:
        raise SchemaError(f"the table has the columns {twice} twice", hint="one column a name.")
    return data


def numbered(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of a sensitive column's values in their own order, and their texts; -1 is a null, which is no value.

    Numbers (of type decimal too) and dates are in order of size, ordered categories in theirs, texts in that of the alphabet.

    >>> [part.tolist() for part in numbered(pd.Series([10, 2, None]))]
    [[1, 0, -1], ['2', '10']]
    """
    numbers = np.full(len(values), -1, dtype=np.int64)
    known = values.notna().to_numpy()
    held = values[known]
    if isinstance(held.dtype, pd.CategoricalDtype):
        held = held.cat.codes if held.cat.ordered else held.astype(held.cat.categories.dtype)
    held = held.infer_objects()
    if held.dtype.kind == "f" and (held % 1 == 0).all():  # whole numbers beside a null
        held = held.astype(np.int64)
    decimals = held.dtype == object and len(held) > 0 and all(isinstance(value, Decimal) for value in held)
    if (held.dtype == object and not decimals) or isinstance(held.dtype, pd.StringDtype):
        held = held.astype(str)
    unique, place = np.unique(held.to_numpy(), return_inverse=True)
    numbers[known] = place.ravel()
    if isinstance(values.dtype, pd.CategoricalDtype) and values.cat.ordered:
        unique = values.cat.categories.to_numpy()[unique]
    return numbers, np.array([str(value) for value in unique], dtype=object)
