"""What is gone before somebody is told: records or writes of a campaign, per account, by the day and by the minute."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from detector.evaluate.frames import ACCOUNT_DAY
from detector.evaluate.labels import attacked_days
from detector.evaluate.precision import NOTIFYING_QUEUES

ATTACK = ["scenario", "campaign", "account"]
"""One account's part in one campaign."""

READS = ("lookup", "export")
DAY = pd.Timedelta(days=1)


def first_alerts(
    scores: pd.DataFrame,
    *,
    early: pd.DataFrame,
    events: pd.DataFrame,
    zone: str,
    queues: Sequence[str] = NOTIFYING_QUEUES,
) -> pd.DataFrame:
    """Return when each attacked account was first told of, by the end of a day and by the minute.

    Only attacked days count. An account-day that alerts, or stands in a queue that notifies, is known when its day ends
    in the portal's zone; one in `early` is known at `alert_at`, unless its first malicious event comes later: such an
    alert was about something else.

    Parameters
    ----------
    scores : frame with one row per scored account-day: account, day, alert, queue.
    early : frame with one row per account-day alerted within: account, day, alert_at (a minute's end).
    events : frame with one row per malicious event: scenario, campaign, account, day, timestamp, action, outcome.

    Returns
    -------
    frame with one row per attacked account: account, by_day, by_minute (UTC instants from which nothing more is lost;
    null: never).
    """
    grouped = attacked_days(events).groupby(ACCOUNT_DAY, as_index=False, observed=True)
    days = grouped.agg(first_at=("first_at", "min"))
    told = scores.loc[scores["alert"].astype(bool) | scores["queue"].isin(list(queues)), ACCOUNT_DAY]
    ends = (days["day"] + DAY).dt.tz_localize(zone).dt.tz_convert("UTC").astype(days["first_at"].dtype)
    by_day = ends.where(_among(days, told))
    known = days.merge(early[[*ACCOUNT_DAY, "alert_at"]], on=ACCOUNT_DAY, how="left")["alert_at"]
    inside = known.astype(days["first_at"].dtype).where(known > days["first_at"])
    times = days.assign(by_day=by_day, by_minute=pd.concat([by_day, inside], axis=1).min(axis=1))
    accounts = times.groupby("account", as_index=False, observed=True)
    return accounts.agg(by_day=("by_day", "min"), by_minute=("by_minute", "min"))


def _among(days: pd.DataFrame, told: pd.DataFrame) -> pd.Series[bool]:
    return pd.Series(pd.MultiIndex.from_frame(days[ACCOUNT_DAY]).isin(pd.MultiIndex.from_frame(told)), index=days.index)


def stolen(events: pd.DataFrame) -> pd.DataFrame:
    """Return what a campaign took through each account, once each, at the first time it was taken.

    A campaign steals *writes* when more of its successful events are writes than look-ups and exports; each write
    counts. Otherwise it steals *records*: distinct records, at the first successful look-up or export. Look-ups that
    found nothing take nothing. Without record tokens each look-up counts.

    Parameters
    ----------
    events : frame with one row per malicious event: scenario, campaign, account, timestamp, action, outcome, record.

    Returns
    -------
    frame with one row per stolen item: scenario, campaign, account, timestamp.
    """
    done = events[events["outcome"].fillna("success") == "success"]
    writes, reads = done[done["action"] == "write"], done[done["action"].isin(READS)]
    excess = writes.groupby("campaign").size().sub(reads.groupby("campaign").size(), fill_value=0)
    writing = excess.index[excess > 0]
    unnamed = reads["record"].isna()
    firsts = reads[~unnamed].sort_values("timestamp").drop_duplicates(["campaign", "account", "record"])
    taken = pd.concat([firsts, reads[unnamed]])
    items = [writes[writes["campaign"].isin(writing)], taken[~taken["campaign"].isin(writing)]]
    return pd.concat(items)[[*ATTACK, "timestamp"]].sort_values([*ATTACK, "timestamp"], ignore_index=True)


def gone_before_alert(events: pd.DataFrame, *, alerts: pd.DataFrame) -> pd.DataFrame:
    """Return, per campaign and account, the share of its records or writes that was gone when somebody was told.

    What happens at the very instant of the alert is gone. An account that is never told of has lost everything (share
    1, no time).

    Parameters
    ----------
    events : frame with one row per malicious event, as `stolen` takes it.
    alerts : frame with one row per attacked account, as `first_alerts` returns it.

    Returns
    -------
    frame with one row per campaign and account that took anything: scenario, campaign, account, taken, gone_by_day,
    gone_by_minute (shares), hours_by_day, hours_by_minute (from the first item taken to the alert, at least 0; null:
    never told of).
    """
    items = stolen(events).merge(alerts, on="account", how="left")
    for rule in ("day", "minute"):
        told = items[f"by_{rule}"]
        items[f"gone_by_{rule}"] = (told.isna() | (items["timestamp"] <= told)).astype(float)
        items[f"hours_by_{rule}"] = (told - items["timestamp"]).dt.total_seconds().clip(lower=0) / 3600
    measures = {name: (name, "mean") for name in ("gone_by_day", "gone_by_minute")}
    hours = {name: (name, "max") for name in ("hours_by_day", "hours_by_minute")}
    return items.groupby(ATTACK, as_index=False, observed=True).agg(taken=("timestamp", "size"), **measures, **hours)


def summarise_gone(gone: pd.DataFrame) -> pd.DataFrame:
    """Return median and worst over the accounts of each scenario.

    Returns
    -------
    frame with one row per scenario: scenario, accounts, gone_by_day_median, gone_by_day_worst, gone_by_minute_median,
    gone_by_minute_worst, hours_by_minute_median (of accounts told of).
    """
    grouped = gone.groupby("scenario", as_index=False, observed=True)
    return grouped.agg(
        accounts=("account", "size"),
        gone_by_day_median=("gone_by_day", "median"),
        gone_by_day_worst=("gone_by_day", "max"),
        gone_by_minute_median=("gone_by_minute", "median"),
        gone_by_minute_worst=("gone_by_minute", "max"),
        hours_by_minute_median=("hours_by_minute", "median"),
    )
