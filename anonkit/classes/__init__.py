"""What the transforms share: equivalence classes, who is counted in them, who dominates them."""

from anonkit.classes.counts import Protection, class_sizes, count_classes, is_safe
from anonkit.classes.tallies import Tally, class_counts, coarser, small_rests, tally_rows
from anonkit.classes.thinning import thin_rows

__all__ = [
    "Protection",
    "Tally",
    "class_counts",
    "class_sizes",
    "coarser",
    "count_classes",
    "is_safe",
    "small_rests",
    "tally_rows",
    "thin_rows",
]
