"""Files of tables: the same rows give the same bytes, however a query was run."""

from __future__ import annotations

from pathlib import Path

import ibis
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend

from detector.history.tables import TABLES, read_rows, write_rows

ROWS = 150_000
SOURCES = TABLES["account_sources"]


def _rows(con: Backend, order: str) -> ibis.Table:
    """More rows than one row group holds, in the order of an expression."""
    query = f"""
        CREATE VIEW made AS
        SELECT 'a' || i AS account, 'portal' AS channel, DATE '2026-03-01' AS day, NULL::VARCHAR AS ip,
               CASE WHEN i % 3 = 0 THEN 'Firefox' END AS user_agent, NULL::VARCHAR AS auth_mode, 1::BIGINT AS logins,
               0::BIGINT AS failures, i AS lookups, 0::BIGINT AS writes, 0::BIGINT AS resets,
               TIMESTAMPTZ '2026-03-01 12:00:00+00' AS first_at, TIMESTAMPTZ '2026-03-01 12:00:00+00' AS last_at
        FROM range({ROWS}) AS r(i) ORDER BY {order}
    """  # noqa: S608
    con.raw_sql(query).fetchall()
    return con.table("made")


def test_bytes_depend_on_rows_alone(tmp_path: Path) -> None:
    """Another order, number of threads, zone of the session and way through a file give the same bytes."""
    one, two = ibis.duckdb.connect(threads=1), ibis.duckdb.connect(threads=2)
    two.raw_sql("SET TimeZone = 'America/Cayenne'").fetchall()
    write_rows(_rows(one, "i"), tmp_path / "one", table=SOURCES, con=one)
    write_rows(_rows(two, "hash(i)"), tmp_path / "two", table=SOURCES, con=two)
    again = read_rows([str(tmp_path / "one")], table=SOURCES, con=two)
    write_rows(again, tmp_path / "again", table=SOURCES, con=two)
    one.disconnect()
    two.disconnect()
    content = {(tmp_path / name).read_bytes() for name in ("one", "two", "again")}
    assert len(content) == 1
    with pq.ParquetFile(tmp_path / "one") as file:
        assert file.metadata.num_row_groups == 2
        assert file.metadata.num_rows == ROWS
        assert file.schema_arrow.equals(SOURCES.arrow)


def test_no_row_is_a_file_too(tmp_path: Path, con: Backend) -> None:
    """A table without a row is written and read with its columns."""
    assert write_rows(ibis.memtable(SOURCES.empty()), tmp_path / "none", table=SOURCES, con=con) == 0
    found = read_rows([str(tmp_path / "none")], table=SOURCES, con=con).to_pyarrow()
    assert found.num_rows == 0
    assert found.schema.names == list(SOURCES.names)
    assert found.schema.types == SOURCES.arrow.types


def test_column_that_was_added_later_is_null(tmp_path: Path, con: Backend) -> None:
    """A file of before a column was added is read with nulls there."""
    old = SOURCES.arrow.remove(SOURCES.arrow.get_field_index("resets")).empty_table()
    pq.write_table(old, tmp_path / "old")
    write_rows(_rows(con, "i").limit(2), tmp_path / "new", table=SOURCES, con=con)
    found = read_rows([str(tmp_path / "old")], table=SOURCES, con=con)
    assert tuple(found.columns) == SOURCES.names
    both = read_rows([str(tmp_path / "old"), str(tmp_path / "new")], table=SOURCES, con=con)
    assert both.to_pyarrow()["resets"].to_pylist() == [0, 0]
