"""What the transforms share: equivalence classes, who is counted in them, who dominates them."""

from anonkit.classes.arrays import Groups, distinct, groups, in_order, runs
from anonkit.classes.coded import Coded
from anonkit.classes.counts import Protection, class_sizes, count_classes, is_safe
from anonkit.classes.tallies import NOBODY, Counts, Tally, class_counts, coarser, small_rests, tally_rows
from anonkit.classes.thinning import thin_rows, thinned

__all__ = [
    "NOBODY",
    "Coded",
    "Counts",
    "Groups",
    "Protection",
    "Tally",
    "class_counts",
    "class_sizes",
    "coarser",
    "count_classes",
    "distinct",
    "groups",
    "in_order",
    "is_safe",
    "runs",
    "small_rests",
    "tally_rows",
    "thin_rows",
    "thinned",
]
