"""Instants and the portal's calendar: microseconds since the epoch inside, local days and hours by table look-up.

No engine's calendar arithmetic runs per row: the portal's offset from UTC is a constant between two clock changes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

SECOND_US = 10**6
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = dt.Timestamp(timezone="UTC", scale=6)


@ibis.udf.scalar.builtin(signature=((_INSTANT,), dt.int64))
def epoch_us(instant):  # type: ignore[no-untyped-def]
    """Microseconds since the epoch (`epoch_seconds` keeps fractions on one engine and drops them on another)."""


@ibis.udf.scalar.builtin(name="make_timestamp", signature=((dt.int64,), dt.Timestamp(scale=6)))
def _naive_of(microseconds):  # type: ignore[no-untyped-def]
    """The UTC wall clock so many microseconds after the epoch."""


def instant_of(microseconds: ir.Value | ibis.Deferred) -> ibis.Deferred:
    """The instant (UTC) so many microseconds after the epoch."""
    return _naive_of(microseconds).cast(_INSTANT)


class ClockChanges(NamedTuple):
    """A zone's offsets from UTC over a stretch of time, in microseconds."""

    first: int
    later: tuple[tuple[int, int], ...]
    """Instants at which the offset changes, and what it then is, oldest first."""


def local_days(instants: ir.TimestampColumn, *, zone: str) -> Callable[[ir.IntegerValue], ir.DateValue]:
    """A function from microseconds since the epoch to the calendar day in `zone`, good for all of `instants`.

    The span of `instants` is read at once (from a Parquet file's statistics where there are any).
    """
    return days_of(clock_changes(instants, zone=zone))


def days_of(changes: ClockChanges) -> Callable[[ir.IntegerValue], ir.DateValue]:
    """A function from microseconds since the epoch to the calendar day."""
    wall = wall_clock(changes)

    def day_of(instant_us: ir.IntegerValue) -> ir.DateValue:
        return _naive_of(wall(instant_us)).cast("date")

    return day_of


def wall_clock(changes: ClockChanges) -> Callable[[ir.IntegerValue], ir.IntegerValue]:
    """A function from microseconds since the epoch to the wall clock's microseconds."""

    def wall_us(instant_us: ir.IntegerValue) -> ir.IntegerValue:
        base = ibis.literal(changes.first, "int64")
        later = [(instant_us >= at, ibis.literal(offset, "int64")) for at, offset in reversed(changes.later)]
        return instant_us + (ibis.cases(*later, else_=base) if later else base)

    return wall_us


def clock_changes(instants: ir.TimestampColumn, *, zone: str, before: int = 0) -> ClockChanges:
    """The offsets of a zone that are good for all of `instants`, and for so many days before; their span is read."""
    first, last = _span(instants)
    (_, base), *later = offsets(zone, first - timedelta(days=before), last)
    return ClockChanges(base, tuple(later))


def offsets(zone: str, first: date, last: date) -> list[tuple[int, int]]:
    """Stretches with one offset from UTC, as (start, offset) in microseconds, from `first` to `last` and a day around.

    Clock changes are looked for on quarters of an hour, which holds for every zone since 1972.
    """
    step = timedelta(minutes=15)
    instant = datetime.combine(first - timedelta(days=1), time(), UTC)
    end = datetime.combine(last + timedelta(days=2), time(), UTC)
    found: list[tuple[int, int]] = []
    while instant < end:
        offset = microseconds_of(instant.astimezone(ZoneInfo(zone)).utcoffset() or timedelta())
        if not found or found[-1][1] != offset:
            found.append((microseconds_of(instant - _EPOCH), offset))
        instant += step
    return found


def day_start(day: date, *, zone: str) -> datetime:
    """The UTC instant at which a local day starts."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def microseconds_of(span: timedelta) -> int:
    """Whole microseconds in a span of time."""
    return span // timedelta(microseconds=1)


def _span(instants: ir.TimestampColumn) -> tuple[date, date]:
    """UTC days of the first and last instant; the epoch's day for none at all, where any day will do."""
    # Through a table of its own: a column of a join is no part of the join's table.
    rows = instants.name("instant").as_table()
    bounds = rows.aggregate(first=rows.instant.min(), last=rows.instant.max()).to_pyarrow().to_pylist()[0]
    if bounds["first"] is None:
        return _EPOCH.date(), _EPOCH.date()
    return bounds["first"].astimezone(UTC).date(), bounds["last"].astimezone(UTC).date()
