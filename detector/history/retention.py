"""How long a history keeps what, what an incident holds back, and the removal of files that are out of use."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import date, datetime, timedelta
from pathlib import Path

from ibis.backends.duckdb import Backend
from pydantic import BaseModel, ConfigDict, Field

from detector.errors import HistoryError
from detector.history.disk import explained
from detector.history.manifest import WINDOW_DAYS, Hold, Manifest, Stored, is_expired, near_newest, references
from detector.history.store import History
from detector.history.tables import TABLES, folder_of, read_rows
from detector.history.touched import FOLDER, paths_of
from detector.history.transactions import SCRATCH, Transaction, transaction

BRIEF_TABLES = ("account_records", "account_sources")
"""Who looked up whom, and from where: kept for as short a time as detection and an inquiry allow."""


class RetentionSettings(BaseModel):
    """How long a history keeps what, in days before the newest day held."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    brief_days: int = Field(default=90, ge=2 * WINDOW_DAYS + 1)
    """Account-records and account-sources: three months, since leaks were found after 3 to 25 days but told of after
    months. Under 57 days, late lines could make a day stale whose past is gone."""

    long_days: int = Field(default=365, ge=2 * WINDOW_DAYS + 1)
    """Account-days and account-hours: a year of seasons."""

    grace_s: float = Field(default=3600, gt=0)
    """A file out of use for this long has no reader left; scoring a large day takes minutes."""

    def days_of(self, table: str) -> int:
        """How many days a table is kept."""
        return self.brief_days if table in BRIEF_TABLES else self.long_days


def expire(
    history: History,
    *,
    con: Backend,
    settings: RetentionSettings,
    trusts_leaps: bool = True,
    now: datetime | None = None,
) -> tuple[date, ...]:
    """Drop what is past its retention, save what an incident holds, and return the days concerned.

    Ages count from the newest day held, not from today: an old dump may be studied for as long as it takes. Unless
    `trusts_leaps`, a newest day that is more than `LEAP_DAYS` after the one before counts once another follows. Days
    later than tomorrow, as `now` tells it, never count.

    Raises
    ------
    HistoryError
        If a day is stale: its novelty could never be computed once its past is gone.
    """
    with transaction(history, con=con) as change:
        held = change.manifest.days
        last = date.max if now is None else now.date() + timedelta(days=1)
        past = [day for day in held if day <= last] or [date.min]
        newest = max(past) if trusts_leaps else counted_from(past)
        due = [
            (day, table)
            for day, entry in held.items()
            for table in entry.tables
            if (newest - day).days >= settings.days_of(table) and not is_expired(change.manifest, day, table)
        ]
        if due:
            days = [day for day, _ in due]
            history.require_fresh(min(days), max(days) + timedelta(days=WINDOW_DAYS))
        for day, table in due:
            change.set_table(day, table, _remainder(change, day, table))
        change.manifest = _without_ended(change.manifest, settings, newest=newest)
    return tuple(sorted({day for day, _ in due}))


LEAP_DAYS = 7
"""A newest day so much later than the one before may come of a clock that is ahead: nothing is dropped for it alone."""


def counted_from(days: Collection[date]) -> date:
    """The day from which ages count: the newest, or the one before while that one stands alone after a leap."""
    *_, before, newest = [min(days), *sorted(days)]
    return before if (newest - before).days > LEAP_DAYS else newest


def _remainder(change: Transaction, day: date, table: str) -> Stored:
    """What incidents hold of a table of a day."""
    stored = change.manifest.days[day].tables[table]
    holds = [hold for hold in change.manifest.holds.values() if hold.covers(day)]
    if not holds:
        return Stored(parts=(), expired=True)
    if any(not hold.accounts for hold in holds):
        return Stored(parts=stored.parts, expired=True)
    files = [str(change.history.path_of(table, part)) for part in stored.parts]
    rows = read_rows(files, table=TABLES[table], con=change.con)
    accounts = sorted({account for hold in holds for account in hold.accounts})
    part = change.write(day, table, rows.filter(rows.account.isin(accounts)))
    return Stored(parts=(part,) if part.rows else (), expired=True)


def _without_ended(manifest: Manifest, settings: RetentionSettings, *, newest: date) -> Manifest:
    """Forget days that no kept day was compared with, and inputs whose days would not be added to anyway."""
    if not manifest.days:
        return manifest
    ended = frozenset(
        day
        for day, entry in manifest.days.items()
        if (newest - day).days >= settings.long_days + WINDOW_DAYS
        and not any(stored.parts for stored in entry.tables.values())
    )
    first = newest - timedelta(days=settings.brief_days)
    kept = manifest.without_days(ended)
    listed = {sha256 for day, entry in kept.days.items() if not _is_spent(kept, day) for sha256 in entry.inputs}
    spent = frozenset(
        key for key, each in kept.inputs.items() if key not in listed and each.days and max(each.days) <= first
    )
    days = {
        day: entry.model_copy(update={"inputs": tuple(key for key in entry.inputs if key not in spent)})
        for day, entry in kept.days.items()
    }
    return kept.without_inputs(spent).model_copy(update={"days": days})


def _is_spent(manifest: Manifest, day: date) -> bool:
    return any(is_expired(manifest, day, table) for table in BRIEF_TABLES)


def hold(history: History, name: str, *, first: date, last: date, accounts: tuple[str, ...] = (), con: Backend) -> None:
    """Keep days, ends included, from retention and erasure until they are released.

    Parameters
    ----------
    history
        The history.
    name
        What asks for it, an incident's name.
    first, last
        The days.
    accounts
        Keep only these accounts' rows once the days are past their retention; none: everything.
    """
    with transaction(history, con=con) as change:
        holds = {**change.manifest.holds, name: Hold(first=first, last=last, accounts=tuple(sorted(accounts)))}
        change.manifest = change.manifest.model_copy(update={"holds": holds})


def release(history: History, name: str, *, con: Backend) -> None:
    """End a hold, and drop what only it kept.

    Raises
    ------
    HistoryError
        If there is no such hold.
    """
    with transaction(history, con=con) as change:
        if name not in change.manifest.holds:
            held = ", ".join(sorted(change.manifest.holds)) or "none"
            raise HistoryError(f"history {history.folder} has no hold {name!r}; it has {held}")
        holds = {key: each for key, each in change.manifest.holds.items() if key != name}
        change.manifest = change.manifest.model_copy(update={"holds": holds})
        for day, entry in change.manifest.days.items():
            for table, stored in entry.tables.items():
                if stored.expired and stored.parts:
                    change.set_table(day, table, _remainder(change, day, table))


def sweep(history: History, *, before_s: float = math.inf) -> int:
    """Remove files that no state refers to any more, and return their number.

    Parameters
    ----------
    history
        The history.
    before_s
        Only those out of use since before this time, in seconds since the epoch as the file system has it, so that
        their last reader is done (`RetentionSettings.grace_s`). Without it all of them: what is to be forgotten does
        not wait for a reader, who is told that a file is gone.
    """
    with history.writing(), explained(f"sweeping {history.folder}"):
        used = {history.path_of(each.table, each.part) for each in references(history.manifest)}
        used |= set(paths_of(history, near_newest(history.manifest)))
        old = [path for path in _files(history) if path not in used and path.stat().st_mtime < before_s]
        for path in old:
            history.disk.remove(path)
    return len(old)


def _files(history: History) -> list[Path]:
    folders = sorted({SCRATCH, FOLDER, *(folder_of(table) for table in TABLES)})
    return [path for folder in folders for path in sorted((history.folder / folder).glob("*.parquet"))]
