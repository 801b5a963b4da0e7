"""The life of a day: events are added while it is open, its signals are computed, it closes and drops its events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from detector.account_days import ACCOUNT_DAYS, build_account_days
from detector.aggregates import ACCOUNT_DAY, Aggregates, aggregate, combine, hold_touches
from detector.coded import code_events
from detector.history.manifest import (
    EVENTS_ONLY,
    Stored,
    digest_of,
    is_pending,
    is_stale,
    near_newest,
    past_digest,
    window,
)
from detector.history.store import History
from detector.history.tables import OPEN_EVENTS
from detector.history.tokens import keep_tokens
from detector.history.touched import keep_touched, touched
from detector.history.transactions import Transaction, transaction
from detector.novelty import PAST_DAYS, Past
from detector.order import ORDER_COLUMNS, order_of

_SUMS = {"sources": "account_sources", "records": "account_records", "hours": "account_hours"}
"""Aggregates and the tables that hold them."""

_EVENTS_VIEW = "history_events_of_day"
"""One name for the day at hand, so that queries on it are the same from day to day and need not be written anew."""


class Settled(NamedTuple):
    """What `settle` did: days whose signals were computed, and days that it closed."""

    refreshed: tuple[date, ...]
    closed: tuple[date, ...]


def past_of(history: History, day: date, *, con: Backend) -> Past:
    """The 28 days before a day, as far as they are held."""
    first, last = day - timedelta(days=PAST_DAYS), day - timedelta(days=1)
    return Past(
        records=history.table(con, "account_records", first, last),
        sources=history.table(con, "account_sources", first, last),
        hours=history.table(con, "account_hours", first, last),
        account_days=history.table(con, "account_days", first, last),
        n_days=sum(before in history.manifest.days for before in window(day)),
        touched=touched(history, window(day), con=con),
    )


def sums_of(history: History, day: date, *, con: Backend) -> Aggregates:
    """The aggregates of a day, as they are held."""
    return Aggregates(**{name: history.table(con, table, day, day) for name, table in _SUMS.items()})


def add_events(
    change: Transaction,
    day: date,
    events: ir.Table,
    *,
    inputs: Iterable[str],
    rebuild: bool = False,
    is_over: bool = False,
) -> None:
    """Add events to a day; its signals are stale until `settle`, those that need the order of events excepted.

    An open day, or a new one, is summed up anew from all of its events, so that nothing depends on how they were cut
    into files. A closed day has no events left: the sums are added up, and signals that need the order of events stay.
    Either way a day that was closed is late, until it is judged anew.

    Parameters
    ----------
    change
        The transaction.
    day
        The day, in the history's zone.
    events
        Events of this day alone.
    inputs
        Hashes of the inputs that they come from.
    rebuild
        Drop what was held of the day first.
    is_over
        Nothing more will come for it: if nothing is held of it, it closes at once, and its events are never written.
    """
    entry = change.manifest.days.get(day)
    if entry is not None and entry.state == "closed":
        change.set_day(day, is_late=True)
    if entry is not None and entry.state == "closed" and not rebuild:
        late = aggregate(events, zone=change.manifest.zone)
        _put_sums(change, day, combine(_without_novelty(_held_sums(change, day)), late))
        past_inputs: tuple[str, ...] = entry.inputs
    else:
        held = () if rebuild else change.files(day, OPEN_EVENTS.name)
        closes = is_over and (entry is None or rebuild)
        _put_all(change, day, events if closes else _keep_events(change, day, events, held))
        if closes:
            change.close(day)
        past_inputs = () if rebuild or entry is None else entry.inputs
    change.set_day(day, past=None, inputs=tuple(sorted({*past_inputs, *inputs})))


def append_events(change: Transaction, day: date, events: ir.Table, *, inputs: Iterable[str]) -> None:
    """Add events to an open day, or a new one, without summing them up: the work does not grow with the day.

    The day is pending until `settle` sums it up; then it is the same as if all had been added by `add_events`.

    Parameters
    ----------
    change, day, events, inputs
        As for `add_events`.
    """
    part = change.write(day, OPEN_EVENTS.name, events.select(*OPEN_EVENTS.names))
    entry = change.manifest.days.get(day)
    held = entry.tables[OPEN_EVENTS.name].parts if entry is not None else ()
    change.set_table(day, OPEN_EVENTS.name, Stored(parts=(*held, part)))
    content = EVENTS_ONLY + digest_of(each.sha256 for each in (*held, part))
    known = entry.inputs if entry is not None else ()
    change.set_day(day, content=content, past=None, inputs=tuple(sorted({*known, *inputs})))


def _put_all(change: Transaction, day: date, events: ir.Table) -> None:
    """The sums of all events of a day, and the signals that need their order, which no later step can find again."""
    coded = code_events(events, zone=change.manifest.zone)
    order = order_of(coded).select(*ACCOUNT_DAY, *ORDER_COLUMNS)
    _put_sums(change, day, hold_touches(events, coded))
    unknown = {c.name: ibis.null(ibis.dtype(c.type)) for c in ACCOUNT_DAYS.columns if c.name not in order.columns}
    rows = order.mutate(**unknown | {"past_days": ibis.literal(0, "int32")})
    change.put(day, ACCOUNT_DAYS.name, rows)


def _put_sums(change: Transaction, day: date, sums: Aggregates) -> None:
    kept = keep_tokens(sums, fraction=change.manifest.token_fraction)
    for name, table in _SUMS.items():
        change.put(day, table, getattr(kept, name))
    content = digest_of(
        part.sha256 for table in _SUMS.values() for part in change.manifest.days[day].tables[table].parts
    )
    change.set_day(day, content=content)


def _sum_up(change: Transaction, day: date, *, is_over: bool) -> None:
    """Sum up the events of a pending day; unless it is to be closed, make one file of them, as `add_events` does."""
    if not is_over:
        change.put(day, OPEN_EVENTS.name, change.rows(day, OPEN_EVENTS.name))
    _put_all(change, day, change.rows(day, OPEN_EVENTS.name, name=_EVENTS_VIEW))


def _held_sums(change: Transaction, day: date) -> Aggregates:
    return Aggregates(**{name: change.rows(day, table) for name, table in _SUMS.items()})


def _without_novelty(sums: Aggregates) -> Aggregates:
    unknown = ibis.null("int64")
    return sums._replace(hours=sums.hours.mutate(new_records=unknown, foreign_records=unknown))


def _keep_events(change: Transaction, day: date, events: ir.Table, held: tuple[str, ...]) -> ir.Table:
    """Write the day's events, those held included, and return them."""
    columns = events.select(*OPEN_EVENTS.names)
    change.set_day(day, state="open")
    change.put(day, OPEN_EVENTS.name, ibis.union(columns, change.rows(day, OPEN_EVENTS.name)) if held else columns)
    return change.rows(day, OPEN_EVENTS.name, name=_EVENTS_VIEW)


