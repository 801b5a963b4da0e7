"""Small histories for the tests, made without any log."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import ibis
import pyarrow as pa
from ibis.backends.duckdb import Backend

from detector.history import Disk, History, transaction
from detector.history.manifest import past_digest
from detector.schema import ACCOUNT_HOURS, ACCOUNT_RECORDS, ACCOUNT_SOURCES

FIRST = date(2026, 3, 1)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, and nothing works after it."""


class FailingDisk(Disk):
    """A disk on which everything fails from its `at`-th operation on; without `at`, it only counts."""

    def __init__(self, *, at: int | None = None, error: type[BaseException] = Killed) -> None:
        super().__init__(step=self._count)
        self.at, self.error = at, error
        self.steps: list[str] = []

    def _count(self, operation: str, path: Path) -> None:
        self.steps.append(f"{operation} {path.name}")
        if self.at is not None and len(self.steps) > self.at:
            raise self.error(28, f"{operation} {path}")


def day_number(offset: int) -> date:
    """The `offset`-th day after the first."""
    return FIRST + timedelta(days=offset)


def open_history(folder: Path, *, disk: Disk | None = None) -> History:
    """A history that is made where there is none."""
    return History.open(folder, zone="Europe/Paris", key_id="k1", create=True, disk=disk)


def source_rows(day: date, *, accounts: tuple[str, ...] = ("a", "b"), lookups: int = 3) -> ibis.Table:
    """One source of each account on a day."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    counts = {
        "logins": 1,
        "failures": 0,
        "lookups": lookups,
        "writes": 0,
        "resets": 0,
        "first_at": noon,
        "last_at": noon,
    }
    rows = [
        {"account": account, "channel": "portal", "day": day, "ip": "192.0.2.1", "user_agent": "Firefox", **counts}
        for account in accounts
    ]
    return ibis.memtable(ACCOUNT_SOURCES.check(pa.Table.from_pylist(rows)))


def record_rows(day: date, *, accounts: tuple[str, ...] = ("a", "b"), records: tuple[str, ...] = ("r1",)) -> ibis.Table:
    """Each account looked each record up once on a day."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    counts = {"lookups": 1, "misses": 0, "writes": 0, "n_records": 1, "first_at": noon, "last_at": noon}
    rows = [
        {"account": account, "channel": "portal", "day": day, "record": record, **counts}
        for account in accounts
        for record in records
    ]
    return ibis.memtable(ACCOUNT_RECORDS.check(pa.Table.from_pylist(rows)))


def hour_rows(day: date, *, hours: range, lookups: int) -> ibis.Table:
    """So many look-ups of one account in each of some hours, in UTC."""
    rows = [
        dict.fromkeys((column.name for column in ACCOUNT_HOURS.columns if column.type == pa.int64()), 0)
        | {"account": "a", "channel": "portal", "day": day, "lookups": lookups}
        | {"hour": datetime(day.year, day.month, day.day, hour, tzinfo=UTC)}
        for hour in hours
    ]
    return ibis.memtable(ACCOUNT_HOURS.check(pa.Table.from_pylist(rows)))


def add_day(history: History, day: date, *, con: Backend, lookups: int = 3, hours: ibis.Table | None = None) -> None:
    """Commit a closed day with sources, records and hours (none: empty), as if its novelty had been computed."""
    with transaction(history, con=con) as change:
        change.put(day, "account_sources", source_rows(day, lookups=lookups))
        change.put(day, "account_records", record_rows(day))
        change.put(day, "account_hours", ibis.memtable(ACCOUNT_HOURS.empty()) if hours is None else hours)
        change.set_day(day, content=f"{day} {lookups}")
        change.set_day(day, past=past_digest(change.manifest, day))
        change.close(day)


def fingerprint(folder: Path) -> dict[str, str]:
    """Hashes of the manifest and of every file that it names."""
    history = History.open(folder)
    paths = [folder / "manifest.json"]
    for table in ("account_sources", "account_records", "account_hours", "account_days", "open_events"):
        paths.extend(Path(path) for path in history.paths(table, date.min, date.max, held=True))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
