"""Signals that need the order of a day's events: bursts, gaps, runs, failures before a success, addresses at once.

They are computed while the day's events are held; a closed day keeps its values.
"""

from __future__ import annotations

import ibis.expr.types as ir

from detector.aggregates import Aggregates, hold_sums
from detector.coded import ACCOUNT_DAY, TELLING, Coded, code_events
from detector.in_order import RECORD_COUNTS
from detector.prepared import hold

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


def aggregate_in_order(events: ir.Table, *, zone: str) -> tuple[Aggregates, ir.Table]:
    """What `aggregate` and `order_signals` give, of events that are put into numbers once for both."""
    coded = code_events(events, zone=zone)
    return hold_sums(events, coded), order_of(coded).select(*ACCOUNT_DAY, *ORDER_COLUMNS)


def order_of(coded: Coded) -> ir.Table:
    """The same of events that are in numbers already, with the `place`, what was told of the account, and its records.

    `RECORD_COUNTS`, that is: null unless they were counted.
    """
    return hold(_order_signals, coded.signals, coded.places)


def _order_signals(signals: ir.Table, places: ir.Table) -> ir.Table:
    return places.inner_join(signals, "place").select("place", *ACCOUNT_DAY, *TELLING, *ORDER_COLUMNS, *RECORD_COUNTS)
