"""Why an account-day is strange: the signals that made it so, in order, as sentences with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _
from numpy.typing import NDArray

from detector.features import BY_NAME
from detector.features.declaration import Feature

Language = Literal["en", "fr"]
MAX_REASONS = 5
"""More reasons than these are no explanation."""
PEERS_HIGH = 0.99


def reasons_of(
    rows: pd.DataFrame,
    contributions: NDArray[np.float64],
    *,
    columns: Sequence[str],
    own: pd.DataFrame,
    peers: pd.DataFrame,
    language: Language = "en",
) -> list[list[dict[str, Any]]]:
    """Reasons of each account-day, the weightiest first.

    Parameters
    ----------
    rows
        Account-days with their signals, `account`, `channel` and `peer_group`.
    contributions
        Shape (n_rows, n_columns): what each deviation adds to the tail sum.
    columns
        Names of the deviations.
    own, peers
        Usual values: medians by (account, channel), and 99th percentiles by peer group, as columns named by signal.
    language
        Of the sentences.

    Returns
    -------
    list of lists of dicts
        {signal, value, usual, peers, contribution, sentence}; `usual` and `peers` are None where unknown. One entry per
        signal: the contributions of its deviations are added up.
    """
    signals = np.array([name.split("__")[0] for name in columns])
    unique = list(dict.fromkeys(signals))
    totals = np.stack([contributions[:, signals == signal].sum(axis=1) for signal in unique], axis=1)
    return [
        _reasons(row, dict(zip(unique, weights, strict=True)), own=own, peers=peers, language=language)
        for row, weights in zip(rows.to_dict("records"), totals, strict=True)
    ]


def _reasons(
    row: dict[str, Any], weights: dict[str, float], *, own: pd.DataFrame, peers: pd.DataFrame, language: Language
) -> list[dict[str, Any]]:
    ordered = sorted((name for name, weight in weights.items() if weight > 0), key=lambda name: -weights[name])
    return [
        _reason(
            BY_NAME[name],
            value=row[name],
            usual=_look_up(own, (row["account"], row["channel"]), name),
            peers=_look_up(peers, row["peer_group"], name),
            contribution=float(weights[name]),
            language=language,
        )
        for name in ordered[:MAX_REASONS]
    ]


def _look_up(table: pd.DataFrame, key: object, name: str) -> float | None:
    if name not in table.columns or key not in table.index:
        return None
    value = float(table.at[key, name])
    return None if np.isnan(value) else value


def _reason(
    declared: Feature,
    *,
    value: float,
    usual: float | None,
    peers: float | None,
    contribution: float,
    language: Language,
) -> dict[str, Any]:
    return {
        "signal": declared.name,
        "value": float(value),
        "usual": usual,
        "peers": peers,
        "contribution": contribution,
        "sentence": sentence(declared, value=value, usual=usual, peers=peers, language=language),
    }


def sentence(
    declared: Feature, *, value: float, usual: float | None, peers: float | None, language: Language = "en"
) -> str:
    """The signal in words; without a usual value, or with a usual value of none, no multiple of it is claimed."""
    text = getattr(declared.sentence, language)
    if "{ratio}" in text and not usual:
        text = text.split(",")[0] + {"en": " (usually {usual})", "fr": " (d'habitude {usual})"}[language]
    if usual is None:
        text = text.replace(" (usually {usual})", "").replace(" (d'habitude {usual})", "")
    ratio = value / usual if usual else float("nan")
    numbers = {"value": value, "usual": usual if usual is not None else 0.0, "peers": peers or 0.0}
    shown = {name: _number(number, declared, language) for name, number in numbers.items()}
    return str(text.format(**shown, ratio=_ratio(ratio, language)))


def _number(value: float, declared: Feature, language: Language) -> str:
    if declared.unit == "share":
        return f"{value:.0%}" if language == "en" else f"{value * 100:.0f} %"
    text = f"{value:,.0f}" if declared.whole or value >= 10 or value == int(value) else f"{value:,.1f}"
    return text if language == "en" else text.replace(",", "\u202f").replace(".", ",")


def _ratio(ratio: float, language: Language) -> str:
    if np.isnan(ratio):
        return ""
    text = f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"
    return text if language == "en" else text.replace(",", "\u202f").replace(".", ",")


def usual_values(past: ir.Table, accounts: Sequence[str], signals: Sequence[str]) -> pd.DataFrame:
    """Median of each signal over the past days of some accounts, indexed by (account, channel)."""
    rows = past.filter(past.account.isin(list(accounts)))
    medians = rows.group_by(["account", "channel"]).aggregate(**{name: rows[name].quantile(0.5) for name in signals})
    return medians.to_pandas().set_index(["account", "channel"])


def peer_values(past: ir.Table, signals: Sequence[str]) -> pd.DataFrame:
    """99th percentile of each signal among the peers, indexed by profession and channel as peer groups are named."""
    group = (past.profession + " " + past.channel).name("peer_group")
    highs = past.group_by(group).aggregate(**{name: past[name].quantile(PEERS_HIGH) for name in signals})
    return highs.filter(_.peer_group.notnull()).to_pandas().set_index("peer_group")
