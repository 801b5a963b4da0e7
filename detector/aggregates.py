"""Events → aggregates: sums that add up, so that a five-minute slice can be added to the morning.

Everything here is one Ibis expression per table: DuckDB runs it in-process, Spark runs the same one.
"""

from __future__ import annotations

from typing import NamedTuple

import ibis
import ibis.expr.types as ir
from ibis import _

from detector.clock import HOUR_US, ClockChanges, instant_of
from detector.coded import (
    ACCOUNT_DAY,
    DEEDS,
    RESETS,
    SOURCE,
    TELLING,
    WRITES,
    Coded,
    before_day_us,
    code_events,
    earliest,
    has_record,
    is_shown,
    n_shown,
    named_events,
    place_of,
    record_code,
    source_number,
    sum_by_sorting,
    typed_lookups,
    whole,
)
from detector.joins import attach, to_frame
from detector.prepared import hold
from detector.schema import ACCOUNT_HOURS, ACCOUNT_RECORDS, ACCOUNT_SOURCES, Table

__all__ = ["ACCOUNT_DAY", "FACTS", "RESETS", "WRITES", "Aggregates", "aggregate", "combine", "hold_touches", "sum_up"]

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
    return hold_sums(events, code_events(events, zone=zone))


def hold_sums(events: ir.Table, coded: Coded) -> Aggregates:
    """The same from events that are in numbers already."""
    found = sum_up(events, coded)
    return Aggregates(
        found.sources.select(*ACCOUNT_SOURCES.names),
        hold(_all, found.records.select(*ACCOUNT_RECORDS.names)),
        hold(_all, found.hours.select(*ACCOUNT_HOURS.names)),
    )


def hold_touches(events: ir.Table, coded: Coded) -> Aggregates:
    """The same for whoever sorts records by their key anyway: of `records` one row per event, which is not held.

    Rows of one key are added up by `detector.adding`, as they come in that order.
    """
    found = sum_up(events, coded)
    touches = _touches(events, changes=coded.changes, facts=_present(events, FACTS))
    return Aggregates(
        found.sources.select(*ACCOUNT_SOURCES.names),
        _with_absent(touches, events).select(*ACCOUNT_RECORDS.names),
        hold(_all, found.hours.select(*ACCOUNT_HOURS.names)),
    )


def sum_up(events: ir.Table, coded: Coded) -> Aggregates:
    """The same from events that are in numbers already; each table has its `place` as well.

    `records` and the names of `hours` are lazy: whoever reads them more than once holds them.
    """
    varies = to_frame(coded.places.aggregate(n=_.n_tellings.max()))["n"].fillna(0).iloc[0] > 1
    told = hold(_tellings, events, changes=coded.changes, salt=coded.salt) if varies else None
    facts = FACTS if coded.counts_records else _present(events, FACTS)
    return Aggregates(
        hold(_sources, coded.groups) if varies else coded.groups.select(*ACCOUNT_SOURCES.names, "place"),
        _records(events, changes=coded.changes, salt=coded.salt, facts=facts),
        _name_hours(coded.hours, coded.places, told),
    )


def combine(first: Aggregates, second: Aggregates) -> Aggregates:
    """Add two sets of aggregates up; the same events in one set or cut in two give the same sums.

    A busiest minute that is cut in two counts as the larger part: cut slices on minutes.
    """
    return Aggregates(
        _add(ACCOUNT_SOURCES, first.sources, second.sources),
        _add(ACCOUNT_RECORDS, first.records, second.records),
        _add(ACCOUNT_HOURS, first.hours, second.hours),
    )


def _all(rows: ir.Table) -> ir.Table:
    return rows


