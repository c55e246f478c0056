"""The steps of a release as a notebook calls them: the same kernels, one thin face each.

``read_trips`` → ``prepare`` → ``generalise`` → ``safe_products``; ``release`` does all of it from a recipe, with noise on
counts, the gate and the register beside. What a step returns stays inside: only ``release`` makes something to hand over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from anonkit.base.clock import as_of as instant
from anonkit.base.entropy import fresh_key
from anonkit.base.errors import RecipeError, SchemaError, SourceError
from anonkit.classes import Protection
from anonkit.engine import Session
from anonkit.geo import Tessellation, TimeBins
from anonkit.geo import generalise as coarsen_trips
from anonkit.kanon import Decisions, Level, Product, decide_products
from anonkit.kanon.products import Kind, Part
from anonkit.pipeline.measure import product_figures
from anonkit.pipeline.promised import keep_promises, without_identifiers
from anonkit.prepare import (
    GROUP,
    RIDES,
    SIGNS,
    Policy,
    account_for,
    count_together,
    keep_used,
    kept_out,
    mark_duplicates,
    tokenise,
)
from anonkit.recipe import load_recipe
from anonkit.schema import Accounting, Table
from anonkit.sources import HOME, InputSpec, OpenInput, preset_names, preset_of, read_generic, visits_as_trips
from anonkit.utility import ProductUtility, align, product_utility

UNKNOWN = "unknown"


@dataclass(frozen=True, repr=False)
class RawTrips(Table):
    """Trips as the operator wrote them, lazily; nothing of them is stored until ``prepare`` took identifiers out."""

    opened: OpenInput | None = field(default=None, repr=False, compare=False)
    spec: InputSpec | None = field(default=None, repr=False, compare=False)
    """What the columns mean."""


@dataclass(frozen=True, repr=False)
class Prepared(Table):
    """Trips under tokens, with what the operator's promises kept and dropped."""

    promises: dict[str, Any] | None = field(default=None, compare=False)
    """Of each rule: its clause, and lines kept, kept for anonymised products only, dropped; deadlines; what was not evaluated."""


def read_trips(
    path: str | Path,
    *,
    source: str,
    recipe: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    as_of: str | date | datetime | None = None,
    session: Session | None = None,
    **more: Any,
) -> RawTrips:
    """Open an operator's export as a lazy table of trips.

    Parameters
    ----------
    path : the export.
    source : the operator, as the recipe names it; without recipe and columns, an operator or format that comes with anonkit
        (``kontaktplus``, ``uklon``, ``pokupi``, ``mds``, …).
    recipe : take the meaning of the columns, the zone and the public area from this recipe's input of that operator.
    columns : without a recipe: canonical name → the operator's name (``start, end, person, start_lon, …``).
    as_of : the instant after which a clock is wrong; default now.
    **more : without a recipe: further keys of an input, such as ``mode``, ``direct``, ``accounts={"path": …}``,
        ``time={"zone": "Asia/Baku"}``.

    Returns
    -------
    Table; its repr shows columns and roles, ``.rejected`` counts lines that cannot be used, by reason.

    Raises
    ------
    SourceError : the file cannot be read, or nothing says what its columns mean.

    Privacy
    -------
    Reads the named columns only. Ids and coordinates are in it: keep it lazy, go on with ``prepare``.
    """
    box, spec = None, None
    if recipe is not None:
        read, _ = load_recipe(Path(recipe))
        found = [entry for entry in read.inputs if entry.operator == source]
        if not found:
            raise SourceError(
                f"the recipe has no input of {source!r}",
                hint=f"its operators are {sorted({entry.operator for entry in read.inputs})}",
            )
        zone = found[0].time.zone or read.time.zone
        spec = found[0].model_copy(update={"path": Path(path), "time": found[0].time.model_copy(update={"zone": zone})})
        box = read.geo.grid.box
    elif columns is not None:
        spec = InputSpec.model_validate({"path": path, "operator": source, "columns": dict(columns), **more})
    elif preset_of(source, Path(path)) is not None:
        name, operator = preset_of(source, Path(path)) or ("", "")
        spec = InputSpec.model_validate({"path": path, "source": name, "operator": operator or source, **more})
        home = spec.time.zone or HOME.get(spec.operator)
        spec = spec.model_copy(update={"time": spec.time.model_copy(update={"zone": home})})
    if spec is None:
        raise SourceError(
            f"nothing says what the columns of {Path(path).name} mean",
            hint="give recipe='data/recipes/….yml', columns={'person': …, 'start': …, …}, or one of the sources "
            f"{list(preset_names())}; `anonkit inspect` helps",
        )
    table, opened = read_generic(spec, session=session or Session(), as_of_s=int(instant(as_of).timestamp()), box=box)
    table = visits_as_trips(table)
    return RawTrips(table.frame, table.schema, table.session, opened=opened, spec=spec)


