from __future__ import annotations

import copy
import re
import stat
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import shapely
from anonkit.geo import TimeBins
from anonkit.report import PartTable, ReportTables, render_report, write_report
from anonkit.report.lines import lines
from anonkit.report.summary import head

PLANTED = '<img src=x onerror="document.title=1">'
VOID = {"meta", "img", "br", "link"}

RUN: dict[str, Any] = {
    "release": "town-1",
    "title": "Rides in a town",
    "status": "ready",
    "statement": "k-anonymity, no differential privacy.",
    "recipient": {"name": "Researchers", "kind": "contract"},
    "purpose": "study",
    "as_of": "2026-09-30T00:00:00+00:00",
    "delete_after": "2026-12-30",
    "anonkit": "0.1.0",
    "privacy": {
        "unit": "person",
        "k": 5,
        "dominance": "1/2",
        "products": [{"kind": "flows", "cell_m": 1000, "bins": "6h"}],
    },
    "lines": [
        {
            "source": "town",
            "physical": 20,
            "header": 1,
            "used": 15,
            "dropped": {"no_person": 1},
            "rejected": {"blank_line": 3},
            "dropped_columns": ["comment"],
        }
    ],
    "thinned": 2,
    "products": [
        {
            "part": "flows",
            "classes": 4,
            "classes_released": 2,
            "trips": 13,
            "trips_released": 10,
            "share_released": 0.7692,
        }
    ],
    "risk": {
        "product": "flows",
        "before": {
            "class_size_histogram": {"0": 0, "1": 2, "2": 0, "3–4": 0, "5–10": 2},
            "class_size_min": 1,
            "row_risk_max": "1",
            "row_risk_mean": 0.3,
            "unique_persons": 2,
            "persons": 9,
        },
        "after": {
            "class_size_histogram": {"0": 0, "1": 0, "2": 0, "3–4": 0, "5–10": 2},
            "class_size_min": 5,
            "row_risk_max": "1/5",
            "row_risk_mean": 0.2,
            "unique_persons": 0,
            "persons": 7,
        },
    },
    "findings": [
        {
            "check": check,
            "product": product,
            "status": "PASS",
            "value": value,
            "threshold": threshold,
            "message": "every released class is large enough",
            "ruling": ruling,
        }
        for product in ("flows", "volumes:start")
        for check, value, threshold, ruling in (
            ("class_size", "fewest persons: 5", "at least 5", "1, 5"),
            ("dominance", "0 classes above", "largest share at most 1/2", "6"),
        )
    ],
    "seconds": {"read": 1.25},
}


