"""``anonkit presets``: what is published, what it counts, for whom it passes, and what is unsafe."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anonkit.kanon.presets import PRESETS, preset


def test_list_names_every_rule_with_what_it_counts_and_whom_it_passes_for(anonkit: Any, capsys: Any) -> None:
    assert anonkit("presets") == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()[1:-2]}
    assert list(lines) == list(PRESETS)
    assert all(words[1] == "trips" for words in lines.values())
    assert "contract" in lines["mds_reports"]
    assert "inside" in lines["sharedstreets"]  # three is below five
    assert "nobody" in lines["louisville"]


@pytest.mark.parametrize("name", list(PRESETS))
def test_one_rule_is_told_with_source_unit_and_recipient(anonkit: Any, capsys: Any, name: str) -> None:
    assert anonkit("presets", name) == 0
    told = capsys.readouterr().out
    assert PRESETS[name].source in told
    assert "counts      trips, not people" in told
    assert ("passes for  nobody" in told) == bool(PRESETS[name].unsafe)


def test_what_is_unsafe_says_why(anonkit: Any, capsys: Any) -> None:
    anonkit("presets", "louisville")
    assert "one random offset moves both ends" in capsys.readouterr().out


def test_json_and_unknown_name(anonkit: Any, capsys: Any) -> None:
    assert anonkit("presets", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [rule["name"] for rule in listed] == list(PRESETS)
    assert anonkit("presets", "mds_reports", "--json") == 0
    assert json.loads(capsys.readouterr().out)["suffices_for"] == preset("mds_reports").suffices_for == "contract"
    assert anonkit("presets", "chicago_tmp") == 2
    assert "did you mean 'chicago_tnp'" in capsys.readouterr().err
