"""The head of run.json: what every release tells of itself, whatever it publishes.

One place for k-anonymous, noisy and route releases, so that none forgets a line. Inside only; figures and findings are
added by the three. Does not say anything about persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from anonkit.base.clock import now
from anonkit.recipe import NoisyRecipe, Recipe, RouteRecipe
from anonkit.version import __version__


def run_head(
    recipe: Recipe | NoisyRecipe | RouteRecipe,
    *,
    digest: str,
    files: Any,
    when: datetime,
    policies: Sequence[Mapping[str, Any]],
    statement: str,
    privacy: Mapping[str, Any],
) -> dict[str, Any]:
    """What is released, from what, for whom and why, under which guarantee, and until when it is kept.

    Parameters
    ----------
    digest : SHA-256 of the recipe. files : those that were read, with their hashes. when : the instant of the clocks.
    policies : what each input's policy came to.
    """
    made = now()
    return {
        "release": recipe.release,
        "title": recipe.title,
        "status": "gated",
        "made": made.isoformat(),
        "as_of": when.isoformat(),
        "delete_after": (made + timedelta(days=recipe.inside.delete_after_days)).date().isoformat(),
        "anonkit": __version__,
        "recipe_sha256": digest,
        "files": files,
        "area_sha256": recipe.geo.grid.area_sha256,
        "tessellation": recipe.geo.grid.report(),
        "purpose": recipe.purpose,
        "recipient": recipe.recipient.model_dump(),
        "use": recipe.use,
        "legal_basis": recipe.legal_basis,
        "policies": list(policies),
        "statement": statement,
        "privacy": privacy,
    }