class Seen(HTMLParser):
    """Elements, attributes and text of a page; fails on tags that do not close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def tables() -> ReportTables:
    classes = pd.DataFrame(
        {
            "start_cell": [1, 1, 2, 2],
            "end_cell": [1, 2, 1, 2],
            "bin": [0, 1, 2, 3],
            "before": [5, 5, 2, 1],
            "after": [5, 5, float("nan"), float("nan")],
        }
    )
    part = PartTable(classes=classes, bins=TimeBins("6h of week", zone="Asia/Baku"), bin="bin", cell="start_cell")
    return ReportTables(
        parts={"flows": part},
        starts=pd.DataFrame({"cell": [1, 2], "trips": [10, 3]}),
        suppression=pd.DataFrame({"part": ["flows"], "area": [1], "hour": [8], "suppressed_pct": ["<5"]}),
        shapes=lambda codes: shapely.box(codes, 0, codes + 1, 1),
        area=shapely.box(0, 0, 4, 2),
    )


def changed(**parts: Any) -> dict[str, Any]:
    return {**copy.deepcopy(RUN), **parts}


def test_the_page_says_what_went_in_and_out_by_rule_and_reason() -> None:
    text = Seen(render_report(RUN)).text
    for told in ("no_person", "blank_line", "the line is empty", "nobody is named", "comment"):
        assert told in text
    assert "20 lines = 1 header + 19 below" in text
    assert "2 trips of frequent riders" in text


def test_lines_that_are_lost_are_said() -> None:
    run = changed()
    run["lines"][0]["used"] = 14
    text = Seen(render_report(run)).text
    assert "20 lines came in, 19 are accounted for: find the others before you sign" in text


def test_every_finding_stands_with_its_threshold_and_ruling() -> None:
    text = Seen(render_report(RUN)).text
    assert text.count("fewest persons: 5") >= 4  # in the matrix and in the record, for two products
    assert "at least 5" in text
    assert "(ruling 1, 5)" in text


def test_a_failed_finding_makes_the_verdict_and_stands_first() -> None:
    run = changed()
    run["findings"][2] = {**run["findings"][2], "status": "FAIL", "value": "fewest persons: 4"}
    page = render_report(run)
    text = Seen(page).text
    assert "Refused: nothing was handed over" in text
    assert "Passed" not in text
    assert "1 failed" in text
    assert text.index("1 failed") < text.index("All findings", text.index("1 failed"))


def test_a_run_without_findings_is_not_a_pass() -> None:
    page = render_report(changed(findings=[]))
    assert "No check was run: do not sign." in page
    assert 'class="card good"><span>Checks' not in page


def test_class_size_card_is_red_when_k_does_not_hold() -> None:
    run = changed()
    run["risk"]["after"]["class_size_min"] = 4
    assert 'card bad"><span>Fewest people' in render_report(run)
    assert 'card good"><span>Fewest people' in render_report(RUN)


@pytest.mark.parametrize("missing", ["risk", "utility", "products", "lines", "privacy", "seconds", "recipient"])
def test_a_missing_part_leaves_its_section_out(missing: str) -> None:
    run = changed()
    run.pop(missing, None)
    Seen(render_report(run, tables()))


def test_figures_are_drawn_from_the_tables() -> None:
    seen = Seen(render_report(RUN, tables()))
    assert seen.tags.count("figure") >= 7
    assert seen.tags.count("svg") >= seen.tags.count("figure")
    assert "23 % of all trips are missing in flows." in seen.text  # 3 of 13


def test_everything_from_data_is_escaped() -> None:
    run = changed(release=PLANTED, title=PLANTED, purpose=PLANTED, statement=PLANTED, anonkit=PLANTED)
    run["recipient"] = {"name": PLANTED, "kind": PLANTED}
    run["lines"][0] |= {
        "source": PLANTED,
        "dropped_columns": [PLANTED],
        "rejected": {PLANTED: 3},
        "dropped": {PLANTED: 1},
    }
    run["findings"] = [{**found, "value": PLANTED, "product": PLANTED, "message": PLANTED} for found in run["findings"]]
    run["products"][0]["part"] = PLANTED
    run["risk"]["product"] = PLANTED
    seen = Seen(render_report(run, tables()))
    assert "img" not in seen.tags
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert PLANTED in seen.text


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    page = render_report(RUN, tables())
    seen = Seen(page)
    assert not {"script", "link", "iframe", "object", "embed", "img", "form", "base", "image", "use"} & set(seen.tags)
    links = [value for name, value in seen.attributes if name in ("href", "src", "action", "xlink:href")]
    assert all(value is not None and value.startswith("#") for value in links)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert "@import" not in page
    assert not re.search(r"https?:", page.replace('xmlns="http://www.w3.org/2000/svg"', ""))


def test_the_page_is_small() -> None:
    assert len(render_report(RUN, tables()).encode()) < 200_000


def test_links_of_the_page_lead_somewhere() -> None:
    seen = Seen(render_report(RUN, tables()))
    targets = {value for name, value in seen.attributes if name == "id"}
    for name, value in seen.attributes:
        if name == "href":
            assert value is not None
            assert value.removeprefix("#") in targets


def test_r25_the_page_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", RUN, tables())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    assert "INSIDE ONLY" in path.read_text(encoding="utf-8")


def test_published_zero_and_suppressed_are_told_apart_in_the_missing_share() -> None:
    given = tables()
    given.parts["flows"].classes["after"] = [
        5.0,
        5.0,
        2.0,
        0.0,
    ]  # published as 0 is still not suppressed, one trip is gone
    assert "8 % of all trips are missing in flows." in Seen(render_report(RUN, given)).text  # 1 of 13


def test_r01_a_source_without_persons_does_not_speak_of_people() -> None:
    run = changed(privacy={**RUN["privacy"], "unit": "trip"})
    text = Seen(render_report(run)).text
    assert "one person may have made several or all of them" in text
    assert "a class of k trips may be the trips of one person" in text
    assert "Fewest trips in a class" in text
    assert "People alone" not in text
    assert "one rider with forty trips is one" not in text
    assert "one rider with forty trips is one" in Seen(render_report(RUN)).text


def test_verdict_counts_the_questions_that_are_left_to_the_reviewer() -> None:
    left = {**RUN, "scorecard": [{"check": "q", "status": state} for state in ("PASS", "WARN", "WARN")]}
    assert "All checks passed; 2 questions for you to decide" in str(head(left, []))
    assert "Passed: may be handed over" in str(head(RUN, []))


def test_products_are_told_before_and_the_files_after_perturbation() -> None:
    noisy = {**RUN, "privacy": {**RUN["privacy"], "noise": {"largest": 2, "variance": 1.0}}}
    assert "in the files each class has up to 2 more or fewer" in str(lines(noisy))
    assert "more or fewer" not in str(lines(RUN))
