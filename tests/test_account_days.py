from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import pytest
from hypothesis import given, settings
from ibis.backends.duckdb import Backend

from detector.account_days import ACCOUNT_DAYS, DayTables
from detector.aggregates import Aggregates
from detector.features import CATALOGUE
from tests import naive
from tests.portal_events import CANARIES, DAY, DEEDS, SEEDS, ZONE, build, event, portal

CLOCK_CHANGES = (
    ("Europe/Paris", date(2026, 3, 29)),
    ("Europe/Paris", date(2026, 10, 25)),
    ("Europe/Paris", date(2026, 4, 2)),
    ("America/Martinique", date(2026, 3, 12)),
    ("Indian/Reunion", date(2026, 3, 12)),
    ("Pacific/Noumea", date(2026, 3, 12)),
)
"""Days of 23 and of 25 hours, one soon after a change, and zones with none."""
Rows = dict[tuple[str, str, date], dict[str, Any]]


@pytest.fixture(scope="module")
def con() -> Iterator[Backend]:
    """One DuckDB for all examples."""
    backend = ibis.duckdb.connect(threads=1)
    yield backend
    backend.disconnect()


def rows_of(tables: DayTables) -> Rows:
    """Return the account-days by key, checked against the schema."""
    checked = ACCOUNT_DAYS.check(tables.account_days.to_pyarrow()).to_pylist()
    return {(row["account"], row["channel"], row["day"]): row for row in checked}


