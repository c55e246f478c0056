"""What a release is worth: its numbers against the raw ones. Inside only."""

from anonkit.utility.counts import CountError, count_error, divergence
from anonkit.utility.product import ProductUtility, align, cell_displacement, product_utility, trip_lengths
from anonkit.utility.shapes import (
    Displacement,
    Profile,
    day_profile,
    displacement_m,
    displacement_min,
    distance_m,
    length_profile,
)

__all__ = [
    "CountError",
    "Displacement",
    "ProductUtility",
    "Profile",
    "align",
    "cell_displacement",
    "count_error",
    "day_profile",
    "displacement_m",
    "displacement_min",
    "distance_m",
    "divergence",
    "length_profile",
    "product_utility",
    "trip_lengths",
]
