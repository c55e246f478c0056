"""A recipe: one YAML file that says everything about a release."""

from anonkit.recipe.load import load_recipe
from anonkit.recipe.model import Recipe

__all__ = ["Recipe", "load_recipe"]
