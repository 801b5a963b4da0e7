"""Ibis on Spark as this package needs it: DuckDB's few own functions, held tables, and Arrow for what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import sqlglot.expressions as sge
from ibis.backends.pyspark import Backend as PySparkBackend
from ibis.backends.pyspark.datatypes import PySparkSchema, PySparkType
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.formats.pandas import PandasData
from ibis.util import gen_name
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - what everybody calls it
from pyspark.sql.pandas.types import from_arrow_schema

from detector.spark.functions import FUNCTIONS

CHECKPOINTS = "spark.checkpoint.dir"
"""Where Spark keeps held tables if that is set; else on the executors, and a lost executor ends the run."""


class SparkCompiler(PySparkCompiler):  # type: ignore[misc]
    """Ibis' compiler for Spark, with what DuckDB computes differently brought into line."""

    __slots__ = ()

    def visit_ScalarUDF(self, op: Any, **values: Any) -> Any:  # noqa: N802 - Ibis' name
        """DuckDB's own functions by what they are on Spark."""
        return FUNCTIONS[op.__func_name__](*values.values())

    def visit_NonNullLiteral(self, op: Any, *, value: Any, dtype: Any) -> Any:  # noqa: N802 - Ibis' name
        """Numbers with a point are double: Spark takes them for decimals, which round differently."""
        if dtype.is_floating():
            return self.cast(sge.convert(float(value)), dt.float64)
        return super().visit_NonNullLiteral(op, value=value, dtype=dtype)

    def visit_Cast(self, op: Any, *, arg: Any, to: Any) -> Any:  # noqa: N802 - Ibis' name
        """Spark's whole numbers all have a sign."""
        return super().visit_Cast(op, arg=arg, to=_with_sign(to))


def _with_sign(kind: dt.DataType) -> dt.DataType:
    return dt.Int64(nullable=kind.nullable) if kind.is_unsigned_integer() else kind


def _only(compute: Callable[[pa.Table], tuple[pa.Table, ...]], place: int) -> Callable[[pa.Table], pa.Table]:
    return lambda rows: compute(rows)[place]


class SparkBackend(PySparkBackend):  # type: ignore[misc]
    """A Spark session as an Ibis backend that holds tables as `detector.prepared.hold` and `Timeline` ask for."""

    compiler = SparkCompiler()

    @classmethod
    def of(cls, session: SparkSession) -> SparkBackend:
        """The backend of a session."""
        con = cls()
        con.register_options()
        con.do_connect(session)
        return con

    def frame(self, rows: ir.Table) -> DataFrame:
        """The rows as a DataFrame of Spark, not computed yet, of the types that Ibis takes them for."""
        self._run_pre_execute_hooks(rows)
        found = self.session.sql(self.compile(rows))
        wanted = {name: PySparkType.from_ibis(_with_sign(kind)) for name, kind in rows.schema().items()}
        return found.select(*(found[f"`{name}`"].cast(kind) for name, kind in wanted.items()))

    def table_of(self, frame: DataFrame) -> ir.Table:
        """A DataFrame of Spark as a table."""
        name = gen_name("frame")
        frame.createOrReplaceTempView(name)
        return self.table(name)

    def held(self, frame: DataFrame) -> DataFrame:
        """The rows computed now; later queries read them and do not repeat what led to them."""
        reliable = self.session.conf.get(CHECKPOINTS, None)
        return frame.checkpoint(eager=True) if reliable else frame.localCheckpoint(eager=True)

    def held_by_shard(
        self,
        compute: Callable[[pa.Table], tuple[pa.Table, ...]],
        rows: ir.Table,
        *,
        by: str,
        n_shards: int,
        schemas: Callable[[pa.DataType], tuple[pa.Schema, ...]],
    ) -> list[ir.Table]:
        """As `detector.prepared.hold_shards` says; one pass over the rows for each table that is made of them."""
        shards = self.frame(rows).groupBy(F.pmod(by, F.lit(n_shards)))
        return [
            self.table_of(self.held(shards.applyInArrow(_only(compute, place), from_arrow_schema(schema))))
            for place, schema in enumerate(schemas(pa.int64()))
        ]

    @property
    def session(self) -> SparkSession:
        """The session."""
        found: SparkSession = self._session
        return found

    def create_table(
        self, name: str, /, obj: Any = None, *, schema: Any = None, temp: bool | None = None, **_rest: Any
    ) -> ir.Table:
        """A temporary view of the rows given, or of none: nothing is stored in the cluster's catalogue."""
        if obj is None:
            frame = self.session.createDataFrame([], schema=PySparkSchema.from_ibis(ibis.schema(schema)))
        else:
            rows = obj if isinstance(obj, ir.Table) else ibis.memtable(obj)
            frame = self.held(self.frame(rows))
        frame.createOrReplaceTempView(name)
        return self.table(name)

    def insert(self, name: str, /, obj: ir.Table, **_rest: Any) -> None:
        """Add rows to a table that `create_table` made."""
        before = self.session.table(name)
        self.held(before.unionByName(self.frame(obj))).createOrReplaceTempView(name)

    def read_parquet(self, paths: str | Sequence[str], /, *, table_name: str | None = None, **_rest: Any) -> ir.Table:
        """Parquet files that the executors can reach, with all columns that any of them has."""
        listed = [paths] if isinstance(paths, str) else list(paths)
        name = table_name or gen_name("read")
        self.session.read.option("mergeSchema", "true").parquet(*listed).createOrReplaceTempView(name)
        return self.table(name)

    def execute(self, expr: ir.Expr, /, **settings: Any) -> Any:
        """The rows as pandas has them, by way of Arrow as on DuckDB."""
        table = expr.as_table()
        found = self._arrow(table, **settings)
        columns = {
            name: column.to_pylist() if pa.types.is_nested(column.type) or column.null_count else column.to_pandas()
            for name, column in zip(found.column_names, found.columns, strict=True)
        }
        return expr.__pandas_result__(PandasData.convert_table(pd.DataFrame(columns), table.schema()))

    def to_pyarrow(self, expr: ir.Expr, /, **settings: Any) -> Any:
        """The rows as Arrow has them."""
        table = expr.as_table()
        return expr.__pyarrow_result__(self._arrow(table, **settings).cast(table.schema().to_pyarrow()))

    def _arrow(self, rows: ir.Table, **settings: Any) -> pa.Table:
        self._run_pre_execute_hooks(rows)
        settings.pop("chunk_size", None)
        return self.session.sql(self.compile(rows, **settings)).toArrow()

    def _register_udfs(self, expr: ir.Expr) -> None:
        """There are none: what `FUNCTIONS` names is Spark's own."""

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        self.session.createDataFrame(op.data.to_pyarrow(op.schema)).createOrReplaceTempView(op.name)

    def _create_cached_table(self, name: str, expr: ir.Table) -> ir.Table:
        frame = self.held(self.frame(expr))
        frame.createOrReplaceTempView(name)
        self._cached_dataframes[name] = frame
        return self.table(name)

    def _drop_cached_table(self, name: str) -> None:
        """What is not referred to any more, Spark clears away itself; a session that has ended holds nothing."""
        self._cached_dataframes.pop(name, None)
        with suppress(Exception):
            self.session.catalog.dropTempView(name)
