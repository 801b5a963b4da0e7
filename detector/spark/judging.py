"""Strangeness → p-values and what they tell, on the executors: the driver sees counts, and who is told of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - what everybody calls it
from pyspark.sql.types import DoubleType, StructField, StructType

from detector.alerting import (
    FIRST_BATCHES,
    KNOWN,
    ODD_SHARE,
    AlertSettings,
    busiest_day,
    conformal_p_values,
    discovery_level,
    inflation,
    is_enough,
    p_values_of,
)

Floats = NDArray[np.float64]
Batches = Iterator[pa.RecordBatch]
AMONG_ALL = "p_among_all"
"""P-value among the past account-days of every kind, for kinds of which too few were seen."""


class Judged(NamedTuple):
    """`rows` with `p_value` (null without enough calibration), and who that tells of: `account`, `alert`, `queue`."""

    rows: DataFrame
    told: pd.DataFrame


def judge(
    rows: DataFrame, calibration: pd.DataFrame, *, settings: AlertSettings, hold: Callable[[DataFrame], DataFrame]
) -> Judged:
    """What `detector.alerting.judge_day` says, of as many account-days as a cluster holds.

    Parameters
    ----------
    rows
        One row per account of a day with `account`, `kind` and `strangeness`.
    calibration
        Past account-days.
    settings
        Rates.
    hold
        Computes rows and keeps them.
    """
    past = {str(kind): part["strangeness"].to_numpy() for kind, part in calibration.groupby("kind")}
    everyone = calibration["strangeness"].to_numpy()
    n_of = {row["kind"]: int(row["count"]) for row in rows.groupBy("kind").count().collect()}
    enough = [k for k, n in n_of.items() if is_enough(len(past.get(k, ())), n_rows=n, settings=settings)]
    reviewed = [k for k in n_of if k not in enough and k != KNOWN] if len(everyone) else []
    told_apart = {k: values for k, values in past.items() if len(values) >= settings.min_calibration}
    measured = hold(_with_p_values(rows, told_apart, everyone if reviewed else everyone[:0], settings))
    judged = measured.withColumn("p_value", _widened(measured))
    n_tests = max(sum(n_of[kind] for kind in enough), busiest_day(calibration))
    told = [_discovered(judged, "p_value", enough, settings, n=n_tests)]
    told += [_discovered(judged, AMONG_ALL, [kind], settings, n=n_of[kind]) for kind in reviewed]
    found = pd.concat([part.assign(reviewed=n > 0) for n, part in enumerate(told)], ignore_index=True)
    waits = found["reviewed"] | (found["kind"] == FIRST_BATCHES)
    found = found.assign(alert=~waits, queue=found["kind"].where(waits, "main"))
    return Judged(judged.drop(AMONG_ALL), found[["account", "alert", "queue"]])


def _with_p_values(rows: DataFrame, past: Mapping[str, Floats], everyone: Floats, settings: AlertSettings) -> DataFrame:
    ordered = {kind: np.sort(values) for kind, values in past.items()}
    every = np.sort(everyone)

    def each(batches: Batches) -> Batches:
        for batch in batches:
            kinds, strangeness = (batch.column(name).to_pandas().to_numpy() for name in ("kind", "strangeness"))
            found, among_all = np.full(len(batch), np.nan), np.full(len(batch), np.nan)
            for kind in set(kinds) & set(ordered):
                of_kind = kinds == kind
                found[of_kind] = p_values_of(kind, strangeness[of_kind], ordered, settings=settings)
            if len(every):
                among_all = conformal_p_values(strangeness, every)
            yield with_columns(batch, {"p_value": found, AMONG_ALL: among_all})

    added = [StructField(name, DoubleType()) for name in ("p_value", AMONG_ALL)]
    return rows.mapInArrow(each, StructType([*rows.schema.fields, *added]))


def with_columns(batch: pa.RecordBatch, columns: Mapping[str, Floats | NDArray[np.str_]]) -> pa.RecordBatch:
    """A batch with columns added; what is no number is null."""
    arrays = [pa.Array.from_pandas(pd.Series(values)) for values in columns.values()]
    return pa.RecordBatch.from_arrays([*batch.columns, *arrays], names=[*batch.schema.names, *columns])


def _widened(rows: DataFrame) -> Column:
    """P-values, larger where too many of their kind are small."""
    shares = rows.groupBy("kind").agg(
        F.sum((F.col("p_value") <= ODD_SHARE).cast("long")).alias("n_small"),
        F.count("p_value").alias("n"),
    )
    found = {row["kind"]: inflation(row["n_small"] / row["n"]) for row in shares.collect() if row["n"]}
    widened = F.col("p_value")
    for kind, times in found.items():
        widened = F.when(F.col("kind") == kind, F.least(F.col("p_value") * times, F.lit(1.0))).otherwise(widened)
    return widened


def _discovered(rows: DataFrame, column: str, kinds: list[str], settings: AlertSettings, *, n: int) -> pd.DataFrame:
    """Account and kind of those whose p-value is small enough among `n`, all kinds tested together."""
    tested = rows.filter(F.col("kind").isin(kinds)) if kinds else rows.limit(0)
    level = discovery_level(
        lambda most: tested.filter(F.col(column) <= most).count(),
        n=n,
        rate=settings.false_discovery_rate,
    )
    found: pd.DataFrame = tested.filter(F.col(column) <= level).select("account", "kind").toArrow().to_pandas()
    return found
