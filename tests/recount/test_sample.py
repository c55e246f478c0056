"""The sample's release, recounted from the raw file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anonkit.pipeline import release

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "data" / "recipes" / "kontaktplus.yml"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return release(RECIPE, out=tmp_path_factory.mktemp("sample") / "out")


def test_r26_sample_release_equals_the_recount(made: Any, recount: Any) -> None:
    figures = recount(RECIPE).check(made.out)
    assert figures["used"] == made.run["lines"][0]["used"]
    assert figures["thinned"] == made.run["thinned"]
    for kind in ("trips", "flows", "volumes"):
        assert figures[kind]["fewest"] >= 5


def test_sample_accounts_for_the_same_lines_by_the_same_reasons(made: Any, recount: Any) -> None:
    lines = made.run["lines"][0]
    assert dict(recount(RECIPE).used().unusable) == lines["dropped"] | lines["rejected"]


def test_r37_sample_release_is_useful(made: Any, recount: Any) -> None:
    # 2 km cells and 3 h of the week, two destinations from each origin: 71 % of the trips when this was written
    figures = recount(RECIPE).check(made.out)
    assert figures["trips"]["trips"] >= 0.6 * figures["used"]
    assert figures["trips"]["persons"] >= 300


def test_recount_imports_nothing_of_anonkit() -> None:
    text = (ROOT / "tests" / "recount" / "recount.py").read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if line.lstrip().startswith(("import anonkit", "from anonkit"))]


@pytest.mark.parametrize("kind", ["trips", "flows", "volumes"])
def test_r26_recount_sees_a_row_too_many_or_too_few(made: Any, recount: Any, tmp_path: Path, kind: str) -> None:
    import shutil

    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.parquet as pq

    twin = tmp_path / "twin"
    shutil.copytree(made.out, twin)
    table = pq.read_table(twin / f"{kind}.parquet")
    if kind == "trips":
        table = pa.concat_tables([table, *[table.slice(0, 1)] * 5])  # the noise is at most 2
    else:
        more = pa.compute.add(table.column("trips"), 5)
        table = table.set_column(table.schema.get_field_index("trips"), "trips", more)
    pq.write_table(table, twin / f"{kind}.parquet")
    pa.csv.write_csv(table, twin / f"{kind}.csv", pa.csv.WriteOptions(quoting_style="needed"))
    with pytest.raises(AssertionError, match="other numbers of rows"):
        recount(RECIPE).check(twin)
