"""Events → events in numbers: what sums and order need of them, with one number for each account, channel and day.

Texts are read once. Grouping and sorting by one number takes a fraction of the time and memory that it takes by the
texts it stands for, and nothing here depends on the order of events.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import NamedTuple

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from ibis import _

from detector.clock import DAY_US, ClockChanges, clock_changes, days_of, epoch_us, instant_of, wall_clock
from detector.errors import DetectorError
from detector.in_order import CHANGED, FAILED, MISSED, SHOWN, SIGNED_IN, WRITTEN, put_in_order, schemas
from detector.joins import to_frame
from detector.prepared import hold, hold_shards
from detector.schema import RECORD_CODE

WRITES = ("write", "export")
RESETS = ("password_reset", "account_change", "delegation")
ACCOUNT_DAY = ("account", "channel", "day")
SOURCE = ("ip", "user_agent", "auth_mode")
TELLING = ("profession", "organisation")
DEEDS = ("logins", "failures", "lookups", "misses", "writes", "resets")
"""What of an event is counted: each is 1 for an event that is one, else 0; a miss is a look-up as well."""
ORDERED = ("place", "since_us", "deed", "address", "visit")
"""What `detector.in_order` needs of an event."""
OF_RECORDS = ("record", "n_records", "typed")
"""What it needs to count records as well."""
MOST_SALTS = 8


class Coded(NamedTuple):
    """Events of named accounts in numbers, summed up.

    groups
        One row per place, source and telling, with their names: `DEEDS` summed up, `first_at` and `last_at`.
    places
        One row per account, channel and day: `place`, `profession`, `organisation`, and in how many ways they are told.
    signals, hours
        As `detector.in_order` gives them.
    changes
        Of the zone's clock.
    salt
        With which places were numbered.
    counts_records
        Whether `signals` has the records counted, so that hardly anybody asks for their sums.
    """

    groups: ir.Table
    places: ir.Table
    signals: ir.Table
    hours: ir.Table
    changes: ClockChanges
    salt: int
    counts_records: bool


@ibis.udf.scalar.builtin(name="hash", signature=((dt.string, dt.string, dt.date, dt.int64), dt.uint64))
def _hash_of_day(account, channel, day, salt):  # type: ignore[no-untyped-def]
    """64 bits that tell one account, channel and day from another."""


@ibis.udf.scalar.builtin(name="hash", signature=((dt.string, dt.string), dt.uint64))
def _hash_of_source(ip, user_agent):  # type: ignore[no-untyped-def]
    """64 bits that tell one address and agent from another."""


@ibis.udf.scalar.builtin(name="hash", signature=((*(dt.string,) * 7, dt.date), dt.uint64))
def _hash_of_group(account, channel, ip, user_agent, auth_mode, profession, organisation, day):  # type: ignore[no-untyped-def]
    """64 bits that tell one source and telling of an account-day from another."""


@ibis.udf.scalar.builtin(name="hash", signature=((dt.uint64, dt.int64), dt.uint64))
def _hash_of_moment(place, since_us):  # type: ignore[no-untyped-def]
    """64 bits that tell what happened in one place at one instant from all else."""


@ibis.udf.scalar.builtin(name="hash", signature=((dt.string,), dt.uint64))
def hash_of(text):  # type: ignore[no-untyped-def]
    """64 bits that tell one text from another."""


@ibis.udf.scalar.builtin(name="divide", signature=((dt.int64, dt.int64), dt.int64))
def whole(part, width):  # type: ignore[no-untyped-def]
    """How many whole widths a part holds: `//` of Ibis goes by way of floating-point numbers, which takes longer."""


def code_events(events: ir.Table, *, zone: str, counts_records: bool = False) -> Coded:
    """Put events into numbers.

    Parameters
    ----------
    events
        The `events` table. Rows without an account (failed sign-ins that name nobody) are left out.
    zone
        IANA name of the portal's zone, whose calendar days are meant.
    counts_records
        Count the records of each account-day, too: `detector.in_order.RECORD_COUNTS` in `signals`, else null there.

    Returns
    -------
    Coded
        Held by the backend. No two places have one number: that is looked at, and mended with another salt.
    """
    changes = clock_changes(events.timestamp, zone=zone)
    for salt in range(MOST_SALTS):
        numbers = hold(_numbers, events, changes=changes, salt=salt, counts_records=counts_records)
        groups = hold(_groups, hold(_sums, numbers), events, changes=changes, salt=salt)
        places = hold(_places, groups)
        if _tell_apart(places):
            asked = (*ORDERED, *OF_RECORDS) if counts_records else ORDERED
            signals, hours = hold_shards(put_in_order, numbers.select(*asked), by="place", schemas=schemas)
            return Coded(groups, places, signals, hours, changes, salt, counts_records)
    raise DetectorError(f"{MOST_SALTS} ways of numbering account-days all gave one number to two; a defect")


def named_events(events: ir.Table, *, changes: ClockChanges) -> ir.Table:
    """Events of named accounts with `channel` filled, and `instant_us`, `day`, `success` and the `DEEDS` added."""
    named = events.filter(_.account.notnull()).mutate(
        channel=_.channel.fill_null("portal"),
        instant_us=epoch_us(events.timestamp),
        success=_.outcome == "success",
    )
    return named.mutate(
        day=days_of(changes)(named.instant_us),
        logins=_one((_.action == "login") & _.success),
        failures=_one((_.action == "login") & ~_.success),
        lookups=_one(_.action == "lookup"),
        misses=_one((_.action == "lookup") & ~_.success),
        writes=_one(_.action.isin(WRITES) & _.success),
        resets=_one(_.action.isin(RESETS) & _.success),
    )


def place_of(rows: ir.Table, *, salt: int) -> ir.Value:
    """The number of a row's account, channel and day."""
    return _hash_of_day(rows.account, rows.channel, rows.day, ibis.literal(salt, "int64"))


