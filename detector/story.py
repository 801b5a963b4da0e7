"""One account's story: its past 28 days, how one day compares with them and with its peers, and why that is strange."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, NamedTuple

import pandas as pd

from detector.account_days import ACCOUNT_DAYS
from detector.errors import HistoryError
from detector.explain import PEERS_HIGH
from detector.history import History
from detector.model.kept import Model
from detector.novelty import PAST_DAYS
from detector.scoring import ScoreSettings, score_days
from detector.timeline import Timeline

SHOWN = ("lookups", "records", "new_records", "foreign_records", "n_ips", "failures", "writes")
"""Signals of each past day."""
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
WEEK = timedelta(days=7)


class Story(NamedTuple):
    """What is known of an account on a day.

    account, day
        Whose, and which.
    past
        One row per day and channel, the day included, oldest first: day, channel, profession, and the `SHOWN` signals.
    compared
        One row per signal of the day's stranger channel: signal, value, usual (median of its active days before),
        largest (of them), week_before (the same weekday last week), peers (99th percentile of its peers' days before).
        Null where unknown.
    score
        The account's row of `SCORES` that day; None if it was not active.
    """

    account: str
    day: date
    past: pd.DataFrame
    compared: pd.DataFrame
    score: dict[str, Any] | None


def tell_story(
    timeline: Timeline, model: Model, account: str, *, day: date | None = None, settings: ScoreSettings | None = None
) -> Story:
    """Tell an account's story from history.

    Parameters
    ----------
    timeline
        Of a history.
    model
        What weighs deviations.
    account
        The account, as the history has it.
    day
        The day to explain; None: the account's newest.
    settings
        Of scoring.

    Raises
    ------
    HistoryError
        If the day, or the account in the 28 days before it, is not held.
    """
    history = _history_of(timeline)
    chosen = day or _newest(timeline, history, account)
    if chosen not in history.days:
        raise HistoryError(f"{chosen} is not held; {history.folder} holds {history.days[0]} to {history.days[-1]}")
    rows = _rows(timeline, history, chosen)
    own = rows[rows["account"] == account]
    if own.empty:
        raise HistoryError(f"account {account!r} has no day in the 28 before {chosen}; is it written as in the dumps?")
    scored = score_days(timeline, model, days=[chosen], settings=settings).scores
    found = scored[scored["account"] == account].to_dict("records")
    score: dict[str, Any] | None = {str(name): value for name, value in found[0].items()} if found else None
    channel = score["channel"] if score else own["channel"].iloc[-1]
    past = own[["day", "channel", "profession", *SHOWN]].sort_values(["day", "channel"]).reset_index(drop=True)
    return Story(account, chosen, past, _compare(rows, account, channel, chosen), score)


def _history_of(timeline: Timeline) -> History:
    if timeline.history is None or not timeline.history.days:
        raise HistoryError("no day is held: learn days first (detector learn)")
    return timeline.history


def _newest(timeline: Timeline, history: History, account: str) -> date:
    rows = history.table(timeline.con, ACCOUNT_DAYS.name, history.days[0], history.days[-1])
    newest: date | None = rows.filter(rows.account == account).day.max().to_pyarrow().as_py()
    if newest is None:
        raise HistoryError(
            f"account {account!r} has no day in {history.folder}, which holds {history.days[0]} to "
            f"{history.days[-1]}; is it written as in the dumps?"
        )
    return newest


def _rows(timeline: Timeline, history: History, day: date) -> pd.DataFrame:
    """Account-days of the day and the 28 before, of everybody."""
    rows = history.table(timeline.con, ACCOUNT_DAYS.name, day - timedelta(days=PAST_DAYS), day)
    columns = list(dict.fromkeys(("account", "channel", "day", "profession", *SHOWN, *COMPARED)))
    table: pd.DataFrame = rows.select(*columns).to_pandas()
    dated: pd.DataFrame = table.assign(day=list(pd.to_datetime(table["day"]).dt.date))
    return dated


def _compare(rows: pd.DataFrame, account: str, channel: str, day: date) -> pd.DataFrame:
    same = rows[rows["channel"] == channel]
    own = same[same["account"] == account].set_index("day")
    before = own[own.index < day]
    group = own["profession"].dropna()
    peers = same[(same["day"] < day) & (same["profession"] == group.iloc[-1])] if len(group) else same.iloc[:0]
    names = list(COMPARED)
    values = {
        "value": own.reindex([day])[names].iloc[0],
        "usual": before[names].median(),
        "largest": before[names].max(),
        "week_before": own.reindex([day - WEEK])[names].iloc[0],
        "peers": peers[peers["account"] != account][names].quantile(PEERS_HIGH),
    }
    return pd.DataFrame(values).reindex(names).rename_axis("signal").reset_index()
