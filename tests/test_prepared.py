from __future__ import annotations

import gc

import ibis
import ibis.expr.types as ir
import pytest
from ibis.backends.duckdb import Backend

from detector.prepared import hold

CALLS: list[int] = []
"""How often `doubled` was called."""


def doubled(rows: ir.Table, *, times: int) -> ir.Table:
    """A query that counts how often it is written."""
    CALLS.append(times)
    return rows.group_by("name").aggregate(total=(rows.value * times).sum())


def joined(left: ir.Table, right: ir.Table) -> ir.Table:
    """A query of two tables."""
    return left.join(right, "name").select("name", both=left.value + right.value)


def store(con: Backend, **values: int) -> ir.Table:
    """Names and values as a table of the backend."""
    data = {"name": list(values), "value": list(values.values())}
    return con.create_table(ibis.util.gen_name("t"), data, temp=True)


def test_a_query_is_written_once_and_run_on_each_input(con: Backend) -> None:
    """Inputs of one schema share the query, settings do not."""
    CALLS.clear()
    first, second = (hold(doubled, store(con, a=value), times=21) for value in (1, 2))
    assert [rows.to_pyarrow().to_pylist() for rows in (first, second)] == [
        [{"name": "a", "total": 21}],
        [{"name": "a", "total": 42}],
    ]
    hold(doubled, store(con, a=1), times=22)
    assert CALLS == [21, 22]


def test_a_column_has_the_type_that_was_told(con: Backend) -> None:
    """DuckDB sums integers into wider ones; what is held is what the expression says."""
    held = hold(doubled, store(con, a=1), times=2)
    assert held.schema()["total"].is_int64()
    assert held.to_pyarrow().schema.field("total").type == "int64"


def test_any_expression_and_memory_are_inputs(con: Backend) -> None:
    """Filtered tables, and tables in this process's memory, go in as stored ones do."""
    stored = store(con, a=1, b=2)
    in_memory = ibis.memtable({"name": ["b", "a"], "value": [10, 20]})
    held = hold(joined, stored.filter(stored.value > 1), in_memory)
    assert held.to_pyarrow().to_pylist() == [{"name": "b", "both": 12}]


def test_what_nothing_refers_to_is_dropped(con: Backend) -> None:
    """Held rows go with the last table that is made of them."""
    held = hold(doubled, store(con, a=1), times=2)
    later = held.filter(held.total > 1)
    del held
    gc.collect()
    assert len(held_tables(con)) == 1
    del later
    gc.collect()
    assert not held_tables(con)


def test_a_name_with_a_quote_is_a_name(con: Backend) -> None:
    """What a table is called never becomes SQL."""
    odd = con.create_table('odd" name', {"name": ["a"], "value": [3]}, temp=True)
    assert hold(doubled, odd, times=2).to_pyarrow().to_pylist() == [{"name": "a", "total": 6}]


def test_a_closed_connection_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that outlive their connection are gone with it."""
    errors: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", errors.append)
    con = ibis.duckdb.connect()
    held = hold(doubled, store(con, a=1), times=2)
    con.disconnect()
    del held
    gc.collect()
    assert not errors


def held_tables(con: Backend) -> set[str]:
    """Names of tables that are held."""
    found = con.raw_sql("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%held%'").fetchall()
    return {name for (name,) in found}
