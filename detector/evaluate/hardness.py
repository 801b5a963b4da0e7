"""Whether the simulated portal is hard enough to measure anything on: simple detectors must not do well on it."""

from __future__ import annotations

import pandas as pd

SHARE = 0.003
"""The share of false account-days at which the limits are stated."""

LIMITS = {"forest_counts": 0.35, "own_lookups_z": 0.65, "profession_lookups": 0.55, "foreign_excess": 0.85}
"""Mean account recall that each simple detector must stay below, else the honest life is too tame."""


def check_hardness(means: pd.DataFrame) -> pd.DataFrame:
    """Compare the simple detectors' mean account recall with the limits.

    Parameters
    ----------
    means : long table with the column seed, as `mean_account_recall` returns it.

    Returns
    -------
    frame with one row per simple detector: method, mean, sd (over seeds), limit, hard (the mean is below the limit).
    """
    wanted = means[
        (means["measure"] == "recall_share") & (means["level"] == SHARE) & means["method"].isin(list(LIMITS))
    ]
    found = wanted.groupby("method", as_index=False).agg(mean=("value", "mean"), sd=("value", "std"))
    limited = found.assign(limit=found["method"].map(LIMITS))
    return limited.assign(sd=limited["sd"].fillna(0.0), hard=limited["mean"] < limited["limit"])
