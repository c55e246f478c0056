"""``risk.json``: the report's content for machines, and the schema that says what it holds.

One document a release: answers of the scorecard, every figure with interval, baseline, control, seed and assumptions,
the unicity surface, and the hash of the bundle it speaks of, so that a changed bundle is seen. Figures against raw
data make it an inside document (ruling 19). It holds no identifier, coordinate or content of a class.
Source: own, after ISO/IEC 27559 and NIST SP 800-226. A valid document says that it is complete, not that it is true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anonkit.base.findings import Finding
from anonkit.risk.result import RiskFigure, plain
from anonkit.risk.scorecard import verdict
from anonkit.risk.unicity import SurfacePoint

VERSION = "1"
_NUMBER = {"type": ["number", "null"]}
_FIGURE = {
    "type": "object",
    "required": ["name", "value", "low", "high", "baseline", "persons", "assumptions"],
    "properties": {
        "name": {"type": "string"},
        "value": {"type": "number"},
        "low": {"type": "number"},
        "high": {"type": "number"},
        "baseline": {"type": "number"},
        "control": _NUMBER,
        "control_low": _NUMBER,
        "control_high": _NUMBER,
        "exact": {"type": ["string", "null"]},
        "persons": {"type": "integer", "minimum": 0},
        "trials": {"type": "integer", "minimum": 0},
        "seed": {"type": ["integer", "null"]},
        "mean": _NUMBER,
        "percentile95": _NUMBER,
        "maximum": _NUMBER,
        "unit": {"enum": ["person", "driver", "trip"]},
        "assumptions": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "details": {"type": "object"},
    },
    "additionalProperties": False,
}
_FINDING = {
    "type": "object",
    "required": ["check", "product", "status", "value", "threshold", "message"],
    "properties": {
        "check": {"type": "string"},
        "product": {"type": "string"},
        "status": {"enum": ["PASS", "WARN", "FAIL"]},
        "value": {"type": "string"},
        "threshold": {"type": "string"},
        "message": {"type": "string"},
        "ruling": {"type": "string"},
    },
    "additionalProperties": False,
}


def risk_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of ``risk.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "anonkit risk document",
        "type": "object",
        "required": [
            "version",
            "release",
            "bundle_sha256",
            "verdict",
            "scorecard",
            "findings",
            "figures",
            "not_covered",
        ],
        "properties": {
            "version": {"const": VERSION},
            "release": {"type": "string", "minLength": 1},
            "bundle_sha256": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
            "made": {"type": ["string", "null"]},
            "verdict": {"enum": ["PASS", "WARN", "FAIL"]},
            "scorecard": {"type": "array", "items": _FINDING, "minItems": 15, "maxItems": 15},
            "findings": {"type": "array", "items": _FINDING},
            "figures": {"type": "array", "items": _FIGURE},
            "surface": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["place", "time", "figures"],
                    "properties": {
                        "place": {"type": "string"},
                        "time": {"type": "string"},
                        "figures": {"type": "array", "items": _FIGURE},
                    },
                },
            },
            "not_covered": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        },
        "additionalProperties": False,
    }


NOT_COVERED = (
    "attackers with other knowledge than each figure's assumptions name",
    "releases of other parties about the same people",
    "what a trip's existence says about places that are on no list of sensitive places",
    "sampling error of the inputs: people who are in no operator's data",
)


def risk_document(
    release: str,
    *,
    scorecard: Iterable[Finding],
    findings: Iterable[Finding] = (),
    figures: Iterable[RiskFigure] = (),
    surface: Iterable[SurfacePoint] = (),
    bundle_sha256: str | None = None,
    made: str | None = None,
    not_covered: Iterable[str] = NOT_COVERED,
) -> Mapping[str, Any]:
    """The content of ``risk.json``.

    Parameters
    ----------
    release : its name.
    scorecard : fifteen answers.
    findings : of the gate.
    figures, surface : what the attacks found.
    bundle_sha256 : hash of the handed-over folder's manifest; None before it exists.
    made : time of making, ISO 8601.
    not_covered : sentences for the reader.

    Returns
    -------
    Mapping of plain JSON values.

    Privacy
    -------
    An inside document.

    Sources
    -------
    ISO/IEC 27559; NIST SP 800-226.
    """
    answers = list(scorecard)
    document = {
        "version": VERSION,
        "release": release,
        "bundle_sha256": bundle_sha256,
        "made": made,
        "verdict": verdict(answers).value,
        "scorecard": [one.as_dict() for one in answers],
        "findings": [one.as_dict() for one in findings],
        "figures": [one.as_json() for one in figures],
        "surface": [
            {"place": one.place, "time": one.time, "figures": [f.as_json() for f in one.figures]} for one in surface
        ],
        "not_covered": list(not_covered),
    }
    result: Mapping[str, Any] = plain(document)
    return result
