"""Queries written once: of a wide table's query, Ibis takes longer to write the SQL than DuckDB to run it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

WRITTEN_QUERIES = 512
"""Kept at most, one per function, settings and columns of its inputs; a run needs a few dozen."""


def hold(make: Callable[..., ir.Table], *inputs: ir.Table, **settings: Hashable) -> ir.Table:
    """Compute `make(*inputs, **settings)` and hold it until nothing refers to it any more, as `Table.cache` does.

    Parameters
    ----------
    make
        A function that must look at nothing but the schemas of its inputs and at its settings: on DuckDB it is called
        once for each, and what it returned is run again on the rows of later inputs. It makes no in-memory table.
    inputs
        Tables of one backend, in-memory tables among them.
    settings
        Whatever else `make` takes, the same from call to call: a value that changes every day belongs in a table.

    Returns
    -------
    ir.Table
        The rows, held by the backend.
    """
    con = _backend(inputs)
    if con.name != "duckdb":
        return make(*inputs, **settings).cache()
    query = _written(make, tuple(table.schema() for table in inputs), tuple(sorted(settings.items())))
    stored = [_stored(con, table) for table in inputs]
    given = ", ".join(f"{_name(i)} AS NOT MATERIALIZED ({_rows_of(con, table)})" for i, table in enumerate(stored))
    name = ibis.util.gen_name("held")
    con.raw_sql(f"CREATE TEMPORARY TABLE {_quoted(name)} AS WITH {given} {query.text}").fetchall()
    held = ops.DatabaseTable(name, query.schema, con, ops.Namespace(catalog="temp", database="main"))
    weakref.finalize(held, _drop, con, name).atexit = False
    return held.to_expr()


def hold_shards(
    compute: Callable[[pa.Table], tuple[pa.Table, ...]],
    rows: ir.Table,
    *,
    by: str,
    schemas: Callable[[pa.DataType], tuple[pa.Schema, ...]],
) -> list[ir.Table]:
    """Compute tables from rows by a function of Arrow tables, shard by shard, and hold them.

    Parameters
    ----------
    compute
        Makes the tables from some rows. It must give the same rows in all however the rows are cut into shards, if rows
        of one number stay together; it works in threads, or on Spark's executors.
    rows
        Held already.
    by
        A column of 64-bit hashes, which must stay together (on Spark, numbers spread like them).
    schemas
        Of the tables, for the type of that column.
    """
    con = _backend((rows,))
    n_rows = int(rows.aggregate(n=rows.count()).to_pyarrow()["n"][0].as_py())
    n_shards = max(1, min(-(-n_rows // SHARD_ROWS), MOST_LOOKS), n_rows // LARGEST_SHARD_ROWS)
    if con.name != "duckdb":
        made: list[ir.Table] = con.held_by_shard(compute, rows, by=by, n_shards=n_shards, schemas=schemas)
        return made
    n_threads = int(con.raw_sql("SELECT current_setting('threads')").fetchall()[0][0])
    found = in_threads(compute, _shards(con, rows, by=by, n_shards=n_shards), n_threads=n_threads)
    return [_store(con, ibis.memtable(pa.concat_tables(parts))).to_expr() for parts in zip(*found, strict=True)]


SHARD_ROWS, LARGEST_SHARD_ROWS = 500_000, 2_000_000
"""Rows of a shard, about: some 150 bytes each, while it is worked on, and each processor works on one."""
MOST_LOOKS = 32
"""Times that all rows are read, since each shard is looked for among them: of more shards, several are set apart."""


def _shards(con: BaseBackend, rows: ir.Table, *, by: str, n_shards: int) -> Iterator[pa.Table]:
    """The rows of each shard; there may be a few more of them than asked for."""
    n_parts = 1 if n_shards <= MOST_LOOKS else math.isqrt(n_shards)
    of_part = -(-n_shards // n_parts)
    ranges = list(_ranges(of_part * n_parts))
    for start in range(0, len(ranges), of_part):
        together = ranges[start : start + of_part]
        whole = (together[0][0], together[-1][1])
        apart = rows if n_parts == 1 else _store(con, _within(rows, by, whole)).to_expr()
        for each in together:
            yield con.to_pyarrow(_within(apart, by, each))


def _ranges(n: int) -> Iterator[tuple[int, int]]:
    """The first and the last number of each of `n` ranges that 64-bit numbers are cut into."""
    begins = [-(-(number << 64) // n) for number in range(n + 1)]
    return ((begin, end - 1) for begin, end in itertools.pairwise(begins))


def _within(rows: ir.Table, by: str, ends: tuple[int, int]) -> ir.Table:
    """Rows of a range: to compare takes a fraction of the time that the rest of a division takes."""
    first, last = (ibis.literal(end, "uint64") for end in ends)
    return rows.filter(rows[by].between(first, last))


def in_ranges(compute: Callable[[pa.Table], _Made], rows: ir.Table, *, by: str, range_rows: int) -> list[_Made]:
    """What a function makes of the rows in DuckDB, range by range of a column of 64-bit hashes, in threads.

    Parameters
    ----------
    compute
        Works in threads.
    rows
        Held already, or in files that lie in the order of `by`: row groups outside of the range are not read.
    by
        The column; rows of one number stay together.
    range_rows
        Rows of a range, about.
    """
    con = _backend((rows,))
    n_rows = int(rows.aggregate(n=rows.count()).to_pyarrow()["n"][0].as_py())
    asked = (_within(rows, by, ends) for ends in _ranges(max(1, -(-n_rows // range_rows))))
    n_threads = int(con.raw_sql("SELECT current_setting('threads')").fetchall()[0][0])
    return in_threads(compute, (con.to_pyarrow(part) for part in asked), n_threads=n_threads)


def in_threads(function: Callable[[_Given], _Made], given: Iterable[_Given], *, n_threads: int) -> list[_Made]:
    """`map` in threads, in order; of what is given, no more is taken beforehand than there are threads."""
    made: list[_Made] = []
    with ThreadPoolExecutor(n_threads) as pool:
        at_work: deque[Future[_Made]] = deque()
        for each in given:
            at_work.append(pool.submit(function, each))
            if len(at_work) > n_threads:
                made.append(at_work.popleft().result())
        made.extend(future.result() for future in at_work)
    return made


def _backend(inputs: tuple[ir.Table, ...]) -> BaseBackend:
    """The backend of the stored tables; in-memory tables go where these are."""
    stored = (found.source for table in inputs for found in table.op().find(ops.DatabaseTable))
    return next(stored, None) or inputs[0].get_backend()


class _Query(NamedTuple):
    """SQL over inputs under the names that `_name` gives them, and what it returns."""

    text: str
    schema: ibis.Schema


@functools.lru_cache(maxsize=WRITTEN_QUERIES)
def _written(
    make: Callable[..., ir.Table], schemas: tuple[ibis.Schema, ...], settings: tuple[tuple[str, Hashable], ...]
) -> _Query:
    """Write DuckDB's SQL for `make`, each column cast to what Ibis takes it for (a sum is wider there)."""
    made = make(*(ibis.table(schema, name=_name(i)) for i, schema in enumerate(schemas)), **dict(settings))
    defined = made.schema().to_sqlglot_column_defs("duckdb")
    columns = ", ".join(f"CAST({_quoted(c.name)} AS {c.kind.sql('duckdb')}) AS {_quoted(c.name)}" for c in defined)
    text = ibis.to_sql(made, dialect="duckdb", pretty=False)
    return _Query(f"SELECT {columns} FROM ({text})", made.schema())  # noqa: S608  # names are quoted


