"""Runs of the scheduled job, and what each saw: how the next one knows what is usual."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from detector.ledger.store import Ledger
from detector.ledger.tables import RUNS


@dataclass(frozen=True)
class Run:
    """A run: when, where, how it ended, and what it saw. Without an end it is at work, or was killed."""

    run_id: int
    started_at: datetime
    ended_at: datetime | None
    host: str
    error: str | None
    report: dict[str, Any]


def begin_run(ledger: Ledger, *, at: datetime) -> int:
    """Record that a run began, and return its number."""
    with ledger.writing("recording a run") as connection:
        values = {"started_at": at, "host": socket.gethostname(), "report": {}}
        return int(connection.execute(insert(RUNS).values(values).returning(RUNS.c.run_id)).scalar_one())


def note_run(ledger: Ledger, run_id: int, *, report: dict[str, Any]) -> None:
    """Record what a run that is still at work saw: killed later on, it has counted that."""
    with ledger.writing("recording a run") as connection:
        connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(report=report))


def end_run(ledger: Ledger, run_id: int, *, at: datetime, report: dict[str, Any], error: str | None = None) -> None:
    """Record how a run ended."""
    with ledger.writing("recording a run") as connection:
        change = update(RUNS).where(RUNS.c.run_id == run_id)
        connection.execute(change.values(ended_at=at, report=report, error=error))


def list_runs(ledger: Ledger, *, since: datetime) -> list[Run]:
    """Runs that began since then, the oldest first."""
    wanted = select(RUNS).where(RUNS.c.started_at >= since).order_by(RUNS.c.run_id)
    with ledger.reading("listing runs") as connection:
        return [Run(**row) for row in connection.execute(wanted).mappings()]


def last_run(ledger: Ledger) -> Run | None:
    """The newest run, if there is one."""
    wanted = select(RUNS).order_by(RUNS.c.run_id.desc()).limit(1)
    with ledger.reading("finding the last run") as connection:
        row = connection.execute(wanted).mappings().first()
    return None if row is None else Run(**row)


def latest_start(ledger: Ledger) -> datetime | None:
    """When, by its clock, the latest run began, be it the newest or not."""
    with ledger.reading("finding the latest run") as connection:
        row = connection.execute(select(RUNS.c.started_at).order_by(RUNS.c.started_at.desc()).limit(1)).first()
    return None if row is None else row[0]


def drop_later_runs(ledger: Ledger, *, after: datetime) -> None:
    """Forget runs under a clock that was ahead."""
    with ledger.writing("dropping runs of the future") as connection:
        connection.execute(delete(RUNS).where(RUNS.c.started_at > after))


def last_model(ledger: Ledger) -> str | None:
    """Version of the trained model that the newest run with one judged with; None: no run had one."""
    version = RUNS.c.report["model"].as_string()
    wanted = select(version).where(version.is_not(None)).order_by(RUNS.c.run_id.desc()).limit(1)
    with ledger.reading("finding the model in use") as connection:
        return connection.execute(wanted).scalar()


def last_ended(ledger: Ledger) -> int | None:
    """Number of the newest run that was not killed."""
    with ledger.reading("finding the last run") as connection:
        return connection.execute(select(func.max(RUNS.c.run_id)).where(RUNS.c.ended_at.is_not(None))).scalar()


def drop_runs(ledger: Ledger, *, before: datetime) -> None:
    """Forget runs that nobody compares with any more."""
    with ledger.writing("dropping old runs") as connection:
        connection.execute(delete(RUNS).where(RUNS.c.started_at < before))
