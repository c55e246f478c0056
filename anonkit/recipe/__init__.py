"""A recipe: one YAML file that says everything about a release."""

from anonkit.recipe.load import load_recipe
from anonkit.recipe.model import AnyRecipe, Recipe
from anonkit.recipe.noisy import NoisyProduct, NoisyRecipe

__all__ = ["AnyRecipe", "NoisyProduct", "NoisyRecipe", "Recipe", "load_recipe"]
