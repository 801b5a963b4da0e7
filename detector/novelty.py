"""What is new on a day: records, sources and hours that the account, and the accounts around it, did not have before.

Everything compares the day with the `Past`: the strictly earlier days, never the day itself.
"""

from __future__ import annotations

from typing import NamedTuple

import ibis
import ibis.expr.types as ir
from ibis import _

from detector.clock import DAY_US, HOUR_US, ClockChanges, clock_changes, epoch_us, wall_clock
from detector.coded import hash_of, source_number
from detector.joins import attach
from detector.neighbours import MAX_READERS, find_hubs, find_neighbours
from detector.prepared import hold

PAST_DAYS = 28
"""Novelty looks four weeks back: whole weeks, and long enough for the monthly renewals that fill many days."""
MIN_PAST_DAYS = 7
"""With less than a week held, everything would be new: novelty is null."""
RARE_NETWORK_ACCOUNTS = 5
"""A network with fewer accounts than this in 28 days is no hospital's and no carrier's."""
MIN_USUAL_SHARE = 0.02
MIN_PAST_RECORDS = 20
TOOL_AGENT = (
    r"(?i)(curl|wget|python|httpx|aiohttp|scrapy|go-http|java/|okhttp|libwww|perl|ruby|axios|node-fetch|"
    r"postman|insomnia|headless|phantomjs|selenium|playwright|puppeteer)"
)
"""Agents of scripts and of browsers without a screen, as Elastic's and the Core Rule Set's lists name them."""
NEW_MARKS = {"is_new_ip": "ip", "is_new_network": "network", "is_new_agent": "agent", "is_new_auth": "auth_mode"}
"""Mark of a source → the column that is new to the account."""
STRANGER_MARKS = ("is_stranger", "is_odd_stranger", "is_met", "is_neighbour", "is_familiar")
SOURCE_MARKS = (*NEW_MARKS, "is_unseen_ip", "is_rare_network")


class Past(NamedTuple):
    """Aggregates and account-days of the strictly earlier days, and how many days with events they hold.

    `touched` says in numbers who touched which record, as `touched_in` tells of the records; None: they must be read.
    Where the past is a part of the whole, `records` may be that of some accounts only, `touched` has no days, and
    `hubs` are those of the whole (`detector.neighbours.find_hubs`); None: they are found in `touched`.
    """

    records: ir.Table
    sources: ir.Table
    hours: ir.Table
    account_days: ir.Table
    n_days: int
    touched: ir.Table | None = None
    hubs: ir.Table | None = None

    @property
    def tells(self) -> bool:
        """Whether there is enough past for anything to be called new."""
        return self.n_days >= MIN_PAST_DAYS


def mark_records(today: ir.Table, past: Past, *, canaries: tuple[str, ...] = ()) -> ir.Table:
    """The day's account-records with `is_new`, `is_foreign`, `is_odd_department` and `is_canary`.

    A record is *new* when the account did not touch it, on any channel, in the past; *foreign* when it is new and no
    account that shares a record with it touched it either. Hubs, which share some with everybody, vouch for nothing.
    Null where the past is too short to tell.
    """
    if not past.tells:
        unknown = ibis.null("boolean")
        is_canary = _is_canary(today, canaries)
        return today.mutate(is_canary=is_canary, is_new=unknown, is_foreign=unknown, is_odd_department=unknown)
    touched = hold(_touched, past.records) if past.touched is None else past.touched
    readers = hold(_readers, hold(_codes, today), touched)
    hubs = find_hubs(touched) if past.hubs is None else past.hubs
    met = hold(_met, today, readers, hubs)
    near = hold(_near, met, find_neighbours(met, touched))
    return hold(_mark_records, today, readers, near, hold(_departments, past.records), canaries=canaries)


_PAIR = ("reader", "code")
TOUCHED = ("code", "reader", "day")


def touched_in(records: ir.Table) -> ir.Table:
    """Who touched which record on which day: numbers of record and account, and the day.

    28 days of texts take several times as long to compare, and their memory. Two of 10^8 records have one number once
    in 2,000 portals.
    """
    return numbered(records.filter((_.lookups > 0) | (_.writes > 0))).select(*TOUCHED)