def differences(found: Rows, expected: dict[tuple[str, str, date], dict[str, Any]]) -> list[str]:
    """Return a line for each signal that differs."""
    lines = [f"rows {set(found) ^ set(expected)}"] if set(found) != set(expected) else []
    return lines + [
        f"{key} {name}: {found[key][name]}, expected {value}"
        for key in set(found) & set(expected)
        for name, value in expected[key].items()
        if not is_same(found[key][name], value)
    ]


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are, up to rounding; null is only null."""
    if isinstance(one, float) and other is not None:
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other and (one is None) == (other is None))


def test_the_oracle_knows_every_signal() -> None:
    """No signal of the catalogue goes untested."""
    login = event(datetime(2026, 3, 12, 9, tzinfo=UTC), "a", "login")
    (found,) = naive.account_days([login], DAY, zone=ZONE).values()
    assert {declared.name for declared in CATALOGUE} <= set(found)


@settings(deadline=None, max_examples=15)  # the first example writes the queries
@given(seed=SEEDS, n_deeds=DEEDS)
def test_every_signal_is_what_plain_loops_over_events_find(con: Backend, seed: int, n_deeds: int) -> None:
    """The fast expressions and the slow oracle agree on every account-day, whatever the events."""
    events = portal(seed, n_deeds)
    expected = naive.account_days(events, DAY, zone=ZONE, canaries=CANARIES)
    assert not differences(rows_of(build(con, events)), expected)


@settings(deadline=None, max_examples=4)
@given(seed=SEEDS, n_deeds=DEEDS)
def test_later_days_change_nothing(con: Backend, seed: int, n_deeds: int) -> None:
    """An account-day is the same whether or not anything is known of the days after it."""
    events = portal(seed, n_deeds)
    later = [{**each, "timestamp": each["timestamp"] + timedelta(days=15)} for each in portal(seed + 1, 40)]
    assert rows_of(build(con, [*events, *later])) == rows_of(build(con, events))


@settings(deadline=None, max_examples=4)
@given(seed=SEEDS, n_deeds=DEEDS)
def test_the_order_of_rows_changes_nothing(con: Backend, seed: int, n_deeds: int) -> None:
    """Dumps may be sorted in any way."""
    events = portal(seed, n_deeds)
    ordered = sorted(events, key=lambda each: each["timestamp"])
    assert rows_of(build(con, ordered)) == rows_of(build(con, events))


@pytest.mark.parametrize(("zone", "day"), CLOCK_CHANGES)
def test_days_of_23_and_25_hours_are_days_of_the_zone(con: Backend, zone: str, day: date) -> None:
    """Clock changes and far zones move events to the days and hours that the zone has."""
    shift = timedelta(days=(day - DAY).days)
    for seed in range(2):
        events = [{**each, "timestamp": each["timestamp"] + shift} for each in portal(seed, 60)]
        expected = naive.account_days(events, day, zone=zone, canaries=CANARIES)
        assert not differences(rows_of(build(con, events, day=day, zone=zone)), expected)


@pytest.mark.parametrize("column", sorted({column for declared in CATALOGUE for column in declared.needs}))
def test_a_column_that_is_not_logged_makes_its_signals_null(con: Backend, column: str) -> None:
    """Missing data is no zero: what cannot be known is null."""
    events = [{name: value for name, value in each.items() if name != column} for each in portal(5, 80)]
    found = rows_of(build(con, events)).values()
    dependent = [declared.name for declared in CATALOGUE if column in declared.needs]
    assert found
    assert {row[name] for row in found for name in dependent} == {None}


def test_no_event_makes_no_account_day(con: Backend) -> None:
    """An empty dump is no error."""
    assert rows_of(build(con, [])) == {}


def test_one_account_is_judged_alone(con: Backend) -> None:
    """Without anybody else, everything new to an account is foreign."""
    before = [event(_noon(back), "a", "lookup", record=f"r{back}") for back in range(1, 9)]
    rows = rows_of(build(con, [*before, event(_noon(0), "a", "lookup", record="new")]))
    (row,) = rows.values()
    assert (row["records"], row["new_records"], row["foreign_records"]) == (1, 1, 1)


def test_a_record_known_to_a_neighbour_is_new_but_not_foreign(con: Backend) -> None:
    """An account shares a record with another, and looks up what only the other had looked up."""
    shared = [event(_noon(back), who, "lookup", record="shared") for back in range(1, 9) for who in "ab"]
    known = event(_noon(3), "b", "lookup", record="of b")
    apart = event(_noon(3), "c", "lookup", record="of c")
    asked = [event(_noon(0), "a", "lookup", record=record) for record in ("shared", "of b", "of c", "of nobody")]
    row = rows_of(build(con, [*shared, known, apart, *asked]))["a", "portal", DAY]
    assert (row["records"], row["new_records"], row["foreign_records"]) == (4, 3, 2)


def test_who_reads_everybody_vouches_for_nothing(con: Backend) -> None:
    """To a practice that shares a person with a laboratory, whom the laboratory read is foreign all the same."""
    before = [event(_noon(1 + n % 8), who, "lookup", record=f"r{n}") for n in range(40) for who in (f"p{n}", "lab")]
    before += [event(_noon(1), who, "lookup", record="met") for who in ("lab", "colleague")]
    before.append(event(_noon(2), "colleague", "lookup", record="r1"))
    asked = [event(_noon(0), who, "lookup", record="met") for who in ("p0", "p1")]
    asked += [event(_noon(0), "lab", "lookup", record=record) for record in ("r0", "of nobody")]
    rows = rows_of(build(con, before + asked))
    assert {account: rows[account, "portal", DAY]["foreign_records"] for account in ("p0", "p1", "lab")} == {
        "p0": 1,
        "p1": 0,
        "lab": 1,
    }
    assert differences(rows, naive.account_days(before + asked, DAY, zone=ZONE, canaries=CANARIES)) == []


def test_an_attacker_who_fails_to_sign_in_does_not_make_his_address_known(con: Backend) -> None:
    """Failures from an address in the past are no use of it."""
    before = [event(_noon(back), "a", "lookup", ip="10.0.0.1") for back in range(1, 9)]
    tries = [event(_noon(back), "a", "login", ip="10.6.6.6", outcome="failure") for back in range(1, 9)]
    row = rows_of(build(con, [*before, *tries, event(_noon(0), "a", "lookup", ip="10.6.6.6")]))["a", "portal", DAY]
    assert (row["new_ips"], row["new_source_uses"]) == (1, 1)


def test_look_ups_at_one_instant_after_a_pause_do_not_bridge_it(con: Backend) -> None:
    """A run starts with all that comes at its first instant."""
    first, second = _noon(0), _noon(0) + timedelta(hours=5)
    times = [first, *[second] * 25, second + timedelta(minutes=3)]
    (row,) = rows_of(build(con, [event(at, "a", "lookup") for at in times])).values()
    assert row["longest_run_min"] == 3


def _noon(back: int) -> datetime:
    return datetime(DAY.year, DAY.month, DAY.day, 11, tzinfo=UTC) - timedelta(days=back)


def beside_the_owner() -> list[naive.Event]:
    """A fortnight of two known patients at the desk, then a day on which a tablet is used in between.

    At the desk the account touches p0, then a stranger from nearby (s0); the tablet reads p1 and two strangers.
    """
    desk, tablet = {"ip": "10.0.1.1", "user_agent": "Firefox/120.0"}, {"ip": "10.8.1.1", "user_agent": "Safari/18.0"}
    nine = datetime(DAY.year, DAY.month, DAY.day, 9, tzinfo=UTC)
    events = [
        event(nine - timedelta(days=back), "a", "lookup", record=f"p{n}", **desk)
        for back in range(1, 15)
        for n in (0, 1)
    ]
    visits = [("p0", desk), ("s1", tablet), ("p1", tablet), ("s0", desk), ("s2", tablet), ("p0", desk)]
    return events + [
        event(nine + timedelta(minutes=minute), "a", "lookup", record=record, **source)
        for minute, (record, source) in enumerate(visits)
    ]


def test_a_record_belongs_to_the_source_that_touched_it_first(con: Backend) -> None:
    """However long another was in use beside: the patient on the tablet vouches, the stranger at the desk is none."""
    (found,) = rows_of(build(con, beside_the_owner())).values()
    assert (found["stranger_records"], found["met_records"], found["familiar_records"]) == (2, 1, 1)


def test_sums_without_the_first_source_go_by_when_sources_were_in_use(con: Backend) -> None:
    """Nobody looks clean for lack of it: what was touched while the tablet was in use counts, and vouches for none."""

    def forget(sums: Aggregates) -> Aggregates:
        return sums._replace(records=sums.records.mutate(first_source=ibis.null("int64")))

    (found,) = rows_of(build(con, beside_the_owner(), change=forget)).values()
    assert (found["stranger_records"], found["met_records"], found["familiar_records"]) == (3, 1, 0)
