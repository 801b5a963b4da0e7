"""Slow and obvious: the signals of account-days by loops over events, to compare the fast code with."""

from __future__ import annotations

import ipaddress
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from detector.schema import EVENTS

Event = dict[str, Any]
Key = tuple[str, str, date]
Signals = dict[str, Any]

NOTHING = dict.fromkeys(EVENTS.names)
"""What an event does not tell is null."""
WRITES = {"write", "export"}
RESETS = {"password_reset", "account_change", "delegation"}


class Days:
    """Events of named accounts, by local day."""

    def __init__(self, events: Iterable[Event], *, zone: str) -> None:
        self.of: dict[date, list[Event]] = defaultdict(list)
        for event in events:
            if event.get("account") is not None:
                channel = event.get("channel") or "portal"
                day = event["timestamp"].astimezone(ZoneInfo(zone)).date()
                self.of[day].append({**NOTHING, **event, "channel": channel, "day": day})

    def before(self, day: date) -> list[Event]:
        """Events of the 28 days before."""
        return [event for n in range(1, 29) for event in self.of.get(day - timedelta(days=n), [])]


class Past:
    """What is known on a day of the days before."""

    def __init__(self, days: Days, day: date, *, zone: str) -> None:
        self.events = days.before(day)
        self.n_days = len({event["day"] for event in self.events})
        self.tells = self.n_days >= 7
        self.touched = {(e["account"], e["record"]) for e in self.events if touches(e)}
        self.readers: dict[str, set[str]] = defaultdict(set)
        for account, record in self.touched:
            self.readers[record].add(account)
        used = [e for group in grouped(self.events, *SOURCE).values() if is_use(group) for e in group]
        self.sources = {name: {(e["account"], of(e)) for e in used if of(e) is not None} for name, of in KINDS.items()}
        active = [
            e for group in grouped(self.events, "account", "channel", hour_of).values() if is_use(group) for e in group
        ]
        self.hours = {(e["account"], local_hour(e, zone)) for e in active}
        self.channel_days = {
            key for key, group in grouped(self.events, "account", "channel", "day").items() if is_use(group)
        }
        self.days = {(account, on) for account, _, on in self.channel_days}

    def are_neighbours(self, one: str, other: str) -> bool:
        """Whether both touched some record that few did, and the other is no hub."""
        return not self.is_hub(other) and any(
            {one, other} <= readers and len(readers) <= 32 for readers in self.readers.values()
        )

    def is_hub(self, account: str) -> bool:
        """Whether it touched one record in fifty, and five times as many as accounts do on average."""
        own = sum(account in readers for readers in self.readers.values())
        average = len(self.touched) / len({reader for reader, _ in self.touched})
        return own > len(self.readers) / 50 and own > 5 * average

    def is_new(self, account: str, record: str) -> bool | None:
        """Whether the account did not touch the record."""
        return (account, record) not in self.touched if self.tells else None

    def is_foreign(self, account: str, record: str) -> bool | None:
        """Whether it is new, and no account around touched it."""
        if not self.tells:
            return None
        readers = self.readers.get(record, set())
        around = len(readers) > 32 or any(self.are_neighbours(account, other) for other in readers)
        return account not in readers and not around

    def is_odd(self, account: str, record: str, department: str | None) -> bool | None:
        """Whether people born there are rare in the account's past."""
        rows = grouped((e for e in self.events if concerns_record(e) and e["account"] == account), *RECORD)
        born = [place for group in rows.values() if (place := department_of(group)) is not None]
        if not self.tells or len(born) < 20 or department is None:
            return None
        return born.count(department) < 0.02 * len(born) and self.is_new(account, record) is True

    def is_new_source(self, kind: str, event: Event) -> bool | None:
        """Whether the event's address, network, agent or way of signing in is new to its account."""
        value, account = KINDS[kind](event), event["account"]
        known = {seen for owner, seen in self.sources[kind] if owner == account}
        return value not in known if self.tells and known and value is not None else None

    def is_off_hour(self, event: Event, zone: str) -> bool | None:
        """Whether the account never worked around this hour of the clock."""
        hours = {hour for account, hour in self.hours if account == event["account"]}
        if not self.tells or not hours:
            return None
        return not any((local_hour(event, zone) + shift) % 24 in hours for shift in (-1, 0, 1))


