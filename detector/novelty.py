"""What is new on a day: records, sources and hours that the account, and the accounts around it, did not have before.

Everything compares the day with the `Past`: the strictly earlier days, never the day itself.
"""

from __future__ import annotations

from typing import NamedTuple

import ibis
import ibis.expr.types as ir
from ibis import _

from detector.clock import DAY_US, HOUR_US, epoch_us, wall_clock
from detector.joins import attach

PAST_DAYS = 28
"""Novelty looks four weeks back: whole weeks, and long enough for the monthly renewals that fill many days."""
MIN_PAST_DAYS = 7
"""With less than a week held, everything would be new: novelty is null."""
MAX_READERS = 32
"""A record read by more accounts than this in 28 days is at home everywhere: it makes nobody neighbours and is foreign
to nobody. It bounds the work to 32 pairs for each pair of account and record."""
RARE_NETWORK_ACCOUNTS = 5
"""A network with fewer accounts than this in 28 days is no hospital's and no carrier's."""
MIN_USUAL_SHARE = 0.02
MIN_PAST_RECORDS = 20
TOOL_AGENT = (
    r"(?i)(curl|wget|python|httpx|aiohttp|scrapy|go-http|java/|okhttp|libwww|perl|ruby|axios|node-fetch|"
    r"postman|insomnia|headless|phantomjs|selenium|playwright|puppeteer)"
)
"""Agents of scripts and of browsers without a screen, as Elastic's and the Core Rule Set's lists name them."""


class Past(NamedTuple):
    """Aggregates and account-days of the strictly earlier days, and how many days with events they hold."""

    records: ir.Table
    sources: ir.Table
    hours: ir.Table
    account_days: ir.Table
    n_days: int

    @property
    def tells(self) -> bool:
        """Whether there is enough past for anything to be called new."""
        return self.n_days >= MIN_PAST_DAYS


def neighbours(past_records: ir.Table) -> ir.Table:
    """Pairs of accounts that touched a common record, both directions: `account`, `neighbour`."""
    return _neighbours(_touched(past_records))


def _neighbours(held: ir.Table) -> ir.Table:
    readers = held.group_by("record").aggregate(n=_.count())
    shared = held.semi_join(readers.filter((_.n > 1) & (_.n <= MAX_READERS)), "record")
    other = shared.view().select(neighbour=_.account, record=_.record)
    pairs = shared.inner_join(other, "record")
    return pairs.filter(_.account != _.neighbour).select("account", "neighbour").distinct()


def mark_records(today: ir.Table, past: Past, *, canaries: tuple[str, ...] = ()) -> ir.Table:
    """The day's account-records with `is_new`, `is_foreign`, `is_odd_department` and `is_canary`.

    A record is *new* when the account did not touch it, on any channel, in the past; *foreign* when it is new and no
    account that shares a record with it touched it either. Null where the past is too short to tell.
    """
    marked = today.mutate(is_canary=today.record.isin(canaries) if canaries else ibis.literal(False))
    if not past.tells:
        unknown = ibis.null("boolean")
        return marked.mutate(is_new=unknown, is_foreign=unknown, is_odd_department=unknown)
    held = _touched(past.records).cache()
    own = held.mutate(is_known=True)
    around = _known_around(today, held, _neighbours(held)).mutate(is_around=True)
    marked = attach(marked, own, ["account", "record"])
    marked = attach(marked, around, ["account", "record"])
    marked = marked.mutate(is_new=_.is_known.isnull())
    marked = marked.mutate(is_foreign=_.is_new & _.is_around.isnull()).drop("is_known", "is_around")
    return _mark_departments(marked, past.records)


def _touched(records: ir.Table) -> ir.Table:
    return records.filter((_.lookups > 0) | (_.writes > 0)).select("account", "record").distinct()


def _known_around(today: ir.Table, held: ir.Table, pairs: ir.Table) -> ir.Table:
    """Account and record of today where a neighbour, or more accounts than can be neighbours, touched the record."""
    asked = today.select("account", "record").distinct()
    readers = held.semi_join(asked, "record").group_by("record").aggregate(n=_.count())
    everywhere = asked.semi_join(readers.filter(_.n > MAX_READERS), "record")
    few = held.semi_join(readers.filter(_.n <= MAX_READERS), "record").select(neighbour=_.account, record=_.record)
    met = asked.inner_join(few, "record").select("account", "neighbour", "record")
    near = met.semi_join(pairs, ["account", "neighbour"]).select("account", "record").distinct()
    return ibis.union(everywhere, near, distinct=True)


def _mark_departments(marked: ir.Table, past_records: ir.Table) -> ir.Table:
    """A department is odd when it holds under 2 % of the account's past records; null for one with few of them."""
    born = past_records.filter(_.record_department.notnull())
    per_department = born.group_by(["account", "record_department"]).aggregate(n=_.count())
    totals = born.group_by("account").having(_.count() >= MIN_PAST_RECORDS).aggregate(total=_.count())
    usual = per_department.inner_join(totals, "account").filter(_.n >= MIN_USUAL_SHARE * _.total)
    usual = usual.select("account", "record_department", is_usual=True)
    joined = attach(marked, usual, ["account", "record_department"])
    joined = attach(joined, totals, "account")
    known = joined.total.notnull() & joined.record_department.notnull()
    return joined.mutate(
        is_odd_department=ibis.ifelse(known, joined.is_usual.isnull() & joined.is_new, ibis.null("boolean"))
    ).drop("is_usual", "total")


