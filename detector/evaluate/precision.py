"""How clean the order is, and how clean what notifies is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score

from detector.evaluate.frames import ACCOUNT_DAY
from detector.evaluate.labels import ATTACKED, HONEST
from detector.evaluate.recall import recall_above, strongest

NOTIFYING_QUEUES = ("main", "check")
"""The queues that wake somebody; the others wait for review. A setting that notifies on more must say so here too."""


def average_precision(judged: pd.DataFrame, *, method: str, positives: pd.DataFrame) -> float:
    """Return the average precision of a score over account-days, all judged days of a seed pooled.

    Positive: the attacked account-days listed in `positives`. Negative: honest account-days. All others, including
    attacked days not listed, are left out. Σ (Rᵢ − Rᵢ₋₁) Pᵢ over the distinct scores in falling order, without
    interpolation: tied days enter together, so their order in the table does not matter. A missing score ranks last.
    NaN when there is no positive.
    """
    wanted = pd.MultiIndex.from_frame(judged[ACCOUNT_DAY]).isin(pd.MultiIndex.from_frame(positives[ACCOUNT_DAY]))
    positive = wanted & (judged["label"] == ATTACKED).to_numpy()
    kept = positive | (judged["label"] == HONEST).to_numpy()
    if not positive.any():
        return float("nan")
    scores = judged[method].astype(float).fillna(-np.inf).to_numpy()
    return float(average_precision_score(positive[kept], rankdata(scores[kept], method="dense")))


def notifying(scores: pd.DataFrame, *, early: pd.DataFrame, queues: Sequence[str] = NOTIFYING_QUEUES) -> pd.DataFrame:
    """Return the account-days that notify: an alert, a row in a queue that notifies, or an alert inside the day.

    Parameters
    ----------
    scores : frame with one row per scored account-day: account, day, alert, queue.
    early : frame with one row per account-day that alerted inside the day: account, day.

    Returns
    -------
    frame with one row per notifying account-day: account, day.
    """
    told = scores.loc[scores["alert"].astype(bool) | scores["queue"].isin(list(queues)), ACCOUNT_DAY]
    return pd.concat([told, early[ACCOUNT_DAY]], ignore_index=True).drop_duplicates(ignore_index=True)


def count_notified(judged: pd.DataFrame, *, notified: pd.DataFrame) -> pd.Series[int]:
    """Return how many notifying account-days are attacked and how many honest; others count for nothing."""
    marked = judged.merge(notified[ACCOUNT_DAY], on=ACCOUNT_DAY)
    return marked["label"].value_counts().reindex([ATTACKED, HONEST], fill_value=0).rename("days")


def false_discovery_rate(counts: pd.Series[int]) -> float:
    """Return honest / (honest + attacked) among notifying account-days; 0 when nothing notifies: nothing is false."""
    told = int(counts[ATTACKED] + counts[HONEST])
    return float(counts[HONEST]) / told if told else 0.0


def false_days(judged: pd.DataFrame, *, notified: pd.DataFrame) -> float:
    """Return the share of judged days on which at least one honest account-day notifies."""
    honest = judged.loc[judged["label"] == HONEST, ACCOUNT_DAY].merge(notified[ACCOUNT_DAY], on=ACCOUNT_DAY)
    return float(honest["day"].nunique() / judged["day"].nunique())


def own_recall(judged: pd.DataFrame, *, attacks: pd.DataFrame, notified: pd.DataFrame) -> pd.Series[float]:
    """Return, per scenario, the share of attacked accounts that notify on one of their attacked days."""
    told = pd.MultiIndex.from_frame(judged[ACCOUNT_DAY]).isin(pd.MultiIndex.from_frame(notified[ACCOUNT_DAY]))
    marked = judged[ACCOUNT_DAY].assign(told=told.astype(float))
    return recall_above(strongest(marked, attacks=attacks, method="told"), above=0.0)
