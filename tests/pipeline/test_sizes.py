"""``ak.class_sizes`` and other results of the notebook way: their reprs help and show no row."""

from __future__ import annotations

from typing import Any

import anonkit as ak
import pandas as pd
import pytest
import yaml
from anonkit.base.errors import LedgerError
from anonkit.schema import Table


def test_class_sizes_counts_people_and_shows_no_class_by_itself() -> None:
    rows = pd.DataFrame({"person": [1, 1, 2, 3], "start_cell": [290230038969] * 3 + [290240038968]})
    sizes = ak.class_sizes(Table.of(rows), by=["start_cell"], protect="person")
    assert "290230038969" not in repr(sizes)
    assert "persons" in repr(sizes)
    counted = sizes.to_pandas().sort_values("start_cell")
    assert counted["persons"].tolist() == [2, 1]
    assert counted["rows"].tolist() == [3, 1]


def test_prepared_table_tells_how_many_lines_are_used(town: Any) -> None:
    recipe = town.busy().recipe()
    operator = yaml.safe_load(recipe.read_text(encoding="utf-8"))["inputs"][0]["operator"]
    ready = ak.prepare(ak.read_trips(town.folder / "rides.csv", source=operator, recipe=recipe))
    account = ready.accounting
    assert f"{account.used:,} lines used" in repr(ready)
    assert repr(account).startswith(f"{operator}: {account.physical:,} lines = 1 header + {account.used:,} used")


def test_finding_says_value_and_threshold_in_its_repr(town: Any) -> None:
    found = next(found for found in town.busy().release().findings if found.check == "class_size")
    assert repr(found) == f"<PASS class_size of {found.product}: {found.value}; asked for: {found.threshold}>"


def test_ledger_that_is_not_there_says_how_to_create_it(tmp_path: Any) -> None:
    with pytest.raises(LedgerError, match=r"anonkit ledger create baku\.ledger.*ak\.Ledger\.create"):
        ak.Ledger.open(tmp_path / "baku.ledger")
