"""What an incident is judged on: the accounts' events, and what was known of accounts, records and sources before."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _
from ibis.backends.duckdb import Backend
from ibis.util import gen_name

from detector.aggregates import WRITES, Aggregates, aggregate
from detector.clock import epoch_us, local_days
from detector.history import History
from detector.joins import attach, to_frame
from detector.novelty import (
    MIN_PAST_RECORDS,
    PAST_DAYS,
    Past,
    mark_records,
    used_at_all,
    with_network,
)
from detector.schema import ACCOUNT_RECORDS, ACCOUNT_SOURCES, Table

UNIT = ("account", "day", "channel", "session", "ip", "user_agent")
"""What is tied to an attack, or not, as a whole: what one account did on a day in one session from one source."""
OPENS_DOORS = ("password_reset", "account_change", "delegation")
TOUCHES = ("lookup", *WRITES)
DISTINCT = 2
"""A department is an account's own where it holds twice the share of its past that it holds of everybody's."""
BURST = 5
"""Minutes within which look-ups are counted."""


class Ground:
    """Events of dumps and days of a history, as an incident needs them.

    Parameters
    ----------
    con
        Ibis DuckDB backend.
    events
        `events` of the dumps, or None to work from history alone.
    history
        Earlier days, or None.
    zone
        The portal's zone.
    set_aside
        Account-days (`account`, `day`) that are no part of the past: on an earlier day of the attack its address was
        new to the account, and still is.
    """

    def __init__(
        self,
        con: Backend,
        *,
        events: ir.Table | None,
        history: History | None,
        zone: str,
        set_aside: pd.DataFrame | None = None,
    ) -> None:
        self.con = con
        self.events = None if events is None else events.filter(_.account.notnull())
        self.history = history
        self.zone = zone
        self._set_aside = None if set_aside is None or set_aside.empty else _account_days(con, set_aside)
        self._sums: Aggregates | None = None if events is None else aggregate(events, zone=zone)
        self.days = [] if self._sums is None else _days_of(self._sums.hours)

    def past(self, start: date) -> Past:
        """Records and sources of the 28 days before a day, from history and from the dumps' own earlier days."""
        records, sources = (self._before(table, start) for table in (ACCOUNT_RECORDS, ACCOUNT_SOURCES))
        return Past(records, sources, records, records, n_days=self.days_before(start))

    def days_before(self, start: date) -> int:
        """How many of the 28 days before a day are held."""
        held = {*(self.history.days if self.history else ()), *self.days}
        return sum(timedelta() < start - day <= timedelta(days=PAST_DAYS) for day in held)

    def _before(self, table: Table, start: date) -> ir.Table:
        first, last = start - timedelta(days=PAST_DAYS), start - timedelta(days=1)
        rows = self.between(table, first, last)
        return rows if self._set_aside is None else rows.anti_join(self._set_aside, ["account", "day"])

    def between(self, table: Table, first: date, last: date) -> ir.Table:
        """Sums of some days; those of the dumps take the place of the history's."""
        parts = []
        if self.history is not None:
            rows = self.history.table(self.con, table.name, first, last).select(*table.names)
            parts.append(rows.filter(rows.day.notin(self.days)) if self.days else rows)
        if self._sums is not None:
            held = self._sums.records if table is ACCOUNT_RECORDS else self._sums.sources
            parts.append(held.filter(held.day.between(first, last)).select(*table.names))
        return functools.reduce(ibis.union, parts)

    def events_of(self, accounts: Sequence[str]) -> ir.Table:
        """The dumps' events of some accounts, with their day and whether they succeeded, held."""
        assert self.events is not None, "there are no dumps"  # noqa: S101 - for the type checker
        mine = self.events.filter(self.events.account.isin(list(accounts)))
        day_of = local_days(self.events.timestamp, zone=self.zone)
        named = mine.mutate(
            day=day_of(epoch_us(mine.timestamp)),
            channel=_.channel.fill_null("portal"),
            success=_.outcome == "success",
        )
        parts = [named[name].cast("string").fill_null("") for name in UNIT]
        named = named.mutate(unit=ibis.literal("\x1f").join(parts))
        return self.con.create_table(gen_name("incident_events"), named, temp=True)

    def users_of(self, addresses: Sequence[str], first: date, last: date) -> pd.DataFrame:
        """Who did more than fail to sign in from some addresses, or from their networks, on some days.

        Returns
        -------
        pd.DataFrame
            account, ip, network, lookups; one row per account and address.
        """
        sources = with_network(used_at_all(self.between(ACCOUNT_SOURCES, first, last)))
        asked = with_network(ibis.memtable({"ip": list(addresses), "user_agent": [""] * len(addresses)}))
        near = sources.semi_join(asked.select("network").distinct(), "network")
        alike = sources.filter(sources.network.isnull() & sources.ip.isin(list(addresses)))
        rows = ibis.union(near, alike).group_by(["account", "ip", "network"])
        return to_frame(rows.aggregate(lookups=_.lookups.sum()))

    def midnight(self, day: date) -> datetime:
        """The instant at which a day begins."""
        return datetime.combine(day, time.min, ZoneInfo(self.zone))


def _account_days(con: Backend, rows: pd.DataFrame) -> ir.Table:
    named = {"account": rows["account"].astype("str").tolist(), "day": pd.to_datetime(rows["day"]).dt.date.tolist()}
    given = ibis.memtable(named, schema={"account": "string", "day": "date"})
    return con.create_table(gen_name("set_aside"), given, temp=True)


