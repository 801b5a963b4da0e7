from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest
from hypothesis import given, settings
from ibis.backends.duckdb import Backend

from detector.aggregates import Aggregates, aggregate, combine
from detector.schema import ACCOUNT_HOURS, ACCOUNT_RECORDS, ACCOUNT_SOURCES, Table
from tests.portal_events import DEEDS, SEEDS, ZONE, event, portal, table

TABLES = (ACCOUNT_SOURCES, ACCOUNT_RECORDS, ACCOUNT_HOURS)


@pytest.fixture(scope="module")
def con() -> Iterator[Backend]:
    """One DuckDB for all examples."""
    backend = ibis.duckdb.connect(threads=1)
    yield backend
    backend.disconnect()


def rows_of(sums: Aggregates) -> list[list[dict[str, Any]]]:
    """The rows of the three tables, in order, checked against the schema."""
    return [_rows(rows, of=of) for rows, of in zip(sums, TABLES, strict=True)]


def _rows(rows: ir.Table, *, of: Table) -> list[dict[str, Any]]:
    checked: list[dict[str, Any]] = of.check(rows.to_pyarrow()).to_pylist()
    return sorted(checked, key=lambda row: repr([row[name] for name in of.key]))


@settings(deadline=None, max_examples=8)  # the first example writes the queries
@given(seed=SEEDS, n_deeds=DEEDS)
def test_events_cut_in_two_give_the_same_sums(con: Backend, seed: int, n_deeds: int) -> None:
    """A slice added to the morning is the day, when slices are cut on minutes."""
    events = portal(seed, n_deeds)
    parts = [[each for each in events if each["timestamp"].minute % 2 == part] for part in (0, 1)]
    halves = [aggregate(table(con, part), zone=ZONE) for part in parts]
    assert rows_of(combine(*halves)) == rows_of(aggregate(table(con, events), zone=ZONE))


@settings(deadline=None, max_examples=4)
@given(seed=SEEDS, n_deeds=DEEDS)
def test_nothing_is_lost(con: Backend, seed: int, n_deeds: int) -> None:
    """Each look-up of a named account is counted once in its hours and once in its sources."""
    events = portal(seed, n_deeds)
    lookups = sum(each["action"] == "lookup" and "account" in each for each in events)
    sources, _, hours = rows_of(aggregate(table(con, events), zone=ZONE))
    assert [sum(row["lookups"] for row in rows) for rows in (sources, hours)] == [lookups, lookups]


def test_no_event_has_no_sums(con: Backend) -> None:
    """An empty dump gives empty tables."""
    assert rows_of(aggregate(table(con, []), zone=ZONE)) == [[], [], []]


def test_failures_that_name_nobody_are_left_out(con: Backend) -> None:
    """They belong to no account."""
    events = [event(datetime(2026, 3, 12, 9, tzinfo=UTC), None, "login", outcome="failure")]
    assert rows_of(aggregate(table(con, events), zone=ZONE)) == [[], [], []]


def test_typed_look_ups_are_unknown_where_the_way_of_identifying_is_not_logged(con: Backend) -> None:
    """Neither a look-up nor a miss without it counts as none typed."""
    at = datetime(2026, 3, 12, 9, tzinfo=UTC)
    events = [
        event(at, "a", "lookup", record="r1"),
        event(at, "a", "lookup", record="r2", outcome="failure"),
        event(at, "a", "lookup", record="r3", record_id_mode="card"),
        event(at, "a", "lookup", record="r4", record_id_mode="typed"),
    ]
    _, records, _ = rows_of(aggregate(table(con, events), zone=ZONE))
    assert [row["typed_lookups"] for row in records] == [None, None, 0, 1]


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Paris", date(2026, 3, 30)),
        ("America/Martinique", date(2026, 3, 29)),
        ("Indian/Reunion", date(2026, 3, 30)),
        ("Pacific/Noumea", date(2026, 3, 30)),
    ],
)
def test_a_day_is_one_of_the_zone(con: Backend, zone: str, day: date) -> None:
    """Late in the evening in UTC it is tomorrow in Paris, its clocks gone forward, and today in Martinique."""
    events = [event(datetime(2026, 3, 29, 22, 30, tzinfo=UTC), "a", "lookup")]
    assert {row["day"] for rows in rows_of(aggregate(table(con, events), zone=zone)) for row in rows} == {day}
