"""Signals that need the order of a day's events: bursts, gaps, runs, failures before a success, addresses at once.

They are computed while the day's events are held; a closed day keeps its values.
"""

from __future__ import annotations

import functools

import ibis
import ibis.expr.types as ir
from ibis import _

from detector.aggregates import ACCOUNT_DAY, prepare
from detector.clock import MINUTE_US, SECOND_US, ClockChanges, clock_changes
from detector.joins import attach
from detector.prepared import hold

MIN_LOOKUPS = 20
"""Gaps of fewer look-ups than this are too few to tell a rhythm from."""
PAUSE_US = 15 * MINUTE_US
"""A pause this long ends a run, and an older failure belongs to no attempt (Elastic's rules use 15 minutes)."""
FAILURES_BEFORE = 5
GAP_TOLERANCE = 0.1

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
    return hold(_order_signals, events, changes=clock_changes(events.timestamp, zone=zone))


def _order_signals(events: ir.Table, *, changes: ClockChanges) -> ir.Table:
    named = prepare(events, changes=changes)
    days = named.select(*ACCOUNT_DAY).distinct()
    parts = (_bursts(named), _sessions(named), _gaps(named), _guessing(named), _concurrent(named))
    joined = functools.reduce(_join, parts, days)
    return joined.mutate(fail_then_ok=_.fail_then_ok.fill_null(0)).select(*ACCOUNT_DAY, *ORDER_COLUMNS)


def _join(left: ir.Table, right: ir.Table) -> ir.Table:
    return attach(left, right, ACCOUNT_DAY)


def _bursts(named: ir.Table) -> ir.Table:
    bins = (
        named.filter(_.action == "lookup")
        .group_by([*ACCOUNT_DAY, (_.instant_us // (10 * MINUTE_US)).name("bin")])
        .aggregate(n=_.count())
    )
    return bins.group_by(ACCOUNT_DAY).aggregate(busiest_10_min=_.n.max())


def _sessions(named: ir.Table) -> ir.Table:
    sessions = (
        named.filter((_.action == "lookup") & _.session.notnull())
        .group_by([*ACCOUNT_DAY, "session"])
        .aggregate(n=_.count())
    )
    return sessions.group_by(ACCOUNT_DAY).aggregate(busiest_session=_.n.max())


def _gaps(named: ir.Table) -> ir.Table:
    """Only accounts with enough look-ups are put in order: sorting everybody would cost more than all sums together."""
    lookups = named.filter(_.action == "lookup").select(*ACCOUNT_DAY, "instant_us")
    busy = lookups.group_by(ACCOUNT_DAY).having(_.count() >= MIN_LOOKUPS).aggregate(n=_.count())
    in_order = ibis.window(group_by=ACCOUNT_DAY, order_by="instant_us")
    # Look-ups at one instant have no order: each instant once, or the pause before them may fall between them.
    instants = lookups.semi_join(busy, ACCOUNT_DAY).distinct()
    gaps = instants.mutate(gap_us=_.instant_us - _.instant_us.lag().over(in_order))
    starts = (gaps.gap_us.isnull() | (gaps.gap_us >= PAUSE_US)).cast("int64")
    runs = gaps.mutate(run=starts.sum().over(ibis.window(group_by=ACCOUNT_DAY, order_by="instant_us", following=0)))
    lengths = runs.group_by([*ACCOUNT_DAY, "run"]).aggregate(length_us=_.instant_us.max() - _.instant_us.min())
    longest = lengths.group_by(ACCOUNT_DAY).aggregate(longest_run_min=_.length_us.max() / MINUTE_US)
    return _join(longest, _regularity(gaps))


def _regularity(gaps: ir.Table) -> ir.Table:
    """Gaps under a second are a page's own requests; they say nothing about who drives it."""
    long = gaps.filter(_.gap_us >= SECOND_US)
    medians = long.group_by(ACCOUNT_DAY).aggregate(median_us=_.gap_us.cast("float64").median())
    within = (_.gap_us - _.median_us).abs() <= GAP_TOLERANCE * _.median_us
    return (
        _join(long, medians)
        .group_by(ACCOUNT_DAY)
        .having(_.count() >= MIN_LOOKUPS - 1)
        .aggregate(regularity=within.cast("float64").mean())
    )


def _guessing(named: ir.Table) -> ir.Table:
    """A success counts when the five sign-ins before it failed, the first of them at most 15 minutes ago."""
    sign_ins = named.filter(_.action == "login").select(*ACCOUNT_DAY, "instant_us", "success")
    failing = (
        sign_ins.filter(~_.success).group_by(ACCOUNT_DAY).having(_.count() >= FAILURES_BEFORE).aggregate(n=_.count())
    )
    ranks = sign_ins.semi_join(failing, ACCOUNT_DAY)
    by_time = ibis.window(group_by=ACCOUNT_DAY, order_by=["instant_us", "success"])
    before = ibis.window(group_by=ACCOUNT_DAY, order_by=["instant_us", "success"], preceding=(FAILURES_BEFORE, 1))
    tries = ranks.mutate(
        failed_before=(~_.success).cast("int64").sum().over(before),
        since_us=_.instant_us - _.instant_us.lag(FAILURES_BEFORE).over(by_time),
    )
    hits = _.success & (_.failed_before == FAILURES_BEFORE) & (_.since_us <= PAUSE_US)
    return tries.group_by(ACCOUNT_DAY).aggregate(fail_then_ok=hits.cast("int64").sum())


def _concurrent(named: ir.Table) -> ir.Table:
    """Only accounts with several addresses are counted by the five minutes; the others have one at a time."""
    seen = named.filter(_.ip.notnull()).select(*ACCOUNT_DAY, "ip", bin=_.instant_us // (5 * MINUTE_US))
    spans = seen.group_by(ACCOUNT_DAY).aggregate(is_one=_.ip.min() == _.ip.max())
    bins = seen.semi_join(spans.filter(~_.is_one), ACCOUNT_DAY)
    counts = bins.group_by([*ACCOUNT_DAY, "bin"]).aggregate(n=_.ip.nunique())
    most = _join(spans, counts.group_by(ACCOUNT_DAY).aggregate(n=_.n.max()))
    return most.select(*ACCOUNT_DAY, concurrent_ips=most.n.fill_null(1))
