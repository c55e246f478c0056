"""Published release rules of cities and standards, by name, with what they count and whom they suffice for.

Every one of them counts trips, not persons (MDS reports print riders, but redact by trips), and none looks at what
several tables tell together. They are here to be compared with and to be met where a city demands them; ``suffices_for``
says for which class of recipient the rule passes our thresholds (ruling 34: public 1/11, contract 1/5) when its
threshold is read in persons. Louisville's is documented as unsafe and cannot be used for a release.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from anonkit.base.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One published rule."""

    name: str
    least: int
    """Least count of a released class; 1: no threshold."""
    counts: str
    """What the publisher counts: ``trips``."""
    time_s: int
    """Width of the released time, seconds."""
    place: str
    coarser_place: str | None = None
    """What a place below the threshold becomes; None: nothing is published of it."""
    money: tuple[tuple[str, float], ...] = ()
    """Column → rounding step in the currency."""
    small_value: int | None = None
    """What is printed for a small count (and for zero)."""
    round_time: str = "nearest"
    source: str
    note: str = ""
    unsafe: str = ""
    """Why the rule must not be used; empty: it may."""

    @property
    def suffices_for(self) -> str:
        """``public`` (k >= 11), ``contract`` (k >= 5) or ``inside``, reading the threshold in persons."""
        if self.unsafe or self.least < 5:
            return "inside"
        return "public" if self.least >= 11 else "contract"

    @property
    def times(self) -> str:
        """Width of the released times in words.

        >>> preset("austin").times, preset("mds_reports").times
        ('15 min', 'calendar month')
        """
        if self.time_s == MONTH_S:
            return "calendar month"
        return f"{self.time_s // 60} min" if self.time_s < 3600 else f"{self.time_s // 3600} h"

    def described(self) -> Iterator[str]:
        """The rule line by line, for a person who has to choose one or to meet one."""
        least = f"classes of fewer than {self.least} {self.counts}" if self.least > 1 else "none that is known"
        yield f"{self.name}"
        yield f"  place       {self.place}" + (f", else {self.coarser_place}" if self.coarser_place else "")
        yield f"  times       {self.times}" + (f", to the {self.round_time}" if self.time_s < MONTH_S else "")
        yield f"  left out    {least}"
        if self.small_value is not None:
            yield f"  printed     {self.small_value} for small counts and for zero"
        for column, step in self.money:
            yield f"  {column:<11} to {step:.2f}"
        yield f"  counts      {self.counts}, not people: one person may be a whole class"
        yield f"  passes for  {FITS[self.suffices_for] if not self.unsafe else 'nobody: the rule is unsafe'}"
        if self.unsafe:
            yield f"  unsafe      {self.unsafe}"
        if self.note:
            yield f"  note        {self.note}"
        yield f"  source      {self.source}"
        kept = f"preset: {self.name}; bins of this width, told by their beginning"
        yield f"  in a recipe {'refused' if self.unsafe else kept}"

    def round_epoch(self, local_s: int) -> int:
        """A local time as the rule releases it.

        >>> preset("chicago_tnp").round_epoch(8 * 3600 + 440), preset("mds_reports").round_epoch(86_400 * 40)
        (28800, 2678400)
        """
        if self.time_s == MONTH_S:
            first = datetime.fromtimestamp(local_s, UTC).replace(day=1, hour=0, minute=0, second=0)
            return int(first.timestamp())
        shift = self.time_s // 2 if self.round_time == "nearest" else 0
        return (local_s + shift) // self.time_s * self.time_s

    def round_money(self, column: str, value: float) -> float:
        """An amount as the rule releases it.

        >>> preset("chicago_tnp").round_money("fare", 11.3)
        12.5
        """
        step = dict(self.money).get(column)
        return value if step is None else float(int(value / step + 0.5) * step)


FITS = MappingProxyType(
    {
        "public": "anybody, if the threshold is read in people (1/11)",
        "contract": "recipients under contract, if the threshold is read in people (1/5)",
        "inside": "the operator's own staff: the threshold is below 5, also when it is read in people",
    }
)
"""Class of recipient in words (ruling 34)."""
MONTH_S = 2_678_400
"""Marks a calendar month."""
_LOUISVILLE_README = "louisvillemetro-innovation/Dockless-Open-Data, README.md (read in a stored copy)"

