"""Events → events in numbers: what sums and order need of them, with one number for each account, channel and day.

Texts are read once. Grouping and sorting by one number takes a fraction of the time and memory that it takes by the
texts it stands for, and nothing here depends on the order of events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from ibis import _

from detector.clock import ClockChanges, clock_changes, days_of, epoch_us
from detector.errors import DetectorError
from detector.joins import to_frame
from detector.prepared import hold

WRITES = ("write", "export")
RESETS = ("password_reset", "account_change", "delegation")
ACCOUNT_DAY = ("account", "channel", "day")
SOURCE = ("ip", "user_agent", "auth_mode")
TELLING = ("profession", "organisation")
DEEDS = ("logins", "failures", "lookups", "misses", "writes", "resets")
"""What of an event is counted: each is 1 for an event that is one, else 0; a miss is a look-up as well."""
MOST_SALTS = 8


class Coded(NamedTuple):
    """Events of named accounts in numbers.

    events
        One row per event: `place` (the number of its account, channel and day), `instant_us`, the `DEEDS`, and the
        numbers of its `address` and `visit` (session), null where the log has none.
    lookups
        One row per look-up, failed ones included: `place`, `instant_us`, `before_us` and `after_us` (the instants of
        the ones before and after), `number` (from 0, by time), and `n` (how many there are of the place).
    groups
        One row per place, source and telling: `DEEDS` summed up, `first_at` and `last_at`.
    places
        One row per account, channel and day: `place`, `profession`, `organisation`, and in how many ways they are told.
    changes
        Of the zone's clock.
    salt
        With which places were numbered.
    """

    events: ir.Table
    lookups: ir.Table
    groups: ir.Table
    places: ir.Table
    changes: ClockChanges
    salt: int


@ibis.udf.scalar.builtin(name="hash", signature=((dt.string, dt.string, dt.date, dt.int64), dt.uint64))
def _hash_of_day(account, channel, day, salt):  # type: ignore[no-untyped-def]
    """64 bits that tell one account, channel and day from another."""


@ibis.udf.scalar.builtin(name="hash", signature=((dt.string, dt.string), dt.uint64))
def _hash_of_source(ip, user_agent):  # type: ignore[no-untyped-def]
    """64 bits that tell one address and agent from another."""


@ibis.udf.scalar.builtin(name="hash", signature=((dt.string,), dt.uint64))
def hash_of(text):  # type: ignore[no-untyped-def]
    """64 bits that tell one text from another."""


@ibis.udf.scalar.builtin(name="divide", signature=((dt.int64, dt.int64), dt.int64))
def whole(part, width):  # type: ignore[no-untyped-def]
    """How many whole widths a part holds: `//` of Ibis goes by way of floating-point numbers, which takes longer."""


def code_events(events: ir.Table, *, zone: str) -> Coded:
    """Put events into numbers.

    Parameters
    ----------
    events
        The `events` table. Rows without an account (failed sign-ins that name nobody) are left out.
    zone
        IANA name of the portal's zone, whose calendar days are meant.

    Returns
    -------
    Coded
        Held by the backend. No two places have one number: that is looked at, and mended with another salt.
    """
    changes = clock_changes(events.timestamp, zone=zone)
    groups = hold(_groups, events, changes=changes)
    for salt in range(MOST_SALTS):
        places = hold(_places, groups, salt=salt)
        if _tell_apart(places):
            coded = hold(_events, events, changes=changes, salt=salt)
            return Coded(coded, hold(_lookups, coded), groups, places, changes, salt)
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


def _groups(events: ir.Table, *, changes: ClockChanges) -> ir.Table:
    """Profession and organisation hardly ever add rows, and need no pass of their own."""
    named = named_events(events, changes=changes)
    return named.group_by([*ACCOUNT_DAY, *SOURCE, *TELLING]).aggregate(
        **{name: _[name].sum() for name in DEEDS}, first_at=_.timestamp.min(), last_at=_.timestamp.max()
    )


def _places(groups: ir.Table, *, salt: int) -> ir.Table:
    told = groups.select(*ACCOUNT_DAY, *TELLING).distinct()
    places = told.group_by(ACCOUNT_DAY).aggregate(**{name: _[name].max() for name in TELLING}, n_tellings=_.count())
    return places.mutate(place=place_of(places, salt=salt))


def _tell_apart(places: ir.Table) -> bool:
    found = to_frame(places.aggregate(n=_.count(), n_places=_.place.nunique()))
    return bool(found["n"].iloc[0] == found["n_places"].iloc[0])


def _events(events: ir.Table, *, changes: ClockChanges, salt: int) -> ir.Table:
    """Two addresses or sessions of one account-day have the same number once in 10^19 pairs; they are only counted."""
    named = named_events(events, changes=changes)
    numbers = {
        name: ibis.ifelse(named[text].isnull(), None, hash_of(named[text]))
        for name, text in (("address", "ip"), ("visit", "session"))
    }
    return named.select("instant_us", *DEEDS, place=place_of(named, salt=salt), **numbers)


def _lookups(coded: ir.Table) -> ir.Table:
    """Look-ups at one instant have no order: each but the first follows the one before at once.

    One sort does for all that needs their order; whatever counts them afterwards looks at few of them.
    """
    whole = ibis.window(group_by="place", order_by="instant_us", preceding=None, following=None)
    in_order = ibis.window(group_by="place", order_by="instant_us")
    return coded.filter(_.lookups == 1).select(
        "place",
        "instant_us",
        before_us=_.instant_us.lag().over(in_order),
        after_us=_.instant_us.lead().over(in_order),
        number=ibis.row_number().over(in_order),
        n=_.count().over(whole),
    )


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


def spans_of(lookups: ir.Table, begins: ir.BooleanValue, ends: ir.BooleanValue) -> ir.Table:
    """The stretches of two look-ups or more that begin and end as told: those where they do, side by side.

    One row per stretch: `place`, `instant_us` and `number` of its first look-up, `last_us` and `last_number` of its
    last. The look-ups between are left out first, so that hardly anything is sorted.
    """
    in_order = ibis.window(group_by="place", order_by="number")
    rows = lookups.select("place", "instant_us", "number", begins=begins, ends=ends)
    edges = rows.filter(_.begins != _.ends)
    both = edges.mutate(last_us=_.instant_us.lead().over(in_order), last_number=_.number.lead().over(in_order))
    return both.filter(_.begins).drop("begins", "ends")


def crowded_bins(lookups: ir.Table, *, width_us: int) -> ir.Table:
    """One row per place and stretch of the clock with two look-ups or more: `place`, `instant_us` (the first), `n`.

    The other stretches that have any have one.
    """
    width = ibis.literal(width_us, "int64")
    this = whole(lookups.instant_us, width)
    begins = lookups.before_us.isnull() | (whole(lookups.before_us, width) != this)
    ends = lookups.after_us.isnull() | (whole(lookups.after_us, width) != this)
    spans = spans_of(lookups, begins, ends)
    return spans.select("place", "instant_us", n=spans.last_number - spans.number + 1)