def mark_sources(today: ir.Table, past: Past) -> ir.Table:
    """The day's account-sources with networks, and whether each address, network, agent and way of signing in is new.

    Digits of user agents are left out, so that a browser's update is no new agent. Null for an account without a past:
    it is judged as a newcomer, not for being new.
    """
    named = with_network(today)
    fanout = named.group_by("ip").aggregate(accounts_today=_.account.nunique())
    named = attach(named, fanout, "ip")
    named = named.mutate(is_tool=(_.user_agent.re_search(TOOL_AGENT) & (_.channel == "portal")).fill_null(False))
    if not past.tells:
        unknown = ibis.null("boolean")
        marks = ("is_new_ip", "is_new_network", "is_new_agent", "is_new_auth", "is_unseen_ip", "is_rare_network")
        return named.mutate(**dict.fromkeys(marks, unknown))
    before = with_network(past.sources).select("account", "ip", "network", "agent", "auth_mode").distinct().cache()
    accounts = before.select("account").distinct().mutate(has_past=True)
    named = attach(named, accounts, "account")
    for column, mark in (
        ("ip", "is_new_ip"),
        ("network", "is_new_network"),
        ("agent", "is_new_agent"),
        ("auth_mode", "is_new_auth"),
    ):
        named = _mark_new(named, before, column=column, mark=mark)
    return _mark_rare(named, before).drop("has_past")


def _mark_new(named: ir.Table, before: ir.Table, *, column: str, mark: str) -> ir.Table:
    seen = before.filter(before[column].notnull()).select("account", column).distinct().mutate(was_seen=True)
    joined = attach(named, seen, ["account", column])
    known = joined.has_past.notnull() & joined[column].notnull()
    return joined.mutate(ibis.ifelse(known, joined.was_seen.isnull(), ibis.null("boolean")).name(mark)).drop("was_seen")


def _mark_rare(named: ir.Table, before: ir.Table) -> ir.Table:
    networks = before.group_by("network").aggregate(n_accounts=_.account.nunique())
    addresses = before.select("ip").distinct().mutate(was_used=True)
    joined = attach(attach(named, networks, "network"), addresses, "ip")
    return joined.mutate(
        is_rare_network=_.n_accounts.fill_null(0) < RARE_NETWORK_ACCOUNTS,
        is_unseen_ip=_.was_used.isnull() & _.ip.notnull(),
    ).drop("n_accounts", "was_used")


def with_network(sources: ir.Table) -> ir.Table:
    """IPv4 /24 and IPv6 /48, as text; null for what is no address. Agents without their digits."""
    v4 = sources.ip.re_extract(r"^(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}$", 1)
    v6 = sources.ip.re_extract(r"^([0-9a-fA-F]{1,4}:[0-9a-fA-F]{1,4}:[0-9a-fA-F]{0,4}):", 1)
    network = ibis.coalesce(v4.nullif(""), v6.nullif(""))
    return sources.mutate(network=network, agent=sources.user_agent.re_replace(r"[0-9][0-9._]*", ""))


def mark_hours(today: ir.Table, records: ir.Table, past: Past, *, zone: str) -> ir.Table:
    """The day's account-hours with `new_records`, `foreign_records` and `is_off_hour`.

    An hour of the clock is *off* when the account was never active in it, nor in the one before or after, in the past.
    Null for accounts without a past.
    """
    hours = today.drop("new_records", "foreign_records")
    if not past.tells:
        unknown = ibis.null("int64")
        return hours.mutate(new_records=unknown, foreign_records=unknown, is_off_hour=ibis.null("boolean"))
    return _mark_off_hours(_count_new(hours, records), past.hours, zone=zone)


def _count_new(hours: ir.Table, records: ir.Table) -> ir.Table:
    first = records.filter(_.is_new & (_.lookups > 0)).mutate(hour_number=epoch_us(records.first_at) // HOUR_US)
    counts = first.group_by(["account", "channel", "hour_number"]).aggregate(
        new_records=_.count(), foreign_records=_.is_foreign.cast("int64").sum()
    )
    keys = ["account", "channel", "hour_number"]
    joined = attach(hours.mutate(hour_number=epoch_us(hours.hour) // HOUR_US), counts, keys).drop("hour_number")
    return joined.mutate(new_records=_.new_records.fill_null(0), foreign_records=_.foreign_records.fill_null(0))


def _mark_off_hours(hours: ir.Table, past_hours: ir.Table, *, zone: str) -> ir.Table:
    clock_hour = _clock_hour(past_hours, zone=zone)
    active = past_hours.select("account", clock_hour=clock_hour).distinct()
    shifts = ibis.memtable({"shift": [-1, 0, 1]})
    near = active.cross_join(shifts).select("account", clock_hour=(_.clock_hour + _["shift"] + 24) % 24)
    near = near.distinct().mutate(is_usual=True)
    known = active.select("account").distinct().mutate(has_past=True)
    joined = attach(hours.mutate(clock_hour=_clock_hour(hours, zone=zone)), near, ["account", "clock_hour"])
    joined = attach(joined, known, "account")
    off = ibis.ifelse(joined.has_past.notnull(), joined.is_usual.isnull(), ibis.null("boolean"))
    return joined.mutate(is_off_hour=off).drop("clock_hour", "is_usual", "has_past")


def _clock_hour(hours: ir.Table, *, zone: str) -> ir.IntegerValue:
    wall = wall_clock(hours.hour, zone=zone)
    return wall(epoch_us(hours.hour)) % DAY_US // HOUR_US