def prepare(
    table: Table,
    *,
    policy: str | Path | Policy | None = None,
    use: str | None = None,
    as_of: str | date | datetime | None = None,
    erase: str | Path | None = None,
    lists: Mapping[str, str | Path] | None = None,
) -> Prepared:
    """Keep the operator's promises, take identifiers out, leave duplicates and rows of nobody out, account for every line.

    Parameters
    ----------
    table : from ``read_trips``, or any ``Table.of(...)`` with the column that is counted.
    policy : a bundled policy (``"kontaktplus"``), a path, or a ``Policy``: clocks, age and consents.
    use : what it is for, held against the policy; without one the strictest reading of each rule holds.
    as_of : the instant at which clocks, ages and deadlines are evaluated; default now.
    erase : list of people to be erased, CSV or Parquet with ``phone, email, account_id, card_number``.
    lists : further lists by rule: ``restriction``, ``objection``, ``withdrawn_consent``.

    Returns
    -------
    Prepared : the used trips with tokens of this call; ``.accounting`` says where all lines went, ``.promises`` which rule kept
    and dropped how many. Nulls in ``mode`` and ``operator`` are the category "unknown".

    Raises
    ------
    RecipeError : no such policy or list. PermissionRefusedError : the policy does not permit ``use``.

    Privacy
    -------
    Tokens are keyed with a key that is forgotten when this returns. Coordinates and times are still exact. Rows of people on
    a list are never stored. The subject register is not asked: ``release`` does that.
    """
    session, unit = table.session, table.schema.unit_column
    opened = table.opened if isinstance(table, RawTrips) else None
    plain = Table(table.frame, table.schema, session)
    names = plain.frame.collect_schema().names()
    if "_reason" not in names:
        nothing, one = nw.lit(None, dtype=nw.String), nw.lit(1, dtype=nw.Int64)
        plain = plain.with_frame(plain.frame.with_columns(nothing.alias("_reason"), one.alias("_lines")))
    if "_line" not in names:
        query = "SELECT *, row_number() OVER () AS _line FROM {frame}"
        plain = plain.with_frame(session.frame(query, frame=plain.frame))
    kept = None
    if policy is not None or erase is not None or lists:
        spec = table.spec if isinstance(table, RawTrips) else None
        named = {**(lists or {}), **({"erasure": erase} if erase is not None else {})}
        zone = (spec.time.zone if spec is not None else None) or table.schema.zone or "UTC"
        plain, kept = keep_promises(
            plain, opened, spec, policy=policy, use=use, as_of=instant(as_of), lists=named, zone=zone
        )
        plain = without_identifiers(plain)
    safe = tokenise(plain, key=fresh_key(), by_distinct=opened is not None and opened.stream is None, together=SIGNS)
    texts = [name for name in ("mode", "operator") if name in safe.schema]
    rule = nw.col("_rule") if "_rule" in safe.frame.collect_schema().names() else nw.lit(None, dtype=nw.String)
    nobody = nw.when(nw.col(unit).is_null() & rule.is_null()).then(nw.lit(f"no_{unit}")).otherwise(rule)
    frame = safe.frame.with_columns(
        *(nw.col(name).cast(nw.String).fill_null(UNKNOWN).alias(name) for name in texts), nobody.alias("_rule")
    )
    if {"operator", "trip"} <= set(names):
        if kept is not None:  # of rows that a promise keeps out nothing but the rule counts
            frame = frame.with_columns(nw.when(~kept_out()).then(nw.col("trip")).alias("trip"))
        frame = mark_duplicates(frame, session)
    rows = int(session.value("SELECT count(*) FROM {frame}", frame=frame))
    account = account_for(
        frame,
        session,
        source=table.schema.source or "table",
        physical=rows if opened is None else opened.physical(session),
        header=0 if opened is None else opened.header_lines,
        dropped_columns=() if opened is None else opened.dropped_columns,
    )
    used = frame.filter(nw.col("_reason").is_null() & nw.col("_rule").is_null())
    gone = ["_reason", "_rule", "_line", *(["_note", f"_{GROUP}"] if kept is not None else [])]
    gone += ["_mended"] if "_mended" in frame.collect_schema().names() else []
    told = kept.told(frame, account, session) if kept is not None else None
    return Prepared(used.drop(*gone), safe.schema, session, accounting=account, shapes=safe.shapes, promises=told)


