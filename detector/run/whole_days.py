"""Whole days held against the history: too few events, or kinds gone missing, before runs tell what is usual.

A job that has only begun has no runs to compare with, and may have a month of days: what came on the last whole day is
held against the same weekday of the four weeks before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from detector.clock import day_start
from detector.history import History
from detector.run.kinds import KINDS, LOW_LEAST, lost_kinds
from detector.run.pauses import DAY, DELIVERY, PAST, alike, days_between, usual_count
from detector.schedule import WatchSettings
from detector.settings import PortalSettings

NAMES = ("events", *KINDS)
ASKED = (
    "SELECT day, sum(coalesce(lookups, 0) + coalesce(writes, 0) + coalesce(failures, 0) + coalesce(logins, 0) "
    "+ coalesce(resets, 0))::BIGINT, sum(coalesce(logins, 0) + coalesce(failures, 0))::BIGINT, "
    "sum(logins)::BIGINT, sum(lookups)::BIGINT, sum(records)::BIGINT FROM read_parquet(?, union_by_name = true) "
    "GROUP BY day"
)
"""Of account-days, in the order of `NAMES`; different records by account stand for look-ups with a record."""
NONE = dict.fromkeys(NAMES, 0)


class Held(NamedTuple):
    """What is wrong with a day: `kind` of an operator's alert, a sentence, and the day."""

    kind: str
    text: str
    day: date


def hold_days(
    history: History, portal: PortalSettings, limits: WatchSettings, *, first_run: datetime, now: datetime
) -> list[Held]:
    """What is wrong with the newest closed day that was over twelve hours ago, and with days after it that nothing has.

    Days that go on, or stay open since nothing later came, are not whole; of silence `detector.run.pauses` tells.

    Parameters
    ----------
    history
        Of it, account-days of a month at most are read, a few columns, and those of a handful of days usually.
    portal
        Its zone and country.
    limits
        What is low, and how few events say nothing.
    first_run
        When the first run began that is known: a log may begin with it, and of a day hold an evening alone. After noon,
        that day is not held to be low.
    now
        The time, with its zone.
    """
    days = _whole_days(history, before=(now - DELIVERY).astimezone(ZoneInfo(portal.zone)).date())
    earlier = {day: alike(days_between(history, day - PAST, day - DAY), day, portal=portal) for day in days}
    counts = _counts(history, [*days, *(each for those in earlier.values() for each in those)])
    found: list[Held] = []
    for day in days:
        past = [counts.get(each, NONE) for each in earlier[day]]
        usual = {name: usual_count([each[name] for each in past]) for name in NAMES}
        is_watched = first_run <= day_start(day, zone=portal.zone) + DELIVERY
        found += _faults(day, counts.get(day, NONE), usual, limits, is_watched=is_watched)
    return found


def _whole_days(history: History, *, before: date) -> list[date]:
    closed = [day for day in history.days if day < before and not history.is_open(day)]
    if not closed:
        return []
    upto = min(before, history.days[-1])
    days = [closed[-1] + n * DAY for n in range((upto - closed[-1]).days)]
    return [day for day in days if not history.is_open(day)]


def _faults(
    day: date, came: dict[str, int], usual: dict[str, int | None], limits: WatchSettings, *, is_watched: bool
) -> Iterator[Held]:
    events, usually = came["events"], usual["events"] or 0
    if is_watched and usually >= LOW_LEAST and events < limits.low_share * usually:
        yield Held("low", f"{events or 'no'} events on {day}, where {usually:,} usually come on such a day", day)
    if lost := lost_kinds(came, usual, least=limits.least_lines):
        told = ", ".join(f"{each.left} (usually {each.usual:,})" for each in lost)
        yield Held("missing", f"{told} among the {events:,} events of {day}", day)


def _counts(history: History, days: list[date]) -> dict[date, dict[str, int]]:
    paths = [path for day in sorted(set(days)) for path in history.paths("account_days", day, day)]
    if not paths:
        return {}
    with duckdb.connect() as con:
        rows = con.execute(ASKED, [paths]).fetchall()
    return {day: dict(zip(NAMES, (n or 0 for n in sums), strict=True)) for day, *sums in rows}
