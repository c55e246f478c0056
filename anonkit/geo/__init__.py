"""Where and when, made coarse: tessellations, time bins, street networks. Raw coordinates end here."""

from anonkit.geo.bins import TimeBins
from anonkit.geo.generalise import generalise
from anonkit.geo.grid import Grid
from anonkit.geo.sensitive import SensitivePlaces
from anonkit.geo.zones import Tessellation, Zones

__all__ = ["Grid", "SensitivePlaces", "Tessellation", "TimeBins", "Zones", "generalise"]
