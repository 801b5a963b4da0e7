"""Recall of hijacked accounts, at a share of false account-days and at a number of new false accounts a day.

All thresholds are the lowest score that does not break the limit, and an account-day is above only when its score is
*strictly* higher. So ties go against the detector: when many honest days share the score at the limit, none of them is
above, and neither is an attacked day with that score. A day without score never is above.

Everything here takes `judged`, one row per active account-day of the judged days: account, day, label (see `labels`)
and one column per method with its score, higher being stranger; and `attacks`, one row per scenario, account and
attacked day.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from detector.evaluate.frames import ACCOUNT_DAY
from detector.evaluate.labels import HONEST

FALSE_DAY_SHARES = (0.001, 0.003, 0.01)
"""Shares of honest account-days above the threshold."""

FALSE_ACCOUNTS_PER_3000 = (0.5, 1.0, 3.0)
"""New false accounts a day on a portal of 3,000 accounts; scaled with the portal."""

FALSE_ACCOUNTS_ANY_SIZE = 10.0
"""New false accounts a day whatever the portal's size: what one analyst reads."""

PORTAL = 3000
_ROUNDING = 1e-9


def threshold(honest: np.ndarray, *, allowed: float) -> float:
    """Return the lowest score that at most `allowed` of the honest scores exceed; −inf when all of them may.

    With n honest scores this is the (⌊allowed⌋ + 1)-th largest. Missing scores count as −inf.
    """
    scores = np.sort(np.nan_to_num(honest.astype(float), nan=-np.inf, posinf=np.inf, neginf=-np.inf))[::-1]
    rank = math.floor(allowed + _ROUNDING)
    return float(scores[rank]) if rank < len(scores) else -math.inf


def share_threshold(judged: pd.DataFrame, *, method: str, share: float) -> float:
    """Return the score that at most this share of the honest account-days exceed, all judged days pooled."""
    honest = judged.loc[judged["label"] == HONEST, method].to_numpy()
    return threshold(honest, allowed=share * len(honest))


def account_threshold(judged: pd.DataFrame, *, method: str, a_day: float) -> float:
    """Return the score that so many *distinct* honest accounts a day exceed, over the judged days.

    An honest account counts once, on the first day on which it is above; so `a_day` times the number of judged days may
    have their largest score above the threshold.
    """
    honest = judged[judged["label"] == HONEST]
    largest = honest.groupby("account", observed=True)[method].max()
    return threshold(largest.to_numpy(), allowed=a_day * judged["day"].nunique())


def strongest(judged: pd.DataFrame, *, attacks: pd.DataFrame, method: str) -> pd.Series[float]:
    """Return the largest score of each attacked account over its attacked days, by scenario and account.

    Attacked days that are not among the judged days are left out; a compromised account's other days count for
    nothing. An account none of whose attacked days has a score has −inf, which is above no threshold.
    """
    within = attacks[attacks["day"].isin(judged["day"])]
    scored = within.merge(judged[[*ACCOUNT_DAY, method]], on=ACCOUNT_DAY, how="left", validate="many_to_one")
    scores = scored[method].astype(float).fillna(-math.inf)
    return scores.groupby([scored["scenario"], scored["account"]], observed=True).max()


def recall_above(strongest_scores: pd.Series[float], *, above: float) -> pd.Series[float]:
    """Return, per scenario, the share of attacked accounts whose strongest attacked day is strictly above."""
    return (strongest_scores > above).astype(float).groupby(level="scenario", observed=True).mean()


def recall_at_share(judged: pd.DataFrame, *, attacks: pd.DataFrame, method: str, share: float) -> pd.Series[float]:
    """Return recall per scenario when this share of the active honest account-days may be above."""
    above = share_threshold(judged, method=method, share=share)
    return recall_above(strongest(judged, attacks=attacks, method=method), above=above)


def recall_at_accounts(judged: pd.DataFrame, *, attacks: pd.DataFrame, method: str, a_day: float) -> pd.Series[float]:
    """Return recall per scenario when so many new honest accounts a day may be above."""
    above = account_threshold(judged, method=method, a_day=a_day)
    return recall_above(strongest(judged, attacks=attacks, method=method), above=above)


def per_portal(per_3000: float, *, accounts: int) -> float:
    """Scale a number of new accounts a day from a portal of 3,000 accounts to one of this size."""
    return per_3000 * accounts / PORTAL
