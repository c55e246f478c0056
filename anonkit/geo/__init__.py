"""Where and when, made coarse: tessellations, time bins, street networks. Raw coordinates end here."""

from anonkit.geo.bins import TimeBins
from anonkit.geo.generalise import generalise
from anonkit.geo.grid import Grid

__all__ = ["Grid", "TimeBins", "generalise"]
