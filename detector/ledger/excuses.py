"""What people have explained is not told again: up to the level that was judged benign, or a known robot's ceiling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from detector.features import BY_NAME
from detector.ledger.store import Robot

EXCUSABLE = ("main", "robot", "newcomer", "budget")
"""Queues that a verdict can empty; a deterministic check is never silenced."""


def excuse(scores: pd.DataFrame, *, levels: pd.DataFrame, robots: Sequence[Robot]) -> pd.DataFrame:
    """Take account-days that were explained out of their queues.

    Parameters
    ----------
    scores
        `SCORES`.
    levels
        `Ledger.excused()`: what was judged benign, by account.
    robots
        Known robots.

    Returns
    -------
    pd.DataFrame
        The scores, with `alert` false and no queue where the account-day is neither stranger nor larger than what was
        judged benign, or a known robot's look-ups stay within its ceiling and its writes are no reason. A member of a
        campaign is excused only if all members are: company that is new is news. Scores, p-values and ranks stay.
    """
    if scores.empty or not (len(levels) or robots):
        return scores
    explained = (_within_levels(scores, levels) | _within_ceilings(scores, robots)) & scores["checks"].isna()
    explained &= scores["queue"].isin(EXCUSABLE)
    member = scores["campaign"].notna()
    whole = explained.groupby([scores["day"], scores["campaign"].astype("str").fillna("")]).transform("all")
    explained &= ~member | whole
    return scores.assign(alert=scores["alert"] & ~explained, queue=scores["queue"].where(~explained, None))


def _within_levels(scores: pd.DataFrame, levels: pd.DataFrame) -> pd.Series:
    known = levels.set_index("account")
    strangeness, records = (scores["account"].map(known[name]) for name in ("strangeness", "records"))
    return (scores["strangeness"] <= strangeness) & (scores["records"].fillna(0) <= records)


def _within_ceilings(scores: pd.DataFrame, robots: Sequence[Robot]) -> pd.Series:
    ceilings = {each.account: each.ceiling for each in robots}
    expiry = pd.to_datetime(scores["account"].map({each.account: each.expires for each in robots}))
    within = scores["lookups"].fillna(0) <= scores["account"].map(ceilings).astype("float64")
    return within & (pd.to_datetime(scores["day"]) <= expiry) & ~_strange_writes(scores)


def _strange_writes(scores: pd.DataFrame) -> pd.Series:
    """A ceiling is of look-ups: writes that are among the reasons are told of, whoever made them."""
    told = (reasons if isinstance(reasons, Iterable) else () for reasons in scores["reasons"])
    found = [any(BY_NAME[reason["signal"]].family == "writes" for reason in reasons) for reasons in told]
    return pd.Series(found, index=scores.index, dtype=bool)
