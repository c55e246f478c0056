"""What the transforms share: equivalence classes, who is counted in them, who dominates them."""

from anonkit.classes.counts import Protection, class_sizes, count_classes, is_safe
from anonkit.classes.thinning import thin_rows

__all__ = ["Protection", "class_sizes", "count_classes", "is_safe", "thin_rows"]
