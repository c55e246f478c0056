"""README.md of a bundle of classes: what it is, its files and columns, how to read them, how to open them.

A recipient must need nothing else: units, local bins, what noise there is, how suppressed differs from zero. Everything in it
follows from the specification; no number of it comes from the trips.
"""

from __future__ import annotations

from anonkit.bundle import Resource
from anonkit.publish.spec import ReleaseSpec
from anonkit.publish.words import opening, table_of_columns, table_of_files

POOLS = {
    "week": "the same hours of all weeks of the period together",
    "day": "the same hours of all days of the period together",
}


def readme(spec: ReleaseSpec, resources: tuple[Resource, ...]) -> str:
    """The first thing that a recipient reads."""
    lines = [
        *opening(spec, zone=spec.base.zone, operators=spec.operators),
        *table_of_files(resources),
        "## Columns",
        "",
        *table_of_columns(resources),
        "## How to read it",
        "",
        *(f"- {sentence}" for sentence in _guide(spec)),
        "",
        "## How to open it",
        "",
        *_opening_lines(spec),
        "",
        "`anonkit verify FOLDER` checks that the files are complete and unaltered. Whether every class holds its k can",
        "be recounted only by the operator, who did so before handing the folder over.",
        "",
    ]
    return "\n".join(lines)


def _guide(spec: ReleaseSpec) -> list[str]:
    kinds = {product.kind for product in spec.products}
    told = [
        "**Absent is not zero.** A class without a row was suppressed or had no trips. `suppression` tells, by area and hour of "
        "the local day, in which band the suppressed share lies; where it has no row either, too few trips are there to tell.",
        f"**Time** is the local clock of {spec.base.zone}. A bin is a code; `bins` tells by `width` and `bin` when it begins."
        + "".join(
            f" {width}: {POOLS[pool]}."
            for width in dict.fromkeys(step.at.bins.width for step in spec.steps)
            if (pool := width.rpartition(" of ")[2]) in POOLS
        ),
        "**Place**: the codes of cells are those of `zones/`, one file a level.",
    ]
    if spec.noise is not None:
        told.append(
            f"**Numbers of trips are not exact**: each was changed by at most {spec.noise.largest} (standard deviation "
            f"{spec.noise.variance**0.5:.2f}, mean 0), the same people always by the same, so that adding up does not remove it."
            + (" Of `trips` the number of equal rows is what was changed." if "trips" in kinds else "")
        )
    if any(product.roll_up for product in spec.products):
        told.append(
            "**Rolled up**: rows with `rolled_up` above 0 hold what finer rows leave of a coarser class. Rows of all levels add "
            "up without counting a trip twice; cells and bins of two levels must not be compared."
        )
    if spec.steps and any(product.statistics for product in spec.products):
        told.append("**Means and medians** are of people, one value each (the median of his trips), not of trips.")
    told.append("Rows carry no identifier and are sorted by their columns; nothing links two rows to one person.")
    return told


def _opening_lines(spec: ReleaseSpec) -> list[str]:
    product = spec.products[0]
    column = "start_bin" if product.kind == "trips" else "bin"
    finest = '.query("rolled_up == 0")' if product.roll_up else ""
    return [
        "    import anonkit as ak                       # the base install is enough",
        '    city = ak.open_release("FOLDER")           # verified while it is opened',
        f"    city.{product.kind}                                # what each column means",
        f'    city.{product.kind}.total(by="{column}")',
        "    city.suppressed; city.bins; city.privacy",
        f'    city.to_geodataframe("{product.kind}")           # with the polygons of its cells',
        f"    width = city.bins.query(\"width == '{product.bins.width}'\")",
        f"    city.{product.kind}.to_pandas(){finest}.merge("
        f'width, left_on="{column}", right_on="bin")   # with the beginning of each bin',
    ]
