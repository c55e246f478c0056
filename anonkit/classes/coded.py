"""A column as numbers: the distinct values once, and for each line which of them it has.

What is done to values (a cell's parent, a longer bin) is done to each distinct one, a few thousand in a city, instead of
to every line. Codes ascend with their values, null last, so that sorting codes sorts values. Numbers only; this protects
nobody by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Coded:
    """A column of codes and what they stand for."""

    codes: np.ndarray
    """Place of each line's value in ``values``, Int32."""
    values: pa.Array
    """Distinct values, ascending; null is the last one."""

    @classmethod
    def of(cls, column: pa.ChunkedArray | pa.Array) -> Coded:
        """Code a column of any type that Arrow can sort.

        Examples
        --------
        >>> found = Coded.of(pa.array([30, None, 10, 30]))
        >>> found.codes.tolist(), found.values.to_pylist()
        ([1, 2, 0, 1], [10, 30, None])
        """
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if isinstance(whole, pa.ChunkedArray):  # more than one array can hold
            whole = pa.concat_arrays(whole.chunks)
        if not pa.types.is_dictionary(whole.type):
            whole = whole.dictionary_encode()
        order = pc.sort_indices(whole.dictionary)
        places = np.empty(len(order) + 1, dtype=np.int32)
        places[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
        places[-1] = len(order)
        values = whole.dictionary.take(order)
        if whole.null_count:
            indices = whole.indices.fill_null(len(order)).to_numpy(zero_copy_only=False)
            values = pa.concat_arrays([values, pa.nulls(1, values.type)])
        else:
            indices = whole.indices.to_numpy(zero_copy_only=False)
        return cls(places[indices], values)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def size(self) -> int:
        """How many codes there are."""
        return max(len(self.values), 1)

    def among(self, lines: np.ndarray) -> Coded:
        """The same column of some of the lines."""
        return Coded(self.codes[lines], self.values)

    def through(self, image: pa.Array | pa.ChunkedArray) -> Coded:
        """The column after each of its values was replaced by the one at the same place of ``image``."""
        coarse = Coded.of(image)
        return Coded(coarse.codes[self.codes], coarse.values)

    def known(self) -> np.ndarray:
        """Codes, with -1 for null: persons and drivers, of whom null is nobody."""
        if not len(self.values) or self.values[-1].is_valid:
            return self.codes
        return np.where(self.codes == len(self.values) - 1, -1, self.codes)

    def arrow(self) -> pa.Array:
        """The values of all lines."""
        return self.values.take(pa.array(self.codes))
