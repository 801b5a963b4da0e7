"""What is measured on one seed: the order, the alerts, and what each part of the detector and of the logs is worth."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from detector.evaluate.baselines import baseline_scores
from detector.evaluate.bench import Bench, case_of, judged_files, without_column
from detector.evaluate.cache import fingerprint, kept_frame
from detector.evaluate.enlarge import busy_days, enlarge
from detector.evaluate.frames import ACCOUNT_DAY
from detector.evaluate.measures import (
    build_case,
    measure_alerts,
    measure_benign,
    measure_gone,
    measure_order,
    ranking_scores,
)
from detector.evaluate.runs import score, score_files
from detector.evaluate.scored import Detector, Scored

COLUMNS = ("record", "profession", "ip", "user_agent")
"""Columns of the logs that some portals do not have."""

NO_FOREST = ", without the forest"
GONE = "gone"
TOP_SHARE = 0.003
"""The strangest account-days that two forests must agree on."""


class AlertStudy(NamedTuple):
    """What was measured of the alerts in one world of one seed; each frame has the columns seed and world.

    alerts : long table of what notifies.
    gone : one row per campaign and account: what was gone before the first alert.
    benign : one row per kind of benign oddity.
    """

    alerts: pd.DataFrame
    gone: pd.DataFrame
    benign: pd.DataFrame


def study_order(bench: Bench, *, scored: Scored | None) -> pd.DataFrame:
    """Measure how well the baselines, and the detector if it has scored the world, order account-days."""
    tables = [baselines_of(bench)] + ([] if scored is None else [ranking_scores(scored)])
    return measure_order(case_of(bench, scenarios=bench.scenarios, tables=tables)).assign(seed=bench.seed)


def baselines_of(bench: Bench) -> pd.DataFrame:
    """Return the baselines' scores of the judged days, once computed kept."""
    days, facts = bench.split.days, bench.facts
    name = fingerprint(str(len(days)), code=["evaluate/baselines.py"])
    return kept_frame(
        bench.scratch / f"baselines-{name}.parquet",
        make=lambda: baseline_scores(facts.counts, foreign=facts.foreign, days=days, seed=bench.seed),
    )


def study_alerts(bench: Bench, *, detector: Detector, scenarios: Collection[str], world: str) -> AlertStudy:
    """Score the world with only these scenarios planted; measure what notifies, and what is gone before."""
    scored = score(bench, detector=detector, scenarios=scenarios)
    case = case_of(bench, scenarios=scenarios)
    benign = measure_benign(case, scored=scored, kinds=bench.facts.truth.benign_kinds)
    return AlertStudy(
        alerts=measure_alerts(case, scored=scored).assign(seed=bench.seed, world=world),
        gone=measure_gone(case, scored=scored).assign(seed=bench.seed, world=world),
        benign=benign.assign(seed=bench.seed, world=world),
    )


def study_scores(bench: Bench, *, detector: Detector, methods: Mapping[str, str]) -> pd.DataFrame:
    """Measure the order by some of the detector's scores, each under its name in the long table's column `method`.

    A score that the detector does not have is left out.
    """
    scores = ranking_scores(score(bench, detector=detector, scenarios=bench.scenarios))
    ranked = scores[[*ACCOUNT_DAY, *scores.columns.intersection(list(methods))]].rename(columns=dict(methods))
    return measure_order(case_of(bench, scenarios=bench.scenarios, tables=[ranked])).assign(seed=bench.seed)


def study_local(bench: Bench, *, detector: Detector) -> pd.DataFrame:
    """Measure the order by the score, what notifies, and what is gone (`GONE`), as `study_columns` does."""
    return _study_told(bench, detector=detector, methods={"score": "score"})


def study_columns(bench: Bench, *, detector: Detector) -> pd.DataFrame:
    """Measure order, alerts and what is gone without each of `COLUMNS`; the column method names what is missing.

    The order with the forest and without it (tail sum); what is gone as the measure `GONE`, the median of a scenario's
    accounts.
    """
    parts = []
    for column in COLUMNS:
        method, poorer = f"without_{column}", without_column(bench, column=column)
        methods = {"score": method, "tail_sum": f"{method}{NO_FOREST}"}
        parts.append(_study_told(poorer, detector=detector, methods=methods))
    return pd.concat(parts, ignore_index=True)


def _study_told(bench: Bench, *, detector: Detector, methods: Mapping[str, str]) -> pd.DataFrame:
    """The order by some scores, and under the name of the first what notifies and what is gone."""
    method = next(iter(methods.values()))
    study = study_alerts(bench, detector=detector, scenarios=bench.scenarios, world=method)
    told = [table.assign(method=method).drop(columns="world") for table in (study.alerts, median_gone(study.gone))]
    return pd.concat([study_scores(bench, detector=detector, methods=methods), *told], ignore_index=True)


def median_gone(gone: pd.DataFrame) -> pd.DataFrame:
    """What was gone by the minute, median of a seed's accounts by scenario, as the measure `GONE` of a long table."""
    keys = ["seed", "world", "scenario"]
    medians = gone.groupby(keys, as_index=False, observed=True).agg(value=("gone_by_minute", "median"))
    return medians.assign(measure=GONE, level=0.0, method="")


def study_added(bench: Bench, *, detector: Detector) -> pd.DataFrame:
    """Measure the order when `ADDED` look-ups of strangers are added, on one day, to accounts that do about `USUAL`.

    The strangers are records that campaigns of this seed read all over the country, in a world without these campaigns.
    Empty where no account is that large.
    """
    counts, events = bench.facts.counts, bench.facts.events
    busy = busy_days(counts[~counts["account"].isin(events["account"])], days=bench.split.days)
    if busy.empty:
        return pd.DataFrame()
    calm = case_of(bench, scenarios=set())
    files = judged_files(bench, scenarios=set())
    strangers = events["record"].dropna().unique().tolist()
    enlarged = enlarge(files, busy=busy, strangers=strangers, seed=bench.seed, out=bench.scratch / "added")
    scored = score_files(bench, detector=detector, files=enlarged.files)
    case = build_case(
        calm.judged[ACCOUNT_DAY],
        events=enlarged.events,
        tables=[ranking_scores(scored)],
        accounts=calm.accounts,
        zone=calm.zone,
    )
    return measure_order(case).assign(seed=bench.seed, accounts=len(busy), usual=float(busy["lookups"].median()))


def study_overlap(bench: Bench, *, detector: Detector, other: Detector) -> pd.DataFrame:
    """Measure how many of the strangest account-days two detectors share.

    Returns
    -------
    frame with one row: seed, overlap (of the `TOP_SHARE` with the highest scores, how many are among the other's).
    """
    tops = [_top(score(bench, detector=each, scenarios=bench.scenarios).scores) for each in (detector, other)]
    return pd.DataFrame({"seed": [bench.seed], "overlap": [len(tops[0] & tops[1]) / len(tops[0])]})


def _top(scores: pd.DataFrame) -> set[tuple[str, pd.Timestamp]]:
    count = max(1, int(np.ceil(TOP_SHARE * len(scores))))
    first = scores.sort_values(["score", *ACCOUNT_DAY], ascending=[False, True, True]).head(count)
    return set(first[ACCOUNT_DAY].itertuples(index=False, name=None))
