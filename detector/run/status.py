"""How the job is: what a person, a monitor and Prometheus want to know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from detector.history import History
from detector.ledger import Ledger
from detector.ledger.outbox import GIVEN_UP, WAITING, count_deliveries, oldest_waiting
from detector.ledger.runs import Run, list_runs
from detector.ledger.store import EXTRACTION, OPERATOR

MEMORY = timedelta(days=8)
LATE_FACTOR = 3
LONG_WAIT = timedelta(hours=1)


@dataclass(frozen=True)
class Status:
    """The job's health.

    Attributes
    ----------
    last_run, last_good
        The newest run, and the newest that ended without an error.
    days, open_days, newest_day, stale_days
        Of the history; `newest_day` in ISO 8601, empty for none.
    open_alerts, open_faults
        Alerts that nobody judged: of accounts and portal, and of the job itself.
    waiting, given_up, oldest_waiting
        Of the outbox.
    bytes
        Of the history folder on disk.
    troubles
        What is wrong, in sentences; none: all is well.
    """

    last_run: Run | None
    last_good: Run | None
    days: int
    open_days: int
    newest_day: str
    stale_days: int
    open_alerts: int
    open_faults: int
    waiting: int
    given_up: int
    oldest_waiting: datetime | None
    bytes: int
    troubles: tuple[str, ...]


def status_of(history: History, ledger: Ledger, *, now: datetime, every: timedelta = timedelta(minutes=5)) -> Status:
    """Look at history and ledger.

    Parameters
    ----------
    now
        The time, with its zone.
    every
        How often the job should run.
    """
    runs = list_runs(ledger, since=now - MEMORY)
    good = [run for run in runs if run.ended_at is not None and run.error is None]
    deliveries = count_deliveries(ledger)
    oldest = oldest_waiting(ledger)
    faults = [each for each in ledger.alerts(kind=OPERATOR, verdict="open") if now - each.changed_at < MEMORY]
    pending = set(history.pending)
    found = Status(
        last_run=runs[-1] if runs else None,
        last_good=good[-1] if good else None,
        days=len(history.days),
        open_days=sum(history.is_open(day) for day in history.days),
        newest_day=str(history.days[-1]) if history.days else "",
        stale_days=len([day for day in history.stale if day not in pending]),
        open_alerts=len(ledger.alerts(kind=EXTRACTION, verdict="open")),
        open_faults=len(faults),
        waiting=sum(n for (_, state), n in deliveries.items() if state == WAITING),
        given_up=sum(n for (_, state), n in deliveries.items() if state == GIVEN_UP),
        oldest_waiting=oldest,
        bytes=_size(history.folder),
        troubles=(),
    )
    recent = [each.title for each in faults if now - each.changed_at < timedelta(hours=1)]
    return Status(**{**vars(found), "troubles": (*_troubles(found, now=now, every=every), *recent)})


def _troubles(status: Status, *, now: datetime, every: timedelta) -> list[str]:
    found = []
    if status.last_run is None:
        found.append("no run in the last eight days")
    elif status.last_run.error is not None:
        found.append(f"the last run failed: {status.last_run.error}")
    if status.last_good is not None and now - status.last_good.started_at > LATE_FACTOR * every:
        found.append(f"no run has ended well since {status.last_good.started_at:%Y-%m-%d %H:%M} UTC")
    elif status.last_good is None and status.last_run is not None:
        found.append("no run has ended well in the last eight days")
    if status.given_up:
        found.append(f"{status.given_up} notifications were given up: `detector status --retry` tries them again")
    if status.oldest_waiting is not None and now - status.oldest_waiting > LONG_WAIT:
        found.append(f"a notification waits since {status.oldest_waiting:%Y-%m-%d %H:%M} UTC")
    return found


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # swept meanwhile
            continue
    return total