def source_number(rows: ir.Table) -> ir.Value:
    """The number of a row's address and agent, absent ones included: 63 bits, which a column of integers can hold.

    It is the engine's own hash: numbers that another version of it gave match none of this one's.
    """
    return (_hash_of_source(rows.ip, rows.user_agent) >> ibis.literal(1, "uint8")).cast("int64")


def earliest(at: str, value: str) -> ibis.Deferred:
    """The value at the least instant; of those at the same instant, the least, so that no order of rows matters."""
    return ibis.struct({"at": _[at], "value": _[value]}).min()["value"]


def _one(condition: ibis.Deferred) -> ibis.Deferred:
    return condition.cast("int8")


def _group_of(named: ir.Table) -> ir.Value:
    return _hash_of_group(*(named[name] for name in ("account", "channel", *SOURCE, *TELLING, "day")))


def _numbers(events: ir.Table, *, changes: ClockChanges, salt: int, counts_records: bool) -> ir.Table:
    """One row per event, with the number of its group beside what `ORDERED`, and `OF_RECORDS`, name.

    Two addresses or sessions of one account-day have the same number once in 10^19 pairs; they are only counted.
    """
    named = named_events(events, changes=changes)
    deeds = {
        "logins": SIGNED_IN,
        "failures": FAILED,
        "lookups": SHOWN,
        "misses": MISSED - SHOWN,
        "writes": WRITTEN,
        "resets": CHANGED,
    }
    numbers = {
        name: ibis.ifelse(named[text].isnull(), None, hash_of(named[text]))
        for name, text in (("address", "ip"), ("visit", "session"))
    }
    return named.select(
        place=place_of(named, salt=salt),
        since_us=_since_us(named, changes),
        deed=functools.reduce(operator.add, (named[name] * number for name, number in deeds.items())).cast("int8"),
        **numbers,
        **(_of_records(named) if counts_records else {}),
        group=_group_of(named),
    )


def _of_records(named: ir.Table) -> dict[str, ir.Value]:
    """The number of the record of look-ups and writes, and of all events how many it says that it showed, and how."""
    is_told = has_record(named) & named.action.isin(("lookup", *WRITES))
    return {
        "record": ibis.ifelse(is_told, record_code(named), None),
        "n_records": named.n_records,
        "typed": (named.record_id_mode == "typed").cast("int8"),
    }


def has_record(events: ir.Table) -> ir.BooleanValue:
    """Whether an event tells its record."""
    return (events[RECORD_CODE] if RECORD_CODE in events.columns else events.record).notnull()


def record_code(events: ir.Table) -> ir.IntegerValue:
    """64 bits that tell the records of events that have one apart."""
    found: ir.IntegerValue = events[RECORD_CODE] if RECORD_CODE in events.columns else hash_of(events.record)
    return found


def is_shown(named: ir.Table) -> ir.BooleanValue:
    """Whether an event is a look-up that showed its record."""
    return (named.action == "lookup") & named.success


def n_shown(named: ir.Table) -> ir.IntegerValue:
    """`n_records` of a look-up: one on success where the log does not say, and none on failure."""
    return ibis.ifelse(is_shown(named), named.n_records.fill_null(1), 0)


