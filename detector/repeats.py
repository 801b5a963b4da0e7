"""Files that are not read as they are: corrections and second copies would count twice, days to come would be lost."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

import ibis.expr.types as ir
import pyarrow.parquet as pq
from ibis import _
from ibis.backends.duckdb import Backend

from detector.aggregates import aggregate
from detector.arriving import AHEAD, REPEATED, REPLACED
from detector.clock import day_start
from detector.history.store import History
from detector.history.tables import OPEN_EVENTS, read_rows
from detector.history.tokens import keep_tokens
from detector.joins import to_frame
from detector.news import Found, News, find_ahead, find_replaced
from detector.schema import ACCOUNT_RECORDS, ACCOUNT_SOURCES

LARGE = 0.5
"""Of what is held of a day: a file with less of it is no other telling of the day, and a slice need not be compared."""
SAME = 0.6
"""A corrected file has lines more, or others; two that tell of different things are never the same by chance so far."""
FEWEST = 100
"""Events, records of accounts or sources, of which so many the same are no chance."""
_COUNTS = ("lookups", "writes", "failures", "logins", "resets")
_TOUCH, _SOURCE = ["account", "record", "first_at"], ["account", "first_at"]
_EVENT = ["timestamp", "account", "action", "record"]


def find_held_back(
    events: ir.Table, news: Collection[News], found: Found, *, history: History, con: Backend, last: date
) -> dict[str, str]:
    """Paths of files that are not to be read as they are, and what to tell of each after its path.

    They would count twice, since what was read by their path of the same time, or what was read from other files, holds
    them; or most of what they tell happened after the `last` day that there can be, and would be lost.
    """
    held = dict.fromkeys(find_ahead(found, last=last), AHEAD.format(last=last))
    held |= dict.fromkeys(find_replaced(news, found.without(held).times, history=history), REPLACED)
    repeated = find_repeated(events, found.without(held), history=history, con=con)
    return held | dict.fromkeys(repeated, REPEATED)


def find_repeated(events: ir.Table, found: Found, *, history: History, con: Backend) -> list[str]:
    """Paths of files of whose day nearly everything is held from others.

    Of an open day events are compared (instant, account, action, record). Of a closed one, when an account first
    touched a record; where the file has no tokens, when an account first came from a source and how much it did there.
    Robots do as much each hour through each of two nodes, and people look at a record through both, but never first at
    the same instant.

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
    sums = keep_tokens(aggregate(events, zone=history.manifest.zone), fraction=history.manifest.token_fraction)
    records = sums.records.select(*_TOUCH).distinct()
    if _count(records) >= FEWEST:
        held = history.table(con, ACCOUNT_RECORDS.name, day, day).select(*_TOUCH)
        return _is_most(records.semi_join(held, _TOUCH), records)
    totals = to_frame(sums.sources.aggregate(**{name: sums.sources[name].sum() for name in _COUNTS}))
    keys = [*_SOURCE, *(name for name in _COUNTS if totals[name].sum() > 0)]
    sources = sums.sources.select(*keys)
    return _is_most(sources.semi_join(history.table(con, ACCOUNT_SOURCES.name, day, day).select(*keys), keys), sources)


def _told(events: ir.Table) -> ir.Table:
    return events.filter(_.account.notnull()).mutate(record=_.record.fill_null("")).select(*_EVENT)


def _is_most(some: ir.Table, rows: ir.Table) -> bool:
    n = _count(rows)
    return n >= FEWEST and _count(some) >= SAME * n


def _count(rows: ir.Table) -> int:
    return int(rows.count().to_pyarrow().as_py())


def _of_day(events: ir.Table, day: date, *, zone: str) -> ir.Table:
    start, end = (day_start(each, zone=zone) for each in (day, day + timedelta(days=1)))
    return events.filter((_.timestamp >= start) & (_.timestamp < end))
