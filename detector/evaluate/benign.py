"""Honest but odd days: how many of each kind notify somebody."""

from __future__ import annotations

import pandas as pd

from detector.evaluate.frames import ACCOUNT_DAY
from detector.evaluate.labels import HONEST


def benign_kinds_notified(judged: pd.DataFrame, *, kinds: pd.DataFrame, notified: pd.DataFrame) -> pd.DataFrame:
    """Count, per kind of benign oddity, the honest active account-days of that kind and those among them that notify.

    A day of two kinds counts in both. Days of compromised accounts are left out, as everywhere.

    Returns
    -------
    frame with one row per kind: kind, days, notified, share.
    """
    honest = judged.loc[judged["label"] == HONEST, ACCOUNT_DAY].merge(kinds, on=ACCOUNT_DAY)
    told = pd.MultiIndex.from_frame(honest[ACCOUNT_DAY]).isin(pd.MultiIndex.from_frame(notified[ACCOUNT_DAY]))
    grouped = honest.assign(told=told).groupby("kind", as_index=False, observed=True)
    counted = grouped.agg(days=("told", "size"), notified=("told", "sum"))
    return counted.assign(share=counted["notified"] / counted["days"])
