"""Silence by the history: a month that was learned in one go tells which pauses are usual, before any run does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from ibis.backends.duckdb import Backend

from detector import verbs
from detector.history import History
from detector.ledger import open_ledger
from detector.ledger.store import OPERATOR
from detector.run import run_once
from detector.run.pauses import find_silence
from detector.run.status import SATURDAY, status_of
from detector.settings import PortalSettings, Settings
from tests.history.made import add_day, hour_rows, open_history
from tests.run.portal import HEADER, configure, lines_of

FIRST = date(2026, 1, 24)
"""A Saturday; the 28th day is a Friday."""
FRIDAY = FIRST + timedelta(days=27)
PORTAL = PortalSettings()


def learned(folder: Path) -> Settings:
    """A job that never ran, and whose history learned 28 days, with events on each of them, from one file."""
    settings = configure(folder)
    lines = [line.text for n in range(28) for line in lines_of(FIRST + timedelta(days=n), accounts=6)]
    (folder / "past.csv").write_text(HEADER + "".join(lines))
    dumps = [str(folder / "past.csv")]
    verbs.learn(dumps, history=folder / "history", mapping=folder / "mapping.toml", settings=settings)
    return settings


def held(folder: Path, con: Backend, *, weekdays: Sequence[int], without: Sequence[date] = ()) -> History:
    """A history of 28 days, up to a Friday, with ten look-ups an hour from nine to five on some days of the week."""
    history = open_history(folder / "history")
    days = [day for n in range(28) if (day := FIRST + timedelta(days=n)).weekday() in weekdays]
    for day in days:
        if day not in without:
            add_day(history, day, con=con, hours=hour_rows(day, hours=range(8, 16), lookups=10 + day.day % 2))
    return history


def noon(day: date, *, minutes: int) -> datetime:
    """So many minutes after noon in Paris in winter."""
    return datetime(day.year, day.month, day.day, 11, tzinfo=UTC) + timedelta(minutes=minutes)


def looked_at(folder: Path, now: datetime) -> list[str]:
    """What the status says of silence then."""
    found = status_of(History.open(folder / "history"), open_ledger(history=folder / "history"), PORTAL, now=now)
    return [each for each in found.troubles if "event" in each]


def test_a_day_without_events_is_told_by_noon_of_the_next_by_the_history_alone(tmp_path: Path) -> None:
    """Events came on each of 28 days, the last on a Friday: the run of Sunday noon tells, and so does the status."""
    settings = learned(tmp_path)
    sunday = FRIDAY + timedelta(days=2)
    assert run_once(settings, now=noon(sunday, minutes=-1)).faults == ()
    assert looked_at(tmp_path, noon(sunday, minutes=-1)) == []
    (told,) = run_once(settings, now=noon(sunday, minutes=1)).faults
    assert told.startswith(f"all inputs: no event since {FRIDAY} ")
    assert told.endswith(f"usually come up to {FRIDAY + timedelta(days=1)} 23:00 UTC")
    assert looked_at(tmp_path, noon(sunday, minutes=1)) == [told]
    (alert,) = [each for each in open_ledger(history=tmp_path / "history").alerts() if each.kind == OPERATOR]
    assert (alert.title, alert.severity, alert.checks) == (told, "high", ["silent"])
    assert run_once(settings, now=noon(sunday, minutes=6)).recorded.raised == ()


@pytest.mark.parametrize(
    ("weekdays", "told_after"),
    [(range(7), 2), (range(5), 4), ((1, 2, 3, 4), 5)],
    ids=["every day", "no weekends", "no Mondays either"],
)
def test_days_without_events_are_usual_where_they_were(
    tmp_path: Path, con: Backend, weekdays: Sequence[int], told_after: int
) -> None:
    """A weekend, or a Monday that nobody works on, is no silence; the first day on which events came is."""
    held(tmp_path, con, weekdays=weekdays)
    for days in range(1, told_after):
        assert looked_at(tmp_path, noon(FRIDAY + timedelta(days=days), minutes=1)) == [], days
    (told,) = looked_at(tmp_path, noon(FRIDAY + timedelta(days=told_after), minutes=1))
    assert f"no event since {FRIDAY} 16:00 UTC, where " in told


def test_each_part_of_a_pause_is_held_against_the_same_hours_and_weekday(tmp_path: Path, con: Backend) -> None:
    """The lower median of four weeks: one outage hides nothing. What began at noon lacks the afternoon."""
    saturday, sunday = FRIDAY + timedelta(days=1), FRIDAY + timedelta(days=2)
    history = held(tmp_path, con, weekdays=range(7), without=[saturday - timedelta(days=7)])
    after = noon(sunday, minutes=1)
    assert find_silence(history, PORTAL, newest=None, now=after).by_day == {FRIDAY: 0, saturday: 8 * 10}
    assert find_silence(history, PORTAL, newest=None, now=noon(saturday, minutes=-1)).by_day == {}
    begun = datetime(FRIDAY.year, FRIDAY.month, FRIDAY.day, 11, 30, tzinfo=UTC)
    assert find_silence(history, PORTAL, newest=begun, now=noon(saturday, minutes=1)).by_day == {FRIDAY: 4 * 10}


def test_without_two_such_days_nothing_is_usual_and_a_holiday_is_a_sunday(tmp_path: Path, con: Backend) -> None:
    """A history without a day knows nothing; Ascension Day is held against Sundays, on which nobody worked."""
    history = held(tmp_path, con, weekdays=range(5))
    ascension = date(2026, 5, 14)
    newest = datetime(2026, 5, 13, 22, 30, tzinfo=UTC)
    now = datetime(2026, 5, 15, 11, tzinfo=UTC)
    assert find_silence(history, PORTAL, newest=newest, now=now).by_day == {ascension: None}
    for n in range(28):
        day = ascension - timedelta(days=28 - n)
        if day.weekday() < SATURDAY:
            add_day(history, day, con=con, hours=hour_rows(day, hours=range(8, 16), lookups=10))
    assert find_silence(history, PORTAL, newest=newest, now=now).by_day == {ascension: 0}
    found = find_silence(history, PORTAL, newest=newest, now=now + timedelta(days=1))
    assert (found.by_day[ascension + timedelta(days=1)], found.told(least=81)) == (80, None)
    assert found.told(least=80) is not None
