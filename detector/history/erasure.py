"""Erasure: what is held on one account, on one record, or of one day, leaves all files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from detector.aggregates import FACTS
from detector.errors import HistoryError
from detector.history.actions import record_action, subject_of
from detector.history.manifest import Hold, Stored, references
from detector.history.retention import sweep
from detector.history.store import History
from detector.history.tables import TABLES, read_rows
from detector.history.transactions import Transaction, transaction


class Affected(NamedTuple):
    """Rows that are to be forgotten: of a table of a day, how many, and of which accounts; none named: of all."""

    day: date
    table: str = ""
    rows: int = 0
    accounts: frozenset[str] = frozenset()

    def is_held(self, hold: Hold) -> bool:
        """Whether an incident needs any of them: it may hold all accounts, or the attacked ones alone."""
        named = bool(hold.accounts and self.accounts)
        return hold.covers(self.day) and not (named and self.accounts.isdisjoint(hold.accounts))


@dataclass(frozen=True)
class Subject:
    """Who is to be forgotten: an account, or a record by its token."""

    kind: str
    name: str

    def found(self, rows: ir.Table) -> ir.BooleanValue:
        """Which rows are about the subject."""
        found = rows[self.kind] == self.name
        if self.kind == "account" and "delegate" in rows.columns:
            found = found | (rows.delegate == self.name)
        return found.fill_null(False)

    def removed(self, rows: ir.Table) -> ir.Table:
        """The rows without the subject; an event is kept without the record it concerned, since the account did act."""
        if self.kind == "record" and "action" in rows.columns:
            hit = self.found(rows)
            return rows.mutate(**{name: ibis.ifelse(hit, None, rows[name]) for name in ("record", *FACTS)})
        return rows.filter(~self.found(rows))


def forget(
    history: History,
    *,
    con: Backend,
    at: datetime,
    by: str,
    why: str,
    account: str | None = None,
    record: str | None = None,
    key: bytes | None = None,
) -> int:
    """Remove what is held on an account or on a record, and return how many rows that were.

    Who asked, when and why goes to the append-only log first; the subject stands there as a hash under the key
    only, and without a key not at all. Figures that were computed with the rows, of this account's neighbours or on
    this record, stay as they are. The dumps are not touched, and a model that was fitted before keeps what it learned.
    Files that held the subject are gone at the end, those that were out of use already included; where that is cut
    short, asking again removes them.

    Parameters
    ----------
    history
        The history.
    con
        Ibis DuckDB backend.
    at, by, why
        When, who asks for it, and the reason.
    account, record
        The account, or the record's token: one of them.
    key
        The history's key.

    Raises
    ------
    HistoryError
        If an incident holds any of it, or the folder cannot be written; then nothing was removed.
    """
    subject = _subject(account, record)
    with transaction(history, con=con) as change:
        affected = list(_affected(change, subject))
        _refuse_held(change, affected)
        named = subject_of(subject.name, key=key)
        record_action(history, verb="forget", at=at, by=by, why=why, kind=subject.kind, **named)
        for each in affected:
            _rewrite(change, each.day, each.table, subject)
    sweep(history)
    return sum(each.rows for each in affected)


def forget_day(history: History, day: date, *, con: Backend, at: datetime, by: str, why: str) -> int:
    """Remove what is held of a day, and return how many rows that were: of one that never was, say.

    Who asked, when and why goes to the append-only log first. Its files are not read again as they are; where all that
    came by a name was of this day, what comes by it next replaces nothing. Later days become stale.

    Parameters
    ----------
    history, con, at, by, why
        As `forget` takes them.
    day
        The day, in the portal's zone.

    Raises
    ------
    HistoryError
        If the day is not held, an incident holds it, or the folder cannot be written; then nothing was removed.
    """
    with transaction(history, con=con) as change:
        held = change.manifest.days.get(day)
        if held is None:
            raise HistoryError(f"{day} is not held in history {history.folder}")
        _refuse_held(change, [Affected(day)])
        record_action(history, verb="forget", at=at, by=by, why=why, kind="day", day=str(day))
        inputs = {
            key: each.model_copy(update={"paths": {}}) if each.days == (day,) else each
            for key, each in change.manifest.inputs.items()
        }
        change.manifest = change.manifest.without_days(frozenset((day,))).model_copy(update={"inputs": inputs})
    sweep(history)
    return sum(part.rows for stored in held.tables.values() for part in stored.parts)


def _subject(account: str | None, record: str | None) -> Subject:
    if (account is None) == (record is None):
        raise HistoryError("forget needs either an account or a record")
    return Subject("account", account) if account is not None else Subject("record", str(record))


def _affected(change: Transaction, subject: Subject) -> Iterator[Affected]:
    """Days and tables with rows about the subject, and whose they are."""
    for name, table in TABLES.items():
        if subject.kind not in table.names:
            continue
        places = {
            change.history.path_of(name, each.part): each for each in references(change.manifest) if each.table == name
        }
        if not places:
            continue
        rows = change.con.read_parquet([str(path) for path in places], filename=True, union_by_name=True)
        hits = rows.filter(subject.found(rows)).group_by("filename")
        counts = hits.aggregate(n=ibis._.count(), accounts=ibis._.account.collect(distinct=True)).to_pyarrow()
        # DuckDB may spell a path in another way than it was given: files of a table are told apart by their names.
        by_name = {path.name: each for path, each in places.items()}
        for count in sorted(counts.to_pylist(), key=lambda count: str(count["filename"])):
            place = by_name[Path(count["filename"]).name]
            yield Affected(place.day, name, int(count["n"]), frozenset(count["accounts"] or ()))


def _refuse_held(change: Transaction, affected: Sequence[Affected]) -> None:
    holding = sorted(
        name for name, hold in change.manifest.holds.items() if any(each.is_held(hold) for each in affected)
    )
    if holding:
        raise HistoryError(
            f"{', '.join(holding)} holds days with what is to be forgotten: release it first (`detector holds`), or "
            "keep it until it is"
        )


def _rewrite(change: Transaction, day: date, table: str, subject: Subject) -> None:
    stored = change.manifest.days[day].tables[table]
    files = [str(change.history.path_of(table, part)) for part in stored.parts]
    rows = read_rows(files, table=TABLES[table], con=change.con)
    part = change.write(day, table, subject.removed(rows))
    change.set_table(day, table, Stored(parts=(part,), expired=stored.expired))
