"""Times: notations, zones, clock changes, and what is no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from detector.reading import sql, times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PARIS = "Europe/Paris"


def instant(con: Backend, written: str, *, zone: str = PARIS, layout: str | None = None) -> datetime | None:
    """The instant that a text is read as, in UTC."""
    found = times.instants("v", kind="VARCHAR", layout=layout)
    source = sql.within(sql.select({"zoned": found.zoned, "wall": found.wall}, "(SELECT ?::VARCHAR AS v)"))
    asked = sql.select({"us": f"epoch_us(coalesce(zoned, {times.instant_of('wall', zone=zone)}))"}, source)
    (microseconds,) = con.con.execute(asked, [written]).fetchall()[0]
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def ask_wall(con: Backend, expression: str, wall: datetime) -> Any:
    """An expression over a wall clock `w`."""
    return con.con.execute(sql.select({"found": expression}, "(SELECT ?::TIMESTAMP AS w)"), [wall]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00+00:00"),
        ("2026-03-01 09:00:00+01:00", "2026-03-01T08:00:00+00:00"),
        ("2026-03-01T09:00:00.123456-0330", "2026-03-01T12:30:00.123456+00:00"),
        ("2026-03-01T09:00:00,5Z", "2026-03-01T09:00:00.500000+00:00"),
        ("2026-03-01 09:00:00 UTC", "2026-03-01T09:00:00+00:00"),
        ("2026-03-01 09:00:00", "2026-03-01T08:00:00+00:00"),
        ("2026-07-01 09:00", "2026-07-01T07:00:00+00:00"),
        ("20260301T090000Z", "2026-03-01T09:00:00+00:00"),
        ("20260301T090000", "2026-03-01T08:00:00+00:00"),
        ("1772355600", "2026-03-01T09:00:00+00:00"),
        ("1772355600.25", "2026-03-01T09:00:00.250000+00:00"),
        ("1772355600123", "2026-03-01T09:00:00.123000+00:00"),
        ("1772355600123456", "2026-03-01T09:00:00.123456+00:00"),
        ("1772355600123456000", "2026-03-01T09:00:00.123456+00:00"),
        ("01/Mar/2026:09:00:00 +0100", "2026-03-01T08:00:00+00:00"),
        ("[01/Mar/2026:09:00:00 +0000]", "2026-03-01T09:00:00+00:00"),
        ("Sun Mar  1 09:00:00 2026", "2026-03-01T08:00:00+00:00"),
        ("Tue Mar 31 09:00:00 2026", "2026-03-31T07:00:00+00:00"),
        ("Sun, 01 Mar 2026 09:00:00 GMT", "2026-03-01T09:00:00+00:00"),
        ("1 Mar 2026 09:00:00 -0330", "2026-03-01T12:30:00+00:00"),
    ],
)
def test_usual_notations_are_found(con: Backend, written: str, expected: str) -> None:
    """ISO 8601 with and without zone, epochs in four units, the web servers' form, C's, and mails' need no setting."""
    assert instant(con, written) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "written",
    [
        "NaN",
        "inf",
        "-inf",
        "infinity",
        "epoch",
        "yesterday",
        "2026-13-01T00:00:00",
        "2026-02-30 00:00:00",
        "2026-03-01",
        "01/03/2026 09:00:00",
        "1e400",
        "1e30",
        "",
        "2026-03-01T25:00:00Z",
        "32/Mar/2026:09:00:00 +0100",
        "Tue Mar 32 09:00:00 2026",
        "Sun Mar  1 09:00:00 CET 2026",
        "Sun, 31 Feb 2026 09:00:00 GMT",
    ],
)
def test_what_is_no_time_is_null(con: Backend, written: str) -> None:
    """Impossible days, words, infinities, and days without a clock or of unclear order are not guessed at."""
    assert instant(con, written) is None


@pytest.mark.parametrize(
    ("written", "layout", "expected"),
    [
        ("01/03/2026 09:00:00", "%d/%m/%Y %H:%M:%S", "2026-03-01T08:00:00+00:00"),
        ("01/03/2026 09:00:00 +0500", "%d/%m/%Y %H:%M:%S %z", "2026-03-01T04:00:00+00:00"),
    ],
)
def test_other_notations_are_read_by_their_format(con: Backend, written: str, layout: str, expected: str) -> None:
    """A format of strptime reads the rest; with %z the offset counts, without it the zone."""
    assert instant(con, written, layout=layout) == datetime.fromisoformat(expected)


@given(
    wall=st.datetimes(
        min_value=EPOCH.replace(year=2000, day=2, tzinfo=None), max_value=EPOCH.replace(year=2059, tzinfo=None)
    ),
    zone=st.sampled_from(
        [PARIS, "UTC", "Pacific/Noumea", "Africa/Casablanca", "America/Cayenne", "Australia/Lord_Howe"]
    ),
)
def test_a_wall_clock_is_the_instant_that_python_finds(wall: datetime, zone: str) -> None:
    """In every zone and hour, repeated and skipped ones included, the instant is that of `fold = 0`."""
    expected = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    asked = sql.select({"us": f"epoch_us({times.instant_of('w', zone=zone)})"}, "(SELECT ?::TIMESTAMP AS w)")
    with duckdb.connect() as con:
        (found,) = con.execute(asked, [wall]).fetchall()[0]
    assert found == (expected - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("wall", "oddity"),
    [
        ("2026-03-29 01:59:59.999999", None),
        ("2026-03-29 02:00:00", "skipped"),
        ("2026-03-29 02:59:59.999999", "skipped"),
        ("2026-03-29 03:00:00", None),
        ("2026-10-25 01:59:59.999999", None),
        ("2026-10-25 02:00:00", "repeated"),
        ("2026-10-25 02:59:59.999999", "repeated"),
        ("2026-10-25 03:00:00", None),
    ],
)
def test_the_hours_of_a_clock_change_are_known(con: Backend, wall: str, oddity: str | None) -> None:
    """The hour that the clock runs twice, and the one it leaves out, begin and end where they do."""
    assert ask_wall(con, times.oddity_of("w", zone=PARIS), datetime.fromisoformat(wall)) == oddity


@pytest.mark.parametrize(
    ("written", "zone"), [("2026-03-01T09:00:00Z", "Z"), ("2026-03-01 09:00+01:00", "+01:00"), ("1772355600", "Z")]
)
def test_the_zone_of_a_time_is_told(con: Backend, written: str, zone: str) -> None:
    """An offset is told as it is written; an epoch is in UTC; a time without zone has none."""
    asked = {"zone": times.zone_of("v", "TIMESTAMPTZ '2026-01-01 00:00:00+00'"), "none": times.zone_of("v", "NULL")}
    found = con.con.execute(sql.select(asked, "(SELECT ?::VARCHAR AS v)"), [written]).fetchall()[0]
    assert found == (zone, times.NO_ZONE)
