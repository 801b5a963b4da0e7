"""One day → scores on the executors; the driver sees whom anybody looks at, and how many there are of the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812 - what everybody calls it
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from detector.alerting import BUDGET_ACCOUNTS, MIN_ACCUMULATED, busiest_day
from detector.campaigns import MIN_MEMBERS, join_accounts, shared_sources
from detector.checks import run_checks
from detector.coded import ACCOUNT_DAY
from detector.deviations import NAMES
from detector.early import EARLY, early_alerts
from detector.errors import ModelError
from detector.model.kept import Model
from detector.scoring import DEEDS, SCORES, ScoreSettings, explain_rows, measure, to_scores
from detector.spark.backend import SparkBackend
from detector.spark.judging import Batches, judge, with_columns
from detector.timeline import Timeline

MEASURES = ("score", "strangeness", "tail_sum", "forest", "accumulated", "largest_tail", "plain_sum")
MARKS = pa.schema([("account", pa.string()), ("alert", pa.bool_()), ("queue", pa.string())])
FINDINGS = ("checks", "campaign", "campaign_p_value")
TOLD = ("alert", "queue", "reasons", "contributions", "unremarkable_without")
"""Columns of `SCORES` that the driver fills in, for those that anybody looks at."""


class DayScored(NamedTuple):
    """What scoring a day found.

    Attributes
    ----------
    rows
        `SCORES` of all accounts, on the cluster, computed, by rank.
    n_accounts
        How many there are.
    told
        `SCORES` of those in a queue and of the strangest, here.
    early
        `EARLY`.
    fired
        Deterministic checks that fired.
    queued
        Accounts in a queue before anything was excused.
    alerted
        Account-days (account, day) that alerted before anything was excused.
    """

    rows: DataFrame
    n_accounts: int
    told: pd.DataFrame
    early: pd.DataFrame
    fired: pd.DataFrame
    queued: set[str]
    alerted: pd.DataFrame


def score_day(
    timeline: Timeline,
    model: Model,
    day: date,
    *,
    settings: ScoreSettings,
    queued: set[str],
    excuse: Callable[[pd.DataFrame], pd.DataFrame],
) -> DayScored:
    """Score one day of the timeline's input, as `detector.scoring` does on one machine.

    Parameters
    ----------
    timeline
        Days, on Spark.
    model
        Goes to the executors.
    day
        The day.
    settings
        How.
    queued
        Accounts that were in a queue on the days before.
    excuse
        Takes rows that people explained out of their queues.

    Raises
    ------
    ModelError
        If the model needs a deviation that there is not.
    """
    con: SparkBackend = timeline.con
    rows = con.held(_strangest_channel(_measured(timeline, model, day)))
    n_accounts = rows.count()
    calibration = model.calibration.iloc[:0] if model.cold else model.calibration
    n_tests = max(n_accounts, busiest_day(calibration))
    judged = judge(rows, calibration, settings=settings.alerts, hold=con.held)
    fired = run_checks(timeline.account_days(day), timeline.events_of(day), names=settings.checks)
    marks = _add_checks(judged.told.assign(checks=None), fired, judged.rows)
    marks = _add_campaigns(marks, judged.rows, timeline, day, settings)
    marks = _add_slow(marks, judged.rows, n_accounts=n_accounts, queued=queued, settings=settings)
    ranked = con.held(_rank(judged.rows, marks, hold=con.held))
    wanted = F.col("alert") | F.col("queue").isNotNull() | (F.col("rank") <= settings.explained)
    told = _to_pandas(ranked.filter(wanted)).sort_values("rank", ignore_index=True)
    told = explain_rows(timeline, model, told, day, settings=settings, n_accounts=n_tests)
    explained = excuse(to_scores(told))
    early: pd.DataFrame = EARLY.empty().to_pandas()
    if not model.cold:
        early = early_alerts(timeline, day, n_accounts=n_tests, settings=settings.alerts)
    return DayScored(
        rows=con.held(_finish(ranked, explained, model)),
        n_accounts=n_accounts,
        told=explained,
        early=early,
        fired=fired,
        queued=set(told.loc[told["queue"].notna(), "account"]),
        alerted=told.loc[told["alert"], ["account", "day"]],
    )


def _measured(timeline: Timeline, model: Model, day: date) -> DataFrame:
    """Signals and deviations of the account-days that are to be scored, with their strangeness."""
    missing = [name for name in model.columns if name not in NAMES]
    if missing:
        raise ModelError(f"model {model.version} needs {', '.join(missing[:3])}…, which these deviations do not have")
    rows = timeline.deviations(day).inner_join(timeline.account_days(day), ACCOUNT_DAY)
    frame: DataFrame = timeline.con.frame(_without_strangers(rows, timeline.past(day).account_days))
    sent = replace(model, calibration=model.calibration.iloc[:0], set_aside=model.set_aside.iloc[:0])

    def each(batches: Batches) -> Batches:
        for batch in batches:
            found = measure(batch.to_pandas(), sent)
            yield with_columns(batch, {name: found[name].to_numpy() for name in ("kind", *MEASURES)})

    added = [StructField("kind", StringType()), *(StructField(name, DoubleType()) for name in MEASURES)]
    return frame.mapInArrow(each, StructType([*frame.schema.fields, *added]))


def _without_strangers(rows: ir.Table, past: ir.Table) -> ir.Table:
    """As in `detector.scoring`: names that only ever failed to sign in are left out."""
    did = ibis.or_(*(rows[name].fill_null(0) > 0 for name in DEEDS))
    known = past.filter(ibis.or_(*(past[name].fill_null(0) > 0 for name in DEEDS))).select("account").distinct()
    return rows.filter(did).union(rows.filter(~did).semi_join(known, "account"))


def _strangest_channel(rows: DataFrame) -> DataFrame:
    place = F.row_number().over(Window.partitionBy("account").orderBy(F.desc("strangeness"), "channel"))
    return rows.withColumn("place", place).filter("place = 1").drop("place")


def _add_checks(marks: pd.DataFrame, fired: pd.DataFrame, rows: DataFrame) -> pd.DataFrame:
    """A check that fires alerts on its own, if the account is scored."""
    by_account = fired.dropna(subset="account").groupby("account")["check"]
    names = by_account.agg(lambda found: sorted(set(found)))
    scored = list(_of_accounts(rows, list(names.index))["account"])
    names = names[names.index.isin(scored)]
    marks = _with_accounts(marks, names.index)
    is_fired = marks["account"].isin(names.index)
    only = is_fired & ~marks["alert"]
    checks = pd.Series([names.get(account) for account in marks["account"]], index=marks.index, dtype="object")
    return marks.assign(checks=checks, queue=marks["queue"].where(~only, "check"), alert=marks["alert"] | is_fired)


def _add_campaigns(
    marks: pd.DataFrame, rows: DataFrame, timeline: Timeline, day: date, settings: ScoreSettings
) -> pd.DataFrame:
    """Accounts that share rare sources, or began at one moment, alert together, though some would not alone."""
    con: SparkBackend = timeline.con
    alerted = con.session.createDataFrame(pa.Table.from_pandas(marks.loc[marks["alert"], ["account"]], _ACCOUNTS))
    asks_strangers = F.col("lone_strangers").isNull() | (F.col("lone_strangers") > 0)
    small = rows.filter((F.col("p_value") <= settings.campaigns.near) & asks_strangers)
    at_once = (F.col("p_value") <= settings.campaigns.near_at_once).alias("at_once")
    flags = ("at_once", "alerted")
    both = small.select("account", at_once, F.lit(False).alias("alerted")).union(
        alerted.withColumns(dict.fromkeys(flags, F.lit(True)))
    )
    near = con.held(both.groupBy("account").agg(*(F.max(flag).alias(flag) for flag in flags)))
    if near.count() < MIN_MEMBERS:
        return marks.assign(campaign=None, campaign_p_value=None)
    sources, past = timeline.sources(day), timeline.past(day).sources
    uses = shared_sources(sources, past, con.table_of(near), settings=settings.campaigns)
    members = _of_accounts(rows, sorted(set(uses["account"]))).assign(alert=True)
    found = join_accounts(members, uses).set_index("account")
    marks = _with_accounts(marks, found.index)
    joined = marks["account"].isin(found.index)
    told = found[["campaign", "pooled_p_value"]].astype("object").reindex(marks["account"]).set_index(marks.index)
    queue = marks["queue"].where(marks["alert"] | ~joined, "main")
    return marks.assign(
        campaign=told["campaign"],
        campaign_p_value=told["pooled_p_value"],
        queue=queue,
        alert=marks["alert"] | joined,
    )


_ACCOUNTS = pa.schema([("account", pa.string())])


def _of_accounts(rows: DataFrame, accounts: list[str]) -> pd.DataFrame:
    asked = rows.sparkSession.createDataFrame(pa.table({"account": pa.array(accounts, pa.string())}))
    return _to_pandas(rows.join(F.broadcast(asked), "account").select("account", "day", "p_value"))


def _with_accounts(marks: pd.DataFrame, accounts: pd.Index) -> pd.DataFrame:
    """Marks of these accounts as well."""
    more = [account for account in accounts if account not in set(marks["account"])]
    if not more:
        return marks
    return pd.concat([marks, pd.DataFrame({"account": more, "alert": False, "queue": None})], ignore_index=True)


def _add_slow(
    marks: pd.DataFrame, rows: DataFrame, *, n_accounts: int, queued: set[str], settings: ScoreSettings
) -> pd.DataFrame:
    """As `detector.alerting.queue_slow`: those that accumulated most, as far as the budget goes."""
    places = math.ceil(settings.alerts.budget * n_accounts / BUDGET_ACCOUNTS)
    taken = [*queued, *marks.loc[marks["queue"].notna(), "account"]]
    others = rows.sparkSession.createDataFrame(pa.table({"account": pa.array(taken, pa.string())}))
    free = rows.filter(F.col("accumulated") >= MIN_ACCUMULATED).join(F.broadcast(others), "account", "left_anti")
    chosen = free.orderBy(F.desc("accumulated"), F.desc("strangeness"), "account").limit(places).select("account")
    slow = set(_to_pandas(chosen)["account"])
    marks = _with_accounts(marks, pd.Index(sorted(slow)))
    return marks.assign(queue=marks["queue"].where(~marks["account"].isin(slow), "budget"))


def _rank(rows: DataFrame, marks: pd.DataFrame, *, hold: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """Alerts first, then by strangeness: sorted by ranges, each of which is numbered on from those before it."""
    session = rows.sparkSession
    schema = pa.schema([*MARKS, *(SCORES.arrow.field(name) for name in FINDINGS)])
    known = session.createDataFrame(_to_arrow(marks, schema))
    marked = rows.join(F.broadcast(known), "account", "left").withColumn("alert", F.coalesce("alert", F.lit(False)))
    order = [F.desc("alert"), F.desc("strangeness"), F.col("account")]
    ranged = marked.repartitionByRange(*order).sortWithinPartitions(*order)
    parts = hold(ranged.withColumn("part", F.spark_partition_id()))
    sizes = {row["part"]: row["count"] for row in parts.groupBy("part").count().collect()}
    before = {part: sum(n for other, n in sizes.items() if other < part) for part in sizes}

    def each(batches: Batches) -> Batches:
        so_far = dict(before)
        for batch in batches:
            ranks = []
            for part in batch.column("part").to_pylist():
                so_far[part] += 1
                ranks.append(so_far[part])
            yield pa.RecordBatch.from_arrays(
                [*batch.columns, pa.array(ranks, pa.int64())], [*batch.schema.names, "rank"]
            )

    return parts.mapInArrow(each, StructType([*parts.schema.fields, StructField("rank", LongType())])).drop("part")


def _finish(ranked: DataFrame, told: pd.DataFrame, model: Model) -> DataFrame:
    """All columns of `SCORES`; who is not told of is in no queue, and has no reasons."""
    schema = pa.schema([SCORES.arrow.field(name) for name in ("account", *TOLD)])
    known = ranked.sparkSession.createDataFrame(_to_arrow(told, schema))
    rows = ranked.drop(*TOLD).join(F.broadcast(known), "account", "left")
    kinds = {field.name: field.dataType for field in from_arrow_schema(SCORES.arrow).fields}
    filled = {
        "alert": F.coalesce("alert", F.lit(False)),
        "reasons": F.coalesce("reasons", F.array().cast(kinds["reasons"])),
        "contributions": F.coalesce("contributions", F.array().cast(kinds["contributions"])),
        "unremarkable_without": F.coalesce("unremarkable_without", F.array().cast(kinds["unremarkable_without"])),
        "model_version": F.lit(model.version),
        "cold": F.lit(model.cold),
    }
    return rows.select(*(filled.get(name, F.col(name)).cast(kind).alias(name) for name, kind in kinds.items()))


def _to_arrow(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Rows for the cluster; pandas has NaN where nothing is known, and lists as arrays."""
    columns = {
        field.name: pa.array([None if _unknown(value) else value for value in rows[field.name].tolist()], field.type)
        for field in schema
    }
    return pa.table(columns)


def _unknown(value: Any) -> bool:
    return value is None or (bool(pd.api.types.is_scalar(value)) and bool(pd.isna(value)))


def _to_pandas(rows: DataFrame) -> pd.DataFrame:
    found: pd.DataFrame = rows.toArrow().to_pandas()
    return found
