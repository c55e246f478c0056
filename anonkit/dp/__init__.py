"""Person-level differential privacy: bounded contributions, integer noise, and figures that say how sure they are."""

from __future__ import annotations

from anonkit.dp.choosing import DPHotSpots, DPQuantiles, DPSelectedFlows
from anonkit.dp.drawing import flows, release
from anonkit.dp.plans import Plan, plan
from anonkit.dp.public import PublicKeys, PublicSteps, PublicZones
from anonkit.dp.releasers import DPFlows, DPLengths, DPPersons, DPProfile, DPVolumes

__all__ = [
    "DPFlows",
    "DPHotSpots",
    "DPLengths",
    "DPPersons",
    "DPProfile",
    "DPQuantiles",
    "DPSelectedFlows",
    "DPVolumes",
    "Plan",
    "PublicKeys",
    "PublicSteps",
    "PublicZones",
    "flows",
    "plan",
    "release",
]
