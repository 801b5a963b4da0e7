"""Aggregates → account-days: one row per account, channel and day, with every signal of the catalogue."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _
from ibis.expr.datatypes import DataType
from ibis.expr.types.groupby import GroupedTable

from detector.aggregates import Aggregates
from detector.coded import ACCOUNT_DAY, TELLING
from detector.features import CATALOGUE
from detector.features.declaration import Feature, Grain
from detector.in_order import RECORD_COUNTS
from detector.joins import attach
from detector.novelty import Past, mark_hours, mark_records, mark_sources, mark_strangers, used_at_all
from detector.prepared import hold
from detector.schema import ABSENT, ACCOUNT_HOURS, Column, Table, account_day_columns

PLACE = ("place",)
"""The number of an account, channel and day (`detector.coded`)."""
RECENT_DAYS = 3
"""A reset opens the door for 72 hours: how the attack of 2022 entered."""


def _column(declared: Feature) -> Column:
    kind = pa.int64() if declared.whole else pa.float64()
    return Column(declared.name, kind, f"{declared.meaning} ({declared.unit})", "nothing to tell it from")


ACCOUNT_DAYS = Table(
    "account_days",
    "one row per account, channel and day with an event",
    (
        *account_day_columns(),
        Column("profession", pa.string(), "the account's profession", ABSENT),
        Column("organisation", pa.string(), "the account's organisation", ABSENT),
        Column("past_days", pa.int32(), "days with events, of the 28 before, that novelty was computed against"),
        *(_column(declared) for declared in CATALOGUE),
    ),
    ACCOUNT_DAY,
)


_NOVEL = ("new_records", "foreign_records", "foreign_writes")
_KEPT_NULL = (
    "odd_department_records",
    "typed_lookups",
    "stranger_records",
    "odd_strangers",
    "stranger_writes",
    "met_records",
    "neighbour_records",
    "familiar_records",
    "scattered_records",
    "far_strangers",
)
_FROM_PAST = (*_NOVEL, *(name for name in _KEPT_NULL if name != "typed_lookups"))
"""Signals of records that say nothing where there is no past to tell them from."""


class DayTables(NamedTuple):
    """What a day's aggregates become once its past is known; grains in `detector.schema`."""

    account_days: ir.Table
    hours: ir.Table


def build_account_days(
    day: date,
    *,
    today: Aggregates,
    past: Past,
    order: ir.Table,
    zone: str,
    canaries: tuple[str, ...] = (),
    is_counted: bool = False,
    is_held: bool = False,
) -> DayTables:
    """Compute the signals of one day against the strict past.

    Parameters
    ----------
    day
        The calendar day, in the portal's zone; rows of other days in `today` are left out.
    today
        Aggregates that hold the day.
    past
        The 28 days before.
    order
        Signals that need the day's events in order (`detector.order.order_signals`), or those kept from a closed day.
    zone
        The portal's zone.
    canaries
        Tokens of records that nobody has a reason to look up.
    is_counted
        `order` holds `RECORD_COUNTS`: all there is to tell of records without a past or canaries, and sooner told.
    is_held
        `today` is held by the backend, and has no other day, so that it can be read again and again as it is.

    Returns
    -------
    DayTables
        Lazy tables: `account_days`, and the day's `account_hours` with new and foreign records filled in.
    """
    # A day's rows are read several times, unless nothing before them is known.
    of_day = Aggregates(*(_rows_of(table, day, held=past.tells and not is_held) for table in today))
    records = mark_records(of_day.records, past, canaries=canaries)
    hours = mark_hours(of_day.hours, records, past, zone=zone)
    sources = mark_sources(of_day.sources, past)
    n_days = ibis.literal(past.n_days, "int32")
    order = order.filter(order.day == ibis.literal(day, "date")).mutate(past_days=n_days)
    is_counted = is_counted and not past.tells and not canaries
    account_days = hold(
        _join_signals,
        hours.mutate(past_days=n_days),
        order.select(*PLACE, *RECORD_COUNTS) if is_counted else mark_strangers(records, sources, past),
        sources,
        order,
        past.account_days,
        has_past=past.tells,
        is_counted=is_counted,
    )
    return DayTables(account_days, hours.select(*ACCOUNT_HOURS.names))


def _rows_of(table: ir.Table, day: date, *, held: bool) -> ir.Table:
    rows = table.filter(table.day == ibis.literal(day, "date"))
    return hold(_rows, rows) if held else rows