def _touched(records: ir.Table) -> ir.Table:
    return touched_in(records).select(*_PAIR).distinct()


def numbered(rows: ir.Table) -> ir.Table:
    """Rows with `reader` and `code`, the numbers of account and record, as `touched_in` gives them."""
    return rows.mutate(reader=hash_of(rows.account), code=hash_of(rows.record))


def _codes(today: ir.Table) -> ir.Table:
    return numbered(today).select("code").distinct()


def _readers(codes: ir.Table, touched: ir.Table) -> ir.Table:
    """Who touched the records asked for today in the past, and how many did."""
    asked = touched.select(*_PAIR).semi_join(codes, "code").distinct()
    return asked.mutate(n=_.count().over(ibis.window(group_by="code")))


def _met(today: ir.Table, readers: ir.Table, hubs: ir.Table) -> ir.Table:
    """Account and record, where it is new to the account, with each of the few accounts that touched it, no hubs."""
    new = numbered(today).select(*_PAIR).distinct().anti_join(readers, _PAIR)
    few = readers.filter(_.n <= MAX_READERS).anti_join(hubs, "reader").select("code", neighbour=_.reader)
    return new.inner_join(few, "code").select("reader", "neighbour", "code")


def _near(met: ir.Table, neighbours: ir.Table) -> ir.Table:
    """Account and record, where a neighbour touched it: an account with which it shares some other record."""
    return met.semi_join(neighbours, ["reader", "neighbour"]).select(*_PAIR).distinct()


def _mark_records(
    today: ir.Table, readers: ir.Table, near: ir.Table, departments: ir.Table, *, canaries: tuple[str, ...]
) -> ir.Table:
    own = readers.select(*_PAIR, is_known=True)
    everywhere = readers.filter(_.n > MAX_READERS).select("code").distinct().mutate(is_everywhere=True)
    found = attach(numbered(today), own, _PAIR)
    found = attach(attach(found, near.mutate(is_near=True), _PAIR), everywhere, "code")
    found = found.mutate(is_canary=_is_canary(found, canaries), is_new=_.is_known.isnull())
    found = found.mutate(is_foreign=_.is_new & _.is_near.isnull() & _.is_everywhere.isnull())
    return _mark_departments(found.drop(*_PAIR, "is_known", "is_near", "is_everywhere"), departments)


def _is_canary(records: ir.Table, canaries: tuple[str, ...]) -> ir.BooleanValue:
    return records.record.isin(canaries) if canaries else ibis.literal(False)


def _departments(past_records: ir.Table) -> ir.Table:
    """Account-records per department, and in all, of accounts with enough of them."""
    born = past_records.filter(_.record_department.notnull())
    counts = born.group_by(["account", "record_department"]).aggregate(n=_.count())
    total = counts.n.sum().over(ibis.window(group_by="account"))
    return counts.mutate(total=total).filter(_.total >= MIN_PAST_RECORDS)


def _mark_departments(marked: ir.Table, departments: ir.Table) -> ir.Table:
    """A department is odd when it holds under 2 % of the account's past; null for an account with too little of it."""
    usual = departments.filter(_.n >= MIN_USUAL_SHARE * _.total).select("account", "record_department", is_usual=True)
    accounts = departments.select("account").distinct().mutate(has_enough=True)
    found = attach(attach(marked, usual, ["account", "record_department"]), accounts, "account")
    known = found.has_enough.notnull() & found.record_department.notnull()
    is_odd = ibis.ifelse(known, found.is_usual.isnull() & found.is_new, ibis.null("boolean"))
    return found.mutate(is_odd_department=is_odd).drop("is_usual", "has_enough")


def mark_sources(today: ir.Table, past: Past) -> ir.Table:
    """The day's account-sources with networks, and whether each address, network, agent and way of signing in is new.

    A source is odd (`is_odd_source`) that no person opened: a script's agent on the portal made for people, or an
    address and agent from which nobody signed in on the day, though the account did from others; null where it did
    nowhere, as in logs without sign-ins.
    Digits of user agents are left out, so that a browser's update is no new agent. Null for an account of whose past
    nothing of the kind is known: it is judged as a newcomer, not for being new.
    """
    if past.tells:
        return hold(_mark_sources, today, hold(_used, past.sources))
    return hold(_name_sources, today).mutate(**{mark: ibis.null("boolean") for mark in SOURCE_MARKS})


