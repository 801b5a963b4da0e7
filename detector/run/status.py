"""How the job is: what a person, a monitor and Prometheus want to know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from detector.history import History
from detector.ledger import Ledger
from detector.ledger.outbox import GIVEN_UP, WAITING, Backlog, backlogs, count_deliveries
from detector.ledger.runs import Run, list_runs
from detector.ledger.store import EXTRACTION, OPERATOR, REVIEW, Robot
from detector.output.table import counted
from detector.output.text import visible
from detector.run.lock import is_held
from detector.run.pauses import DELIVERY, find_silence, newest_event
from detector.schedule import WatchSettings
from detector.settings import PortalSettings, holidays_of

MEMORY = timedelta(days=8)
LATE_FACTOR = 1.5
LATE_LEAST = timedelta(minutes=15)
"""A run of a few minutes, or a restart, holds up the next ones."""
FEWEST_PAUSES = 12
"""Between runs: an hour of a run every five minutes. Fewer say something only if they make up a day."""
DAY = timedelta(days=1)
SATURDAY = 5
ENDED, ENDING = 30 * DAY, 7 * DAY
"""How long before, and after, a known robot's entry ends that is worth a line."""
STUCK = timedelta(minutes=30)
"""A notification that was tried in vain and waits so long: five or so attempts, so it is no hiccup of the receiver."""
LONG_WAIT = timedelta(hours=1)
"""A notification that nobody tried: the job does not run, or no longer knows the receiver."""
TRAINING = "training"
"""In the report of a run that trains: without an end, it does still if it is at work, else it was killed over it."""
TRAINS_AT_MOST = timedelta(hours=6)
METRICS = "metrics"
"""In a run's report: why Prometheus' text file could not be written."""


@dataclass(frozen=True)
class Status:
    """The job's health.

    Attributes
    ----------
    last_run, last_good
        The newest run, and the newest that ended without an error.
    interrupted
        When runs of the last eight days began that have no end and are not at work: they were killed.
    at_work
        Whether a run is at work now, or another command that changes the history.
    newest_event
        When the newest event happened that a run of the last eight days read; none: it read none.
    days, open_days, newest_day, stale_days
        Of the history; `newest_day` in ISO 8601, empty for none.
    open_alerts, open_reviews, open_faults
        Alerts that nobody judged: of accounts and portal, of new software and accounts, and of the job itself.
    robots
        Sentences on known robots whose entry ends within a week, or ended within the last month.
    holds
        How many incidents keep days (`detector holds`).
    waiting, given_up, oldest_waiting
        Of the outbox.
    bytes
        Of the history folder on disk.
    troubles
        What is wrong, in sentences; none: all is well.
    """

    last_run: Run | None
    last_good: Run | None
    interrupted: tuple[datetime, ...]
    at_work: bool
    newest_event: datetime | None
    days: int
    open_days: int
    newest_day: str
    stale_days: int
    open_alerts: int
    open_reviews: int
    open_faults: int
    holds: int
    waiting: int
    given_up: int
    oldest_waiting: datetime | None
    bytes: int
    robots: tuple[str, ...]
    troubles: tuple[str, ...]


