"""Early warning: counts that grow from minute to minute, limits from the past, and the first minute beyond one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest
from ibis.backends.duckdb import Backend

from detector import early
from detector.alerting import AlertSettings
from detector.early import COUNTED, EARLY, MIN_LIMIT, WATCHED, early_alerts, find_limits, with_excess
from detector.timeline import Timeline
from tests import naive
from tests.portal_events import DAY, ZONE, event, portal, table

NEVER = pd.DataFrame(np.inf, index=["portal", "software"], columns=list(WATCHED))
KEYS = ["account", "channel"]


def timeline(con: Backend, events: list[naive.Event]) -> Timeline:
    """A timeline of the events alone."""
    return Timeline(con, events=table(con, events), history=None, zone=ZONE)


@pytest.mark.parametrize("seed", [3, 11, 12])
def test_counts_only_grow_and_end_at_what_the_day_has(con: Backend, seed: int) -> None:
    """No count falls from minute to minute; the last is the day's, or below it where sources overlap."""
    days = timeline(con, portal(seed, 90))
    whole = days.account_days(DAY).to_pandas().set_index(KEYS)[list(COUNTED)].fillna(0)
    events = days.events_of(DAY)
    assert events is not None
    running = early._running(days, DAY, events, accounts=list(whole.index.get_level_values(0)))
    steps = running.sort_values([*KEYS, "minute"]).groupby(KEYS)[list(COUNTED)].diff().fillna(0)
    assert len(running) > 3
    assert (steps >= 0).all(axis=None)
    last = running.sort_values("minute").groupby(KEYS)[list(COUNTED)].last()
    whole = whole.reindex(last.index)
    exact = ["misses", "foreign_records", "foreign_writes"]
    assert (last[exact] == whole[exact]).all(axis=None)
    assert (last <= whole).all(axis=None)


def robbed() -> list[naive.Event]:
    """Two weeks of quiet mornings of one account, then a night in which another source reads forty strangers."""
    morning = datetime(DAY.year, DAY.month, DAY.day, 8, tzinfo=UTC)
    quiet = [
        event(morning - timedelta(days=back), "a", "lookup", record=f"own{n}", ip="10.1.1.1", record_department="75")
        for back in range(14)
        for n in range(3)
    ]
    night = morning - timedelta(hours=6)
    stolen = [
        event(
            night + timedelta(minutes=n), "a", "lookup", record=f"s{n}", ip="203.0.113.9", record_department=f"{n:02}"
        )
        for n in range(40)
    ]
    return quiet + stolen


def test_an_account_is_told_of_in_the_first_minute_beyond_a_limit(
    con: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit of twelve, a robot that reads a record a minute is told of after its fourteenth."""
    monkeypatch.setattr(early, "find_limits", lambda past, **settings: NEVER.assign(far_excess=12))
    found = early_alerts(timeline(con, robbed()), DAY, n_accounts=1, settings=AlertSettings())
    assert EARLY.names == tuple(found.columns)
    # Of fourteen strangers from fourteen departments, one is of the commonest: thirteen are far, and one is near.
    assert found["alert_at"].tolist() == [pd.Timestamp(datetime(2026, 3, 12, 2, 14, tzinfo=UTC))]
    assert found["records_so_far"].tolist() == [14]
    assert found["signal"].tolist() == ["far_excess"]


def test_without_a_past_nobody_is_told_of(con: Backend) -> None:
    """A fortnight of one account gives no limit, and so no warning."""
    assert early_alerts(timeline(con, robbed()), DAY, n_accounts=1, settings=AlertSettings()).empty


def past_days(far: list[float | None], *, past_days: int = 28) -> pd.DataFrame:
    """Past account-days that differ in one signal."""
    rows = pd.DataFrame(0.0, index=range(len(far)), columns=list(COUNTED))
    return rows.assign(far_strangers=pd.Series(far, dtype="float64"), channel="portal", past_days=past_days)


def test_limits_lie_beyond_the_past() -> None:
    """A past that never moved gives a low limit; one with a tail, a limit beyond it; one that cannot tell, none."""
    tail = [*np.arange(40.0), *([0.0] * 3_000)]
    found = find_limits(ibis.memtable(past_days(tail)), n_accounts=1_000, settings=AlertSettings()).loc["portal"]
    assert MIN_LIMIT <= found["misses"] < 20
    assert found["far_excess"] > 78
    unknown = past_days(tail).assign(far_strangers=None).astype({"far_strangers": "float64"})
    assert (
        find_limits(ibis.memtable(unknown), n_accounts=1_000, settings=AlertSettings())["far_excess"].item() == np.inf
    )


def test_a_screening_from_a_new_machine_has_no_far_excess() -> None:
    """A dozen far strangers among a hundred near ones are none too many."""
    counts = pd.DataFrame({"far_strangers": [12, 12, None], "stranger_records": [112, 13, 4]})
    assert with_excess(counts)["far_excess"].fillna(-1).tolist() == [0, 11, -1]


def test_days_with_too_little_past_are_no_measure() -> None:
    """What was new only because the history was short is left out of the limits."""
    rows = past_days([500.0] * 2_000, past_days=7)
    assert find_limits(ibis.memtable(rows), n_accounts=1_000, settings=AlertSettings()).empty
