"""environment.yml, pyproject.toml and requirements.lock say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"duckdb": "python-duckdb", "h3": "h3-py"}
FORM = re.compile(r"^([A-Za-z0-9._-]+)\s*(.*)$")


def split(text: str) -> tuple[str, str]:
    match = FORM.match(text)
    assert match is not None
    return match[1].lower(), match[2].replace(" ", "")


def declared() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return dict(split(text) for group in groups for text in group)


def in_conda() -> dict[str, str]:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    plain = [entry for entry in entries if isinstance(entry, str)]
    plain += [entry for part in entries if isinstance(part, dict) for entry in part["pip"]]
    found = dict(split(entry) for entry in plain)
    back = {conda: name for name, conda in CONDA_NAMES.items()}
    return {back.get(name, name): wanted for name, wanted in found.items() if name != "pip"}


def test_conda_names_and_ranges_are_those_of_the_project() -> None:
    conda = in_conda()
    assert conda.pop("python") == ">=3.11"
    assert conda == declared()


def test_channels_are_conda_forge_only() -> None:
    assert yaml.safe_load((ROOT / "environment.yml").read_text())["channels"] == ["conda-forge", "nodefaults"]


def test_lock_holds_every_requirement_but_spark_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    locked = {line.split("==")[0].strip().lower() for line in lock.splitlines() if "==" in line}
    assert set(declared()) - {"pyspark"} <= locked
    assert "://" not in lock
    assert "--" not in lock


@pytest.mark.parametrize(("name", "limit"), [("scikit-learn", "<1.8"), ("attrs", "<24")])
def test_pins_that_matter_stand(name: str, limit: str) -> None:
    assert limit in declared()[name].split(",")


def test_scikit_learn_pin_is_what_diffprivlib_needs() -> None:
    """Its logistic regression still fits on the pinned version; 1.8 breaks it."""
    import warnings

    import numpy as np
    import sklearn
    from diffprivlib.models import LogisticRegression

    assert tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8)
    features = np.array([[0.0, 0.1], [0.2, 0.1], [0.9, 0.8], [1.0, 0.9]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(epsilon=10, data_norm=1.5).fit(features, [0, 0, 1, 1])
    assert model.predict(features).shape == (4,)
