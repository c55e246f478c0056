"""``anonkit routes recommend`` on a small town."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from anonkit.base.errors import PrivacyLeakError, SchemaError
from anonkit.cli.routes import routes
from typer.testing import CliRunner


@pytest.fixture
def town(tmp_path: Path) -> list[str]:
    (tmp_path / "town_node.txt").write_text("".join(f"{i}\t{i * 300}\t0\n" for i in range(4)))
    (tmp_path / "town_edge.txt").write_text("".join(f"{i}\t{i}\t{i + 1}\t3\t*\n" for i in range(3)))
    pd.DataFrame({"link": [0, 2, 4], "bin": [-1] * 3, "speed_kmh": [36.0] * 3}).to_csv(tmp_path / "s.csv", index=False)
    return ["--network", str(tmp_path / "town_edge.txt"), "--speeds", str(tmp_path / "s.csv"), "--k", "5"]


def test_recommend_prints_a_table_and_writes_geoparquet(town: list[str], tmp_path: Path) -> None:
    out = tmp_path / "routes.parquet"
    result = CliRunner().invoke(routes, [*town, "--from", "0,0", "--to", "900,10", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "1.5" in result.output  # 900 m at 36 km/h
    assert gpd.read_parquet(out)["length_m"].tolist() == [900.0]


def test_a_position_that_is_none_is_refused_without_being_repeated(town: list[str]) -> None:
    result = CliRunner().invoke(routes, [*town, "--from", "here", "--to", "900,0"])
    assert isinstance(result.exception, SchemaError)
    assert "here" not in str(result.exception)


def test_a_table_of_fixes_is_refused(town: list[str], tmp_path: Path) -> None:
    pd.DataFrame({"link": [0], "speed_kmh": [36.0], "trip": ["t1"]}).to_csv(tmp_path / "s.csv", index=False)
    result = CliRunner().invoke(routes, [*town, "--from", "0,0", "--to", "900,0"])
    assert isinstance(result.exception, PrivacyLeakError)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--to", "900,0", "--bin", "8"], "no time bin 8; they have none"),
        (["--to", "0,900000"], "not on this network"),
        (["--to", "900,0", "--out", "routes.txt"], "routes.txt is no file of routes"),
        (["--to", "900,0", "--by", "cheapest"], "Unknown aim"),
        (["--to", "10,10"], "There is no way from a node to itself"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(town: list[str], more: list[str], told: str) -> None:
    result = CliRunner().invoke(routes, [*town, "--from", "0,0", *more])
    assert isinstance(result.exception, SchemaError)
    assert told in str(result.exception)


def test_a_file_that_is_not_there_is_a_wrong_use_and_no_crash(town: list[str], tmp_path: Path) -> None:
    lost = [*town[:3], str(tmp_path / "gone.csv"), *town[4:]]
    result = CliRunner().invoke(routes, [*lost, "--from", "0,0", "--to", "900,0"])
    assert result.exit_code == 2
    assert "does not exist" in result.output