def account_days(
    events: Iterable[Event], day: date, *, zone: str, canaries: tuple[str, ...] = ()
) -> dict[Key, Signals]:
    """Every signal of every account-day of one day."""
    days = Days(events, zone=zone)
    past, today = Past(days, day, zone=zone), days.of.get(day, [])
    tokens = any(concerns_record(event) for event in today)
    return {
        (account, channel, day): signals(group, past, today, zone=zone, canaries=canaries, tokens=tokens)
        for (account, channel), group in grouped(today, "account", "channel").items()
    }


def signals(
    group: list[Event], past: Past, today: list[Event], *, zone: str, canaries: tuple[str, ...], tokens: bool
) -> Signals:
    """The signals of one account-day."""
    found = {
        "profession": greatest(group, "profession"),
        "organisation": greatest(group, "organisation"),
        "past_days": past.n_days,
        **counts(group),
        **order(group),
        **records(group, past, canaries=canaries, tokens=tokens),
        **sources(group, past, today),
        "off_hour_uses": uses(group, lambda event: past.is_off_hour(event, zone)),
        **own_past(group, past),
    }
    logins, lookups = found["logins"], found["lookups"]
    found["lookups_per_login"] = lookups / max(logins, 1)
    found["fail_ratio"] = ratio(found["failures"], found["failures"] + logins)
    found["miss_rate"] = ratio(found["misses"], lookups)
    reopened = ratio(found["records"], lookups - found["misses"])
    found["repeat_rate"] = None if reopened is None else 1 - reopened
    found["new_record_share"] = ratio(found["new_records"], found["records"])
    found["foreign_record_share"] = ratio(found["foreign_records"], found["records"])
    is_vouched_for = found["lone_strangers"] == 0 and found["met_records"] > 0
    found["ip_fanout"] = 0 if is_vouched_for and found["unseen_ip_accounts"] else found["unseen_ip_accounts"]
    reset = found["resets"] + found.pop("recent_resets") > 0
    new = found["new_source_uses"]
    found["reset_then_new_source"] = new if reset or new is None else 0
    return found


def counts(group: list[Event]) -> Signals:
    """Sums of a day, and the busiest stretches of the clock."""
    lookups = [event for event in group if event["action"] == "lookup"]
    writes = [event for event in group if is_write(event)]
    return {
        "lookups": len(lookups),
        "misses": sum(event["outcome"] == "failure" for event in lookups),
        "writes": len(writes),
        "logins": sum(event["action"] == "login" and succeeded(event) for event in group),
        "failures": sum(event["action"] == "login" and not succeeded(event) for event in group),
        "resets": sum(event["action"] in RESETS and succeeded(event) for event in group),
        "busiest_minute": busiest(lookups, seconds=60, none=0),
        "busiest_10_min": busiest(lookups, seconds=600, none=None),
        "busiest_hour": busiest(lookups, seconds=3600, none=0),
        "busiest_write_hour": busiest(writes, seconds=3600, none=0),
        "busiest_session": max(Counter(e["session"] for e in lookups if e["session"]).values(), default=None),
        "active_hours": len({hour_of(event) for event in lookups}),
    }


