"""k-anonymity with the person as the unit: products, generalisation, models, search."""

from anonkit.kanon.decide import Decision, Decisions, decide_products
from anonkit.kanon.perturb import CellKeyNoise
from anonkit.kanon.products import Level, Part, Product, Step, check_chain
from anonkit.kanon.statistics import Statistic, class_statistics
from anonkit.kanon.suppression import suppression_bands

__all__ = [
    "CellKeyNoise",
    "Decision",
    "Decisions",
    "Level",
    "Part",
    "Product",
    "Statistic",
    "Step",
    "check_chain",
    "class_statistics",
    "decide_products",
    "suppression_bands",
]