def typed_lookups(named: ir.Table) -> ir.IntegerValue:
    """1 for a look-up with a typed number that showed its record, else 0; null where the log does not say."""
    typed = is_shown(named) & (named.record_id_mode == "typed")
    return ibis.ifelse(named.record_id_mode.isnull(), None, typed).cast("int8")


def _since_us(named: ir.Table, changes: ClockChanges) -> ir.IntegerValue:
    """Microseconds since the start of the UTC day before the event's day."""
    day = whole(wall_clock(changes)(named.instant_us), ibis.literal(DAY_US, "int64"))
    return named.instant_us - before_day_us(day)


def before_day_us(day: ir.IntegerValue) -> ir.IntegerValue:
    """The start of the UTC day before a day that is given by its number since the epoch, in microseconds."""
    return (day - 1) * ibis.literal(DAY_US, "int64")


def _sums(numbers: ir.Table) -> ir.Table:
    """Profession and organisation hardly ever add groups, and need no pass of their own."""
    deeds = {
        "logins": _.deed == SIGNED_IN,
        "failures": _.deed == FAILED,
        "lookups": _.deed.isin((SHOWN, MISSED)),
        "misses": _.deed == MISSED,
        "writes": _.deed == WRITTEN,
        "resets": _.deed == CHANGED,
    }
    return numbers.group_by(["place", "group"]).aggregate(
        **{name: _.count(where=deed) for name, deed in deeds.items()},
        first_us=_.since_us.min(),
        last_us=_.since_us.max(),
    )


def _groups(sums: ir.Table, events: ir.Table, *, changes: ClockChanges, salt: int) -> ir.Table:
    """With the names of each group, from its first event."""
    named = named_events(events, changes=changes)
    named = named.mutate(place=place_of(named, salt=salt), since_us=_since_us(named, changes))
    first = named.filter(_hash_of_moment(named.place, named.since_us).isin(_hash_of_moment(sums.place, sums.first_us)))
    texts = first.select("place", *ACCOUNT_DAY, *SOURCE, *TELLING, group=_group_of(first)).distinct()
    found = sums.inner_join(texts, ["place", "group"])
    start_us = before_day_us(found.day.delta(ibis.date(1970, 1, 1), unit="day"))
    return found.select(
        "place",
        *ACCOUNT_DAY,
        *SOURCE,
        *TELLING,
        *DEEDS,
        first_at=instant_of(start_us + found.first_us),
        last_at=instant_of(start_us + found.last_us),
    )


def _places(groups: ir.Table) -> ir.Table:
    told = groups.select("place", *ACCOUNT_DAY, *TELLING).distinct()
    return told.group_by(["place", *ACCOUNT_DAY]).aggregate(
        **{name: _[name].max() for name in TELLING}, n_tellings=_.count()
    )


def _tell_apart(places: ir.Table) -> bool:
    found = to_frame(places.aggregate(n=_.count(), n_places=_.place.nunique()))
    return bool(found["n"].iloc[0] == found["n_places"].iloc[0])


def sum_by_sorting(
    rows: ir.Table,
    by: str,
    *,
    kept: Sequence[str] = (),
    totals: Sequence[str] = (),
    least: Sequence[str] = (),
    most: Sequence[str] = (),
    first: Sequence[str] = (),
) -> ir.Table:
    """One row per place and number `by`, as `group_by` and `aggregate` give them.

    Where hardly two rows have the same place and number, sorting takes half the time: a row that has no like beside it
    is its own sum, and only the others are grouped.

    Parameters
    ----------
    rows
        With `place` and `by`, which is never null.
    by
        A column of numbers.
    kept
        Columns that depend on place and number.
    totals, least, most
        Columns of which the sum, the minimum and the maximum is taken.
    first
        Columns of which the value at the least `first_at` is taken.
    """
    in_order = ibis.window(group_by="place", order_by=by)
    beside = rows.mutate(before=_[by].lag().over(in_order), after=_[by].lead().over(in_order))
    has_like = ((beside.before == beside[by]) | (beside.after == beside[by])).fill_null(False)
    grouped = (
        beside.filter(has_like)
        .group_by(["place", by])
        .aggregate(
            **{name: _[name].arbitrary() for name in kept},
            **{name: _[name].sum() for name in totals},
            **{name: _[name].min() for name in least},
            **{name: _[name].max() for name in most},
            **{name: earliest("first_at", name) for name in first},
        )
    )
    alone = beside.filter(~has_like).mutate(**{name: _[name].cast("int64") for name in totals})
    return ibis.union(alone.select(*grouped.columns), grouped)
