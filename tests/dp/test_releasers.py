"""Releasers draw once a fit, charge a real ledger, and never without one."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anonkit.base.errors import BudgetExceededError, LedgerError, PrivacyLeakError, SchemaError
from anonkit.dp import (
    DPFlows,
    DPHotSpots,
    DPLengths,
    DPPersons,
    DPProfile,
    DPQuantiles,
    DPVolumes,
    PublicKeys,
    PublicSteps,
    PublicZones,
    flows,
    plan,
)
from anonkit.dp.models import DPClassifier, Feature
from anonkit.ledger import Ledger
from sklearn.base import clone

pytestmark = pytest.mark.usefixtures("seeded_noise")
CELLS = PublicKeys.declared(np.arange(36)[:, None], columns=("start_cell",), source="test grid")
MINUTES = PublicSteps(low=0, high=3600, step=60, unit="s", source="test timetable")


@pytest.fixture(scope="module")
def trips() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    size = 6000
    start = rng.integers(0, 36, size)
    return pd.DataFrame(
        {
            "person": [f"p{number}" for number in rng.integers(0, 1500, size)],
            "trip": np.arange(size),
            "start_cell": start,
            "end_cell": (start + rng.integers(0, 4, size)) % 36,
            "start_bin": rng.integers(0, 24, size),
            "local_s": rng.integers(0, 10**7, size),
            "distance_m": rng.exponential(3000, size),
            "duration_s": rng.normal(600, 60, size) + 60 * start,
            "mode": np.where(start < 18, "bike", "scooter"),
            "month": np.where(rng.random(size) < 0.5, "2026-08", "2026-09"),
        }
    )


@pytest.fixture
def settings(ledger: Ledger) -> dict[str, Any]:
    return {"ledger": ledger, "release": "r1", "periods": ("2026-09",)}


def test_flows_are_released_with_signed_values_intervals_and_a_bias(
    trips: pd.DataFrame, settings: dict[str, Any], zones36: PublicZones
) -> None:
    made = DPFlows(plan=plan("flows", epsilon=1, zones=zones36), **settings).fit(trips)
    assert list(made.flows_.columns) == [
        *("start_cell", "end_cell", "trips", "capped_noisy", "capped_low", "capped_high", "band_low", "band_high")
    ]
    assert len(made.flows_) == 1296
    assert made.flows_["trips"].sum() == pytest.approx(made.total_)
    assert made.total_ == pytest.approx(6000, rel=0.25)
    assert made.persons_ == pytest.approx(trips["person"].nunique(), abs=150)
    assert made.beyond_cap_ == pytest.approx((trips.groupby("person").size() - made.cap_).clip(lower=0).sum(), abs=1800)
    assert settings["ledger"].spent("2026-09").epsilon == pytest.approx(1.0)


def test_r19_a_second_fit_spends_again_and_clone_and_pickle_share_the_ledger(
    trips: pd.DataFrame, settings: dict[str, Any]
) -> None:
    ledger = settings["ledger"]
    made = DPPersons(plan=plan("persons", epsilon=0.5), **settings).fit(trips)
    made.fit(trips)
    assert ledger.total().epsilon == pytest.approx(1.0)
    clone(made).fit(trips)
    assert ledger.total().epsilon == pytest.approx(1.5)
    pickle.loads(pickle.dumps(made)).fit(trips)  # noqa: S301 - our own object
    assert ledger.total().epsilon == pytest.approx(2.0)
    assert not hasattr(made, "transform")


def test_fit_without_a_ledger_raises(trips: pd.DataFrame, zones36: PublicZones) -> None:
    with pytest.raises(LedgerError, match="needs a ledger"):
        DPFlows(plan=plan("flows", epsilon=1, zones=zones36)).fit(trips)
    with pytest.raises(LedgerError, match="which periods"):
        DPPersons(plan=plan("persons", epsilon=1), ledger=object()).fit(trips)


def test_r24_too_little_left_draws_nothing_at_all(
    trips: pd.DataFrame, settings: dict[str, Any], zones36: PublicZones
) -> None:
    before = settings["ledger"].total().events
    made = DPFlows(plan=plan("flows", epsilon=50, zones=zones36), **settings)
    with pytest.raises(BudgetExceededError):
        made.fit(trips)
    assert settings["ledger"].total().events == before  # not even the cheap first part
    assert not hasattr(made, "flows_")


def test_r24_drawing_other_than_reserved_raises(settings: dict[str, Any]) -> None:
    # mutation twin: the noise is made narrower after the reservation
    from anonkit.dp.charge import Purse
    from anonkit.dp.mechanisms import DiscreteLaplace, exact

    purse = Purse(product="x", **settings)
    noise = DiscreteLaplace(sensitivity=2, epsilon=exact(1))
    purse.add_noise(noise, np.zeros(3, np.int64), keys_hash="k", bounds={"max_trips": 2}, part="a")
    with pytest.raises(LedgerError, match=r"differs from reservation|no more"):
        purse.reservations[0].check_draw(
            mechanism=noise.name, bounds={"max_trips": 2}, scale=noise.scale / 2, keys_hash="k"
        )
    with pytest.raises(LedgerError, match="no more"):
        purse.reservations[0].check_draw(
            mechanism=noise.name, bounds={"max_trips": 2}, scale=noise.scale, keys_hash="k"
        )


def test_other_tables_hold_what_they_say(trips: pd.DataFrame, settings: dict[str, Any]) -> None:
    hours = np.stack(np.meshgrid(np.arange(36), np.arange(24), indexing="ij"), -1).reshape(-1, 2)
    keys = PublicKeys.declared(hours, columns=("start_cell", "start_bin"), source="test grid")
    volumes = DPVolumes(plan=plan("volumes", epsilon=1, keys=keys), **settings).fit(trips).volumes_
    assert len(volumes) == 36 * 24
    profile = DPProfile(plan=plan("profile", profile="day", epsilon=0.5), **settings).fit(trips).profile_
    true = np.bincount(trips["local_s"] // 3600 % 24, minlength=24)
    # shares of the hours: the total is an estimate of its own, with an error of its own (test_flow_goals)
    shares = profile["trips"].to_numpy() / profile["trips"].sum()
    assert shares == pytest.approx(true / true.sum(), abs=0.02)
    lengths = PublicSteps(low=0, high=20_000, step=1000, unit="m", source="size of the city")
    table = DPLengths(plan=plan("lengths", steps=lengths, epsilon=0.5), **settings).fit(trips).lengths_
    assert table["distance_m"].tolist() == lengths.grid().tolist()
    spots = DPHotSpots(plan=plan("hot_spots", keys=CELLS, top=3, epsilon=0.5), **settings).fit(trips).hot_spots_
    assert spots["rank"].tolist() == [1, 2, 3]


def test_quantiles_are_steps_and_small_flows_are_suppressed_not_zero(
    trips: pd.DataFrame, settings: dict[str, Any]
) -> None:
    wide = PublicKeys.declared(np.arange(40)[:, None], columns=("start_cell",), source="test grid")
    made = DPQuantiles(
        plan=plan("quantiles", keys=wide, steps=MINUTES, max_keys=3, min_persons=60, percents=(50,), epsilon=6),
        **settings,
    ).fit(trips)
    table = made.quantiles_.set_index("start_cell")
    assert (table.loc[36:, "status"] == "suppressed").all()
    assert table.loc[36:, "duration_s_p50"].isna().all()
    shown = table[table["status"] == "published"]
    assert len(shown) >= 30
    assert set(shown["duration_s_p50"]) <= set(MINUTES.grid())
    # medians are 600 + 60·cell; they are ranked right for far-apart cells
    assert shown["duration_s_p50"].corr(pd.Series(shown.index, index=shown.index)) > 0.8


def test_r22_a_person_and_period_unit_is_bounded_in_each_period(trips: pd.DataFrame, tmp_path: Any) -> None:
    ledger = Ledger.create(
        tmp_path / "m.ledger",
        dataset="city",
        privacy_unit="person_period",
        period="month",
        epsilon_cap=5.0,
        delta_cap=1e-6,
        neighbours="add_or_remove",
    )
    both = {"ledger": ledger, "release": "r", "periods": ("2026-08", "2026-09")}
    with pytest.raises(SchemaError, match="reads several periods"):
        DPPersons(plan=plan("persons", epsilon=1), **both).fit(trips)
    made = DPPersons(plan=plan("persons", epsilon=1), period_column="month", **both).fit(trips)
    assert made.persons_ == pytest.approx(trips.groupby(["person", "month"]).ngroups, abs=30)
    assert ledger.spent("2026-08").epsilon == ledger.spent("2026-09").epsilon == pytest.approx(1.0)


def test_r01_rows_without_a_person_enter_no_product(trips: pd.DataFrame, settings: dict[str, Any]) -> None:
    nobody = trips.assign(person=None, trip=trips["trip"] + 10**6)
    both = pd.concat([trips.iloc[:10], nobody])
    made = DPPersons(plan=plan("persons", epsilon=5), **settings).fit(both)
    assert made.persons_ < 25


def test_order_and_kind_of_frame_do_not_matter(trips: pd.DataFrame, zones36: PublicZones) -> None:
    import pyarrow as pa
    from anonkit.dp.columns import Unit, arrow_of, places, unit_codes
    from anonkit.schema import Table

    keys = zones36.pairs()
    columns = ("person", "start_cell", "end_cell")
    counts = []
    for kind in (trips, pa.Table.from_pandas(trips), trips.sample(frac=1, random_state=1), Table.of(trips)):
        table = arrow_of(kind, columns)
        codes = unit_codes(table, Unit(), privacy_unit="person")
        place = places(table, keys, columns[1:])
        counts.append((np.bincount(place).tolist(), sorted(np.bincount(codes).tolist())))
    assert all(count == counts[0] for count in counts)


def test_plan_costs_nothing_and_tells_error_and_price(zones36: PublicZones) -> None:
    planned = plan("flows", epsilon=0.5, zones=zones36, max_trips=2)
    assert planned.parts()["epsilon"].tolist() == [0.5]
    # discrete Laplace with b = 2/0.5 = 4 trips: deviation √2·4 = 5.66
    assert planned.expected_error((100,))["deviation"][0] == pytest.approx(5.657, abs=0.01)
    assert planned.cost_of(12) == pytest.approx(6.0)
    assert "cap 2" in str(planned)


FEATURES = (
    Feature(column="start_cell", low=0, high=36, source="test grid"),
    Feature(column="start_bin", low=0, high=24, source="hours of the day"),
)


@pytest.mark.parametrize("name", ["GaussianNB", "RandomForestClassifier", "LogisticRegression"])
def test_models_learn_for_persons_and_charge_the_ledger(
    name: str, trips: pd.DataFrame, settings: dict[str, Any]
) -> None:
    model = DPClassifier(
        model=name,
        features=FEATURES,
        target="mode",
        classes=("bike", "scooter"),
        epsilon=4.0,
        max_trips=2,
        rows=2500,
        **settings,
    ).fit(trips)
    assert settings["ledger"].total().epsilon == pytest.approx(4.0)
    assert settings["ledger"].total().epsilon <= 4.0
    assert np.mean(model.predict(trips) == trips["mode"]) > 0.7


def test_r18_models_refuse_data_dependent_bounds_and_wrong_models(
    trips: pd.DataFrame, settings: dict[str, Any]
) -> None:
    common: dict[str, Any] = {"target": "mode", "epsilon": 1.0, "max_trips": 2, "rows": 2500, **settings}
    with pytest.raises(PrivacyLeakError, match="bounds twice"):
        DPClassifier(model="LinearRegression", features=FEATURES, classes=("bike", "scooter"), **common).fit(trips)
    with pytest.raises(PrivacyLeakError, match="typed tuple"):
        DPClassifier(model="GaussianNB", features=FEATURES, classes=trips["mode"].unique(), **common).fit(trips)
    with pytest.raises(PrivacyLeakError, match="set by anonkit"):
        DPClassifier(
            model="GaussianNB", features=FEATURES, classes=("bike", "scooter"), options={"bounds": (0, 1)}, **common
        ).fit(trips)
    assert settings["ledger"].total().events == 0


def test_training_table_changes_by_at_most_the_bound_when_a_person_joins() -> None:
    from anonkit.dp.bounding import hash_order
    from anonkit.dp.models import training_rows

    codes, trip = np.append(np.arange(50), np.full(100, 50)), np.arange(150)
    order = hash_order(trip, key=b"k" * 32)
    features = np.stack([trip / 200, trip / 200], 1)
    for rows in (40, 200):  # a full table, and one filled up with public rows
        kept = []
        for part in (codes <= 50, codes < 50):
            table, _ = training_rows(
                codes[part], features[part], np.zeros(part.sum(), int), order[part], max_trips=2, rows=rows, classes=2
            )
            assert len(table) == rows
            kept.append({float(row[0]) for row in table} & set((trip / 200).tolist()))
        assert len(kept[0] - kept[1]) <= 2
        assert len(kept[1] - kept[0]) <= 2


def test_flows_function_is_the_releaser(trips: pd.DataFrame, settings: dict[str, Any], zones36: PublicZones) -> None:
    frame = flows(trips, plan=plan("flows", epsilon=0.5, zones=zones36, max_trips=2), **settings)
    assert {"trips", "capped_noisy"} <= set(frame.columns)
    assert settings["ledger"].total().epsilon == pytest.approx(0.5)


def test_sparse_layout_is_chosen_and_named(trips: pd.DataFrame, settings: dict[str, Any]) -> None:
    y, x = np.divmod(np.arange(400), 20)
    zones = PublicZones.declared(np.arange(400), x_m=x * 500.0, y_m=y * 500.0, source="test grid")
    made = DPFlows(plan=plan("flows", epsilon=1, zones=zones), **settings).fit(trips)
    assert made.layout_ == "sparse"
    assert len(made.flows_) == 25**2
    assert made.flows_["trips"].sum() == pytest.approx(made.total_)
    assert settings["ledger"].total().epsilon == pytest.approx(1.0)


def test_ledger_whose_only_period_is_all_needs_no_period_to_be_named(tmp_path: Path) -> None:
    # one person a trip; what is asked is only that the draw is charged to "all"
    ledger = Ledger.create(
        tmp_path / "ever.ledger",
        dataset="town",
        privacy_unit="person",
        period="all",
        epsilon_cap=2,
        delta_cap=1e-6,
        neighbours="add_or_remove",
    )
    trips = pd.DataFrame({"person": [1, 2, 3], "trip": [1, 2, 3]})
    made = DPPersons(plan=plan("persons", epsilon=1), ledger=ledger).fit(trips)
    assert len(made.reservations_) == 1