def settle(
    history: History,
    *,
    con: Backend,
    canaries: tuple[str, ...] = (),
    complete: bool = False,
    arriving: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Settled:
    """Compute what is stale, oldest day first, and close days that are over; one commit a day.

    Parameters
    ----------
    history
        The history.
    con
        Ibis DuckDB backend.
    canaries
        Tokens of records that nobody has a reason to look up.
    complete
        Close the newest day too; without it, a day closes when a later one is held.
    arriving
        More is still coming: leave the newest day as it is, and close none (`close_days` does).
    progress
        Told of each day before its signals are computed, with the days computed before it and all of them.

    Raises
    ------
    HistoryError
        If another writer is at work, the disk is full, or the folder cannot be written.
    """
    refreshed: list[date] = []
    closed: list[date] = []
    with history.writing():
        stale, days = len(history.stale), history.days[:-1] if arriving else history.days
        for day in days:
            over = not arriving and (complete or day < history.days[-1])
            if is_pending(history.manifest.days[day]):
                with transaction(history, con=con) as change:
                    _sum_up(change, day, is_over=over)
            if is_stale(history.manifest, day):
                keep_touched(history, window(day), con=con)
            with transaction(history, con=con) as change:
                # Asked of each day anew: summing one up makes later ones stale.
                if is_stale(change.manifest, day):
                    if progress:
                        progress(f"signals of {day}", len(refreshed), max(stale, len(refreshed) + 1))
                    _compute_signals(change, day, canaries=canaries)
                    refreshed.append(day)
                if over and history.is_open(day):
                    change.close(day)
                    closed.append(day)
        keep_touched(history, near_newest(history.manifest), con=con)
    return Settled(tuple(refreshed), tuple(closed))


def close_days(history: History, days: Iterable[date], *, con: Backend) -> None:
    """Close days that were judged, one commit each: their events are dropped, later ones amend counts only.

    Raises
    ------
    HistoryError
        If another writer is at work, the disk is full, or the folder cannot be written.
    """
    with history.writing():
        for day in days:
            with transaction(history, con=con) as change:
                change.close(day)
                change.set_day(day, is_late=False)


def keep_judged(history: History, day: date, *, at: datetime | None, con: Backend) -> None:
    """Note that a late day was judged anew, and when; or, without a time, that it never will be.

    Raises
    ------
    HistoryError
        If another writer is at work, the disk is full, or the folder cannot be written.
    """
    with transaction(history, con=con) as change:
        change.set_day(day, is_late=False, judged_at=at or change.manifest.days[day].judged_at)


def _compute_signals(change: Transaction, day: date, *, canaries: tuple[str, ...]) -> None:
    history, con, zone = change.history, change.con, change.manifest.zone
    tables = build_account_days(
        day,
        today=sums_of(history, day, con=con),
        past=past_of(history, day, con=con),
        order=_order(change, day),
        zone=zone,
        canaries=canaries,
    )
    change.put(day, "account_days", tables.account_days)
    change.put(day, "account_hours", tables.hours)
    change.set_day(day, past=past_digest(change.manifest, day))


def _order(change: Transaction, day: date) -> ir.Table:
    """Signals that need the order of events, as whoever summed them up left them."""
    return change.rows(day, "account_days").select(*ACCOUNT_DAY, *ORDER_COLUMNS)
