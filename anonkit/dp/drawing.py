"""One door to all releasers: the product's name decides which one draws.

What: ``release`` and ``flows``, functions beside the estimators of ``releasers`` and ``choosing``, and the table of both.
Why: recipe, function and estimator have one name for one product. Source: DESIGN, one kernel, every face. What it does
not protect against: as the releasers; each call draws anew and is charged anew.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pandas as pd

from anonkit.dp.choosing import DPHotSpots, DPQuantiles, DPSelectedFlows
from anonkit.dp.plans import Plan
from anonkit.dp.releasers import DPFlows, DPLengths, DPPersons, DPProfile, DPVolumes, Releaser

KINDS: tuple[type[Releaser], ...] = (
    *(DPFlows, DPVolumes, DPProfile, DPLengths, DPPersons),
    *(DPQuantiles, DPHotSpots, DPSelectedFlows),
)
RELEASERS = MappingProxyType({kind.product: kind for kind in KINDS})


def release(trips: Any, *, plan: Plan, ledger: Any, **settings: Any) -> Any:
    """Fit the releaser of a plan: draws once, charges once, returns it fitted."""
    return RELEASERS[plan.product](plan=plan, ledger=ledger, **settings).fit(trips)


def flows(trips: Any, *, plan: Plan, ledger: Any, **settings: Any) -> pd.DataFrame:
    """Origin–destination flows of a plan, drawn once and charged once; the frame of ``DPFlows.flows_``."""
    made: pd.DataFrame = release(trips, plan=plan, ledger=ledger, **settings).flows_
    return made
