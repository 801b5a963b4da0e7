"""Events in numbers: account-days keep apart, and sums by sorting are those of grouping."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from detector import coded, prepared
from detector.coded import code_events, sum_by_sorting
from detector.errors import DetectorError
from tests.portal_events import ZONE, event, portal, table


@pytest.fixture(scope="module")
def con() -> Iterator[Backend]:
    """One DuckDB for all examples."""
    backend = ibis.duckdb.connect(threads=1)
    yield backend
    backend.disconnect()


PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=40)


@settings(deadline=None, max_examples=20)
@given(pairs=PAIRS)
def test_sums_by_sorting_are_those_of_loops(con: Backend, pairs: list[tuple[int, int, int]]) -> None:
    """One row per place and number, with the sum of its values, in whatever order they come."""
    places, numbers, values = (list(column) for column in zip(*pairs, strict=True))
    given_rows = pa.table({"place": places, "number": numbers, "value": values})
    rows = con.create_table(ibis.util.gen_name("rows"), given_rows, temp=True)
    found = sum_by_sorting(rows, "number", totals=["value"]).to_pyarrow().to_pylist()
    expected: Counter[tuple[int, int]] = Counter()
    for place, number, value in pairs:
        expected[place, number] += value
    assert sorted((row["place"], row["number"], row["value"]) for row in found) == sorted(
        (*key, expected[key]) for key in {pair[:2] for pair in pairs}
    )


def test_look_ups_are_counted_by_the_clock(con: Backend) -> None:
    """Look-ups of one instant, and on both sides of a full minute, count in their minute and their ten minutes."""
    start = datetime(2026, 3, 12, 9, tzinfo=UTC)
    seconds = [0, 0, 30, 59, 60, 61, 600, 3599, 3600]
    events = [event(start + timedelta(seconds=second), "a", "lookup") for second in seconds]
    found = code_events(table(con, events), zone=ZONE)
    hours = found.hours.order_by("hour").to_pyarrow()
    assert hours["lookups"].to_pylist() == [8, 1]
    assert hours["busiest_minute"].to_pylist() == [4, 1]
    assert found.signals.busiest_10_min.to_pyarrow().to_pylist() == [6]


@pytest.mark.parametrize(("rows", "most_looks"), [(100, 32), (30, 5)])
def test_shards_change_nothing(con: Backend, monkeypatch: pytest.MonkeyPatch, rows: int, most_looks: int) -> None:
    """Cut into shards of a few account-days, several set apart first where they are many, events give the same."""
    events = table(con, portal(12, 300))
    whole = code_events(events, zone=ZONE)
    n_shards: list[int] = []

    def watched(*arguments: Any, **asked: Any) -> Any:
        n_shards.append(asked["n_shards"])
        return shards(*arguments, **asked)

    shards = prepared._shards
    monkeypatch.setattr(prepared, "_shards", watched)
    monkeypatch.setattr(prepared, "SHARD_ROWS", rows)
    monkeypatch.setattr(prepared, "LARGEST_SHARD_ROWS", rows)
    monkeypatch.setattr(prepared, "MOST_LOOKS", most_looks)
    cut = code_events(events, zone=ZONE)
    assert (n_shards[0] > most_looks) == (rows == 30)
    for name, key in (("hours", ["place", "hour"]), ("signals", ["place"])):
        told, parts = (getattr(each, name).order_by(key).to_pyarrow() for each in (whole, cut))
        assert told.num_rows > 10
        assert parts.equals(told)


def test_no_event_gives_no_row(con: Backend) -> None:
    """Of no named account there is nothing to put in order."""
    nameless = event(datetime(2026, 3, 12, 9, tzinfo=UTC), None, "login", outcome="failure")
    found = code_events(table(con, [nameless]), zone=ZONE)
    assert not found.hours.to_pyarrow().num_rows
    assert not found.signals.to_pyarrow().num_rows


def test_account_days_that_fall_on_one_number_are_numbered_anew(con: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that two account-days share is noticed; with another salt they get two."""
    events = table(con, portal(3, 30))
    salts = []

    def colliding(rows: ibis.Table, *, salt: int) -> ibis.Value:
        salts.append(salt)
        return ibis.literal(1, "uint64") if salt == 0 else place_of(rows, salt=salt)

    place_of, numbers, groups = coded.place_of, coded._numbers, coded._groups
    monkeypatch.setattr(coded, "place_of", colliding)
    # Functions of their own, since a query is written once per function.
    monkeypatch.setattr(coded, "_numbers", functools.partial(numbers))
    monkeypatch.setattr(coded, "_groups", functools.partial(groups))
    found = code_events(events, zone=ZONE)
    assert found.salt == 1
    assert salts[0] == 0
    monkeypatch.setattr(coded, "MOST_SALTS", 1)
    with pytest.raises(DetectorError, match="a defect"):
        code_events(events, zone=ZONE)
