"""The tight total beside the one that decides: privacy loss distributions by dp-accounting.

Laplace events enter with their own distribution (a vector of L1 sensitivity D is dominated by one coordinate moved by D),
declared ones as the dominating pair of their (epsilon, delta). A discrete Gaussian vector has no proven one-dimensional
pair, so all of them together are summed in zCDP and enter as one (epsilon, delta) pair; continuous Gaussians enter as
themselves. The figure holds for parameters that were fixed beforehand, so it never decides (ruling 23).

Sources: Doroshenko et al. 2022 (connect the dots), Bun & Steinke 2016 (zCDP), Canonne, Kamath & Steinke 2020.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from anonkit.base.errors import MissingExtraError
from anonkit.ledger.composition import best_order, overhead
from anonkit.ledger.events import DECLARED, Event

_INTERVAL = 1e-4


def pld_epsilon(events: Sequence[tuple[Event, int]], *, delta: float) -> float:
    """Epsilon at ``delta`` of all events together, each towards a group of the given size (periods of one person).

    Every delta that goes in is spent once: declared ones and the zCDP pair's are mass at infinity, the rest is the tail's.
    """
    try:
        from dp_accounting.pld import common
        from dp_accounting.pld import privacy_loss_distribution as pld
    except ImportError as error:
        raise MissingExtraError("the PLD total needs dp-accounting", hint="pip install 'anonkit[release]'.") from error
    if not events:
        return 0.0
    if delta == 0:
        losses = [event.loss.grouped(size) for event, size in events]
        return (
            math.inf if any(loss.rho or loss.delta for loss in losses) else math.fsum(loss.epsilon for loss in losses)
        )
    parts: Counter[tuple[Any, ...]] = Counter()
    for event, size in events:
        loss = event.loss.grouped(size)
        if event.mechanism in DECLARED:
            single = event.loss.epsilon / event.draws, event.loss.delta / event.draws
            grouped = type(loss)(epsilon=single[0], delta=single[1], rho=0.0).grouped(size)
            parts["pair", grouped.epsilon, grouped.delta] += event.draws
        elif event.mechanism != "discrete_gaussian":
            parts[event.mechanism, (event.sensitivity or 0) * size, event.scale] += event.draws
    rho = math.fsum(e.loss.grouped(size).rho for e, size in events if e.mechanism == "discrete_gaussian")
    if rho:
        declared = math.fsum(e.loss.grouped(size).delta for e, size in events)
        share = (delta - declared) / 2
        if share <= 0:
            return math.inf
        parts["pair", _zcdp_epsilon(rho, share), share] += 1
    total = pld.identity(value_discretization_interval=_INTERVAL)
    for (name, first, second), often in parts.items():
        if name == "pair":
            part = pld.from_privacy_parameters(common.DifferentialPrivacyParameters(first, second), _INTERVAL)
        elif name == "laplace":
            part = pld.from_laplace_mechanism(second, first, value_discretization_interval=_INTERVAL)
        elif name == "discrete_laplace":
            part = pld.from_discrete_laplace_mechanism(1 / second, int(first), value_discretization_interval=_INTERVAL)
        else:
            part = pld.from_gaussian_mechanism(second, first, value_discretization_interval=_INTERVAL)
        total = total.compose(part.self_compose(often))
    return float(total.get_epsilon_for_delta(delta))


def _zcdp_epsilon(rho: float, delta: float) -> float:
    """Smallest epsilon over Rényi orders for rho-zCDP at ``delta``."""
    orders = [1 + 10 ** (step / 50) for step in range(-100, 301)]
    return max(0.0, min(order * rho + overhead(order, delta) for order in (*orders, best_order(1.0, delta))))