def generalise(table: Table, *, cells: Tessellation, bins: TimeBins, period: tuple[date, date] | None = None) -> Table:
    """Coordinates become cells, instants become bins; trips outside the public area or period are dropped and counted.

    Parameters
    ----------
    table : from ``prepare``.
    cells : the public tessellation; bins : the finest time bins; period : first and last local date, both included.

    Returns
    -------
    Table with ``start_cell, end_cell, start_bin``, stored once in the session's private folder; ``.accounting`` goes on.
    People known to have ridden together (``party``; ``vehicle``, start and end; a shared ``trip``) have one token (ruling 3).

    Privacy
    -------
    Coordinates end here. A cell and an hour still single people out: this coarsens, it does not anonymise.
    """
    account = table.accounting
    if not isinstance(account, Accounting) or "_lines" not in table.frame.collect_schema().names():
        coarse = coarsen_trips(table, cells=cells, bins=bins, period=period)
        return _as_one(replace(coarse, frame=table.session.checkpoint(coarse.frame, "generalised")))
    nothing = nw.lit(None, dtype=nw.String).alias("_reason")
    coarse = coarsen_trips(table.with_frame(table.frame.with_columns(nothing)), cells=cells, bins=bins, period=period)
    frame = table.session.checkpoint(coarse.frame, "generalised")
    query = "SELECT _rule, sum(_lines)::BIGINT FROM {frame} WHERE _rule IS NOT NULL GROUP BY 1 ORDER BY 1"
    dropped = dict(table.session.rows(query, frame=frame))
    left = replace(account, used=account.used - sum(dropped.values()), dropped={**account.dropped, **dropped})
    return _as_one(replace(coarse, frame=keep_used(frame), accounting=left.check()))


def _as_one(table: Table) -> Table:
    """Companions under one token (ruling 3), without the columns by which they were found."""
    names = table.frame.collect_schema().names()
    rides = {f"_{ride}": ride for ride in RIDES.values() if f"_{ride}" in names}
    frame = table.frame.rename(rides)
    if {"trip", "person"} <= set(names) and table.schema.unit_column == "person":
        frame, _ = count_together(frame, table.session, signs=SIGNS)
    plain = [name for name in names if name not in rides]
    return replace(table, frame=frame.select(*plain))


@dataclass(frozen=True, kw_only=True)
class SafeProducts:
    """What could be published of a table, and what it would cost. Inside only: exact counts."""

    decisions: Decisions = field(repr=False)
    cells: Tessellation = field(repr=False)
    bins: TimeBins
    session: Session = field(repr=False, compare=False)

    @property
    def parts(self) -> tuple[str, ...]:
        """``trips``, ``flows``, ``volumes:start``, ``volumes:end``, as far as asked for."""
        return tuple(part.name for part in self.decisions.parts)

    def summary(self) -> pd.DataFrame:
        """Classes, trips and shares of each part."""
        return pd.DataFrame(product_figures(self.decisions, session=self.session)).set_index("part")

    def published(self, part: str) -> pd.DataFrame:
        """Keys and exact trips of the classes that could be published, roll-ups included."""
        found = self._part(part)
        keys = list(found.product.keys)
        frames = [
            self.session.collect(decided.published.select(*keys, nw.col("rows").alias("trips"))).to_pandas()
            for decided in self.decisions.of_part(found)
        ]
        return pd.concat(frames, ignore_index=True)

    def classes(self, part: str) -> pd.DataFrame:
        """All classes of the first level: keys, ``persons``, trips ``before`` and ``after`` (nan: suppressed)."""
        found = self._part(part)
        keys = [name for name in found.product.keys if name != "rolled_up"]
        first = self.decisions.of_part(found)[0]
        every = self.session.collect(first.classes.select(*keys, "persons", nw.col("rows").alias("trips"))).to_pandas()
        told = self.session.collect(first.published.select(*keys, nw.col("rows").alias("trips"))).to_pandas()
        return align(every, told, keys=keys).merge(every[[*keys, "persons"]], on=keys)

    def utility(self, part: str) -> ProductUtility:
        """Errors of a part's first level."""
        found = self._part(part)
        keys = [name for name in found.product.keys if name != "rolled_up"]
        step = found.steps()[0]
        return product_utility(part, self.classes(part), keys=keys, bins=step.at.bins, bin=found.product.bin_column)

    def behind(self) -> tuple[np.ndarray, list[np.ndarray], list[float]]:
        """For attacks by subtraction: the person of every row, the rows behind each count, and the counts."""
        rows = self.session.checkpoint(self.decisions.rows, "behind")
        unit = self.decisions.rows.collect_schema().names()
        person = "person" if "person" in unit else "trip"
        people = self.session.sql(f"SELECT {person} AS p FROM {{rows}} ORDER BY trip", rows=rows).column("p")
        sets: list[np.ndarray] = []
        for decided in self.decisions.steps:
            step = decided.step
            keyed = step.keyed(rows, self.cells, self.bins)
            listed = ", ".join(f'"{key}"' for key in step.keys)
            query = (
                f"SELECT list(n ORDER BY n) AS l FROM (SELECT *, row_number() OVER (ORDER BY trip) - 1 AS n FROM {{rows}}) "
                f"WHERE {step.part.told} = {step.number} GROUP BY {listed}"
            )
            sets += [np.array(entry, np.int64) for entry in self.session.sql(query, rows=keyed).column("l").to_pylist()]
        return np.unique(people.to_numpy(), return_inverse=True)[1], sets, [float(len(entry)) for entry in sets]

    def _part(self, name: str) -> Part:
        for part in self.decisions.parts:
            if part.name == name:
                return part
        raise SchemaError(f"there is no part {name!r}", hint=f"parts are {list(self.parts)}")


