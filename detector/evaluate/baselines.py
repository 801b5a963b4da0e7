"""The simple detectors that the result always stands beside.

Each gives every judged account-day a score, higher being stranger, from the plain counts of that day and of the days
before. None of them is tuned on the days that it is measured on; constants are the usual ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest

from detector.evaluate.counts import COUNTED
from detector.evaluate.foreign import PAST_DAYS
from detector.evaluate.frames import ACCOUNT_DAY

MAD_TO_SD = 1.4826
"""The median absolute deviation times this is the standard deviation of a normal distribution."""

BASELINES = ("forest_counts", "profession_lookups", "own_lookups_z", "foreign_excess")


class Past(NamedTuple):
    """What came before each judged account-day: day − 28 to day − 1, days without an event counted as 0."""

    mean: np.ndarray
    sd: np.ndarray


def baseline_scores(
    counts: pd.DataFrame, *, foreign: pd.DataFrame, days: pd.Series[pd.Timestamp], seed: int
) -> pd.DataFrame:
    """Score the active account-days of the judged days with every baseline that needs only counts.

    Parameters
    ----------
    counts : frame with one row per account and day, of the judged days and those before, as `count_days` returns it.
    foreign : frame with one row per account and day, of the same days: account, day, foreign_records; absent rows count
        as 0.
    days : the judged days.
    seed : of the forest.

    Returns
    -------
    frame with one row per active account-day: account, day, and one column per name in `BASELINES`.
    """
    merged = counts.merge(foreign[[*ACCOUNT_DAY, "foreign_records"]], on=ACCOUNT_DAY, how="left")
    full = merged.fillna({"foreign_records": 0.0})
    judged = full[full["day"].isin(days) & full["active"]].reset_index(drop=True)
    before = full[(full["day"] < days.min()) & full["active"]]
    return judged[ACCOUNT_DAY].assign(
        forest_counts=_forest(judged, before=before, seed=seed),
        profession_lookups=_against_profession(judged, before=before),
        own_lookups_z=_own_z(judged, full=full, column="lookups"),
        foreign_excess=_own_excess(judged, full=full, column="foreign_records"),
    )


def _forest(judged: pd.DataFrame, *, before: pd.DataFrame, seed: int) -> np.ndarray:
    """Isolation forest with scikit-learn's own settings on the raw counts, fitted on the days before."""
    forest = IsolationForest(random_state=seed)
    columns = list(COUNTED)
    fitted = forest.fit(before[columns].to_numpy(dtype=float))
    return -np.asarray(fitted.score_samples(judged[columns].to_numpy(dtype=float)))


def _against_profession(judged: pd.DataFrame, *, before: pd.DataFrame) -> np.ndarray:
    """Robust z of log look-ups against earlier active days of the profession; of everybody where it is unknown."""
    past = pd.Series(np.log1p(before["lookups"].to_numpy(dtype=float)), index=before["profession"].fillna(""))
    grouped = past.groupby(level=0)
    middle = grouped.median()
    spread = MAD_TO_SD * (past - middle.reindex(past.index)).abs().groupby(level=0).median()
    own = judged["profession"].fillna("")
    values = np.log1p(judged["lookups"].to_numpy(dtype=float))
    centre = own.map(middle).fillna(past.median()).to_numpy(dtype=float)
    scale = own.map(spread).fillna(spread.median()).to_numpy(dtype=float)
    return np.asarray((values - centre) / np.maximum(scale, np.log(2) / 2))


def own_past(judged: pd.DataFrame, *, full: pd.DataFrame, column: str) -> Past:
    """Return mean and standard deviation of a count over the account's 28 days before each judged day, zero-filled."""
    doubles = full.astype({column: float})
    wide = doubles.pivot_table(index="account", columns="day", values=column, aggfunc="sum", fill_value=0.0)
    every = pd.date_range(wide.columns.min(), wide.columns.max(), freq="D", unit="s")
    rolled = wide.reindex(columns=every, fill_value=0.0).T.shift(1).rolling(PAST_DAYS, min_periods=1)
    rows = wide.index.get_indexer(pd.Index(judged["account"]))
    columns = every.get_indexer(pd.DatetimeIndex(judged["day"]))
    mean, sd = (np.nan_to_num(table.to_numpy()[columns, rows]) for table in (rolled.mean(), rolled.std(ddof=0)))
    return Past(mean=mean, sd=sd)


def _own_z(judged: pd.DataFrame, *, full: pd.DataFrame, column: str) -> np.ndarray:
    """Return (x − mean) / (sd + 1): the 1 keeps an account that never did anything from scoring without end."""
    past = own_past(judged, full=full, column=column)
    return np.asarray((judged[column].to_numpy(dtype=float) - past.mean) / (past.sd + 1.0))


def _own_excess(judged: pd.DataFrame, *, full: pd.DataFrame, column: str) -> np.ndarray:
    """Difference of the variance-stabilised count (Anscombe 1948, 2√(x + 3/8)) from that of the own mean."""
    past = own_past(judged, full=full, column=column)
    return np.asarray(2 * (np.sqrt(judged[column].to_numpy(dtype=float) + 0.375) - np.sqrt(past.mean + 0.375)))