def mark_strangers(records: ir.Table, sources: ir.Table, past: Past) -> ir.Table:
    """Marked records with `is_scattered`, `is_stranger`, `is_odd_stranger`, `is_met`, `is_neighbour` and `is_familiar`.

    *Stranger* is what is foreign, and first touched from a source new to the account. Each alone is common: a second
    machine at home, a patient from elsewhere. Together they are what a thief does. A stranger is *odd* whom
    an odd source touched (`mark_sources`). *Met* is what is not foreign though
    first touched from there: an owner with a new machine sees known patients there too, a thief hardly any. Of those,
    *familiar* is what the account touched before, and *neighbour* what only accounts around it did. A source is new
    with its network (new to the account, and rare among everybody) or its agent. For an account of which no source is
    known, any rare network is new: having no past clears nobody. Where `first_source` is not held, a record counts as
    first touched from every source that was in use then, from its first event of the day to its last; known ones are
    then not *familiar* nor *neighbours* where a known source was in use beside. Null where foreign records cannot be
    told, or there is no source to judge.
    """
    if not past.tells:
        unknown = ibis.null("boolean")
        return records.mutate(is_scattered=unknown, **dict.fromkeys(STRANGER_MARKS, unknown))
    spans = hold(_spans, sources)
    touched = hold(_touched_from, records, spans)
    return hold(_mark_strangers, mark_scattered(records), touched, hold(_judged, sources))


_PLACE = ("account", "channel")


def _told(sources: ir.Table) -> ir.Table:
    """Account-channels of whose past some source is known."""
    told = sources.filter(sources.is_new_network.notnull() | sources.is_new_agent.notnull())
    return told.select(*_PLACE).distinct().mutate(is_told=True)


def _judged(sources: ir.Table) -> ir.Table:
    """Account-channels with a source that can be judged."""
    named = attach(sources, _told(sources), _PLACE)
    judged = named.filter(named.is_told.notnull() | named.network.notnull())
    return judged.group_by(list(_PLACE)).aggregate(is_judged=_.count() > 0, can_be_odd=_.is_odd_source.notnull().any())


def _spans(sources: ir.Table) -> ir.Table:
    """When sources were in use, and whether they are new, for account-channels that used a new one."""
    named = attach(sources, _told(sources), _PLACE)
    named = named.mutate(is_rare=(named.is_rare_network & named.network.notnull()).fill_null(False))
    is_new = (named.is_new_network & named.is_rare) | named.is_new_agent
    named = named.mutate(is_new=ibis.ifelse(named.is_told.notnull(), is_new.fill_null(False), named.is_rare))
    named = named.mutate(is_odd_source=named.is_new & named.is_odd_source.fill_null(False))
    is_used = named.lookups + named.writes > 0
    spans = named.select(
        *_PLACE,
        "is_new",
        "is_odd_source",
        is_used=is_used,
        begin=_.first_at,
        end=_.last_at,
        source=source_number(named),
    )
    return spans.semi_join(spans.filter(_.is_new), _PLACE)


def _touched_from(records: ir.Table, spans: ir.Table) -> ir.Table:
    """Records first touched from a new source, and whether it may have been a known one as well."""
    asked = records.select(*_PLACE, "record", "first_source", at=_.first_at)
    within = asked.inner_join(spans, [*_PLACE, asked["at"] >= spans.begin, asked["at"] <= spans.end])
    within = within.mutate(is_it=(_.first_source == _.source).fill_null(False))
    is_known = _.is_it.any().over(ibis.window(group_by=[*_PLACE, "record"]))
    within = within.mutate(is_known=is_known).filter(_.is_it | (_.is_used & ~_.is_known))
    found = within.group_by([*_PLACE, "record"]).aggregate(
        by_new=_.is_new.any(), by_known=(~_.is_new).any(), by_odd=_.is_odd_source.any()
    )
    return found.filter(_.by_new)


