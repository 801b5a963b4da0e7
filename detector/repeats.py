"""Files that tell, under another name, of what is held already: corrections and second copies would count twice."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

import ibis.expr.types as ir
import pyarrow.parquet as pq
from ibis import _
from ibis.backends.duckdb import Backend

from detector.aggregates import aggregate
from detector.arriving import REPEATED, REPLACED
from detector.clock import day_start
from detector.history.store import History
from detector.history.tables import OPEN_EVENTS, read_rows
from detector.joins import to_frame
from detector.news import Found, News, find_replaced

LARGE = 0.5
"""Of what is held of a day: a file with less of it is no other telling of the day, and a slice need not be compared."""
SAME = 0.6
"""A corrected file has lines more, or others; two that tell of different things are never the same by chance so far."""
FEWEST = 100
"""Events, or account-hours, of which so many the same are no chance."""
_HOUR = ["account", "channel", "hour"]
_COUNTS = ("lookups", "writes", "failures", "logins", "resets")
_EVENT = ["timestamp", "account", "action", "record"]


def find_twice(
    events: ir.Table, news: Collection[News], found: Found, *, history: History, con: Backend
) -> dict[str, str]:
    """Paths of files that would count twice, and what to tell of each after its path.

    Either what was read by their path of the same time, or what was read from other files, holds them.
    """
    twice = dict.fromkeys(find_replaced(news, found.times, history=history), REPLACED)
    repeated = find_repeated(events, found.without(twice), history=history, con=con)
    return twice | dict.fromkeys(repeated, REPEATED)


def find_repeated(events: ir.Table, found: Found, *, history: History, con: Backend) -> list[str]:
    """Paths of files of whose day nearly everything is held from others.

    Of an open day events are compared (instant, account, action, record), of a closed one what each account did by the
    hour, as far as the file tells of it at all: another feed's sign-ins repeat no look-ups.

    Parameters
    ----------
    events
        The new ones, of all files, with their `source`.
    found
        How many there are on each day, by file.
    history
        What is held.
    con
        Ibis DuckDB backend that reads both.
    """
    repeated = {
        path
        for day in sorted(found.days.keys() & set(history.days))
        for path, n in found.days[day].items()
        if n >= FEWEST
        and n >= LARGE * _held(history, day, con=con)
        and _repeats(_of_day(events.filter(_.source == path), day, zone=history.manifest.zone), day, history, con=con)
    }
    return sorted(repeated)


def _held(history: History, day: date, *, con: Backend) -> int:
    """Events that are held of a day."""
    if history.is_open(day):
        return sum(int(pq.read_metadata(path).num_rows) for path in history.paths(OPEN_EVENTS.name, day, day))
    hours = history.table(con, "account_hours", day, day)
    total = hours.aggregate(n=sum(hours[name].sum() for name in _COUNTS))
    return int(total.to_pyarrow()["n"][0].as_py() or 0)


def _repeats(events: ir.Table, day: date, history: History, *, con: Backend) -> bool:
    if history.is_open(day):
        paths = history.paths(OPEN_EVENTS.name, day, day)
        held, new = (_told(rows) for rows in (read_rows(paths, table=OPEN_EVENTS, con=con), events))
        return _is_most(new.semi_join(held, _EVENT), new)
    new = aggregate(events, zone=history.manifest.zone).hours.select(*_HOUR, *_COUNTS)
    sums = to_frame(new.aggregate(**{name: new[name].sum() for name in _COUNTS}))
    told = [name for name in _COUNTS if sums[name].item() > 0]
    held = history.table(con, "account_hours", day, day)
    return bool(told) and _is_most(new.semi_join(held, [*_HOUR, *told]), new)


def _told(events: ir.Table) -> ir.Table:
    return events.filter(_.account.notnull()).mutate(record=_.record.fill_null("")).select(*_EVENT)


def _is_most(some: ir.Table, rows: ir.Table) -> bool:
    n_some, n = (int(table.count().to_pyarrow().as_py()) for table in (some, rows))
    return n >= FEWEST and n_some >= SAME * n


def _of_day(events: ir.Table, day: date, *, zone: str) -> ir.Table:
    start, end = (day_start(each, zone=zone) for each in (day, day + timedelta(days=1)))
    return events.filter((_.timestamp >= start) & (_.timestamp < end))
