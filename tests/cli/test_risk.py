"""``anonkit risk`` on our bundles and on anybody's tables: figures, identifiers, exact thresholds, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

LOUISVILLE = "louisville_dockless/DocklessOpenData-Sample-Aug2019-Louisville.csv"
ENDS = "StartDate,StartTime,StartLatitude,StartLongitude,EndLatitude,EndLongitude"


@pytest.fixture
def told(anonkit: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the verb with --json: exit code and what it printed."""

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        code = anonkit("risk", *arguments, "--json")
        return code, json.loads(capsys.readouterr().out)

    return run


def table_of(folder: Path) -> Path:
    """Class (1, 8): eleven people, a ride each; class (2, 9): two people, three rides, one of them has two."""
    rows = [(f"p{number}", 1, 8) for number in range(11)] + [("p0", 2, 9), ("p0", 2, 9), ("p1", 2, 9)]
    path = folder / "rides.csv"
    pd.DataFrame(rows, columns=["who", "from", "hour"]).to_csv(path, index=False)
    return path


def test_r34_the_threshold_is_compared_exactly(tmp_path: Path, told: Any) -> None:
    path = table_of(tmp_path)
    roles = ("--quasi", "from,hour", "--person", "who")
    code, found = told(path, *roles, "--fail-over", "2/3")
    assert (code, found["risk"], found["exceeded"]) == (0, "2/3", False)
    assert told(path, *roles, "--fail-over", "0.66")[0] == 3
    assert told(path, *roles)[0] == 0  # without a threshold it only tells


def test_r01_without_persons_rows_are_the_best_case_and_said_to_be(tmp_path: Path, anonkit: Any, capsys: Any) -> None:
    path = table_of(tmp_path)
    assert anonkit("risk", path, "--quasi", "from,hour", "--fail-over", "1/3") == 0  # 3 rows, not 2 people
    assert "each row was taken as its own person" in capsys.readouterr().out


def test_roles_from_yaml_and_flags_over_it_and_parquet(tmp_path: Path, told: Any) -> None:
    frame = pd.read_csv(table_of(tmp_path))
    frame.to_parquet(tmp_path / "rides.parquet")
    roles = tmp_path / "roles.yml"
    roles.write_text("quasi: [from, hour]\nperson: who\nplace: [from]\ntime: [hour]\n", encoding="utf-8")
    code, found = told(tmp_path / "rides.parquet", "--roles", roles)
    assert (code, found["unit"]) == (0, "person")
    assert any(one["name"] == "unicity, 1 known" for one in found["figures"])
    assert told(tmp_path / "rides.parquet", "--roles", roles, "--quasi", "from")[1]["risk"] == "2/3"


def test_columns_of_identifiers_are_found_without_being_named(tmp_path: Path, told: Any) -> None:
    path = tmp_path / "phones.csv"
    frame = pd.DataFrame({"rider": [f"+99450123{n:04d}" for n in range(40)], "from": [1] * 40})
    frame["token"] = [f"{n:032x}" for n in range(40)]
    frame.to_csv(path, index=False)
    code, found = told(path, "--quasi", "from", "--fail-over", "1/5")
    assert code == 3
    assert found["risk"] == "1/40"
    assert {text.split(":")[0] for text in found["flagged"]} == {"rider", "token"}
    assert "99450123" not in json.dumps(found)
    frame[["from"]].to_csv(path, index=False)
    assert told(path, "--quasi", "from", "--fail-over", "1/5")[0] == 0


def test_a_bundle_alone_tells_what_it_promises_and_the_inside_folder_what_is(bundle: Path, told: Any) -> None:
    # the town's recipe: dominance 1/2 is promised; the largest share that was counted is 1/7
    code, found = told(bundle, "--fail-over", "1/2")
    assert (code, found["kind"], found["risk"], found["flagged"]) == (0, "bundle", "1/2", [])
    assert told(bundle, "--fail-over", "1/5")[0] == 3
    code, found = told(bundle.with_name("out.inside"), "--fail-over", "1/7")
    assert (code, found["kind"], found["risk"]) == (0, "inside", "1/7")
    assert told(bundle.with_name("out.inside"), "--fail-over", "1/8")[0] == 3


def test_a_bundle_with_classes_that_cannot_hold_k_is_seen(bundle: Path, tmp_path: Path, told: Any) -> None:
    """Twin: rows of a class are cut below k and the checksums rewritten; structure alone shows it."""
    import shutil

    from anonkit.bundle import write_checksums

    shutil.copytree(bundle, tmp_path / "out")
    frame = pd.read_csv(tmp_path / "out" / "trips.csv")
    frame.iloc[4:].to_csv(tmp_path / "out" / "trips.csv", index=False)  # three of seven are left
    write_checksums(tmp_path / "out")
    code, found = told(tmp_path / "out", "--fail-over", "1/2")
    assert (code, found["risk"]) == (3, "1")
    assert any(one["name"] == "trips: classes under k" and one["value"] == "1" for one in found["figures"])


def test_an_altered_bundle_bad_tables_and_wrong_shares_are_2(bundle: Path, tmp_path: Path, anonkit: Any) -> None:
    import shutil

    shutil.copytree(bundle, tmp_path / "out")
    (tmp_path / "out" / "README.md").write_text("k is 500\n", encoding="utf-8")
    assert anonkit("risk", tmp_path / "out") == 2
    path = table_of(tmp_path)
    assert anonkit("risk", path) == 2
    assert anonkit("risk", path, "--quasi", "nowhere") == 2
    assert anonkit("risk", path, "--quasi", "from", "--fail-over", "eleven") == 2
    assert anonkit("risk", path, "--quasi", "from", "--fail-over", "11") == 2
    assert anonkit("risk", tmp_path / "none.csv", "--quasi", "from") == 2
    (tmp_path / "none.csv").write_bytes(b"\xff\xfe\x00,")
    assert anonkit("risk", tmp_path / "none.csv", "--quasi", "from") == 2
    (tmp_path / "roles.yml").write_text("quasy: [from]\n", encoding="utf-8")
    assert anonkit("risk", path, "--roles", tmp_path / "roles.yml") == 2


@pytest.mark.real
def test_louisvilles_sample_is_flagged_for_ids_and_uniqueness(real_data: Path, told: Any) -> None:
    code, found = told(real_data / LOUISVILLE, "--quasi", ENDS, "--fail-over", "1/11")
    assert code == 3
    assert found["risk"] == "1"
    assert [text.split(":")[0] for text in found["flagged"]] == ["TripID"]
    figures = {one["name"]: one["value"] for one in found["figures"]}
    assert figures["unique rows"] == "89.2%"
    assert figures["rows in classes under 5"] == "100.0%"