def _mark_strangers(records: ir.Table, touched: ir.Table, judged: ir.Table) -> ir.Table:
    found = attach(attach(records, judged, _PLACE), touched, [*_PLACE, "record"])
    can_tell = found.is_judged.notnull() & found.is_foreign.notnull()
    by_new, alone = found.by_new.fill_null(False), ~found.by_known.fill_null(True)
    met = ~found.is_foreign & by_new
    marks = {
        "is_stranger": found.is_foreign & by_new,
        "is_odd_stranger": ibis.ifelse(found.can_be_odd, found.is_foreign & found.by_odd.fill_null(False), None),
        "is_met": met,
        "is_neighbour": met & alone & found.is_new,
        "is_familiar": met & alone & ~found.is_new,
    }
    told = {name: ibis.ifelse(can_tell, mark, ibis.null("boolean")) for name, mark in marks.items()}
    return found.mutate(**told).drop("is_judged", "can_be_odd", "by_new", "by_known", "by_odd")


def mark_scattered(records: ir.Table) -> ir.Table:
    """Marked records with `is_scattered`: foreign, born elsewhere than most of the account's foreign records.

    Most of them on the day, that is. A practice that reads its whole area stays in one department, whoever it reads; a
    list of strangers is of the whole country. It needs no past of the account. Of departments that tie, the first by
    name is the common one. Null where foreign records cannot be told or the department is not known.
    """
    keys = ["account", "channel"]
    foreign = records.filter(records.is_foreign & records.record_department.notnull())
    counts = foreign.group_by([*keys, "record_department"]).aggregate(n=_.count())
    first = ibis.row_number().over(group_by=keys, order_by=[counts.n.desc(), counts.record_department])
    common = counts.mutate(place=first).filter(_.place == 0).select(*keys, common=_.record_department)
    found = attach(records, common, keys)
    told = found.is_foreign.notnull() & found.record_department.notnull()
    is_scattered = ibis.ifelse(
        told, (found.is_foreign & (found.record_department != found.common)).fill_null(False), None
    )
    return found.mutate(is_scattered=is_scattered.cast("boolean")).drop("common")


def _used(sources: ir.Table) -> ir.Table:
    return with_network(used_at_all(sources).select("account", "ip", "user_agent", "auth_mode").distinct())


def used_at_all(rows: ir.Table) -> ir.Table:
    """Rows in which an account did more than fail to sign in: else whoever tries its password would be known to it."""
    return rows.filter((_.failures == 0) | (_.logins + _.lookups + _.writes + _.resets > 0))


def _name_sources(today: ir.Table) -> ir.Table:
    fanout = today.group_by("ip").aggregate(accounts_today=_.account.nunique())
    signed_in, signed_in_here = (
        _.logins.sum().over(ibis.window(group_by=keys)) > 0 for keys in ([*_PLACE], [*_PLACE, "ip", "user_agent"])
    )
    found = with_network(today).mutate(is_unsigned=ibis.ifelse(signed_in, ~signed_in_here, None))
    named = attach(found, fanout, "ip")
    is_tool = (named.user_agent.re_search(TOOL_AGENT) & (named.channel == "portal")).fill_null(False)
    return named.mutate(is_tool=is_tool, is_odd_source=is_tool | named.is_unsigned).drop("is_unsigned")


def _mark_sources(today: ir.Table, used: ir.Table) -> ir.Table:
    known = used.group_by("account").aggregate(**{f"has_{column}": _[column].count() for column in NEW_MARKS.values()})
    named = attach(_name_sources(today), known, "account")
    for mark, column in NEW_MARKS.items():
        named = _mark_new(named, used, column=column, mark=mark)
    return _mark_rare(named, used).drop(*(f"has_{column}" for column in NEW_MARKS.values()))


def _mark_new(named: ir.Table, used: ir.Table, *, column: str, mark: str) -> ir.Table:
    """What an account did not use that used some other; null where nothing of the kind is known of either."""
    seen = used.select("account", column).filter(_[column].notnull()).distinct().mutate(was_seen=True)
    joined = attach(named, seen, ["account", column])
    known = (joined[f"has_{column}"].fill_null(0) > 0) & joined[column].notnull()
    return joined.mutate(ibis.ifelse(known, joined.was_seen.isnull(), ibis.null("boolean")).name(mark)).drop("was_seen")