def _present(events: ir.Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of which some event has a value: summing up nulls costs as much as values."""
    found = to_frame(events.aggregate(**{name: _[name].count() for name in columns}))
    return tuple(name for name in columns if found[name].iloc[0])


def _sources(groups: ir.Table) -> ir.Table:
    sums = {name: _[name].sum() for name in ("logins", "failures", "lookups", "writes", "resets")}
    grouped = groups.group_by(["place", *ACCOUNT_DAY, *SOURCE]).aggregate(
        **sums, first_at=_.first_at.min(), last_at=_.last_at.max()
    )
    return grouped.select(*ACCOUNT_SOURCES.names, "place")


def _records(events: ir.Table, *, changes: ClockChanges, salt: int, facts: tuple[str, ...]) -> ir.Table:
    """Told apart by 64 bits of their hash: two records of an account-day with 10,000 have the same once in 10^11."""
    touches = _touches(events, changes=changes, facts=facts)
    rows = touches.mutate(place=place_of(touches, salt=salt))
    summed = sum_by_sorting(
        rows,
        "code",
        kept=("record", *ACCOUNT_DAY),
        totals=("lookups", "typed_lookups", "misses", "writes", "n_records"),
        least=("first_at",),
        most=("last_at", *facts),
        first=("first_source",),
    )
    return _with_absent(summed, events).select(*ACCOUNT_RECORDS.names, "place")


def _touches(events: ir.Table, *, changes: ClockChanges, facts: tuple[str, ...]) -> ir.Table:
    """One row per event on a record, as if it were the only one of its account-record, and the record's number."""
    named = named_events(events, changes=changes).filter(
        lambda rows: has_record(rows) & rows.action.isin(("lookup", *WRITES))
    )
    return named.select(
        "record",
        *ACCOUNT_DAY,
        "misses",
        "writes",
        *facts,
        code=record_code(named),
        first_source=source_number(named),
        lookups=is_shown(named).cast("int8"),
        typed_lookups=typed_lookups(named),
        n_records=n_shown(named),
        first_at=named.timestamp,
        last_at=named.timestamp,
    )


def _with_absent(records: ir.Table, events: ir.Table) -> ir.Table:
    """With the facts that no event tells."""
    return records.mutate(**{name: ibis.null(events[name].type()) for name in FACTS if name not in records.columns})


def _name_hours(hours: ir.Table, places: ir.Table, told: ir.Table | None = None) -> ir.Table:
    """With the names of the account, and what was told of it: in the hour itself, where that varies within a day."""
    named = hours.inner_join(places.drop("n_tellings"), "place")
    start_us = before_day_us(named.day.delta(ibis.date(1970, 1, 1), unit="day"))
    named = named.mutate(hour=whole(start_us, _hour_us()) + named.hour)
    if told is not None:
        named = attach(named.drop(*TELLING), told, ["place", "hour"])
    unknown = ibis.null("int64")
    counts = {name: named[name].cast("int64") for name in (*DEEDS, "busiest_minute")}
    return named.mutate(
        **counts, hour=instant_of(named.hour * _hour_us()), new_records=unknown, foreign_records=unknown
    ).select(*ACCOUNT_HOURS.names, "place")


def _hour_us() -> ir.IntegerScalar:
    return ibis.literal(HOUR_US, "int64")


def _tellings(events: ir.Table, *, changes: ClockChanges, salt: int) -> ir.Table:
    named = named_events(events, changes=changes)
    rows = named.select(*TELLING, place=place_of(named, salt=salt), hour=whole(named.instant_us, _hour_us()))
    return rows.group_by(["place", "hour"]).aggregate(**{name: _[name].max() for name in TELLING})


LEAST = ("first_at",)
MOST = ("last_at", "busiest_minute", "profession", "organisation", *FACTS)
"""Columns of sums of which the least or the largest counts; others are added."""


def _add(table: Table, first: ir.Table, second: ir.Table) -> ir.Table:
    keys = list(dict.fromkeys((*table.key, "day")))
    sums = {name: _added(name) for name in table.names if name not in keys}
    both = ibis.union(first.select(*table.names), second.select(*table.names))
    return both.group_by(keys).aggregate(**sums).select(*table.names)


def _added(name: str) -> ibis.Deferred:
    column = _[name]
    if name == "first_source":
        return earliest("first_at", name)
    if name in LEAST:
        return column.min()
    return column.max() if name in MOST else column.sum()
