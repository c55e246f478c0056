"""Earth mover's distances between the value shares of classes and of the whole table.

Equal: half the sum of absolute differences. Ordered: the absolute running sums over m - 1, for values in their natural
order. Hierarchical: the ground distance of two values is the height of their lowest common ancestor over the tree's
height; the cost at an inner node is what its children can exchange among themselves (Li, Li and Venkatasubramanian
2007, section 5). A small distance bounds what a class tells beyond the table, not what the table itself tells.
"""

from __future__ import annotations

import numpy as np

from anonkit.base.errors import SchemaError
from anonkit.kanon.hierarchies import Hierarchy


def class_distances(shares: np.ndarray, overall: np.ndarray, *, kind: str, tree: Hierarchy | None = None) -> np.ndarray:
    """Distance of each class's shares (rows) from ``overall``.

    >>> class_distances(np.array([[1.0, 0.0]]), np.array([0.5, 0.5]), kind="equal").tolist()
    [0.5]
    >>> class_distances(np.array([[0.0, 0.0, 1.0]]), np.array([1.0, 0.0, 0.0]), kind="ordered").tolist()
    [1.0]
    """
    surplus = shares - overall
    if kind == "equal":
        return 0.5 * np.abs(surplus).sum(axis=1)
    if kind == "ordered":
        steps = max(surplus.shape[1] - 1, 1)
        return np.abs(np.cumsum(surplus, axis=1)).sum(axis=1) / steps
    if kind == "hierarchical":
        if tree is None or tree.sizes[0] != surplus.shape[1] or tree.sizes[-1] != 1:
            raise SchemaError(
                "hierarchical t-closeness needs a tree over the column's values that ends in one root",
                hint="a Hierarchy that has each of them as a base value, and one value for all on its last level.",
            )
        return _tree_distance(surplus, tree)
    raise SchemaError(f"no distance '{kind}'", hint="equal, ordered or hierarchical.")


def _tree_distance(surplus: np.ndarray, tree: Hierarchy) -> np.ndarray:
    height = tree.height - 1
    extra = surplus
    cost = np.zeros(len(surplus))
    for level in range(1, tree.height):
        # value number of each node of the finer level on this level
        parent = np.zeros(tree.sizes[level - 1], dtype=np.int64)
        parent[tree.codes[level - 1]] = tree.codes[level]
        member = np.zeros((tree.sizes[level - 1], tree.sizes[level]))
        member[np.arange(len(parent)), parent] = 1.0
        gain = np.maximum(extra, 0) @ member
        lack = np.maximum(-extra, 0) @ member
        cost += (level / height) * np.minimum(gain, lack).sum(axis=1)
        extra = extra @ member
    return cost
