"""`detector evaluate`: score dumps whose truth is known, and measure the result beside simple detectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from detector.errors import ReadError
from detector.evaluate.baselines import baseline_scores
from detector.evaluate.exposure import summarise_gone
from detector.evaluate.frames import ACCOUNT_DAY, as_days
from detector.evaluate.markup import markdown_table
from detector.evaluate.measures import (
    Case,
    build_case,
    measure_alerts,
    measure_benign,
    measure_gone,
    measure_order,
    ranking_scores,
)
from detector.evaluate.precision import NOTIFYING_QUEUES
from detector.evaluate.scored import Detector, Scored
from detector.evaluate.summary import in_scenario_order, mean_account_recall, pivot
from detector.evaluate.truth import read_truth
from detector.evaluate.worlds import Facts, read_facts


class EvaluateSettings(BaseModel):
    """How dumps are judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zone: str = "Europe/Paris"
    """The portal's time zone."""
    judged_days: int = Field(default=7, ge=1)
    """Last days that are judged when no history is given: one of each day of the week."""
    queues: tuple[str, ...] = NOTIFYING_QUEUES
    """The queues that notify somebody."""
    seed: int = 0
    """Of the forest among the simple detectors."""


class Evaluation(NamedTuple):
    """What was measured.

    order : long table of how well each method orders account-days: measure, method, level, scenario, value.
    alerts : the same of what notifies.
    gone : one row per campaign and account: what was gone before the first alert.
    benign : one row per kind of benign oddity: kind, days, notified, share.
    """

    order: pd.DataFrame
    alerts: pd.DataFrame
    gone: pd.DataFrame
    benign: pd.DataFrame


def evaluate(
    dumps: Sequence[Path],
    *,
    truth: Path,
    detector: Detector,
    scratch: Path,
    history: Path | None = None,
    settings: EvaluateSettings = EvaluateSettings(),  # noqa: B008 - frozen
) -> Evaluation:
    """Score dumps whose truth is known, and measure what was found, when, and at which false-alert load.

    Parameters
    ----------
    dumps : canonical Parquet events, one file a day, named after the day (`2026-03-01.parquet`); of a folder all
        Parquet files in it but those of the truth.
    truth : folder with events, campaigns, accounts and benign_kinds, as `detector simulate` writes it.
    detector : what is measured.
    scratch : folder for intermediate files, for the model, and for the history when none is given.
    history : what the detector knows of the past; every day of the dumps is then judged. Without it the last days
        are, and the days before them are learned.

    Raises
    ------
    ReadError
        When a file is absent or not named after its day, two are of one day, or too few are left to learn from.
    SchemaError
        When the truth is not as stated in `detector.evaluate.truth`.
    """
    files = sorted(_expand(dumps, truth=truth), key=lambda path: path.name)
    _check_names(files)
    judged = files if history else files[-settings.judged_days :]
    before = files[: len(files) - len(judged)]
    if not history and not before:
        raise ReadError(
            "dumps to evaluate: no day is left to learn from; give more days, fewer judged days, or a history"
        )
    known_truth = read_truth(truth)
    known = history or _learn(before, detector=detector, folder=scratch / "history")
    detector.train(history=known, model=scratch / "model")
    scored = detector.score(judged, history=known, model=scratch / "model")
    facts = read_facts(files, truth=known_truth, zone=settings.zone, scratch=scratch)
    case = _case(facts, days=as_days([path.stem for path in judged]), scored=scored, settings=settings)
    return Evaluation(
        order=measure_order(case),
        alerts=measure_alerts(case, scored=scored, queues=settings.queues),
        gone=measure_gone(case, scored=scored, queues=settings.queues),
        benign=measure_benign(case, scored=scored, kinds=facts.truth.benign_kinds, queues=settings.queues),
    )


def _expand(dumps: Sequence[Path], *, truth: Path) -> list[Path]:
    """The files that are named, and those in folders that are."""
    absent = [str(path) for path in dumps if not path.exists()]
    if absent:
        raise ReadError(f"dumps to evaluate: {absent[0]}: no such file; expected Parquet files, or a folder with them")
    beside = truth.resolve()
    found: list[Path] = []
    for path in dumps:
        inside = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        found += [file for file in inside if file == path or beside not in file.resolve().parents]
    return found


def _check_names(files: Sequence[Path]) -> None:
    wrong = [path.name for path in files if pd.isna(pd.to_datetime(path.stem, format="%Y-%m-%d", errors="coerce"))]
    if wrong or not files:
        raise ReadError(
            f"dumps to evaluate: found {', '.join(wrong[:3]) or 'no file'}, expected one Parquet file a day, named "
            "like 2026-03-01.parquet, as `detector simulate` writes them"
        )
    twice = [path for path, before in zip(files[1:], files, strict=False) if path.name == before.name]
    if twice:
        raise ReadError(f"dumps to evaluate: {twice[0]}: another file has this name; expected one file a day")


def _learn(files: Sequence[Path], *, detector: Detector, folder: Path) -> Path:
    folder.mkdir(parents=True)
    detector.learn(files, history=folder)
    return folder


def _case(facts: Facts, *, days: pd.Series[pd.Timestamp], scored: Scored, settings: EvaluateSettings) -> Case:
    counts = facts.counts
    simple = baseline_scores(counts, foreign=facts.foreign, days=days, seed=settings.seed)
    return build_case(
        counts.loc[counts["day"].isin(days) & counts["active"], ACCOUNT_DAY],
        events=facts.events,
        tables=[simple, ranking_scores(scored)],
        accounts=len(facts.truth.accounts),
        zone=settings.zone,
    )


def render(evaluation: Evaluation, *, form: str = "table") -> str:
    """Return an evaluation as tables to read, or as one JSON document.

    Parameters
    ----------
    form : `table` or `json`.
    """
    return json.dumps(_document(evaluation), indent=2) + "\n" if form == "json" else _tables(evaluation)


def _document(evaluation: Evaluation) -> dict[str, Any]:
    tables = {**evaluation._asdict(), "gone": in_scenario_order(summarise_gone(evaluation.gone))}
    return {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}


def _tables(evaluation: Evaluation) -> str:
    order = pd.concat([evaluation.order, mean_account_recall(evaluation.order)])
    values = order.rename(columns={"value": "mean"})
    own = in_scenario_order(evaluation.alerts[["measure", "scenario", "value"]]).sort_values("measure", kind="stable")
    parts = [
        ("Recall at 0.3 % false account-days", pivot(values, measure="recall_share", level=0.003)),
        ("Recall at 1 new false account a day per 3,000", pivot(values, measure="recall_accounts", level=1.0)),
        ("Average precision", pivot(values, measure="average_precision")),
        ("What notifies", own),
        ("Gone before the first alert", in_scenario_order(summarise_gone(evaluation.gone))),
        ("Honest but odd days", evaluation.benign),
    ]
    return "\n".join(f"{title}\n\n{markdown_table(table)}" for title, table in parts)
