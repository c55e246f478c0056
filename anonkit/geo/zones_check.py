"""Whether zones are a partition: overlaps and holes, as shares of area.

Two zones that overlap would count one trip twice or in the wrong place; a hole swallows trips. Slivers along borders are
usual in real files and are told, not refused. Ids of zones are public, so errors may name them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from anonkit.base.errors import SchemaError


@dataclass(frozen=True, kw_only=True)
class ZoneCheck:
    """What was found."""

    zones: int
    overlaps: int = 0
    """Pairs of zones that share area."""
    overlap_share: float = 0.0
    """Area that lies in two zones, as a share of all."""
    holes: int = 0
    """Gaps that zones enclose."""
    hole_share: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        return asdict(self)


def check_partition(shapes: np.ndarray | None, ids: tuple[str, ...], *, max_overlap: float) -> ZoneCheck:
    """Overlaps and holes of polygons in degrees (None: zones without shapes).

    Raises
    ------
    SchemaError : two zones overlap by more than ``max_overlap`` of the smaller one.

    Examples
    --------
    >>> import shapely
    >>> check_partition(shapely.box([0, 1], [0, 0], [1, 2], [1, 1]), ("a", "b"), max_overlap=0.01).overlaps
    0
    """
    if shapes is None:
        return ZoneCheck(zones=len(ids))
    import shapely

    areas = shapely.area(shapes)
    if bool((areas == 0).any()):
        flat = [ids[i] for i in np.flatnonzero(areas == 0)[:5]]
        raise SchemaError(f"the zones {flat} have no area", hint="give polygons, in degrees or with their projection")
    one, two = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    one, two = one[one < two], two[one < two]
    shared = shapely.area(shapely.intersection(shapes[one], shapes[two]))
    smaller = np.minimum(areas[one], areas[two])
    bad = np.flatnonzero(shared > max_overlap * smaller)
    if len(bad):
        pairs = [f"{ids[one[i]]} and {ids[two[i]]}" for i in bad[:5]]
        raise SchemaError(
            f"{len(bad)} pairs of zones overlap by more than {max_overlap:.0%} of the smaller one: {', '.join(pairs)}",
            hint="mend the file (zones must not overlap), or raise zones.max_overlap if such slivers are meant",
        )
    union = shapely.union_all(shapes)
    rings = [ring for part in shapely.get_parts(union) for ring in part.interiors]
    gaps = shapely.area(shapely.polygons(rings)) if rings else np.zeros(0)
    real = shared > 1e-9 * smaller
    return ZoneCheck(
        zones=len(ids),
        overlaps=int(real.sum()),
        overlap_share=float(shared[real].sum() / areas.sum()),
        holes=len(rings),
        hole_share=float(gaps.sum() / areas.sum()),
    )
