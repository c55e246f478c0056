"""k-anonymity with the person as the unit: products, generalisation, models, search."""

from anonkit.kanon.products import Decision, Decisions, Part, Product, check_chain, decide_products
from anonkit.kanon.suppression import suppression_bands

__all__ = [
    "Decision",
    "Decisions",
    "Part",
    "Product",
    "check_chain",
    "decide_products",
    "suppression_bands",
]
