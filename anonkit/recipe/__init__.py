"""A recipe: one YAML file that says everything about a release."""

from anonkit.recipe.load import load_recipe
from anonkit.recipe.model import AnyRecipe, Recipe
from anonkit.recipe.noisy import NoisyProduct, NoisyRecipe
from anonkit.recipe.noisy_routes import NoisyRouteRecipe
from anonkit.recipe.routes import RouteRecipe

__all__ = ["AnyRecipe", "NoisyProduct", "NoisyRecipe", "NoisyRouteRecipe", "Recipe", "RouteRecipe", "load_recipe"]