def _days_of(hours: ir.Table) -> list[date]:
    return sorted(hours.select("day").distinct().to_pyarrow()["day"].to_pylist())


def units_of(mine: ir.Table, past: Past, first: date) -> pd.DataFrame:
    """What the accounts did since a day, in units, each beside what the account was known for before.

    Returns
    -------
    pd.DataFrame
        `unit`, a name for it; the `UNIT` columns, `network`; `lookups`, `records` (shown, saved or written), `foreign`
        of them (null: the past is too short to tell), `local` of these (born where the account's people are, see
        `_places`); `home` and `everywhere`, the shares of what the account, and of what all accounts, touched before
        that is born there (0: nowhere in particular); `known`, how many records a day, summed, the account touched
        before; `burst`, the most look-ups within `BURST` that the account made while the unit was at work, from
        networks that are as new to it; `logins`, `failures`, `changes` (of the account), `first_at`,
        `last_at`; `is_new_network`: the account did not come from there before (null: nothing is known of where it
        came from).
    """
    since = _paced(_with_news(with_network(mine.filter(_.day >= first)), past))
    touched = since.filter(_.record.notnull() & _.success & _.action.isin(TOUCHES))
    asked = touched.group_by(["account", "record"]).aggregate(record_department=_.record_department.max())
    marks = mark_records(asked, past).select("account", "record", "record_department", "is_foreign")
    places = _places(past).semi_join(marks, "account")
    marked = attach(since, _placed(marks, places), ["account", "record"])
    touches = _.success & _.action.isin(TOUCHES)
    units = marked.group_by(["unit", *UNIT, "network", "is_new_network"]).aggregate(
        lookups=(_.action == "lookup").cast("int64").sum(),
        records=_.record.nunique(where=touches),
        foreign=_.record.nunique(where=touches & _.is_foreign.fill_null(False)),
        local=_.record.nunique(where=touches & _.is_foreign.fill_null(False) & _.is_local.fill_null(False)),
        judged=_.record.nunique(where=touches & _.is_foreign.notnull()),
        burst=_.burst.max(),
        logins=((_.action == "login") & _.success).cast("int64").sum(),
        failures=((_.action == "login") & ~_.success).cast("int64").sum(),
        changes=(_.action.isin(OPENS_DOORS) & _.success).cast("int64").sum(),
        first_at=_.timestamp.min(),
        last_at=_.timestamp.max(),
    )
    homes = places.group_by("account").aggregate(home=_.share.sum(), everywhere=_.everywhere.sum())
    known = past.records.semi_join(marks, "account").group_by("account").aggregate(known=_.count())
    found = to_frame(attach(attach(units, homes, "account"), known, "account"))
    found = found.fillna({"home": 0.0, "everywhere": 0.0, "known": 0}).astype({"known": "int64"})
    found["foreign"] = found["foreign"].astype("float64").where(found["judged"] > 0)
    ordered = found.drop(columns="judged").sort_values(["first_at", *UNIT], na_position="first", ignore_index=True)
    return ordered.assign(day=pd.to_datetime(ordered["day"]).dt.date)


def _paced(events: ir.Table) -> ir.Table:
    """Events with `burst`: whoever takes a new browser, session or address at each step is not slower for it."""
    window = ibis.range_window(
        preceding=ibis.interval(minutes=BURST),
        following=ibis.interval(minutes=0),
        group_by=["account", "channel", "is_new_network"],
        order_by="timestamp",
    )
    return events.mutate(burst=(_.action == "lookup").cast("int64").sum().over(window))


def _placed(marks: ir.Table, places: ir.Table) -> ir.Table:
    """Marks with `is_local`: born where the account's people are; null where the department is not known."""
    usual = places.select("account", "record_department", is_usual=True)
    found = attach(marks, usual, ["account", "record_department"])
    is_local = ibis.ifelse(found.record_department.isnull(), ibis.null("boolean"), found.is_usual.notnull())
    return found.select("account", "record", "is_foreign", is_local=is_local)


def _places(past: Past) -> ir.Table:
    """Account and department where its people are born: twice as often as everybody's are, by its own past.

    `share` and `everywhere` are the shares of the department in what the account, and in what all accounts, touched.
    What the account does in the window has no say in where its home is, and an account of too short a past has none.
    """
    born = past.records.filter(_.record_department.notnull())
    everybody = born.group_by("record_department").aggregate(n=_.count())
    everybody = everybody.select("record_department", everywhere=_.n / _.n.sum().over(ibis.window()))
    counts = born.group_by(["account", "record_department"]).aggregate(n=_.count())
    counts = counts.mutate(total=_.n.sum().over(ibis.window(group_by="account")))
    shares = counts.filter(_.total >= MIN_PAST_RECORDS).mutate(share=_.n / _.total)
    found = attach(shares, everybody, "record_department")
    usual = found.filter(_.share >= DISTINCT * _.everywhere)
    return usual.select("account", "record_department", "share", "everywhere")


def _with_news(events: ir.Table, past: Past) -> ir.Table:
    used = with_network(used_at_all(past.sources)).filter(_.network.notnull())
    pairs = used.semi_join(events, "account").select("account", "network").distinct()
    seen = attach(events, pairs.mutate(was_used=True), ["account", "network"])
    known = pairs.select("account").distinct().mutate(has_past=True)
    joined = attach(seen, known, "account")
    told = joined.has_past.notnull() & joined.network.notnull()
    is_new = ibis.ifelse(told, joined.was_used.isnull(), ibis.null("boolean"))
    return joined.mutate(is_new_network=is_new).drop("was_used", "has_past")
