"""What the short names of run.json mean, in words for a reviewer who did not write the code."""

from __future__ import annotations

from typing import Any

from anonkit.schema import Reason

RULES = {
    "no_person": "nobody is named, so nobody could be counted",
    "no_driver": "no driver is named, so no driver could be counted",
    "no_trip": "no trip is named",
    "outside_area": "starts or ends outside the public area of this release",
    "outside_period": "starts outside the period of this release",
    "retention": "older than the operator's promise to keep it",
    "erasure": "the person asked to be erased",
    "restriction": "the person asked that processing stop",
    "withdrawn_consent": "consent was withdrawn",
    "objection": "the person objected",
    "blocked": "the register of subjects keeps the person out: erased or restricted earlier",
    "consent": "a consent that this use needs was not given",
    "minor": "the person is under age",
}
CHECKS = {
    "files": "Only the described files",
    "identifiers": "No identifiers in texts",
    "columns": "Only the declared columns",
    "order": "No order of the input left",
    "checksums": "Nothing changed after writing",
    "diversity": "Destinations and origins stay open",
    "overlap": "Subtracting an earlier release",
    "not_empty": "Something is released",
    "rows": "Numbers recounted",
    "class_size": "Enough stand behind each class",
    "class_size_drivers": "Enough drivers behind each class",
    "dominance": "No one owns a class",
    "subtraction": "Subtracting finer products",
    "bin_totals": "Knowing a bin's total",
    "suppression": "What is told of the gaps",
    "row_risk": "How sure one can be of a row's owner",
    "linear_system": "All tables solved together",
    "companions": "People who rode together are one",
}
NO_PERSONS = "People at all: this source does not know them. k counts trips, and a class of k trips may be the trips of one person."
ONE = {"person": "person", "driver": "driver", "trip": "trip"}
MANY = {"person": "people", "driver": "drivers", "trip": "trips"}
SIZES = {
    "person": "Its size counts different people, never rows: one rider with forty trips is one.",
    "driver": "Its size counts different drivers; passengers are not known to the source and are not counted.",
    "trip": "The source knows no persons: its size counts trips, and one person may have made several or all of them.",
}
"""What a class's size means, by what is counted."""
RISKS = (
    ("row_risk_max", "Largest share of one {one} in a class", "how sure an attacker can be of one row, at worst"),
    ("row_risk_mean", "The same, mean over rows", "how sure he is on average"),
    ("marketer", "Right guesses of all {many} at once", "expected share if he guesses every one"),
    ("unique_persons", "{Many} alone in some class", "each can be singled out by what is released"),
    ("unique_classes", "Classes of one {one}", "the same, counted in classes"),
    ("dominated_classes", "Classes where one {one} has more than half", "numbers there are about one {one}"),
    ("class_size_min", "Fewest {many} in a class", "the k that holds"),
    ("persons", "{Many} with at least one row", "how many are in the table at all"),
)
"""Figure of run.json, its title and what it means."""
LIMITS = (
    "What the members of a class have in common: k different people who all ride to one clinic at one hour tell that of "
    "each of them. Where destinations are sensitive, ask for a diversity rule.",
    "Somebody who already knows that a person is in the data and much of what he did (membership). k-anonymity does not "
    "stop that; a public recipient needs differential privacy.",
    "Other data about the same people released elsewhere: other operators, other releases, other periods.",
    "A wrong recipe: thresholds that are too low, or an identifier mapped as a category. Read the recipe as well.",
    "The people and machines of your own side: this folder holds exact counts and has a date by which it must be gone.",
)


ANSWERS = (
    "PASS: within the threshold. WARN: beyond a usual limit, or not measured; you decide. FAIL: the release is refused. A row "
    "of PASS is no proof of anonymity: it says that these questions were put to these files."
)
QUESTIONS = {
    "identifiers": "Identifiers left",
    "pseudonyms": "Anything that links rows",
    "class_size": "Smallest class",
    "risk": "Largest risk of a row",
    "dominance": "Diversity and dominance",
    "unicity": "Singled out by known points",
    "home_work": "Home and work",
    "membership": "Guarantee and membership",
    "differencing": "Subtraction",
    "suppression": "Suppression and usefulness",
    "retention": "Retention and erasure",
    "operators": "Mix of operators",
    "sensitive_places": "Small or sensitive places",
    "provenance": "Provenance",
    "permission": "Licence, recipient, permission",
}


def question_text(key: str) -> str:
    """A question of the scorecard in two or three words.

    >>> question_text("differencing")
    'Subtraction'
    """
    return QUESTIONS.get(key, key.replace("_", " "))


def named(text: str, unit: str) -> str:
    """A text about whatever is counted.

    >>> named("{Many} alone in some class", "person"), named("Classes of one {one}", "trip")
    ('People alone in some class', 'Classes of one trip')
    """
    many = MANY.get(unit, unit)
    return text.format(one=ONE.get(unit, unit), many=many, Many=many.capitalize())


def reason_text(name: str) -> str:
    """Why a line was rejected.

    >>> reason_text("blank_line")
    'the line is empty'
    """
    try:
        return Reason(name).what
    except ValueError:
        return name.replace("_", " ")


HINTS = {
    "outside_area": "check geo.area and the column map",
    "outside_period": "check period and the format of times",
    "no_person": "check which column names people; rows without one count nobody",
    "no_driver": "check which column names drivers",
}
"""Rule → what to look at where it takes many lines; promises are kept, whatever they take."""


def reason_hint(name: str) -> str:
    """What to do about lines that were rejected for a reason."""
    try:
        return Reason(name).hint
    except ValueError:
        return ""


def rule_hint(name: str) -> str:
    """What to look at where a rule dropped many lines."""
    return HINTS.get(name, "")


def rule_text(name: str) -> str:
    """By which rule a line was dropped."""
    kind, _, which = name.partition(":")
    told = RULES.get(name) or RULES.get(kind, name.replace("_", " "))
    return f"{told} ({which.replace('_', ' ')})" if which else told


def check_text(name: str) -> str:
    """What a check asks."""
    return CHECKS.get(name, name.replace("_", " ").capitalize())


def part_text(part: str) -> str:
    """A product as a reader says it.

    >>> part_text("volumes:start")
    'volumes, departures'
    """
    kind, _, end = part.partition(":")
    return kind + {"start": ", departures", "end": ", arrivals"}.get(end, f", {end}" if end else "")


def number(value: Any) -> str:
    """A count for a table; a dash where there is none."""
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"
