"""A day of some accounts beside what an analyst compares it with: own median and largest day, peers, last week.

Account-days that are set aside (they alerted, were warned of early, or were too strange to learn from) are part of no
comparison, as they are part of no baseline: an attack's second day is not small because of its first.
"""

from __future__ import annotations

from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from detector.explain import EVERYONE, peer_values
from detector.joins import to_frame
from detector.novelty import MIN_PAST_DAYS, PAST_DAYS
from detector.timeline import Timeline

COMPARED = (
    "records",
    "lookups",
    "new_records",
    "foreign_records",
    "misses",
    "busiest_hour",
    "active_hours",
    "off_hour_uses",
    "n_networks",
    "new_source_uses",
    "new_agent_uses",
    "failures",
    "writes",
    "foreign_writes",
)
"""Signals that are compared one by one."""
COMPARISONS = ("value", "usual", "largest", "week_before", "peers")
COMPARISON = pa.struct([("signal", pa.string()), *((name, pa.float64()) for name in COMPARISONS)])
WEEK = timedelta(days=7)
_KEY = ["account", "channel"]


def compare_days(timeline: Timeline, day: date, asked: pd.DataFrame) -> pd.DataFrame:
    """Compare a day of some accounts, signal by signal.

    Parameters
    ----------
    timeline
        Days.
    day
        The day.
    asked
        `account`, the `channel` that is compared, and its `peer_group`; one row per account.

    Returns
    -------
    pd.DataFrame
        One row per account and signal of `COMPARED`, in the order of both: `account`, `signal`, `value`, `usual`
        (median of its active days in the 28 before), `largest` (of them), `week_before` (the same weekday last week)
        and `peers` (99th percentile of its peers' days in the 28 before; of the day itself, where there is no past to
        use). Null where unknown, and where the account was not active on that day or the day is set aside.
    """
    keys = asked[_KEY].reset_index(drop=True)
    chosen = ibis.memtable(pa.Table.from_pandas(keys.astype(str), preserve_index=False))
    today, past = timeline.account_days(day), timeline.past(day).account_days
    own = _dated(past.semi_join(chosen, _KEY))
    now = _dated(today.semi_join(chosen, _KEY)).set_index(_KEY)
    index, by_account = pd.MultiIndex.from_frame(keys), own.groupby(_KEY)[list(COMPARED)]
    parts = {
        "value": now[list(COMPARED)].reindex(index),
        "usual": by_account.median().reindex(index),
        "largest": by_account.max().reindex(index),
        "week_before": own[own["day"] == day - WEEK].set_index(_KEY)[list(COMPARED)].reindex(index),
        "peers": _peers(past if len(timeline.days_before(day)) >= MIN_PAST_DAYS else today, asked).set_axis(index),
    }
    stacked = {name: part.astype("float64").to_numpy().ravel() for name, part in parts.items()}
    accounts = keys["account"].repeat(len(COMPARED)).to_numpy()
    return pd.DataFrame({"account": accounts, "signal": list(COMPARED) * len(keys), **stacked})


def flagged_days(timeline: Timeline, day: date) -> pd.DataFrame:
    """Account-days (`account`, `day`) of the 28 days before that are set aside, and so are part of no comparison."""
    aside = timeline.set_aside.assign(day=lambda rows: list(pd.to_datetime(rows["day"]).dt.date))
    within = (aside["day"] < day) & (aside["day"] >= day - timedelta(days=PAST_DAYS))
    return aside[within].drop_duplicates().sort_values(["account", "day"], ignore_index=True)


def _dated(rows: ir.Table) -> pd.DataFrame:
    found = to_frame(rows.select(*_KEY, "day", *COMPARED))
    return found.assign(day=list(pd.to_datetime(found["day"]).dt.date))


def _peers(rows: ir.Table, asked: pd.DataFrame) -> pd.DataFrame:
    """One row per row of `asked`: its peer group's, or that of everyone on its channel who has no profession."""
    group = ibis.coalesce(rows.profession, EVERYONE) + " " + rows.channel
    everyone = EVERYONE + " " + asked["channel"]
    wanted = sorted({*asked["peer_group"].dropna(), *everyone})
    # Of the few groups that are asked about: percentiles of all of a large portal take seconds.
    highs = peer_values(rows.filter(group.isin(wanted)).select("profession", "channel", *COMPARED), COMPARED)
    known = asked["peer_group"].where(asked["peer_group"].isin(highs.index), everyone)
    return highs.reindex(known)[list(COMPARED)]