def safe_products(
    table: Table,
    *,
    cells: Tessellation,
    bins: TimeBins,
    protect: Mapping[str, int],
    dominance: str | Fraction,
    l_places: int,
    products: Mapping[str, Mapping[str, Any]],
) -> SafeProducts:
    """Decide what of a table could be published, as ``release`` does, without writing anything.

    Parameters
    ----------
    table : from ``generalise``. cells, bins : what its cells and bins are.
    protect, dominance, l_places : as in a recipe's ``privacy``: ``{"person": 5}``, ``"1/2"``, 2.
    products : as in a recipe: ``{"flows": {"cell_m": 2000, "bins": "3h of week"}}``; also ``columns``,
        ``rows_per_person`` (trips) and ``roll_up``.

    Returns
    -------
    SafeProducts, to look at: exact counts, inside only.

    Raises
    ------
    RecipeError : products do not nest, or a threshold makes no sense.

    Privacy
    -------
    Every published class and every remainder by subtraction holds 0 trips or the thresholds. Counts are exact here;
    ``release`` perturbs them, recounts the written files and knows of earlier releases.
    """
    unit = "person" if "person" in protect else "driver" if "driver" in protect else "trip"
    if unit not in protect:
        raise RecipeError("protect names nobody", hint="protect={'person': 5}")
    protection = Protection(
        unit=unit,
        k=protect[unit],
        k_driver=protect.get("driver") if unit == "person" else None,
        dominance=Fraction(dominance),
        l_places=l_places,
    )
    chosen = tuple(_product(kind, entry, cells, bins) for kind, entry in products.items())
    decisions = decide_products(
        table.frame, chosen, grid=cells, base=bins, protection=protection, session=table.session
    )
    return SafeProducts(decisions=decisions, cells=cells, bins=bins, session=table.session)


def _product(kind: str, entry: Mapping[str, Any], cells: Tessellation, bins: TimeBins) -> Product:
    if kind not in get_args(Kind):
        raise RecipeError(f"there is no product {kind!r}", hint=f"products are {list(get_args(Kind))}")
    known = {"cell_m", "bins", "columns", "rows_per_person", "roll_up"}
    if set(entry) - known or not {"cell_m", "bins"} <= set(entry):
        raise RecipeError(f"{kind} has the keys {sorted(entry)}", hint=f"cell_m and bins, and any of {sorted(known)}")
    columns = tuple(entry.get("columns", ()))
    return Product(
        kind=kind,  # type: ignore[arg-type]
        level=cells.level_of(entry["cell_m"]),
        bins=TimeBins(entry["bins"], zone=bins.zone),
        columns=columns,
        max_rows=entry.get("rows_per_person"),
        roll_up=tuple(
            Level(
                level=cells.level_of(rolled["cell_m"]),
                bins=TimeBins(rolled["bins"], zone=bins.zone),
                columns=tuple(rolled.get("columns", columns)),
            )
            for rolled in entry.get("roll_up", ())
        ),
    )
