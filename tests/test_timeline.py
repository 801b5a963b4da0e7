from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from ibis.backends.duckdb import Backend

from detector.account_days import ACCOUNT_DAYS
from detector.timeline import Timeline
from tests import naive
from tests.portal_events import CANARIES, DAY, ZONE, portal, table
from tests.test_account_days import differences

EVENTS = portal(11, 90)


def timeline(con: Backend, events: list[naive.Event], *, canaries: tuple[str, ...] = CANARIES) -> Timeline:
    """A timeline of the events alone."""
    return Timeline(con, events=table(con, events), history=None, zone=ZONE, canaries=canaries)


def rows_of(found: Any) -> dict[Any, dict[str, Any]]:
    """The account-days by key, checked against the schema."""
    rows = ACCOUNT_DAYS.check(found.to_pyarrow()).to_pylist()
    return {(row["account"], row["channel"], row["day"]): row for row in rows}


def test_each_day_is_compared_with_the_input_days_before_it(con: Backend) -> None:
    """Whichever day is asked for first, each is what plain loops find."""
    days = timeline(con, EVENTS)
    for day in (DAY, days.input_days[0], DAY - timedelta(days=1)):
        expected = naive.account_days(EVENTS, day, zone=ZONE, canaries=CANARIES)
        assert not differences(rows_of(days.account_days(day)), expected)


@pytest.mark.parametrize("canaries", [(), CANARIES])
def test_a_single_day_without_a_past_is_what_plain_loops_find(con: Backend, canaries: tuple[str, ...]) -> None:
    """Its records are never held as a table, nor summed up where there is no canary, and are counted all the same."""
    alone = [each for each in EVENTS if each["timestamp"].astimezone(ZoneInfo(ZONE)).date() == DAY]
    days = timeline(con, alone, canaries=canaries)
    assert days.input_days == [DAY]
    expected = naive.account_days(alone, DAY, zone=ZONE, canaries=canaries)
    assert any(row["typed_lookups"] for row in expected.values())
    assert not differences(rows_of(days.account_days(DAY)), expected)


def test_later_days_change_no_deviation(con: Backend) -> None:
    """The days after one are no part of what it is compared with."""
    last = DAY - timedelta(days=1)
    cut = [each for each in EVENTS if each["timestamp"].date() < DAY - timedelta(days=1)]
    found = [timeline(con, events).deviations(last - timedelta(days=1)) for events in (EVENTS, cut)]
    frames = [each.order_by(["account", "channel"]).to_pandas() for each in found]
    assert len(frames[0]) > 0
    pd.testing.assert_frame_equal(*frames)


def test_what_is_set_aside_is_no_past(con: Backend) -> None:
    """An account whose days are all set aside is a newcomer the day after."""
    days = timeline(con, EVENTS)
    known = days.deviations(DAY).to_pandas().set_index("account")["known_days"]
    assert known["d"].max() > 0
    before = [day for day in days.input_days if day < DAY]
    days.leave_out(pd.DataFrame({"account": "d", "day": before}))
    assert days.deviations(DAY).to_pandas().set_index("account")["known_days"]["d"].max() == 0


def test_no_event_has_no_day(con: Backend) -> None:
    """An empty input is no error."""
    assert timeline(con, []).input_days == []
