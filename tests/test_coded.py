"""Events in numbers: account-days keep apart, and sums by sorting are those of grouping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from detector import coded
from detector.coded import code_events, crowded_bins, sum_by_sorting
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
    """Look-ups of one instant, and on both sides of a full minute, count in their minute; one alone is no crowd."""
    start = datetime(2026, 3, 12, 9, tzinfo=UTC)
    seconds = [0, 0, 30, 59, 60, 61, 600]
    events = [event(start + timedelta(seconds=second), "a", "lookup") for second in seconds]
    lookups = code_events(table(con, events), zone=ZONE).lookups
    minutes = crowded_bins(lookups, width_us=60 * 10**6).order_by("instant_us").to_pyarrow()
    assert minutes["n"].to_pylist() == [4, 2]
    assert minutes["instant_us"].to_pylist() == [
        lookups.instant_us.min().to_pyarrow().as_py() + s for s in (0, 60 * 10**6)
    ]


def test_account_days_that_fall_on_one_number_are_numbered_anew(con: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that two account-days share is noticed; with another salt they get two."""
    events = table(con, portal(3, 30))
    salts = []

    def colliding(rows: ibis.Table, *, salt: int) -> ibis.Value:
        salts.append(salt)
        return ibis.literal(1, "uint64") if salt == 0 else place_of(rows, salt=salt)

    place_of, places = coded.place_of, coded._places
    monkeypatch.setattr(coded, "place_of", colliding)
    # A function of its own, since a query is written once per function.
    monkeypatch.setattr(coded, "_places", lambda groups, *, salt: places(groups, salt=salt))
    found = code_events(events, zone=ZONE)
    assert found.salt == 1
    assert salts[0] == 0
    monkeypatch.setattr(coded, "MOST_SALTS", 1)
    with pytest.raises(DetectorError, match="a defect"):
        code_events(events, zone=ZONE)
