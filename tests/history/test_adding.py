"""Rows in the order of their key are added up as they pass by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from detector.aggregates import aggregate, hold_touches
from detector.coded import code_events
from detector.history.adding import add_up
from detector.history.tables import write_rows
from detector.schema import ACCOUNT_RECORDS
from tests.portal_events import DEEDS, SEEDS, ZONE, event, portal, table

KEY = list(ACCOUNT_RECORDS.key)


@pytest.fixture(scope="module")
def con() -> Iterator[Backend]:
    """One DuckDB for all examples."""
    backend = ibis.duckdb.connect(threads=1)
    yield backend
    backend.disconnect()


def _touches(events: ibis.Table) -> ibis.Table:
    return hold_touches(events, code_events(events, zone=ZONE)).records


@settings(deadline=None, max_examples=8)  # the first example writes the queries
@given(seed=SEEDS, n_deeds=DEEDS, batch_rows=st.integers(1, 50))
def test_touches_add_up_to_the_sums_of_the_engine(con: Backend, seed: int, n_deeds: int, batch_rows: int) -> None:
    """However the rows are cut into batches, each key has one row, in order, with what grouping gives."""
    events = table(con, portal(seed, n_deeds))
    expected = aggregate(events, zone=ZONE).records.order_by(KEY).to_pyarrow().cast(ACCOUNT_RECORDS.arrow)
    rows = _touches(events).order_by(KEY).to_pyarrow().cast(ACCOUNT_RECORDS.arrow)
    found = list(add_up(iter(rows.to_batches(max_chunksize=batch_rows)), ACCOUNT_RECORDS))
    assert pa.concat_tables([ACCOUNT_RECORDS.empty(), *found]).to_pylist() == expected.to_pylist()


def test_no_row_adds_up_to_none() -> None:
    """Without rows, and of an empty batch, there is nothing."""
    empty = pa.RecordBatch.from_pylist([], schema=ACCOUNT_RECORDS.arrow)
    assert list(add_up(iter([]), ACCOUNT_RECORDS)) == list(add_up(iter([empty]), ACCOUNT_RECORDS)) == []


def test_account_records_are_written_once_each(con: Backend, tmp_path: Path) -> None:
    """Three look-ups of one record are one row of the file; the source is the one of the first."""
    start = datetime(2026, 3, 12, 9, tzinfo=UTC)
    deeds = [event(start + timedelta(hours=n), "a", "lookup", record="r", ip=f"10.0.0.{9 - n}") for n in (2, 0, 1)]
    events = table(con, [*deeds, event(start, "a", "lookup", record="s")])
    assert write_rows(_touches(events), tmp_path / "file", table=ACCOUNT_RECORDS, con=con) == 2
    found = pq.read_table(tmp_path / "file")
    assert found["lookups"].to_pylist() == [3, 1]
    first = _touches(events).filter(lambda rows: rows.record == "r").order_by("first_at").to_pyarrow()
    assert found["first_source"][0] == first["first_source"][0]