def _mark_rare(named: ir.Table, used: ir.Table) -> ir.Table:
    networks = used.group_by("network").aggregate(n_accounts=_.account.nunique())
    addresses = used.select("ip").distinct().mutate(was_used=True)
    joined = attach(attach(named, networks, "network"), addresses, "ip")
    return joined.mutate(
        is_rare_network=_.n_accounts.fill_null(0) < RARE_NETWORK_ACCOUNTS,
        is_unseen_ip=_.was_used.isnull() & _.ip.notnull(),
    ).drop("n_accounts", "was_used")


def with_network(sources: ir.Table) -> ir.Table:
    """IPv4 /24 (mapped into IPv6 or not) and IPv6 /48, as text; null for what is no address.

    And agents without their digits.
    """
    address = sources.ip.lower()
    v4 = address.re_extract(r"^(?:::ffff:)?(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}$", 1)
    # A group of zeros may be written 0, 0000 or not at all.
    v6 = address.re_replace(r":0+", ":").re_extract(r"^([0-9a-f]{1,4}:[0-9a-f]{0,4}:[0-9a-f]{0,4})", 1)
    network = ibis.coalesce(v4.nullif(""), v6.nullif(""))
    return sources.mutate(network=network, agent=sources.user_agent.re_replace(r"[0-9][0-9._]*", ""))


def mark_hours(today: ir.Table, records: ir.Table, past: Past, *, zone: str) -> ir.Table:
    """The day's account-hours with `new_records`, `foreign_records` and `is_off_hour`.

    An hour of the clock is *off* when the account was never active in it, nor in the one before or after, in the past;
    failing to sign in is no activity. Null for accounts without a past.
    """
    hours = today.drop("new_records", "foreign_records")
    if not past.tells:
        unknown = ibis.null("int64")
        return hours.mutate(new_records=unknown, foreign_records=unknown, is_off_hour=ibis.null("boolean"))
    changes = clock_changes(today.hour, zone=zone, before=PAST_DAYS)
    return hold(_mark_hours, hours, records, past.hours, changes=changes)


def _mark_hours(hours: ir.Table, records: ir.Table, past_hours: ir.Table, *, changes: ClockChanges) -> ir.Table:
    return _mark_off_hours(_count_new(hours, records), past_hours, changes)


def _count_new(hours: ir.Table, records: ir.Table) -> ir.Table:
    first = records.filter(_.is_new & (_.lookups > 0)).mutate(hour_number=epoch_us(records.first_at) // HOUR_US)
    keys = ["account", "channel", "hour_number"]
    counts = first.group_by(keys).aggregate(new_records=_.count(), foreign_records=_.is_foreign.cast("int64").sum())
    joined = attach(hours.mutate(hour_number=epoch_us(hours.hour) // HOUR_US), counts, keys).drop("hour_number")
    none = ibis.ifelse(records.count().as_scalar() > 0, 0, ibis.null("int64"))
    return joined.mutate(new_records=_.new_records.fill_null(none), foreign_records=_.foreign_records.fill_null(none))


def _mark_off_hours(hours: ir.Table, past_hours: ir.Table, changes: ClockChanges) -> ir.Table:
    """By numbers of accounts: the past has dozens of rows for each account and day."""
    used = used_at_all(past_hours)
    active = used.select(reader=hash_of(used.account), clock_hour=_clock_hour(used, changes)).distinct()
    near = active.mutate(shift=ibis.array([-1, 0, 1]).unnest())
    near = near.select("reader", clock_hour=(_.clock_hour + _["shift"] + 24) % 24).distinct().mutate(is_usual=True)
    known = active.select("reader").distinct().mutate(has_past=True)
    named = hours.mutate(reader=hash_of(hours.account), clock_hour=_clock_hour(hours, changes))
    joined = attach(attach(named, near, ["reader", "clock_hour"]), known, "reader")
    off = ibis.ifelse(joined.has_past.notnull(), joined.is_usual.isnull(), ibis.null("boolean"))
    return joined.mutate(is_off_hour=off).drop("reader", "clock_hour", "is_usual", "has_past")


def _clock_hour(hours: ir.Table, changes: ClockChanges) -> ir.IntegerValue:
    return wall_clock(changes)(epoch_us(hours.hour)) % DAY_US // HOUR_US
