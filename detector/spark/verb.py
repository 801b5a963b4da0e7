"""`detector score --engine spark`: canonical events in, scores written by the executors, alerts by the driver."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from detector.alerts import build_alerts, find_evidence
from detector.early import EARLY
from detector.errors import ConfigError
from detector.ledger import Recorded, excuse, to_rows
from detector.model.kept import Model
from detector.novelty import PAST_DAYS
from detector.output.files import RUN, versions, write_table
from detector.output.folders import whole_folder
from detector.output.ocsf import to_jsonl
from detector.output.rows import plain
from detector.settings import Settings
from detector.spark.backend import SparkBackend
from detector.spark.events import read_events
from detector.spark.scoring import DayScored, score_day
from detector.timeline import Timeline
from detector.workspace import Workspace, ledger_of, workspace

FORMAT = 1
Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class ClusterScored:
    """What a run on Spark found; the scores of all accounts are in the folder that it wrote.

    Attributes
    ----------
    scores
        `SCORES` of those in a queue and of the strangest of each day.
    early
        `EARLY`.
    fired
        Deterministic checks that fired.
    alerts
        `ALERTS`.
    n_accounts
        Accounts that were scored, by day.
    warnings
        What the user should know.
    """

    scores: pd.DataFrame
    early: pd.DataFrame
    fired: pd.DataFrame
    alerts: pd.DataFrame
    n_accounts: dict[date, int]
    warnings: tuple[str, ...]


def score_on_spark(
    paths: Sequence[str],
    *,
    session: SparkSession,
    out: Path,
    days: Sequence[date] = (),
    settings: Settings | None = None,
    started_with: Sequence[str] = (),
    now: datetime | None = None,
    progress: Progress | None = None,
) -> ClusterScored:
    """Score the days of canonical events on a cluster, oldest first.

    Parameters
    ----------
    paths
        See `detector.spark.events.read_events`.
    session
        Of Spark.
    out
        Where results go; executors write `scores.parquet` there, so they must reach the folder under the same name.
    days
        The days to score; none: all in the events.
    settings
        None: the defaults. A history is read by the executors, under the same name.
    started_with, now
        For `run.json`.
    progress
        Told what is being done.

    Raises
    ------
    ConfigError
        If a day is not in the events, or the folder holds other things.
    ReadError, SchemaError, HistoryError, ModelError
        If events, history or model cannot be used.
    """
    chosen = settings or Settings()
    tell = progress or _silent
    with workspace(chosen) as own, whole_folder(out, mark=RUN) as folder:
        place = replace(own, con=SparkBackend.of(session))
        tell("checking the events", None)
        events = read_events(place.con, paths)
        held, fitted = place.history(), place.model()
        tell("summing up", None)
        timeline = place.timeline(held, events=events, model=fitted)
        wanted = _chosen(timeline, days)
        if held is not None:
            held.require_fresh(wanted[0] - timedelta(days=PAST_DAYS), wanted[-1] - timedelta(days=1))
        scored = _score(timeline, fitted, wanted, place, folder=folder, progress=tell)
        write_table(scored.early, EARLY, folder / "early.parquet")
        text = to_jsonl(scored.alerts, scored.scores, zone=place.zone)
        (folder / "alerts.jsonl").write_text(text, encoding="utf-8")
        run = _report(scored, fitted, chosen, session, started_with=started_with, now=now or datetime.now(UTC))
        (folder / RUN).write_text(json.dumps(plain(run), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return scored


def record(scored: ClusterScored, settings: Settings, *, now: datetime | None = None) -> Recorded:
    """Record the alerts in the ledger of the history, as `detector.verbs.record` does.

    Raises
    ------
    LedgerError
        If the ledger cannot be written.
    """
    ledger = ledger_of(settings, env=os.environ, create=True)
    if ledger is None:
        return Recorded()
    return ledger.record(to_rows(scored.alerts, scored.scores, scored.early), at=now or datetime.now(UTC))


def _silent(text: str, share: float | None) -> None:
    """Tell nobody."""


def _chosen(timeline: Timeline, days: Sequence[date]) -> list[date]:
    absent = sorted(set(days) - set(timeline.input_days))
    if absent:
        raise ConfigError(
            f"--day {absent[0]}: no event of that day; there are {', '.join(map(str, timeline.input_days))}"
        )
    return sorted(set(days)) or timeline.input_days


def _score(
    timeline: Timeline, model: Model, days: Sequence[date], place: Workspace, *, folder: Path, progress: Progress
) -> ClusterScored:
    ledger = place.ledger()
    explained = (ledger.excused(), ledger.robots()) if ledger else None
    found: list[DayScored] = []
    evidence = []
    for day in days:
        progress(f"scoring: {day}", None)
        scored = score_day(
            timeline,
            model,
            day,
            settings=place.settings.score,
            queued=set().union(*(each.queued for each in found)),
            excuse=lambda rows: excuse(rows, levels=explained[0], robots=explained[1]) if explained else rows,
        )
        for told in (scored.alerted, scored.early):
            timeline.leave_out(told)
        target = (folder / "scores.parquet").resolve().as_uri()
        scored.rows.write.mode("append").option("compression", "zstd").parquet(target)
        alerted = scored.told.loc[scored.told["alert"], "account"].tolist()
        events = timeline.events_of(day)
        if alerted and events is not None:
            evidence.append(find_evidence(events, alerted).assign(day=day))
        found.append(scored)
    told, early, fired = (
        pd.concat([getattr(each, name) for each in found], ignore_index=True) for name in ("told", "early", "fired")
    )
    lines = pd.concat(evidence, ignore_index=True) if evidence else pd.DataFrame()
    return ClusterScored(
        scores=told.assign(day=pd.to_datetime(told["day"])),
        early=early.assign(day=pd.to_datetime(early["day"])),
        fired=fired.assign(day=pd.to_datetime(fired["day"])),
        alerts=build_alerts(told, fired, lines),
        n_accounts=dict(zip(days, (each.n_accounts for each in found), strict=True)),
        warnings=_warnings(model),
    )


def _warnings(model: Model) -> tuple[str, ...]:
    told = ["Spark writes no details.parquet and no report: score the day of an alert on one machine"]
    if model.cold:
        told.append("no trained model: accounts were compared with the day's peers alone, so only checks alert")
    return tuple(told)


def _report(
    scored: ClusterScored,
    model: Model,
    settings: Settings,
    session: SparkSession,
    *,
    started_with: Sequence[str],
    now: datetime,
) -> dict[str, Any]:
    alerts = pd.to_datetime(scored.scores.loc[scored.scores["alert"], "day"]).dt.date.value_counts()
    return {
        "format": FORMAT,
        "written_at": now,
        "arguments": list(started_with),
        "versions": versions() | {"spark": session.version},
        "engine": "spark",
        "days": [
            {"day": day, "accounts": n, "alerts": int(alerts.get(day, 0))} for day, n in scored.n_accounts.items()
        ],
        "warnings": list(scored.warnings),
        "model": {"version": model.version, "cold": model.cold, "card": model.card},
        "settings": json.loads(settings.model_dump_json()),
    }