def _name(number: int) -> str:
    return f"input_{number}"


def _stored(con: BaseBackend, table: ir.Table) -> ir.Table:
    """The table with what it takes from this process's memory put into the backend's."""
    found = {each: _store(con, each.to_expr()) for each in table.op().find(ops.InMemoryTable)}
    return table.op().replace(found).to_expr() if found else table


def _store(con: BaseBackend, rows: ir.Table) -> ops.DatabaseTable:
    stored = con.create_table(ibis.util.gen_name("held"), rows, temp=True).op()
    weakref.finalize(stored, _drop, con, stored.name).atexit = False
    return stored


def _rows_of(con: BaseBackend, table: ir.Table) -> str:
    found = table.op()
    if type(found) is ops.DatabaseTable:
        place = (found.namespace.catalog, found.namespace.database, found.name)
        return "FROM " + ".".join(_quoted(part) for part in place if part)
    # A past is read by several queries, and Ibis takes longer to write it than that of a small portal takes to run.
    if found not in _COMPILED:
        _COMPILED[found] = str(con.compile(table))
    return _COMPILED[found]


_COMPILED: weakref.WeakKeyDictionary[ops.Node, str] = weakref.WeakKeyDictionary()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _drop(con: BaseBackend, name: str) -> None:
    """A connection that is closed has dropped its temporary tables itself."""
    with contextlib.suppress(duckdb.ConnectionException):
        con.raw_sql(f"DROP TABLE IF EXISTS temp.main.{_quoted(name)}").fetchall()
