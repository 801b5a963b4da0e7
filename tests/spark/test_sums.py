"""Sums and signals of a few accounts' events on Spark, beside DuckDB's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
import pytest

from detector.aggregates import Aggregates, aggregate
from detector.coded import source_number
from detector.order import order_signals
from tests.portal_events import ZONE, portal, table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


def named(sums: Aggregates) -> list[ir.Table]:
    """Sums whose records tell the address and agent of their first event: each engine numbers these in its own way."""
    keys = ["account", "channel", "day"]
    sources = sums.sources.mutate(first_source=source_number(sums.sources))
    sources = sources.select(*keys, "first_source", "ip", "user_agent").distinct()
    records = sums.records.inner_join(sources, [*keys, "first_source"]).drop("first_source")
    return [sums.sources, records.select(*keys, "record", "first_at", "lookups", "ip", "user_agent"), sums.hours]


@pytest.mark.timeout(1200)
def test_sums_and_order_are_those_of_duckdb(session: SparkSession) -> None:
    """The same rows, whatever the shards: nulls among what is told, several sources, runs and guesses."""
    from detector.spark.backend import SparkBackend

    events = table(ibis.duckdb.connect(threads=1), portal(7, 200))
    on_spark = SparkBackend.of(session).create_table("few_events", events.to_pyarrow())
    ours, theirs = ([order_signals(rows, zone=ZONE), *named(aggregate(rows, zone=ZONE))] for rows in (events, on_spark))
    for expected, found in zip(ours, theirs, strict=True):
        rows = expected.to_pyarrow()
        assert rows.num_rows > 5
        # Spark's instants come without their zone, which is UTC.
        same = found.select(*rows.column_names).to_pyarrow().cast(rows.schema)
        assert sorted(map(str, same.to_pylist())) == sorted(map(str, rows.to_pylist()))
