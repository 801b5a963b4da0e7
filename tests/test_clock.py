from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from detector.clock import HOUR_US, day_start, epoch_us, instant_of, local_days, offsets
from detector.schema import INSTANT

ZONES = (
    "Europe/Paris",
    "America/Martinique",
    "Indian/Reunion",
    "Pacific/Noumea",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
)


@pytest.mark.parametrize("zone", ZONES)
def test_local_days_are_those_of_python(con: Backend, zone: str) -> None:
    """Over a year of hours, clock changes included, the day is the zone's calendar day."""
    instants = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(366 * 24)]
    rows = con.create_table("instants", pa.table({"at": pa.array(instants, INSTANT)}))
    day_of = local_days(rows.at, zone=zone)
    found = rows.select("at", day=day_of(epoch_us(rows.at))).order_by("at").to_pyarrow()["day"].to_pylist()
    assert found == [each.astimezone(ZoneInfo(zone)).date() for each in instants]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)])
def test_days_may_have_23_or_25_hours(day: date, hours: int) -> None:
    """A day ends where the next one starts."""
    start, end = (day_start(each, zone="Europe/Paris") for each in (day, day + timedelta(days=1)))
    assert end - start == timedelta(hours=hours)


@given(day=st.dates(date(1980, 1, 1), date(2037, 1, 1)), zone=st.sampled_from(ZONES))
def test_offsets_hold_from_the_day_before(day: date, zone: str) -> None:
    """The offsets of a span are good for all of its instants, in any zone."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    at = round(noon.timestamp()) * 10**6
    (offset,) = [offset for start, offset in offsets(zone, day, day) if start <= at][-1:]
    assert timedelta(microseconds=offset) == noon.astimezone(ZoneInfo(zone)).utcoffset()


def test_instants_lead_to_microseconds_and_back(con: Backend) -> None:
    """No fraction of a second is lost on the way."""
    at = datetime(2026, 3, 12, 9, 30, 1, 234567, tzinfo=UTC)
    rows = con.create_table("instants", pa.table({"at": pa.array([at], INSTANT)}))
    (row,) = rows.select(us=epoch_us(rows.at), again=instant_of(epoch_us(rows.at))).to_pyarrow().to_pylist()
    assert row["us"] == round(at.timestamp()) * 10**6 + 234567
    assert row["again"].astimezone(UTC) == at
    assert timedelta(hours=1) / timedelta(microseconds=1) == HOUR_US


def test_no_instant_has_no_day(con: Backend) -> None:
    """An empty table has no span, and needs none."""
    rows = con.create_table("instants", pa.table({"at": pa.array([], INSTANT)}))
    assert (
        rows.select(day=local_days(rows.at, zone="Europe/Paris")(epoch_us(rows.at))).count().to_pyarrow().as_py() == 0
    )
