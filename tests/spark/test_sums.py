"""Sums and signals of a few accounts' events on Spark, beside DuckDB's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import pytest

from detector.aggregates import aggregate
from detector.order import order_signals
from tests.portal_events import ZONE, portal, table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


@pytest.mark.timeout(1200)
def test_sums_and_order_are_those_of_duckdb(session: SparkSession) -> None:
    """The same rows, whatever the shards: nulls among what is told, several sources, runs and guesses."""
    from detector.spark.backend import SparkBackend

    events = table(ibis.duckdb.connect(threads=1), portal(7, 200))
    on_spark = SparkBackend.of(session).create_table("few_events", events.to_pyarrow())
    ours, theirs = ([order_signals(rows, zone=ZONE), *aggregate(rows, zone=ZONE)] for rows in (events, on_spark))
    for expected, found in zip(ours, theirs, strict=True):
        rows = expected.to_pyarrow()
        assert rows.num_rows > 5
        # Spark's instants come without their zone, which is UTC.
        same = found.select(*rows.column_names).to_pyarrow().cast(rows.schema)
        assert sorted(map(str, same.to_pylist())) == sorted(map(str, rows.to_pylist()))
