"""The release counted again from the raw file, by nothing of anonkit's.

Reads the recipe (YAML), the operators' files (CSV) and the written bundle; parses with ``csv``, divides the plane with
``math.floor``, turns clocks with ``zoneinfo``. Knows the rules as SOUNDNESS.md and the recipe state them, not how they
are carried out. Slow and plain on purpose.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import shapely
import yaml

EPOCH = datetime(1970, 1, 1)
KINDS = ("trips", "flows", "volumes")


@dataclass
class Trip:
    """A usable trip at base cells and local seconds."""

    person: str | None
    driver: str | None
    start: tuple[int, int]
    end: tuple[int, int]
    local_s: int
    columns: dict[str, str]
    line: int
    rides: tuple[Any, ...] = ()
    """What it may share with companions: its booking; its vehicle, start and end; its trip id."""


@dataclass
class Recounted:
    """What the raw files come to."""

    used: list[Trip]
    unusable: Counter[str] = field(default_factory=Counter)
    """Reason or rule → lines."""


@dataclass(frozen=True)
class Step:
    """A product, or one direction of volumes, at one of its levels."""

    kind: str
    end: str | None
    number: int
    cell_m: int
    bins: str
    columns: tuple[str, ...]
    told: tuple[str, ...]
    """Of the columns, those that this level still tells apart."""
    rolls: bool
    """The product has roll-ups and a column that says which."""

    @property
    def coarseness(self) -> tuple[int, int, int, int]:
        """Fine to coarse."""
        size, _, pool = self.bins.partition(" of ")
        number = int("".join(c for c in size if c.isdigit()))
        seconds = number * {"min": 60, "m": 60, "h": 3600, "d": 86_400}[size.strip("0123456789 ")]
        return self.cell_m, ("", "week", "day").index(pool), seconds, -len(self.told)


class Recount:
    """One recipe, read apart from anonkit."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self.recipe: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        self._ground(self.recipe["geo"])
        self.zone = ZoneInfo(self.recipe["time"]["zone"])
        protect = self.recipe["privacy"]["protect"]
        self.unit = "person" if "person" in protect else next(iter(protect))
        self.k = int(protect[self.unit])
        self.k_driver = int(protect["driver"]) if self.unit == "person" and "driver" in protect else None
        self.dominance = Fraction(str(self.recipe["privacy"].get("dominance", "1/2")))
        self.l_places = int(self.recipe["privacy"].get("l_places", 2))
        self._cells: dict[tuple[int, int], bool] = {}
        self._signs = self.recipe["privacy"].get("together", ["party", "vehicle", "trip"])
        self.companions = 0
        """People who shared a ride."""

    def _ground(self, geo: dict[str, Any]) -> None:
        self.lat_step = round(geo["cell_m"] / 111_320 * 1e6)
        self.lon_step = round(geo["cell_m"] / (111_320 * math.cos(math.radians(geo["latitude"]))) * 1e6)
        collection = json.loads((self.folder / geo["area"]).read_text(encoding="utf-8"))
        self.area = shapely.union_all([shapely.from_geojson(json.dumps(f["geometry"])) for f in collection["features"]])

    # --- raw files -------------------------------------------------------------------------------------------------

    def used(self, now: datetime | None = None) -> Recounted:
        """All usable trips of all inputs."""
        result = Recounted(used=[])
        for spec in self.recipe["inputs"]:
            self._read(spec, result, now or datetime.now(UTC))
        if self.unit == "person":
            self._count_together(result.used)
        return result

    def _count_together(self, trips: list[Trip]) -> None:
        """Give all people whom rides connect one name (ruling 3)."""
        leader = {trip.person: trip.person for trip in trips}

        def head(person: str | None) -> str | None:
            while leader[person] != person:
                person = leader[person]
            return person

        shared: dict[Any, list[Trip]] = defaultdict(list)
        for trip in trips:
            for ride in trip.rides:
                shared[ride].append(trip)
        met = set()
        for ride, several in shared.items():
            for one in several:
                for other in several:
                    near = ride[0] != "trip" or abs(self._base(one) - self._base(other)) <= 1
                    if one.person != other.person and near:
                        leader[head(one.person)] = head(other.person)
                        met |= {one.person, other.person}
        self.companions = len(met)
        for trip in trips:
            trip.person = head(trip.person)

    def _base(self, trip: Trip) -> int:
        return self.bin(trip.local_s, self.recipe["time"]["bins"])

    def _read(self, spec: dict[str, Any], result: Recounted, now: datetime) -> None:
        lines = self._lines(spec)
        names = next(csv.reader([lines[0]]))
        seen: set[tuple[str | None, str]] = set()
        for number, line in enumerate(lines[1:], start=2):
            if not line.strip():
                result.unusable["blank_line"] += 1
                continue
            fields = next(csv.reader([line.rstrip("\r")]))
            if len(fields) != len(names):
                result.unusable["ragged_line"] += 1
                continue
            nulls = set(spec.get("nulls", ()))
            raw = {n: (None if v == "" or v in nulls else v) for n, v in zip(names, fields, strict=True)}
            trip, reason = self._trip(raw, spec, number, now)
            if trip is not None:
                trip_id = (raw.get(spec["columns"].get("trip") or spec["columns"].get("visit", "")) or "").strip()
                if trip_id and (trip.person, trip_id) in seen:
                    trip, reason = None, "duplicate"
                elif trip_id:
                    seen.add((trip.person, trip_id))
            if trip is not None:
                reason = self._rule(trip)
            if reason is None and trip is not None:
                result.used.append(trip)
            else:
                result.unusable[str(reason)] += 1

    def _lines(self, spec: dict[str, Any]) -> list[str]:
        path = self.folder / spec["path"]
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = data.decode("utf-8-sig").split("\n")
        return lines[:-1] if lines[-1] == "" else lines

    def _trip(
        self, raw: dict[str, str | None], spec: dict[str, Any], number: int, now: datetime
    ) -> tuple[Trip | None, str | None]:
        columns, checks = spec["columns"], spec.get("checks", {})

        def text(name: str) -> str | None:
            return ((raw[columns[name]] or "").strip() or None) if name in columns else None

        if any(text(name) is None for name in checks.get("require", ())):
            return None, "missing_key"
        try:
            points, count = self._points(raw, spec)
            start = self._instant(raw[columns["start"]], spec)
            if "end" in columns:
                end = self._instant(raw[columns["end"]], spec)
            elif "duration_s" in columns:
                end = start + math.floor(float(str(raw[columns["duration_s"]])))
            else:
                end = start + (count - 1) * spec["polyline"]["interval_s"]
        except (ValueError, TypeError) as error:
            return None, str(error)
        if points is None:
            return None, "too_few_points"
        lon0, lat0, lon1, lat1 = points
        first = datetime(checks.get("first_year", 2005), 1, 1, tzinfo=UTC).timestamp()
        if min(start, end) < first or max(start, end) > now.timestamp() + 86_400:
            return None, "clock_out_of_range"
        west, south, east, north = self.area.bounds
        for lon, lat in ((lon0, lat0), (lon1, lat1)):
            if not (west <= lon <= east and south <= lat <= north) and west <= lat <= east and south <= lon <= north:
                return None, "swapped_coordinates"
            if abs(lon) > 180 or abs(lat) > 90 or (lon == 0 and lat == 0):
                return None, "impossible_coordinates"
        if end < start:
            return None, "end_before_start"
        if end - start < checks.get("min_seconds", 1):
            return None, "zero_length"
        if end - start > checks.get("max_hours", 24) * 3600:
            return None, "trip_too_long"
        middle = math.radians((lat0 + lat1) / 2)
        metres = 111_195 * math.hypot(lat1 - lat0, (lon1 - lon0) * math.cos(middle))
        if metres * 3.6 > checks.get("max_speed_kmh", 250) * (end - start):
            return None, "absurd_speed"
        for name in ("distance_m", "amount"):
            value = raw[columns[name]] if name in columns else None
            if value is not None and float(value) < 0:
                return None, "negative_amount"
        also = {name: (raw[extra["column"]] or "").strip() or "unknown" for name, extra in spec.get("also", {}).items()}
        mode = text("mode") or ("unknown" if "mode" in columns else spec.get("mode", "unknown"))
        local = datetime.fromtimestamp(start, self.zone).replace(tzinfo=None)
        return (
            Trip(
                person=text("person"),
                driver=text("driver"),
                start=self.cell(lon0, lat0),
                end=self.cell(lon1, lat1),
                local_s=round((local - EPOCH).total_seconds()),
                columns={"operator": spec["operator"], "mode": mode, **also},
                line=number,
                rides=self._rides(spec, text, start, end),
            ),
            None,
        )

    def _rides(self, spec: dict[str, Any], text: Any, start: int, end: int) -> tuple[Any, ...]:
        named = {sign: text(sign) for sign in self._signs}
        more = {"vehicle": (start, end)}
        return tuple((sign, spec["operator"], name, *more.get(sign, ())) for sign, name in named.items() if name)

    def _points(self, raw: dict[str, str | None], spec: dict[str, Any]) -> tuple[tuple[float, ...] | None, int]:
        if "polyline" in spec:
            points = json.loads(raw[spec["polyline"]["column"]] or "[]")
            if not points:
                raise ValueError("missing_coordinates")
            return ((*points[0], *points[-1]) if len(points) >= 2 else None), len(points)
        values = [raw[spec["columns"][name]] for name in ("start_lon", "start_lat", "end_lon", "end_lat")]
        if any(value is None for value in values):
            raise ValueError("missing_coordinates")
        return tuple(float(str(value)) for value in values), 2

    def _instant(self, text: str | None, spec: dict[str, Any]) -> int:
        if text is None:
            raise ValueError("missing_time")
        times = spec.get("time", {})
        form = times.get("format", "iso")
        if form in ("epoch_s", "epoch_ms"):
            return math.floor(float(text) / (1000 if form == "epoch_ms" else 1))
        try:
            stamp = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
        except ValueError:
            raise ValueError("bad_time") from None
        if stamp.tzinfo is not None:
            return math.floor(stamp.timestamp())
        zone = ZoneInfo(times["zone"]) if times.get("zone") else self.zone
        early, late = (stamp.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if early.astimezone(zone).replace(tzinfo=None) != stamp:
            raise ValueError("nonexistent_local_time")
        if early != late and times.get("ambiguous", "reject") == "reject":
            raise ValueError("ambiguous_local_time")
        return math.floor((late if times.get("ambiguous") == "second" else early).timestamp())

    def _rule(self, trip: Trip) -> str | None:
        """What drops a usable trip by rule."""
        period = self.recipe["period"]
        day = EPOCH.date() + timedelta(days=trip.local_s // 86_400)
        if not as_date(period["from"]) <= day <= as_date(period["to"]):
            return "outside_period"
        if not (self._in_area(trip.start) and self._in_area(trip.end)):
            return "outside_area"
        nobody = trip.person if self.unit == "person" else trip.driver if self.unit == "driver" else "trip"
        return f"no_{self.unit}" if nobody is None else None

    # --- cells and bins --------------------------------------------------------------------------------------------

    def cell(self, lon: float, lat: float) -> tuple[int, int]:
        """Row and column of the base cell of a point."""
        row = (math.floor(lat * 1e6 + 0.5) + 90_000_000) // self.lat_step
        return row, (math.floor(lon * 1e6 + 0.5) + 180_000_000) // self.lon_step

    def _in_area(self, cell: tuple[int, int]) -> bool:
        if cell not in self._cells:
            row, column = cell
            south, west = row * self.lat_step / 1e6 - 90, column * self.lon_step / 1e6 - 180
            box = shapely.box(west, south, west + self.lon_step / 1e6, south + self.lat_step / 1e6)
            self._cells[cell] = shapely.area(shapely.intersection(box, self.area)) > 0
        return self._cells[cell]

    def code(self, cell: tuple[int, int], cell_m: int) -> int:
        """Released code of the cell of side ``cell_m`` around a base cell."""
        level = (cell_m // self.recipe["geo"]["cell_m"]).bit_length() - 1
        return level * 10**14 + (cell[0] // 2**level) * 10**7 + cell[1] // 2**level

    @staticmethod
    def bin(local_s: int, width: str) -> int:
        """The bin of local seconds; weeks begin on Monday."""
        size, _, pool = width.partition(" of ")
        number = int("".join(c for c in size if c.isdigit()))
        seconds = number * {"min": 60, "h": 3600, "d": 86_400}[size.strip("0123456789 ")]
        if pool == "day":
            local_s %= 86_400
        if pool == "week":
            moment = EPOCH + timedelta(seconds=local_s)
            local_s = moment.weekday() * 86_400 + local_s % 86_400
        return local_s // seconds

    # --- classes ---------------------------------------------------------------------------------------------------

    def steps(self) -> list[Step]:
        """All levels of all products: trips and flows from fine to coarse, then departures, then arrivals."""
        pairs: list[Step] = []
        ends: list[Step] = []
        for kind, product in self.recipe["products"].items():
            columns = tuple(product.get("columns", ()))
            told = columns
            for number, level in enumerate((product, *product.get("roll_up", ()))):
                told = tuple(level.get("columns", told) or ())
                for end in self._ends() if kind == "volumes" else (None,):
                    step = Step(
                        kind, end, number, self._size(level), level["bins"], columns, told, "roll_up" in product
                    )
                    (ends if end else pairs).append(step)
        pairs.sort(key=lambda step: (*step.coarseness, KINDS.index(step.kind), step.number))
        return pairs + sorted(ends, key=lambda step: (step.end == "end", step.number))

    def _ends(self) -> tuple[str, ...]:
        return ("start", "end")

    def _size(self, level: dict[str, Any]) -> int:
        return int(level["cell_m"])

    def key(self, step: Step, trip: Trip) -> tuple[Any, ...]:
        """The class of a trip at a step, in the order of the released columns."""
        start, end = self.code(trip.start, step.cell_m), self.code(trip.end, step.cell_m)
        number = self.bin(trip.local_s, step.bins)
        extra: list[Any] = [trip.columns[name] if name in step.told else "any" for name in step.columns]
        extra += [step.number] if step.rolls else []
        if step.end:
            return (start if step.end == "start" else end, number, step.end, *extra)
        return (start, end, number, *extra)

    def who(self, trip: Trip) -> str:
        """The unit that k counts."""
        return str({"person": trip.person, "driver": trip.driver, "trip": f"line {trip.line}"}[self.unit])

    def thinned(self, trips: list[Trip]) -> list[Trip]:
        """At most ``rows_per_person`` trips of a person in a class; which of them does not matter to any product."""
        first = self.steps()[0]
        most = self.recipe["products"][first.kind].get("rows_per_person")
        if most is None:
            return trips
        count: Counter[Any] = Counter()
        kept = []
        for trip in trips:
            key = (self.who(trip), *self.key(first, trip))
            count[key] += 1
            if count[key] <= most:
                kept.append(trip)
        return kept

    def holds(self, trips: list[Trip]) -> bool:
        """Whether these trips hold k different units, and k drivers where they are protected."""
        drivers = {trip.driver for trip in trips} - {None}
        enough = self.k_driver is None or len(drivers) >= self.k_driver
        return len({self.who(trip) for trip in trips}) >= self.k and enough

    def dominated(self, trips: list[Trip]) -> bool:
        """Whether one unit has more of these trips than the recipe allows."""
        return max(Counter(map(self.who, trips)).values()) > self.dominance * len(trips)

    # --- the bundle ------------------------------------------------------------------------------------------------

    def released(self, bundle: Path, kind: str) -> Counter[tuple[Any, ...]]:
        """Class → trips, from the written CSV; checked against the Parquet."""
        names = self._names(kind)
        with (bundle / f"{kind}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        parquet = pq.read_table(bundle / f"{kind}.parquet").to_pylist()
        assert [{n: "" if v is None else str(v) for n, v in row.items()} for row in parquet] == rows
        more: tuple[str, ...] = () if kind == "trips" else ("trips", f"{self.unit}s_at_least")
        told = self.recipe["products"][kind].get("statistics", {})
        more += tuple(f"{column}_{what}" for column in told for what in ("mean", "median"))
        assert not rows or set(rows[0]) == {*names, *more}
        counted: Counter[tuple[Any, ...]] = Counter()
        for row in parquet:
            key = tuple(row[name] for name in names)
            assert kind == "trips" or key not in counted
            counted[key] += 1 if kind == "trips" else row["trips"]
        return counted

    def _names(self, kind: str) -> tuple[str, ...]:
        first = {"trips": ("start_cell", "end_cell", "start_bin"), "flows": ("start_cell", "end_cell", "bin")}
        product = self.recipe["products"][kind]
        rolled = ("rolled_up",) if "roll_up" in product else ()
        return (*first.get(kind, ("cell", "bin", "end")), *product.get("columns", ()), *rolled)

    def check(self, bundle: Path, *, now: datetime | None = None) -> dict[str, Any]:
        """Recount a bundle; raises AssertionError where it differs. Returns figures of every product."""
        recounted = self.used(now)
        trips = self.thinned(recounted.used)
        figures: dict[str, Any] = {"used": len(recounted.used), "thinned": len(recounted.used) - len(trips)}
        figures["unusable"] = recounted.unusable
        released = {kind: self.released(bundle, kind) for kind in self.recipe["products"]}
        opened: dict[str | None, list[bool]] = {None: [True] * len(trips)}
        told: dict[Any, list[bool]] = defaultdict(lambda: [False] * len(trips))
        beside = self._fallen_for_the_system(bundle)
        seen: dict[str, set[Any]] = {kind: set() for kind in released}
        for step in self.steps():
            if step.end and step.end not in opened:
                opened[step.end] = list(opened[None])
            classes: dict[Any, list[int]] = defaultdict(list)
            for index, trip in enumerate(trips):
                if not told[step.kind, step.end][index]:
                    classes[self.key(step, trip)].append(index)
            here = {key for key in classes if key in released[step.kind]}
            seen[step.kind] |= here
            self._check_counts(step, {key: (released[step.kind][key], len(classes[key])) for key in here})
            self._check_classes(step, here, classes, trips, opened[step.end], beside)
            self._check_diversity(step, here, classes, trips)
            counted = {key: len({self.who(trips[i]) for i in classes[key]}) for key in here}
            known = figures.setdefault(step.kind, {"classes": 0, "trips": 0, "fewest": None, "who": set()})
            known["classes"] += len(here)
            known["fewest"] = min([*counted.values(), *([known["fewest"]] if known["fewest"] else [])], default=None)
            for key in here:
                if step.end != "end":
                    known["trips"] += len(classes[key])
                known["who"] |= {self.who(trips[i]) for i in classes[key]}
                for index in classes[key]:
                    told[step.kind, step.end][index], opened[step.end][index] = True, False
        for kind, found in released.items():
            assert set(found) == seen[kind], f"{kind}: {len(set(found) - seen[kind])} classes that nobody travelled"
            figures[kind]["persons"] = len(figures[kind].pop("who"))
        return figures

    def _check_counts(self, step: Step, numbers: dict[Any, tuple[int, int]]) -> None:
        """Numbers of trips are those counted here, or within the recipe's noise."""
        counts = self.recipe.get("counts", {})
        most = 0 if counts.get("rule", "cell_key") == "exact" else counts.get("largest", 2)
        wrong = [key for key, (written, counted) in numbers.items() if abs(written - counted) > most or written < 1]
        assert not wrong, f"{step.kind}: {len(wrong)} classes with other numbers of rows"

    def _check_classes(
        self,
        step: Step,
        released: set[Any],
        classes: dict[Any, list[int]],
        trips: list[Trip],
        opened: list[bool],
        beside: Counter[str],
    ) -> None:
        """k, dominance, remainders and bin totals of what is released; and nothing withheld without a reason."""
        kind, place = step.kind, 1 if step.end else 2
        rest_of_bin: dict[Any, list[Trip]] = defaultdict(list)
        for trip, is_open in zip(trips, opened, strict=True):
            if is_open and self.key(step, trip) not in released:
                rest_of_bin[self.key(step, trip)[place]].append(trip)
        new_in_bin: set[Any] = set()
        withheld: Counter[Any] = Counter()
        for key, members in classes.items():
            inside = [trips[i] for i in members]
            rest = [trips[i] for i in members if opened[i]]
            fine = self.holds(inside) and not self.dominated(inside) and (not rest or self.holds(rest))
            if key in released:
                assert fine, f"{kind}: a released class is too small, dominated, or leaves a small remainder"
                if rest:
                    new_in_bin.add(key[place])
            elif fine:
                withheld[key[place]] += 1
        for number in new_in_bin:
            rest = rest_of_bin[number]
            assert not rest or self.holds(rest), f"{kind}: the total of a bin gives a few away"
        if self.l_places == 1:
            fell = beside[kind + (f":{step.end}" if step.end else "")]
            assert max(withheld.values(), default=0) <= 1 + fell, f"{kind}: classes are withheld without a reason"

    @staticmethod
    def _fallen_for_the_system(bundle: Path) -> Counter[str]:
        """Classes of each part that fell because rows and columns together gave a few people away, as the run tells.

        Whether they had to is asked in ``tests/kanon/test_system.py``; here they are withheld with a reason.
        """
        run = bundle.with_name(f"{bundle.name}.inside") / "run.json"
        told = json.loads(run.read_text(encoding="utf-8"))["products"] if run.is_file() else []
        return Counter({part["part"]: part.get("suppressed_system", 0) for part in told})

    def _check_diversity(self, step: Step, released: set[Any], classes: Any, trips: list[Trip]) -> None:
        """Of an origin and time at least l destinations stay open, and the other way round (ruling 7)."""
        if step.end or self.l_places < 2:
            return
        for other in (0, 1):
            groups: dict[Any, list[Any]] = defaultdict(list)
            for key in classes:
                groups[tuple(value for place, value in enumerate(key) if place != other)].append(key)
            for keys in groups.values():
                told = sum(key in released for key in keys)
                hidden = [len({self.who(trips[i]) for i in classes[key]}) for key in keys if key not in released]
                more = max(hidden, default=0) >= self.k
                assert not told or told + more >= self.l_places, f"{step.kind}: a destination is given away"


def as_date(value: Any) -> date:
    """A date of the recipe."""
    return value if isinstance(value, date) else date.fromisoformat(value)
