"""Events → aggregates: sums that add up, so that a five-minute slice can be added to the morning.

Everything here is one Ibis expression per table: DuckDB runs it in-process, Spark runs the same one.
"""

from __future__ import annotations

from typing import NamedTuple

import ibis
import ibis.expr.types as ir
from ibis import _

from detector.clock import HOUR_US, MINUTE_US, ClockChanges, clock_changes, days_of, epoch_us, instant_of
from detector.prepared import hold
from detector.schema import ACCOUNT_HOURS, ACCOUNT_RECORDS, ACCOUNT_SOURCES, Table

WRITES = ("write", "export")
RESETS = ("password_reset", "account_change", "delegation")
ACCOUNT_DAY = ("account", "channel", "day")
FACTS = ("record_sex", "record_decade", "record_department", "record_key_ok")


class Aggregates(NamedTuple):
    """The three tables of sums, grains in `detector.schema`."""

    sources: ir.Table
    records: ir.Table
    hours: ir.Table


def aggregate(events: ir.Table, *, zone: str) -> Aggregates:
    """Sum events up, per account, channel and day.

    Parameters
    ----------
    events
        The `events` table. Rows without an account (failed sign-ins that name nobody) are left out.
    zone
        IANA name of the portal's zone, whose calendar days are meant.

    Returns
    -------
    Aggregates
        Held by the backend; `new_records` and `foreign_records` are null until novelty is computed against a past.
    """
    changes = clock_changes(events.timestamp, zone=zone)
    return Aggregates(*(hold(make, events, changes=changes) for make in (_sources, _records, _hours)))


def combine(first: Aggregates, second: Aggregates) -> Aggregates:
    """Add two sets of aggregates up; the same events in one set or cut in two give the same sums.

    A busiest minute that is cut in two counts as the larger part: cut slices on minutes.
    """
    return Aggregates(
        _add(ACCOUNT_SOURCES, first.sources, second.sources),
        _add(ACCOUNT_RECORDS, first.records, second.records),
        _add(ACCOUNT_HOURS, first.hours, second.hours),
    )


def prepare(events: ir.Table, *, changes: ClockChanges) -> ir.Table:
    """Events of named accounts with `channel` filled, and `instant_us`, `day`, `success` and `n_shown` added.

    `instant_us` counts microseconds since the epoch (UTC); `n_shown` is the records shown by a look-up: one on
    success where the log does not say, none on failure.
    """
    named = events.filter(_.account.notnull()).mutate(
        channel=_.channel.fill_null("portal"),
        instant_us=epoch_us(events.timestamp),
        success=_.outcome == "success",
    )
    n_shown = ibis.ifelse(named.success, named.n_records.fill_null(1), 0)
    return named.mutate(day=days_of(changes)(named.instant_us), n_shown=n_shown)


def _sources(events: ir.Table, *, changes: ClockChanges) -> ir.Table:
    named = prepare(events, changes=changes)
    grouped = named.group_by(list(ACCOUNT_SOURCES.key)).aggregate(
        **_sign_ins(),
        lookups=_count(_.action == "lookup"),
        writes=_count(_.action.isin(WRITES) & _.success),
        first_at=_.timestamp.min(),
        last_at=_.timestamp.max(),
    )
    return grouped.select(*ACCOUNT_SOURCES.names)


def _records(events: ir.Table, *, changes: ClockChanges) -> ir.Table:
    named = prepare(events, changes=changes)
    lookup = _.action == "lookup"
    typed = ibis.ifelse(_.record_id_mode.isnull(), None, lookup & _.success & (_.record_id_mode == "typed"))
    grouped = (
        named.filter(_.record.notnull() & _.action.isin(("lookup", *WRITES)))
        .group_by(list(ACCOUNT_RECORDS.key))
        .aggregate(
            lookups=_count(lookup & _.success),
            typed_lookups=typed.cast("int64").sum(),
            misses=_count(lookup & ~_.success),
            writes=_count(~lookup & _.success),
            n_records=ibis.ifelse(lookup, _.n_shown, 0).sum(),
            first_at=_.timestamp.min(),
            last_at=_.timestamp.max(),
            **{fact: _[fact].max() for fact in FACTS},
        )
    )
    return grouped.select(*ACCOUNT_RECORDS.names)


def _hours(events: ir.Table, *, changes: ClockChanges) -> ir.Table:
    """Minutes first, then hours of them, so that the busiest minute costs no second pass over the events."""
    named = prepare(events, changes=changes)
    minutes = (
        named.mutate(minute=_.instant_us // MINUTE_US)
        .group_by([*ACCOUNT_DAY, "minute"])
        .aggregate(
            **_sign_ins(),
            lookups=_count(_.action == "lookup"),
            misses=_count((_.action == "lookup") & ~_.success),
            writes=_count(_.action.isin(WRITES) & _.success),
            profession=_.profession.max(),
            organisation=_.organisation.max(),
        )
    )
    sums = {name: _[name].sum() for name in ("lookups", "misses", "writes", "failures", "logins", "resets")}
    hours = minutes.group_by([*ACCOUNT_DAY, (_.minute // 60).name("hour")])
    unknown = ibis.null("int64")
    return (
        hours.aggregate(
            **sums, busiest_minute=_.lookups.max(), profession=_.profession.max(), organisation=_.organisation.max()
        )
        .mutate(hour=instant_of(_.hour * HOUR_US), new_records=unknown, foreign_records=unknown)
        .select(*ACCOUNT_HOURS.names)
    )


def _sign_ins() -> dict[str, ibis.Deferred]:
    return {
        "logins": _count((_.action == "login") & _.success),
        "failures": _count((_.action == "login") & ~_.success),
        "resets": _count(_.action.isin(RESETS) & _.success),
    }


def _count(condition: ibis.Deferred) -> ibis.Deferred:
    return condition.cast("int64").sum()


_LEAST = ("first_at",)
_MOST = ("last_at", "busiest_minute", "profession", "organisation", *FACTS)


def _add(table: Table, first: ir.Table, second: ir.Table) -> ir.Table:
    keys = list(dict.fromkeys((*table.key, "day")))
    sums = {name: _added(name) for name in table.names if name not in keys}
    both = ibis.union(first.select(*table.names), second.select(*table.names))
    return both.group_by(keys).aggregate(**sums).select(*table.names)


def _added(name: str) -> ibis.Deferred:
    column = _[name]
    if name in _LEAST:
        return column.min()
    return column.max() if name in _MOST else column.sum()
