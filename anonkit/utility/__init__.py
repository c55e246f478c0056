"""What a release is worth: its numbers against the raw ones. Inside only."""

from anonkit.utility.counts import CountError, count_error, divergence
from anonkit.utility.product import (
    MEAN_IN_SQUARE,
    ClassSums,
    ProductUtility,
    align,
    cell_displacement,
    product_utility,
    trip_lengths,
    utility_of_sums,
)
from anonkit.utility.shapes import (
    LENGTH_EDGES_KM,
    METRES_A_DEGREE,
    Displacement,
    Profile,
    day_profile,
    displacement_m,
    displacement_min,
    distance_m,
    length_profile,
)

__all__ = [
    "LENGTH_EDGES_KM",
    "MEAN_IN_SQUARE",
    "METRES_A_DEGREE",
    "ClassSums",
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
    "utility_of_sums",
]
