"""Which pauses are usual by the history: what came in the same hours of earlier days.

A job that has only begun has no runs to compare with, and may have a month of days. They tell when things happened, not
when files came: so a day's events are held to be missing by noon of the next, as rarely as a portal may deliver them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from detector.clock import day_start
from detector.history import History
from detector.settings import PortalSettings, holidays_of

DELIVERY = timedelta(hours=12)
"""A day's events have come by noon of the next, however rarely a portal delivers them."""
PAST = timedelta(days=28)
FEWEST = 2
"""Earlier days of the same weekday without which nothing is usual."""
SUNDAY = 6
"""What a public holiday is held against."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
COUNTED = ("lookups", "writes", "failures", "logins", "resets")
"""Of account-hours: events, all but a few kinds."""


@dataclass(frozen=True)
class Expected:
    """What usually comes in a pause.

    Attributes
    ----------
    since, until
        Ends of the pause.
    by_day
        Events that usually come, by calendar day in the portal's zone; None: too few earlier days tell.
    """

    since: datetime
    until: datetime
    by_day: dict[date, int | None]

    def told(self, *, least: int) -> str | None:
        """What to tell of the pause, if at least so many events usually come in it."""
        usual = sum(n or 0 for n in self.by_day.values())
        if usual < least:
            return None
        upto = f"{self.until:%Y-%m-%d %H:%M} UTC"
        return f"all inputs: no event since {self.since:%Y-%m-%d %H:%M} UTC, where {usual:,} usually come up to {upto}"


def find_silence(history: History, portal: PortalSettings, *, newest: datetime | None, now: datetime) -> Expected:
    """What usually comes in the pause since the newest event, up to the last midnight that was twelve hours ago.

    Each part of the pause that lies in one day is held against the same hours of the same weekday (of Sundays, if it is
    a public holiday) in the four weeks before the pause: the median, the lower one of two. A day of which nothing is
    held, between others, had no events.

    Parameters
    ----------
    history
        Nothing of it is read where there is no pause.
    portal
        Its zone and country.
    newest
        When the newest event happened that a run read; None: by the history alone.
    now
        The time, with its zone.
    """
    zone = ZoneInfo(portal.zone)
    until = day_start((now - DELIVERY).astimezone(zone).date(), zone=portal.zone)
    since = newest
    if history.days and (since is None or since.astimezone(zone).date() < history.days[-1]):
        since = _last_event(history)
    if since is None or since >= until:
        return Expected(since or until, until, {})
    first, last = (since.astimezone(zone).date() - span for span in (PAST, DAY))
    known = _events_by_hour(history, first, last, zone=zone)
    earlier = days_between(history, first, last)
    by_day = {
        day: usual_count(
            [sum(known.get((each, hour), 0) for hour in hours) for each in alike(earlier, day, portal=portal)]
        )
        for day, hours in _hours(since, until, zone=zone).items()
    }
    return Expected(since, until, by_day)


def days_between(history: History, first: date, last: date) -> list[date]:
    """Days from the first that is held, ends included: also those of which nothing is held, none whose sums wait."""
    begun = [day for day in history.days if day >= first]
    span = [begun[0] + n * DAY for n in range((last - begun[0]).days + 1)] if begun else []
    pending = set(history.pending)
    return [day for day in span if day not in pending]


def alike(days: Iterable[date], day: date, *, portal: PortalSettings) -> list[date]:
    """Which of some days are of a day's weekday; a public holiday is a Sunday."""
    days_off = holidays_of(portal.country)

    def kind(each: date) -> int:
        return SUNDAY if each in days_off(each.year) else each.weekday()

    return [each for each in days if kind(each) == kind(day)]


def usual_count(counts: list[int]) -> int | None:
    """The median, the lower one of two; None: too few days tell."""
    return sorted(counts)[(len(counts) - 1) // 2] if len(counts) >= FEWEST else None


def newest_event(reports: Iterable[Mapping[str, Any]]) -> datetime | None:
    """When the newest event happened that runs read, by their reports in the ledger.

    Lines dated ahead, which no day is learned from, do not count; what else says it lies in the future was read by
    then: one line with a wrong clock must not hide years of silence.
    """
    told = [
        min(datetime.fromisoformat(last), datetime.fromisoformat(report.get("at", last)))
        for report in reports
        for feed in report.get("feeds", {}).values()
        # Reports of earlier versions do not tell what was learned from what was read.
        if (last := feed.get("learned_at", feed.get("last_at"))) is not None
    ]
    return max(told, default=None)


def _hours(since: datetime, until: datetime, *, zone: ZoneInfo) -> dict[date, list[int]]:
    """Whole hours of the clock between two instants, by day."""
    found: dict[date, list[int]] = {}
    at = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + HOUR
    while at < until:
        local = at.astimezone(zone)
        found.setdefault(local.date(), []).append(local.hour)
        at += HOUR
    return found


def _events_by_hour(history: History, first: date, last: date, *, zone: ZoneInfo) -> dict[tuple[date, int], int]:
    paths = history.paths("account_hours", first, last)
    if not paths:
        return {}
    events = " + ".join(f"coalesce({name}, 0)" for name in COUNTED)
    asked = f"SELECT epoch(hour)::BIGINT, sum({events})::BIGINT FROM read_parquet(?, union_by_name = true) GROUP BY ALL"  # noqa: S608
    found: dict[tuple[date, int], int] = {}
    for seconds, n in _ask(asked, paths):
        local = datetime.fromtimestamp(seconds, zone)
        found[local.date(), local.hour] = found.get((local.date(), local.hour), 0) + n
    return found


def _last_event(history: History) -> datetime:
    """When the newest event that is held happened; of a closed day, the end of the hour."""
    newest = history.days[-1]
    for table, instant in (("open_events", "timestamp"), ("account_hours", "hour + INTERVAL 1 HOUR")):
        paths = history.paths(table, newest, newest)
        asked = f"SELECT epoch(max({instant})) FROM read_parquet(?, union_by_name = true)"  # noqa: S608
        if paths and (seconds := _ask(asked, paths)[0][0]) is not None:
            return datetime.fromtimestamp(seconds, UTC)
    return day_start(newest, zone=history.manifest.zone)


def _ask(query: str, paths: list[str]) -> list[tuple[int, int]]:
    with duckdb.connect() as con:
        return con.execute(query, [paths]).fetchall()
