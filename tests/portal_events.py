"""Small random portals: events of a few accounts over two weeks, with runs, guesses, channels and gaps in the log."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from detector.account_days import ACCOUNT_DAYS, DayTables, build_account_days
from detector.aggregates import Aggregates, aggregate
from detector.novelty import Past
from detector.order import order_signals
from detector.schema import EVENTS
from tests.naive import Days, Event, counts, grouped

DAY = date(2026, 3, 12)
"""The day that is tested; the events lie on it and on the days around."""
ZONE = "Europe/Paris"
CANARIES = ("r1",)
ACCOUNTS = ("a", "b", "c", "d")
ADDRESSES = (None, "10.0.1.1", "10.0.1.2", "::ffff:10.0.1.3", "10.0.2.1", "2001:db8:0:1::5", "2001:DB8::6", "unknown")
AGENTS = (None, "Firefox/120.0", "Firefox/121.0", "Chrome/99", "curl/8.1", "python-requests/2")
COLUMNS = ("record", "ip", "user_agent", "session", "profession", "auth_mode", "record_id_mode", "record_department")
"""What a portal may not log at all."""
ACTIONS = ("login", "login", "logout", "lookup", "lookup", "lookup", "lookup", "write", "export", "password_reset")


def event(at: datetime, account: str | None, action: str, **rest: Any) -> Event:
    """Return an event that succeeded; what is not told of it stands nowhere, so that failing examples stay readable."""
    told = {name: value for name, value in {"account": account, **rest}.items() if value is not None}
    return {"timestamp": at, "action": action, "outcome": "success", **told}


SEEDS, DEEDS = st.integers(0, 10**6), st.integers(0, 90)
"""What `portal` takes. Drawing each field apart would take longer than the tests themselves."""


def portal(seed: int, n_deeds: int) -> list[Event]:
    """The events of so many deeds over the tested day and the days before, in no order; fewer are part of more."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    missing = chance.sample(COLUMNS, chance.choice((0, 0, 1, 3)))
    habitual = [
        event(at, "d", "login", ip="10.0.1.1") for at in _mornings() if chance.random() < chance.choice((0.4, 1))
    ]
    kinds = chance.choices((_single, _run, _guess), weights=(12, 1, 1), k=n_deeds)
    events = [*habitual, *(each for kind in kinds for each in kind(chance))]
    chance.shuffle(events)
    return [{name: value for name, value in each.items() if name not in missing} for each in events]


def _mornings() -> list[datetime]:
    return [datetime(DAY.year, DAY.month, DAY.day, 8, 5, tzinfo=UTC) - timedelta(days=back) for back in range(14)]


def _instant(chance: random.Random) -> datetime:
    """An instant on the tested day, as often as on any of the fortnight before; near midnight, too."""
    at = chance.choice(_mornings()[: chance.choice((1, 14))])
    minutes = chance.choice((-485, -424, 0, 45, 46, 300, 895, 953))
    return at + timedelta(minutes=minutes, seconds=chance.randint(0, 59))


def _single(chance: random.Random) -> list[Event]:
    """One event of any kind."""
    action = chance.choice(ACTIONS)
    record = chance.choice((None, *(f"r{n}" for n in range(12))))
    return [
        event(
            _instant(chance),
            chance.choice((*ACCOUNTS, *ACCOUNTS, None)),
            action,
            outcome=chance.choice(("success", "success", "success", "failure")),
            ip=chance.choice(ADDRESSES),
            record=record if action in {"lookup", "write", "export"} else None,
            n_records=chance.choice((None, 1, 3)),
            channel=chance.choice((None, "portal", "portal", "software")),
            auth_mode=chance.choice((None, "card", "password")),
            record_id_mode=chance.choice((None, "typed", "card")),
            session=chance.choice((None, "s1", "s2")),
            user_agent=chance.choice(AGENTS),
            profession=chance.choice((None, "nurse")),
            record_department=None if record is None else chance.choice((None, "75", "75", "33")),
        )
    ]


def _run(chance: random.Random) -> list[Event]:
    """A robot's run: look-ups of many records with nearly the same pause."""
    start, account = _instant(chance), chance.choice(ACCOUNTS)
    pause, odd = chance.choice((0, 7, 60, 400)), chance.choice((0, 1, 30, 1000))
    times = [start + timedelta(seconds=n * pause + odd * (n % 3 == 1)) for n in range(chance.randint(18, 24))]
    place = chance.choice((None, "13"))
    return [
        event(at, account, "lookup", record=f"q{n}", ip="10.9.0.1", record_department=place)
        for n, at in enumerate(times)
    ]


def _guess(chance: random.Random) -> list[Event]:
    """Failures to sign in, then a success."""
    start, account, pause = _instant(chance), chance.choice(ACCOUNTS), chance.choice((0, 60, 180, 181))
    times = [start + timedelta(seconds=n * pause) for n in range(chance.randint(5, 7))]
    failures = [event(at, account, "login", ip="10.9.0.2", outcome="failure") for at in times[:-1]]
    return [*failures, event(times[-1], account, "login", ip="10.9.0.2")]


def table(con: Backend, events: list[Event]) -> ir.Table:
    """The events as a table of the backend."""
    rows = [{**each, "source": "x", "line": number} for number, each in enumerate(events, start=1)]
    return con.create_table(ibis.util.gen_name("events"), pa.Table.from_pylist(rows, schema=EVENTS.arrow), temp=True)


def build(
    con: Backend,
    events: list[Event],
    *,
    day: date = DAY,
    zone: str = ZONE,
    change: Callable[[Aggregates], Aggregates] = lambda sums: sums,
) -> DayTables:
    """The tables of one day, from all of the events; `change` is made to what they add up to."""
    rows = table(con, events)
    sums = change(aggregate(rows, zone=zone))
    days = Days(events, zone=zone)
    first = day - timedelta(days=28)
    before = Aggregates(*(each.filter((each.day >= first) & (each.day < day)) for each in sums))
    account_days = past_account_days(con, days.before(day))
    n_days = len({each["day"] for each in days.before(day)})
    past = Past(before.records, before.sources, before.hours, account_days, n_days=n_days)
    order = order_signals(rows, zone=zone)
    return build_account_days(day, today=sums, past=past, order=order, zone=zone, canaries=CANARIES)


def past_account_days(con: Backend, events: list[Event]) -> ir.Table:
    """What later days ask of account-days: who was active on which day, and what was reset."""
    rows = [
        {"account": account, "channel": channel, "day": day, "past_days": 0, **counts(group)}
        for (account, channel, day), group in grouped(events, "account", "channel", "day").items()
    ]
    data = pa.Table.from_pylist(rows, schema=ACCOUNT_DAYS.arrow)
    return con.create_table(ibis.util.gen_name("past"), data, temp=True)
