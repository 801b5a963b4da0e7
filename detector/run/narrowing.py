"""The part of the past that a few accounts ask for: what is new or foreign to them is the same against it.

Whole tables of the past are read, column by column, and hardly anything of them is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from detector.novelty import Past, with_network
from detector.schema import ACCOUNT_HOURS, ACCOUNT_RECORDS, ACCOUNT_SOURCES
from detector.timeline import Timeline

SHARED = ("account", "day", "record", "lookups", "writes")
OWN = (*SHARED, "record_department")
"""What is needed of records in the past: columns that are not read cost nothing."""


def own_records(past: Timeline, day: date, *, accounts: Sequence[str]) -> ir.Table:
    """What some accounts touched in the past; held."""
    chosen = named(accounts)
    return past.before(ACCOUNT_RECORDS, day, only=lambda rows: rows.select(*OWN).semi_join(chosen, "account"))


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
        Their `own_records`, maybe with those of further accounts.

    Returns
    -------
    Past
        Of records: their own, and whoever touched one of these or of the day's. Of sources: their own, and whoever used
        the networks that they use today. Of hours: their own. Account-days are all there.
    """
    chosen = named(accounts)
    return Past(
        records=_records(past, day, events, own.semi_join(chosen, "account")),
        sources=_sources(past, day, events, chosen),
        hours=past.before(ACCOUNT_HOURS, day, only=lambda rows: rows.semi_join(chosen, "account")),
        account_days=past.past(day).account_days,
        n_days=len(past.days_before(day)),
    )


def named(accounts: Sequence[str]) -> ir.Table:
    """Accounts as a table."""
    return ibis.memtable({"account": list(accounts)}, schema={"account": "string"})


def _records(past: Timeline, day: date, events: ir.Table, own: ir.Table) -> ir.Table:
    """Neighbours share a record with an account: one that it touched itself, so that no further scan is needed."""
    asked = ibis.union(events.select("record"), own.select("record")).filter(_.record.notnull()).distinct().cache()
    shared = past.before(ACCOUNT_RECORDS, day, only=lambda rows: rows.select(*SHARED).semi_join(asked, "record"))
    others = shared.anti_join(own.select("account").distinct(), "account").mutate(record_department=ibis.null("string"))
    return ibis.union(own.select(*others.columns), others)


def _sources(past: Timeline, day: date, events: ir.Table, chosen: ir.Table) -> ir.Table:
    networks = with_network(events.select("ip", "user_agent").distinct()).filter(_.network.notnull())
    asked = networks.select("network").distinct().cache()
    everywhere = past.past(day).sources.select("ip", user_agent=ibis.null("string")).distinct()
    ips = with_network(everywhere).semi_join(asked, "network").select("ip").cache()
    own = past.before(ACCOUNT_SOURCES, day, only=lambda rows: rows.semi_join(chosen, "account"))
    others = past.before(ACCOUNT_SOURCES, day, only=lambda rows: rows.semi_join(ips, "ip").anti_join(chosen, "account"))
    return ibis.union(own, others)