def order(group: list[Event]) -> Signals:
    """What needs the order of events."""
    times = sorted(event["timestamp"] for event in group if event["action"] == "lookup")
    gaps = [(after - before) / timedelta(seconds=1) for before, after in pairwise(times)]
    long = [gap for gap in gaps if gap >= 1]
    middle = statistics.median(long) if long else 0
    enough = len(times) >= 20
    addresses: dict[int, set[str]] = defaultdict(set)
    for event in group:
        if event["ip"] is not None:
            addresses[int(event["timestamp"].timestamp() // 300)].add(event["ip"])
    within = sum(abs(gap - middle) <= 0.1 * middle + 1e-9 for gap in long)
    return {
        "longest_run_min": longest_run_min(times) if enough else None,
        "regularity": within / len(long) if enough and len(long) >= 19 else None,
        "fail_then_ok": guesses(group),
        "concurrent_ips": max((len(found) for found in addresses.values()), default=None),
    }


def longest_run_min(times: list[datetime]) -> float:
    """The longest stretch without a pause of 15 minutes."""
    longest, start = timedelta(), times[0]
    for before, after in pairwise(times):
        if after - before >= timedelta(minutes=15):
            start = after
        longest = max(longest, after - start)
    return longest / timedelta(minutes=1)


def guesses(group: list[Event]) -> int:
    """Sign-ins that follow five failures, the first of them at most 15 minutes before."""
    tries = sorted((e for e in group if e["action"] == "login"), key=lambda e: (e["timestamp"], succeeded(e)))
    found = 0
    for last in range(5, len(tries)):
        five, success = tries[last - 5 : last], tries[last]
        soon = success["timestamp"] - five[0]["timestamp"] <= timedelta(minutes=15)
        found += succeeded(success) and soon and not any(succeeded(event) for event in five)
    return found


def scattered(rows: dict[tuple[Any, ...], list[Event]], foreign: set[str]) -> set[str] | None:
    """Foreign records born elsewhere than most of the day's; of departments that tie, the first is the common one."""
    born = {record: department_of(events) for (record,), events in rows.items()}
    if set(born.values()) == {None}:
        return None
    departments = Counter(born[record] for record in foreign if born[record] is not None)
    common = min(departments, key=lambda place: (-departments[place], place), default=None)
    return {record for record in foreign if born[record] not in (None, common)}


class Met(NamedTuple):
    """Records first touched from new sources: strangers, all others, and these by who knew them.

    And strangers from a source that no person opened; none can be told where nobody signed in at all, but of scripts.
    """

    strangers: set[str]
    odd: set[str] | None
    met: set[str]
    neighbours: set[str]
    familiar: set[str]


def met(group: list[Event], past: Past, foreign: set[str]) -> Met | None:
    """What was first touched from a source new to the account."""
    rows = grouped((event for event in group if concerns_record(event)), "record")
    told = any(past.is_new_source(kind, event) is not None for kind in ("network", "agent") for event in group)
    networks = {network_of(event) for event in group} - {None}
    if not (told or networks) or not rows or not past.tells:
        return None

    def is_new(event: Event) -> bool:
        new = is_rarely_new(event, past) is True or past.is_new_source("agent", event) is True
        return new if told else is_rare(event, past)

    firsts = {record: min(events, key=lambda e: (e["timestamp"], number_of(e))) for (record,), events in rows.items()}
    by_new = {record for record, first in firsts.items() if is_new(first)}
    known = {record for record in firsts if past.is_new(group[0]["account"], record) is False}
    signed = {(e["ip"], e["user_agent"]) for e in group if e["action"] == "login" and succeeded(e)}
    odd = {record for record in by_new & foreign if is_odd(firsts[record], signed)}
    can_be_odd = signed or any(is_tool(event) for event in group)
    return Met(
        by_new & foreign,
        odd if can_be_odd else None,
        by_new - foreign,
        by_new - foreign - known,
        (by_new - foreign) & known,
    )


def is_odd(event: Event, signed: set[tuple[str | None, str | None]]) -> bool:
    """Whether no person opened its source: a script, or nobody signed in there though the account did elsewhere."""
    return is_tool(event) or (bool(signed) and (event["ip"], event["user_agent"]) not in signed)


def number_of(event: Event) -> int:
    """The engine's number of address and agent: it decides between two sources at the same instant."""
    return _number(event["ip"], event["user_agent"])


@cache
def _number(*source: str | None) -> int:
    found = duckdb.execute("SELECT hash(?::VARCHAR, ?::VARCHAR)", source).fetchall()
    return int(found[0][0]) >> 1


def records(group: list[Event], past: Past, *, canaries: tuple[str, ...], tokens: bool) -> Signals:
    """What was asked for, and how new it is."""
    rows = grouped((event for event in group if concerns_record(event)), "record")
    none = 0 if tokens else None
    none_new = none if past.tells else None
    found: Signals = dict.fromkeys(("records", "n_shown", "canary_records"), none)
    found |= dict.fromkeys(("new_records", "foreign_records", "foreign_writes"), none_new)
    found |= dict.fromkeys(
        ("typed_lookups", "odd_department_records", "scattered_records", "stranger_records", "far_strangers")
    )
    found |= dict.fromkeys(("odd_strangers", "stranger_writes", "met_records", "neighbour_records", "familiar_records"))
    found |= dict.fromkeys(("lone_strangers", "lone_far_strangers"))
    if not rows:
        return found
    account = group[0]["account"]
    shown = {record for (record,), events in rows.items() if any(is_shown(event) for event in events)}
    written = {record for (record,), events in rows.items() if any(is_write(event) for event in events)}
    foreign = {record for (record,) in rows if past.is_foreign(account, record)}
    odd = [past.is_odd(account, record, department_of(events)) for (record,), events in rows.items()]
    of_record = [event for events in rows.values() for event in events]
    typed = [event for event in of_record if event["record_id_mode"] is not None]
    found |= {
        "records": len(shown),
        "n_shown": sum(1 if e["n_records"] is None else e["n_records"] for e in of_record if is_shown(e)),
        "canary_records": sum(record in canaries for (record,) in rows),
        "typed_lookups": sum(is_shown(e) and e["record_id_mode"] == "typed" for e in typed) if typed else None,
        "odd_department_records": None if set(odd) == {None} else odd.count(True),
    }
    if past.tells:
        found["new_records"] = sum(past.is_new(account, record) is True for record in shown)
        found["foreign_records"] = len(shown & foreign)
        found["foreign_writes"] = len(written & foreign)
        far, seen = scattered(rows, foreign), met(group, past, foreign)
        found["scattered_records"] = None if far is None else len(far)
        if seen is not None:
            strange, others, neighbours, familiar = map(len, (seen.strangers, seen.met, seen.neighbours, seen.familiar))
            found["stranger_writes"] = len(seen.strangers & written)
            found["odd_strangers"] = None if seen.odd is None else len(seen.odd)
            vouched = neighbours + 5 * familiar
            found |= {"stranger_records": strange, "met_records": others, "neighbour_records": neighbours}
            found |= {"familiar_records": familiar, "lone_strangers": max(strange - vouched, 0)}
            if far is not None:
                found["far_strangers"] = len(far & seen.strangers)
                found["lone_far_strangers"] = max(len(far & seen.strangers) - vouched, 0)
    return found


def sources(group: list[Event], past: Past, today: list[Event]) -> Signals:
    """Where it came from."""
    agents = {event["user_agent"] for event in group} - {None}
    new_ips = {event["ip"]: past.is_new_source("ip", event) for event in group}
    new_agents = {event["user_agent"]: past.is_new_source("agent", event) for event in group}
    seen = {address for _, address in past.sources["ip"]}
    fanouts = [
        len({other["account"] for other in today if other["ip"] == address})
        for address in new_ips
        if address is not None and address not in seen and is_on_new_network(group, address, past)
    ]
    return {
        "n_ips": len(set(new_ips) - {None}) or None,
        "n_networks": len({network_of(event) for event in group} - {None}) or None,
        "n_user_agents": len(agents) or None,
        "new_ips": None if set(new_ips.values()) == {None} else list(new_ips.values()).count(True),
        "new_user_agents": None if set(new_agents.values()) == {None} else list(new_agents.values()).count(True),
        "new_source_uses": uses(group, lambda e: is_rarely_new(e, past)),
        "new_agent_uses": uses(group, lambda e: past.is_new_source("agent", e)),
        "new_auth_uses": uses(group, lambda e: past.is_new_source("auth", e)),
        "unseen_ip_accounts": None if set(new_ips.values()) == {None} else max(fanouts, default=0),
        "tool_agent_uses": uses(group, is_tool) if agents else None,
    }


def is_on_new_network(group: list[Event], address: str, past: Past) -> bool:
    """Whether the account did not use the address's network, or nothing is known of its networks."""
    (event, *_) = [event for event in group if event["ip"] == address]
    return past.is_new_source("network", event) is not False


def is_rarely_new(event: Event, past: Past) -> bool | None:
    """Whether the network is new to the account, and few accounts had it."""
    new = past.is_new_source("network", event)
    return None if new is None else new and is_rare(event, past)


def is_rare(event: Event, past: Past) -> bool:
    """Whether the event has a network, and few accounts had it."""
    owners = {account for account, network in past.sources["network"] if network == network_of(event)}
    return network_of(event) is not None and len(owners) < 5


def is_tool(event: Event) -> bool:
    """Whether a script's agent acts on the channel for people."""
    return event["channel"] == "portal" and re.search("curl|python", event["user_agent"] or "") is not None


def own_past(group: list[Event], past: Past) -> Signals:
    """Age, dormancy and resets of the last days."""
    account, day = group[0]["account"], group[0]["day"]
    ages = [(day - on).days for owner, on in past.days if owner == account]
    recent = [event for event in past.events if event["account"] == account and (day - event["day"]).days <= 3]
    active = {on for (owner, channel, on) in past.channel_days if (owner, channel) == (account, group[0]["channel"])}
    return {
        "active_days": len(active),
        "age_days": max(ages, default=0),
        "dormant_days": min(ages, default=None),
        "recent_resets": sum(event["action"] in RESETS and succeeded(event) for event in recent),
    }


def uses(group: list[Event], is_marked: Any) -> int | None:
    """Look-ups and writes that are marked; null where nothing in the day can be."""
    marks = [is_marked(event) for event in group]
    if set(marks) <= {None}:
        return None
    deeds = [event["action"] == "lookup" or is_write(event) for event in group]
    return sum(deed and mark is True for deed, mark in zip(deeds, marks, strict=True))


def busiest(events: list[Event], *, seconds: int, none: int | None) -> int | None:
    """Most events within one stretch of the clock."""
    bins: Counter[int] = Counter(int(event["timestamp"].timestamp() // seconds) for event in events)
    most: int | None = max(bins.values(), default=none)
    return most


def grouped(events: Iterable[Event], *keys: Any) -> dict[tuple[Any, ...], list[Event]]:
    """Events by some of their columns, or of what functions say of them."""
    found: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    for event in events:
        found[tuple(key(event) if callable(key) else event[key] for key in keys)].append(event)
    return found


def succeeded(event: Event) -> bool:
    """Whether it did."""
    return bool(event["outcome"] == "success")


def is_write(event: Event) -> bool:
    """Whether something was written or exported."""
    return event["action"] in WRITES and succeeded(event)


def is_shown(event: Event) -> bool:
    """Whether a record was looked up and shown."""
    return event["action"] == "lookup" and succeeded(event)


def concerns_record(event: Event) -> bool:
    """Whether a record was asked for or written to, in vain or not."""
    return event["record"] is not None and event["action"] in {"lookup", *WRITES}


def touches(event: Event) -> bool:
    """Whether a record was shown or written to."""
    return event["record"] is not None and (is_shown(event) or is_write(event))


def is_use(group: list[Event]) -> bool:
    """Whether the events are more than failures to sign in."""
    failed = any(event["action"] == "login" and not succeeded(event) for event in group)
    did = any(
        event["action"] == "lookup" or is_write(event) or (succeeded(event) and event["action"] in {"login", *RESETS})
        for event in group
    )
    return did or not failed


def network_of(event: Event) -> str | None:
    """The /24 or /48 of the address; None for what is no address."""
    try:
        address = ipaddress.ip_address(event["ip"])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))


def agent_of(event: Event) -> str | None:
    """The user agent without its versions."""
    return None if event["user_agent"] is None else re.sub(r"[0-9][0-9._]*", "", event["user_agent"])


def department_of(group: list[Event]) -> str | None:
    """The department that a day's events tell of a record."""
    return max((e["record_department"] for e in group if e["record_department"] is not None), default=None)


def greatest(group: list[Event], name: str) -> Any:
    """The greatest value of a column that is not null."""
    return max((event[name] for event in group if event[name] is not None), default=None)


def ratio(part: float | None, whole: float | None) -> float | None:
    """A part of a whole, where there is one."""
    return None if part is None or not whole else part / whole


def hour_of(event: Event) -> int:
    """The hour since the epoch."""
    return int(event["timestamp"].timestamp() // 3600)


def local_hour(event: Event, zone: str) -> int:
    """The hour of the clock at which the event's hour starts."""
    start = event["timestamp"].replace(minute=0, second=0, microsecond=0)
    return int(start.astimezone(ZoneInfo(zone)).hour)


SOURCE = ("account", "channel", "day", "ip", "user_agent", "auth_mode")
RECORD = ("account", "channel", "day", "record")
KINDS: dict[str, Any] = {
    "ip": lambda event: event["ip"],
    "network": network_of,
    "agent": agent_of,
    "auth": lambda event: event["auth_mode"],
}