def _rows(table: ir.Table) -> ir.Table:
    return table


def _join_signals(
    hours: ir.Table,
    records: ir.Table,
    sources: ir.Table,
    order: ir.Table,
    past: ir.Table,
    *,
    has_past: bool,
    is_counted: bool,
) -> ir.Table:
    # Rows that came with the number of their account, channel and day are summed up by it: texts take longer.
    keys = PLACE if all("place" in rows.columns for rows in (hours, records, sources, order)) else ACCOUNT_DAY
    facts = _facts(hours, order, keys)
    parts = (
        _sums(hours, "hours", keys),
        _counted(records) if is_counted else _sums(records, "records", keys, absent=() if has_past else _FROM_PAST),
        _sums(sources, "sources", keys),
        _sums(order, "order", keys),
    )
    joined = functools.reduce(lambda left, right: attach(left, right, keys), parts, facts)
    return _finish(attach(joined, _own_past(facts, past), ACCOUNT_DAY), has_past=has_past)


def _facts(hours: ir.Table, order: ir.Table, keys: tuple[str, ...]) -> ir.Table:
    """Who it was, and against how many days it is compared."""
    if keys == PLACE:
        return order.select(*PLACE, *ACCOUNT_DAY, *TELLING, "past_days")
    return _by_day(hours, keys).aggregate(**{name: _[name].max() for name in (*TELLING, "past_days")})


def _by_day(rows: ir.Table, keys: tuple[str, ...]) -> GroupedTable:
    return rows.group_by(list(keys))


def _of(grain: Grain) -> Iterable[Feature]:
    return (declared for declared in CATALOGUE if declared.grain == grain)


def _sums(rows: ir.Table, grain: Grain, keys: tuple[str, ...], *, absent: tuple[str, ...] = ()) -> ir.Table:
    """What is absent is null: summing up nulls costs as much as values."""
    sums = {f.name: f.expression(rows) for f in _of(grain) if f.name not in absent}
    return _by_day(rows, keys).aggregate(**sums).mutate(**{name: ibis.null("int64") for name in absent})


def _counted(records: ir.Table) -> ir.Table:
    """Of `RECORD_COUNTS`, what `_sums` gives of the records themselves where there is neither past nor canary."""
    canaries = ibis.ifelse(records.records.isnull(), None, ibis.literal(0, "int64"))
    return records.mutate(canary_records=canaries, **{name: ibis.null("int64") for name in _FROM_PAST})


def _own_past(facts: ir.Table, past: ir.Table) -> ir.Table:
    """Age, dormancy and recent resets, over all channels of the account, and its active days on each.

    Failing to sign in is no activity.
    """
    active = used_at_all(past)
    resets = ibis.ifelse(facts.day.max().as_scalar().delta(active.day, unit="day") <= RECENT_DAYS, active.resets, 0)
    own = active.group_by("account").aggregate(
        first=active.day.min(), last=active.day.max(), recent_resets=resets.sum()
    )
    often = active.group_by(["account", "channel"]).aggregate(active_days=_.day.nunique())
    joined = attach(attach(facts.select(*ACCOUNT_DAY), own, "account"), often, ["account", "channel"])
    return joined.select(
        *ACCOUNT_DAY,
        age_days=joined.day.delta(joined["first"], unit="day").fill_null(0),
        active_days=joined.active_days.fill_null(0),
        dormant_days=joined.day.delta(joined["last"], unit="day"),
        recent_resets=joined.recent_resets.fill_null(0),
    )


def _finish(joined: ir.Table, *, has_past: bool) -> ir.Table:
    """Signals made of other signals, counts of nothing set to zero, and the schema's types."""
    filled = joined.mutate(**_zeros(joined, has_past=has_past))
    for declared in _of("day"):
        filled = filled.mutate(**{declared.name: declared.expression(filled)})
    return filled.select(*(filled[c.name].cast(DataType.from_pyarrow(c.type)) for c in ACCOUNT_DAYS.columns))


def _zeros(joined: ir.Table, *, has_past: bool) -> dict[str, ir.Value]:
    """An account-day without a record has zero records, unless nobody has one: then there are no tokens to count."""
    tokens = joined.records.notnull().any().over(ibis.window())
    names = [f.name for f in _of("records") if f.name not in _KEPT_NULL and (has_past or f.name not in _NOVEL)]
    return {name: ibis.ifelse(joined[name].isnull() & tokens, 0, joined[name]) for name in names}
