"""Reasons for the account-days of a day that anybody looks at: what they are compared with, and what weighed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from detector.alerting import KNOWN, alert_threshold
from detector.deviations import MONTHLY, WEEKLY
from detector.explain import (
    Usual,
    contributions_of,
    peer_values,
    reasons_of,
    span_values,
    unremarkable_without,
    usual_values,
)
from detector.joins import to_columns
from detector.model.kept import Model
from detector.timeline import Timeline
from detector.training import families_of, to_matrix

PLACE = ["account", "channel"]


def find_reasons(
    timeline: Timeline,
    model: Model,
    judged: pd.DataFrame,
    day: date,
    *,
    explained: int,
    language: str,
    past: ir.Table | None = None,
) -> dict[str, pd.Series]:
    """`reasons` and `contributions` of those that anybody looks at; of the others, none."""
    wanted = judged["queue"].notna() | judged["alert"] | (judged["rank"] <= explained)
    rows = judged[wanted & (judged["tail_sum"] > 0)]
    contributions = (
        model.estimator.contributions(to_matrix(rows, model.columns))
        if len(rows)
        else np.zeros((0, len(model.columns)))
    )
    signals = list(dict.fromkeys(name.split("__")[0] for name in model.columns))
    rows = _with_signals(rows, timeline, day, signals=(*signals, *WEEKLY, *MONTHLY))
    past = timeline.past(day).account_days if past is None else past
    peers = past if not model.cold else timeline.account_days(day)
    usual = Usual(
        own=usual_values(past, rows["account"].tolist(), signals),
        peers=peer_values(peers, signals),
        spans=span_values(past, rows, day=day),
    )
    found = reasons_of(
        rows, contributions, columns=model.columns, usual=usual, language="fr" if language == "fr" else "en"
    )
    told = {"reasons": found, "contributions": contributions_of(contributions, columns=model.columns)}
    by_index = {name: dict(zip(rows.index, values, strict=True)) for name, values in told.items()}
    return {
        name: pd.Series([known.get(index, []) for index in judged.index], index=judged.index)
        for name, known in by_index.items()
    }


def _with_signals(rows: pd.DataFrame, timeline: Timeline, day: date, *, signals: Sequence[str]) -> pd.DataFrame:
    """Account-days with the signals that they lack."""
    absent = [name for name in dict.fromkeys(signals) if name not in rows]
    if not absent:
        return rows
    days = timeline.account_days(day)
    asked = days.filter(days.account.isin(rows["account"].tolist())).select(*PLACE, *absent)
    return rows.join(to_columns(asked).set_index(PLACE), on=PLACE)


def find_unremarkable(judged: pd.DataFrame, model: Model, *, n_accounts: int, rate: float) -> pd.Series:
    """Of what alerts for being strange alone: it stands out from where an account-day alerts, or the day's least.

    Where a check fired, the account-day would have alerted without anything.
    """
    told = judged[judged["alert"] & (judged["queue"] == "main") & judged["checks"].isna()]
    empty: list[list[str]] = [[] for _row in range(len(judged))]
    if told.empty:
        return pd.Series(empty, index=judged.index)
    usual = model.calibration.loc[model.calibration["kind"] == KNOWN, "strangeness"].to_numpy()
    alone = alert_threshold(usual, n_tests=n_accounts, rate=rate)
    found = unremarkable_without(
        to_matrix(told, model.columns),
        kinds=families_of(model.columns),
        strangeness=lambda X: -model.estimator.score_samples(X),
        below=min(alone, float(told.loc[told["p_value"].notna(), "strangeness"].min())),
    )
    return pd.Series(empty, index=judged.index).where(
        ~judged.index.isin(told.index), pd.Series(found, index=told.index)
    )