def status_of(
    history: History,
    ledger: Ledger,
    portal: PortalSettings,
    *,
    now: datetime,
    every: timedelta | None = None,
    watch: WatchSettings | None = None,
) -> Status:
    """Look at history and ledger.

    Parameters
    ----------
    portal
        Its zone and country tell on which days events must come.
    now
        The time, with its zone.
    every
        How often the job should run; None: as usual (`usual_pause`).
    watch
        When silence is worth telling; None: the defaults.
    """
    runs = list_runs(ledger, since=now - MEMORY)
    good = [run for run in runs if run.ended_at is not None and run.error is None]
    deliveries = count_deliveries(ledger)
    waiting = backlogs(ledger)
    faults = [each for each in ledger.alerts(kind=OPERATOR, verdict="open") if now - each.changed_at < MEMORY]
    pending = set(history.pending)
    at_work = is_held(history.folder)
    over = runs[:-1] if at_work else runs
    found = Status(
        last_run=runs[-1] if runs else None,
        last_good=good[-1] if good else None,
        interrupted=tuple(run.started_at for run in over if run.ended_at is None),
        at_work=at_work,
        newest_event=newest_event(run.report for run in runs),
        days=len(history.days),
        open_days=sum(history.is_open(day) for day in history.days),
        newest_day=str(history.days[-1]) if history.days else "",
        stale_days=len([day for day in history.stale if day not in pending]),
        open_alerts=len(ledger.alerts(kind=EXTRACTION, verdict="open")),
        open_reviews=len(ledger.alerts(kind=REVIEW, verdict="open")),
        open_faults=len(faults),
        holds=len(history.manifest.holds),
        waiting=sum(n for (_, state), n in deliveries.items() if state == WAITING),
        given_up=sum(n for (_, state), n in deliveries.items() if state == GIVEN_UP),
        oldest_waiting=min((each.since for each in waiting), default=None),
        bytes=_size(history.folder),
        robots=_ending(ledger.robots(), today=now.astimezone(ZoneInfo(portal.zone)).date()),
        troubles=(),
    )
    ended = [run for run in runs if run.ended_at is not None]
    # What the newest run told stands until a run finds it gone, be that tomorrow night.
    standing = [text for run in ended[-1:] for text in run.report.get("faults", [])]
    seen = {_without_numbers(text) for text in standing}
    # What a clock that was ahead told of lies in the future, and is no news for as long.
    hour = [
        (each.reasons or [each.title])[0] for each in faults if -AHEAD <= now - each.changed_at < timedelta(hours=1)
    ]
    recent = [*standing, *(text for text in hour if _without_numbers(text) not in seen)]
    unwritten = [run.report[METRICS] for run in ended[-1:] if METRICS in run.report]
    untold = [*_untold(waiting, deliveries, now=now), *unwritten]
    due = every or usual_pause([run.started_at for run in runs])
    silence = _silence(found, history, portal, watch or WatchSettings(), now=now)
    troubles = dict.fromkeys((*_troubles(found, now=now, every=due), *untold, *silence, *recent))
    return Status(**{**vars(found), "troubles": tuple(troubles)})


def _ending(robots: Sequence[Robot], *, today: date) -> tuple[str, ...]:
    """Of entries whose end may have been forgotten."""
    near = [each for each in robots if today - ENDED <= each.expires <= today + ENDING]
    named = [(visible(each.account), "ends" if each.expires >= today else "ended", each.expires) for each in near]
    return tuple(f"known robot {account}: its entry {ends} on {day}" for account, ends, day in named)


def _without_numbers(text: str) -> str:
    return re.sub(r"\d+", "#", text)


def usual_pause(starts: Sequence[datetime]) -> timedelta:
    """How often the job usually runs, a day at most, by the beginnings of its runs in order.

    The pause in which most of the time lies, half of it in pauses at least so long: a job that runs once a night does
    so still when somebody runs it by hand a dozen times. Where too little is known, a day.
    """
    pauses = sorted(after - before for before, after in pairwise(starts))
    whole = sum(pauses, timedelta())
    if len(pauses) < FEWEST_PAUSES and whole < DAY:
        return DAY
    upto = list(accumulate(pauses))
    usual = next(pause for pause, passed in zip(pauses, upto, strict=True) if 2 * passed >= whole)
    return min(usual, DAY)


def _trains(status: Status, now: datetime) -> bool:
    run = status.last_run
    if run is None or run.ended_at is not None or not status.at_work:
        return False
    return TRAINING in run.report and now - run.started_at < TRAINS_AT_MOST


