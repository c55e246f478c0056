from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
PLANTED = "<img src=x onerror=\"document.title='taken'\">"
DRAWN = """() => [...document.querySelectorAll('figure > svg')].map(svg => {
  const box = svg.getBoundingClientRect();
  const marks = [...svg.querySelectorAll('path, rect, circle')].filter(mark => mark.getBoundingClientRect().width > 0.5);
  return [svg.getAttribute('aria-label'), box.width, box.height, marks.length];
})"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the sample's release whose operator, title and purpose are hostile."""
    from anonkit.pipeline import release

    folder = tmp_path_factory.mktemp("report")
    recipe = yaml.safe_load((ROOT / "data/recipes/kontaktplus.yml").read_text(encoding="utf-8"))
    recipe |= {"title": f"Rides {PLANTED}", "purpose": PLANTED}
    recipe["geo"]["area"] = str(ROOT / "data/areas/baku.geojson")
    recipe["inputs"][0] |= {"operator": PLANTED, "path": str(ROOT / "data/samples/kontaktplus/rides.csv")}
    path = folder / "recipe.yml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return Path(release(path, out=folder / "out").report)


@pytest.mark.parametrize("scripts", [True, False])
def test_the_report_opens_from_disk_and_draws_everything(
    browser: Any, watched: Any, report: Path, scripts: bool, tmp_path: Path
) -> None:
    context = browser.new_context(java_script_enabled=scripts, viewport={"width": 1160, "height": 900})
    seen = watched(context.new_page(), (report.as_uri(),))
    seen.page.goto(report.as_uri())
    assert seen.requests == [report.as_uri()]
    assert seen.blocked == []
    assert seen.errors == []
    assert seen.page.title().startswith("Inside: ")
    if scripts:
        drawn = seen.page.evaluate(DRAWN)
        assert len(drawn) >= 12
        for label, width, height, marks in drawn:
            assert width > 300, label
            assert height > 120, label
            assert marks >= 3, label
    seen.page.screenshot(path=tmp_path / "report.png", full_page=True)
    assert (tmp_path / "report.png").stat().st_size > 50_000
    context.close()


def test_a_planted_name_stays_text(browser: Any, watched: Any, report: Path) -> None:
    context = browser.new_context()
    seen = watched(context.new_page(), (report.as_uri(),))
    seen.page.goto(report.as_uri())
    assert seen.page.locator("img").count() == 0
    assert seen.page.locator("script").count() == 0
    assert PLANTED in seen.page.locator("h1").inner_text()
    assert PLANTED in seen.page.locator("#lines h3").first.inner_text()
    assert seen.page.title() != "taken"
    context.close()


def test_a_planted_zone_name_stays_text(browser: Any, watched: Any, town: Any, tmp_path: Path) -> None:
    """A zone's name comes from a file that somebody downloaded: it is text in maps, tables and tips, and nothing runs."""
    made = town.busy().release(
        town.in_zones({"z11": PLANTED, "z51": "</title></svg><script>document.title='taken'</script>"})
    )
    context = browser.new_context(viewport={"width": 1160, "height": 900})
    seen = watched(context.new_page(), (made.report.as_uri(),))
    seen.page.goto(made.report.as_uri())
    assert seen.page.locator("img").count() == 0
    assert seen.page.locator("script").count() == 0
    assert seen.page.title().startswith("Inside: ")
    tips = seen.page.evaluate("() => [...document.querySelectorAll('svg title')].map(title => title.textContent)")
    assert f"{PLANTED}: 7 trips" in tips
    assert any(tip.startswith(f"{PLANTED} → </title></svg>") for tip in tips)
    assert seen.errors == []
    assert seen.requests == [made.report.as_uri()]
    seen.page.screenshot(path=tmp_path / "zones.png", full_page=True)
    context.close()


def test_even_planted_markup_can_load_and_run_nothing(browser: Any, watched: Any, report: Path) -> None:
    """The twin: with the escape removed, the page's own policy is the second wall."""
    broken = report.with_name("broken.html")
    broken.write_text(
        report.read_text(encoding="utf-8").replace("<main>", f"<main>{PLANTED}<script>document.title='taken'</script>"),
        encoding="utf-8",
    )
    context = browser.new_context()
    seen = watched(context.new_page(), (broken.as_uri(),))
    seen.page.goto(broken.as_uri())
    assert seen.page.locator("img").count() == 1
    assert seen.page.title() != "taken"
    assert any("Content Security Policy" in error for error in seen.errors)
    context.close()


def test_the_page_does_not_scroll_sideways_and_prints(browser: Any, watched: Any, report: Path) -> None:
    context = browser.new_context(viewport={"width": 820, "height": 900})
    seen = watched(context.new_page(), (report.as_uri(),))
    seen.page.goto(report.as_uri())
    assert seen.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert seen.page.pdf().count(b"/Type /Page\n") >= 3 or len(seen.page.pdf()) > 30_000
    context.close()
