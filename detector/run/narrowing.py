"""The part of the past that a few accounts ask for: what is new or foreign to them is the same against it.

Whole tables of the past are read, column by column, and hardly anything of them is held. Who touched which record is
read in numbers (`detector.history.touched`): texts would take several times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from detector.coded import hash_of
from detector.neighbours import find_hubs
from detector.novelty import Past, numbered, touched_in, with_network
from detector.schema import ACCOUNT_HOURS, ACCOUNT_RECORDS, ACCOUNT_SOURCES
from detector.timeline import Timeline

TOUCH = ("reader", "code")
"""Numbers of an account and of a record that it touched."""


def own_touches(past: Timeline, day: date, *, accounts: Sequence[str]) -> ir.Table:
    """What some accounts touched in the past: `TOUCH`, each pair once; held."""
    readers = named(accounts).select(reader=hash_of(_.account))
    return past.hold(_touched(past, day).semi_join(readers, "reader").select(*TOUCH).distinct())


def narrow(past: Timeline, day: date, *, accounts: Sequence[str], events: ir.Table, own: ir.Table) -> Past:
    """The past of some accounts on a day, and what there is of others that bears on them.

    Parameters
    ----------
    past
        The whole of it.
    accounts
        Who is asked for.
    events
        Theirs, of the day.
    own
        Their `own_touches`, maybe with those of further accounts.

    Returns
    -------
    Past
        Of records: their own, read when asked for. Of touches: of whatever they touched then or on the day, whoever
        did. Of sources: their own, and whoever used the networks that they use today. Of hours: their own. Account-days
        are all there.
    """
    chosen = named(accounts)
    return Past(
        records=past.before(ACCOUNT_RECORDS, day, only=lambda rows: rows.semi_join(chosen, "account"), is_held=False),
        sources=_sources(past, day, events, chosen),
        hours=past.before(ACCOUNT_HOURS, day, only=lambda rows: rows.semi_join(chosen, "account")),
        account_days=past.past(day).account_days,
        n_days=len(past.days_before(day)),
        touched=_around(past, day, events, own),
        hubs=find_hubs(_touched(past, day)),
    )


def named(accounts: Sequence[str]) -> ir.Table:
    """Accounts as a table."""
    return ibis.memtable({"account": list(accounts)}, schema={"account": "string"})


def _touched(past: Timeline, day: date) -> ir.Table:
    whole = past.past(day)
    return touched_in(whole.records) if whole.touched is None else whole.touched


def _around(past: Timeline, day: date, events: ir.Table, own: ir.Table) -> ir.Table:
    """Neighbours share a record with an account: one that it touched itself, so that no further scan is needed."""
    today = numbered(events.filter(_.record.notnull())).select("code")
    asked = past.hold(ibis.union(today, own.select("code")).distinct())
    return past.hold(_touched(past, day).semi_join(asked, "code").select(*TOUCH).distinct())


def _sources(past: Timeline, day: date, events: ir.Table, chosen: ir.Table) -> ir.Table:
    networks = with_network(events.select("ip", "user_agent").distinct()).filter(_.network.notnull())
    asked = networks.select("network").distinct().cache()
    everywhere = past.past(day).sources.select("ip", user_agent=ibis.null("string")).distinct()
    ips = with_network(everywhere).semi_join(asked, "network").select("ip").cache()
    own = past.before(ACCOUNT_SOURCES, day, only=lambda rows: rows.semi_join(chosen, "account"))
    others = past.before(ACCOUNT_SOURCES, day, only=lambda rows: rows.semi_join(ips, "ip").anti_join(chosen, "account"))
    return ibis.union(own, others)
