"""Signals that need the order of a day's events: bursts, gaps, runs, failures before a success, addresses at once.

They are computed while the day's events are held; a closed day keeps its values.
"""

from __future__ import annotations

import functools

import ibis
import ibis.expr.types as ir
from ibis import _

from detector.clock import MINUTE_US, SECOND_US
from detector.coded import ACCOUNT_DAY, TELLING, Coded, code_events, crowded_bins, place_of, spans_of, whole
from detector.joins import attach
from detector.prepared import hold

MIN_LOOKUPS = 20
"""Gaps of fewer look-ups than this are too few to tell a rhythm from."""
PAUSE_US = 15 * MINUTE_US
"""A pause this long ends a run, and an older failure belongs to no attempt (Elastic's rules use 15 minutes)."""
FAILURES_BEFORE = 5
GAP_TOLERANCE = 0.1
ADDRESS_BITS = 40

ORDER_COLUMNS = ("busiest_10_min", "busiest_session", "longest_run_min", "regularity", "fail_then_ok", "concurrent_ips")


def order_signals(events: ir.Table, *, zone: str) -> ir.Table:
    """One row per account, channel and day with the `ORDER_COLUMNS`.

    Parameters
    ----------
    events
        The `events` table; ties in time are broken by nothing that matters to the signals.
    zone
        The portal's zone.

    Returns
    -------
    ir.Table
        Null where a signal has nothing to say: no look-up, no session, no address, too few look-ups for a rhythm.
    """
    return order_of(code_events(events, zone=zone)).select(*ACCOUNT_DAY, *ORDER_COLUMNS)


def order_of(coded: Coded) -> ir.Table:
    """The same of events that are in numbers already, with the `place` and what was told of the account."""
    return hold(_order_signals, coded.events, coded.lookups, coded.groups, coded.places, salt=coded.salt)


def _order_signals(events: ir.Table, lookups: ir.Table, groups: ir.Table, places: ir.Table, *, salt: int) -> ir.Table:
    numbered = groups.mutate(place=place_of(groups, salt=salt))
    parts = (
        _bursts(lookups, numbered),
        _sessions(events),
        _gaps(lookups),
        _guessing(events),
        _concurrent(events, numbered),
    )
    joined = functools.reduce(_join, parts, places.drop("n_tellings"))
    found = joined.mutate(fail_then_ok=_.fail_then_ok.fill_null(0))
    return found.select("place", *ACCOUNT_DAY, *TELLING, *ORDER_COLUMNS)


def _join(left: ir.Table, right: ir.Table) -> ir.Table:
    return attach(left, right, "place")


def _bursts(lookups: ir.Table, groups: ir.Table) -> ir.Table:
    """Whoever looked anything up did so once in ten minutes at least."""
    most = crowded_bins(lookups, width_us=10 * MINUTE_US).group_by("place").aggregate(n=_.n.max())
    found = _join(groups.filter(_.lookups > 0).select("place").distinct(), most)
    return found.select("place", busiest_10_min=found.n.fill_null(1))


def _sessions(events: ir.Table) -> ir.Table:
    visits = events.filter((_.lookups == 1) & _.visit.notnull()).group_by(["place", "visit"]).aggregate(n=_.count())
    return visits.group_by("place").aggregate(busiest_session=_.n.max())


def _gaps(lookups: ir.Table) -> ir.Table:
    """A run ends where a pause begins; one of a single look-up takes no time."""
    busy = lookups.filter(_.n >= MIN_LOOKUPS).mutate(gap_us=_.instant_us - _.before_us)
    starts = busy.before_us.isnull() | (busy.gap_us >= PAUSE_US)
    ends = busy.after_us.isnull() | (busy.after_us - busy.instant_us >= PAUSE_US)
    runs = spans_of(busy, starts, ends).select("place", length_us=_.last_us - _.instant_us)
    longest = runs.group_by("place").aggregate(length_us=_.length_us.max())
    found = _join(busy.filter(_.number == 0).select("place"), longest)
    return _join(found.select("place", longest_run_min=found.length_us.fill_null(0) / MINUTE_US), _regularity(busy))


def _regularity(gaps: ir.Table) -> ir.Table:
    """Gaps under a second are a page's own requests; they say nothing about who drives it."""
    long = gaps.filter(_.gap_us >= SECOND_US).select("place", "gap_us")
    medians = long.group_by("place").aggregate(median_us=_.gap_us.cast("float64").median())
    within = (_.gap_us - _.median_us).abs() <= GAP_TOLERANCE * _.median_us
    return (
        _join(long, medians)
        .group_by("place")
        .having(_.count() >= MIN_LOOKUPS - 1)
        .aggregate(regularity=within.cast("float64").mean())
    )


def _guessing(events: ir.Table) -> ir.Table:
    """A success counts when the five sign-ins before it failed, the first of them at most 15 minutes ago."""
    sign_ins = events.filter((_.logins == 1) | (_.failures == 1)).select("place", "instant_us", "logins", "failures")
    failing = sign_ins.group_by("place").having(_.failures.sum() >= FAILURES_BEFORE).aggregate(n=_.count())
    ranks = sign_ins.semi_join(failing, "place")
    by_time = ibis.window(group_by="place", order_by=["instant_us", "logins"])
    before = ibis.window(group_by="place", order_by=["instant_us", "logins"], preceding=(FAILURES_BEFORE, 1))
    tries = ranks.mutate(
        failed_before=_.failures.cast("int64").sum().over(before),
        since_us=_.instant_us - _.instant_us.lag(FAILURES_BEFORE).over(by_time),
    )
    hits = (_.logins == 1) & (_.failed_before == FAILURES_BEFORE) & (_.since_us <= PAUSE_US)
    return tries.group_by("place").aggregate(fail_then_ok=hits.cast("int64").sum())


def _concurrent(events: ir.Table, groups: ir.Table) -> ir.Table:
    """Every address after the first within five minutes of the clock counts one more.

    The minutes and 40 bits of the address make one number, which sorts faster than two; two addresses of an account-day
    have the same once in 10^12 pairs.
    """
    minutes = whole(events.instant_us, ibis.literal(5 * MINUTE_US, "int64"))
    address = (events.address >> (64 - ADDRESS_BITS)).cast("int64")
    seen = events.filter(events.address.notnull()).select("place", turn=minutes * 2**ADDRESS_BITS + address)
    in_order = ibis.window(group_by="place", order_by="turn")
    turns = seen.mutate(before=_.turn.lag().over(in_order))
    more = turns.filter((turns.turn != turns.before) & (_bin(turns.turn) == _bin(turns.before)))
    most = more.group_by("place", bin=_bin(more.turn)).aggregate(n=_.count()).group_by("place").aggregate(n=_.n.max())
    found = _join(groups.filter(_.ip.notnull()).select("place").distinct(), most)
    return found.select("place", concurrent_ips=found.n.fill_null(0) + 1)


def _bin(turn: ir.IntegerValue) -> ir.IntegerValue:
    return turn >> ADDRESS_BITS
