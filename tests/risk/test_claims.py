"""Every claim names a test that exists, and docs/THREATS.md says the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from anonkit.risk.claims import Claim, claims

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("claim", claims(), ids=lambda c: f"{c.attack}-{c.product}")
def test_r35_each_claim_has_its_test_and_its_line_in_the_document(claim: Claim) -> None:
    tests = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert f"def {claim.test}(" in tests
    lines = (ROOT / "docs" / "THREATS.md").read_text().splitlines()
    assert any(claim.test in line and claim.product in line for line in lines)