PRESETS: MappingProxyType[str, Preset] = MappingProxyType(
    {
        p.name: p
        for p in (
            Preset(
                name="chicago_tnp",
                least=3,
                counts="trips",
                time_s=900,
                place="census tract",
                coarser_place="community area",
                money=(("fare", 2.5), ("tip", 1.0)),
                source="City of Chicago, press release of 2019-04-12 and data portal, Transportation Network Providers - "
                "Trips (catalog.data.gov, 2023-2024, read again); the city's article on privacy is data.cityofchicago.org/stories/s/82d7-i4i2",
                note="Times to the nearest 15 minutes, fares to $2.50, tips to $1.00; tracts of two or fewer trips in 15 "
                "minutes are blank (the threshold is from the city's article, which we could not re-read).",
            ),
            Preset(
                name="chicago_escooter",
                least=3,
                counts="trips",
                time_s=3600,
                place="census tract centroid",
                coarser_place="community area",
                source="City of Chicago, data portal, E-Scooter Trips; named by Louisville's README as community area and hour",
                note="The threshold of three is as commonly cited; the city's page was not re-read.",
            ),
            Preset(
                name="mds_reports",
                least=10,
                counts="trips",
                time_s=MONTH_S,
                place="geography of the agency",
                small_value=-1,
                source="Open Mobility Foundation, Mobility Data Specification: Reports (duration P1M), Data Redaction: k-value 10, -1 for "
                "fewer and for 0 (read again)",
                note="Zero is printed as -1 too, so that an absent group is not told from a small one.",
            ),
            Preset(
                name="austin",
                least=1,
                counts="trips",
                time_s=900,
                place="three decimals of a degree, later census tract",
                source="City of Austin, transportation department wiki, atd-dts.gitbook.io/wiki/developer/dockless-mobility: nearest 15 "
                "minutes, three decimals (read again)",
                note="No threshold: a single trip is published.",
            ),
            Preset(
                name="calgary",
                least=1,
                counts="trips",
                time_s=3600,
                place="hexagon of 30,000 m2",
                source="City of Calgary, open data, Shared Mobility Pilot Trips (not re-read)",
                note="Hour and hexagon as commonly cited, not re-read; no threshold that we know of.",
            ),
            Preset(
                name="kansas_city",
                least=1,
                counts="trips",
                time_s=900,
                place="three decimals of a degree",
                source=_LOUISVILLE_README + ": 'uses this method except for the k-anonymity step'",
            ),
            Preset(
                name="minneapolis",
                least=1,
                counts="trips",
                time_s=1800,
                place="street centreline segment",
                source="City of Minneapolis, Mobility Data Methodology and Analysis (2019; read in the summary of NCHRP's guide to shared "
                "mobility data); " + _LOUISVILLE_README,
                note="Binned times and segments, new trip ids, no raw data stored; half hours as commonly cited.",
            ),
            Preset(
                name="portland",
                least=1,
                counts="trips",
                time_s=3600,
                place="street segment or block group totals",
                source="Portland Bureau of Transportation, 2018 E-Scooter Findings Report (not re-read)",
                note="Published as totals; no threshold that we could verify.",
            ),
            Preset(
                name="sharedstreets",
                least=3,
                counts="trips",
                time_s=3600,
                place="street segment or hexagon",
                source="SharedStreets, Aggregating trip data using k-anonymization (2019-11-06)",
                note="Fewer than three are left out; counts trips.",
            ),
            Preset(
                name="louisville",
                least=5,
                counts="trips",
                time_s=900,
                place="three decimals of a degree, moved at random below the threshold",
                source=_LOUISVILLE_README,
                unsafe="one random offset moves both ends of a trip, so that their difference stays exact; trip ids are an "
                "unsalted hash of the operator's; exact minutes and miles stand beside them",
            ),
        )
    }
)


def preset(name: str) -> Preset:
    """A preset by name.

    >>> preset("mds_reports").least, preset("mds_reports").suffices_for
    (10, 'contract')
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        raise RecipeError(
            f"no preset '{name}'", hint=f"did you mean {near[0]!r}?" if near else f"one of {', '.join(PRESETS)}."
        )
    return PRESETS[name]


def usable(name: str) -> Preset:
    """A preset that may be used for a release; an unsafe one raises."""
    found = preset(name)
    if found.unsafe:
        raise RecipeError(f"preset '{name}' is documented as unsafe: {found.unsafe}", hint="choose another.")
    return found