def say_unended(status: Status) -> list[str]:
    """Sentences on runs without an end. None is trouble by itself: the next run does what is left."""
    found = []
    if status.interrupted:
        n, last = len(status.interrupted), status.interrupted[-1]
        what = f"{counted(n, 'run')} interrupted in the last eight days, the last one begun {last:%Y-%m-%d %H:%M} UTC"
        found.append(f"{what}: what was read counts in the history, and may be missing from the runs' counts")
    if status.at_work and status.last_run is not None and status.last_run.ended_at is None:
        doing = "training" if TRAINING in status.last_run.report else "at work"
        found.append(f"the run begun {status.last_run.started_at:%Y-%m-%d %H:%M} UTC is {doing}")
    return found


def _silence(
    status: Status, history: History, portal: PortalSettings, watch: WatchSettings, *, now: datetime
) -> list[str]:
    """A pause in which events usually come, by the history; and a whole working day, unless none come on such days."""
    if status.newest_event is None and not status.newest_day:
        return ["no event has come yet"]
    zone = ZoneInfo(portal.zone)
    newest = date.fromisoformat(status.newest_day or "0001-01-01")
    if status.newest_event is not None:
        newest = max(newest, status.newest_event.astimezone(zone).date())
    expected = find_silence(history, portal, newest=status.newest_event, now=now)
    if told := expected.told(least=watch.silent_events):
        return [told]
    due, days_off = (now - DELIVERY).astimezone(zone).date(), holidays_of(portal.country)
    between = [newest + timedelta(days=n) for n in range(1, (due - newest).days)]
    worked = [day for day in between if day.weekday() < SATURDAY and day not in days_off(day.year)]
    missing = [day for day in worked if expected.by_day.get(day) != 0]
    return [f"no event of {missing[0]} or later has come, a working day"] if missing else []


AHEAD = timedelta(minutes=5)
"""By how much the clocks of two machines may differ."""


def _troubles(status: Status, *, now: datetime, every: timedelta) -> list[str]:
    found = []
    if status.last_run is None:
        found.append("no run in the last eight days")
    elif status.last_run.error is not None:
        found.append(f"the last run failed: {status.last_run.error}")
    if status.last_run is not None and status.last_run.started_at > now + AHEAD:
        began = f"{status.last_run.started_at:%Y-%m-%d %H:%M} UTC"
        found.append(f"the last run began at {began}, later than now: a clock was ahead then, or is behind now")
    is_late = status.last_good is not None and now - status.last_good.started_at > max(LATE_FACTOR * every, LATE_LEAST)
    if status.last_good is not None and is_late and not _trains(status, now):
        since = f"{status.last_good.started_at:%Y-%m-%d %H:%M} UTC"
        found.append(f"no run has ended well since {since}, where one begins every {_span(every)}")
    elif status.last_good is None and status.last_run is not None:
        found.append("no run has ended well in the last eight days")
    return found


def _span(every: timedelta) -> str:
    minutes = round(every.total_seconds() / 60)
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"


def _untold(waiting: list[Backlog], deliveries: dict[tuple[str, str], int], *, now: datetime) -> list[str]:
    """Receivers that learn nothing, by name: an alert that nobody is told of might as well not have been raised."""
    found = []
    for each in waiting:
        what = f"receiver {each.receiver}: {counted(each.n, 'notification')}"
        told = f"{what} not delivered since {each.since:%Y-%m-%d %H:%M} UTC"
        if each.tried_since is not None and now - each.tried_since > STUCK:
            found.append(f"{told} ({(each.error or '').removeprefix(f'receiver {each.receiver}: ')})")
        elif now - each.due_since > LONG_WAIT:
            found.append(f"{told}, and not tried: does the job run, and is the receiver in its settings?")
    for (receiver, state), n in sorted(deliveries.items()):
        if state == GIVEN_UP:
            given = f"receiver {receiver}: {counted(n, 'notification')} given up"
            found.append(f"{given}; `detector status --retry` tries again")
    return found


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # swept meanwhile
            continue
    return total
