"""One account's story: its past 28 days, how one day compares with them and with its peers, and why that is strange."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import pandas as pd

from detector.account_days import ACCOUNT_DAYS
from detector.comparison import compare_days, flagged_days
from detector.errors import HistoryError
from detector.explain import EVERYONE
from detector.history import History
from detector.joins import to_frame
from detector.model.kept import Model
from detector.scoring import ScoreSettings, score_days
from detector.timeline import Timeline

SHOWN = ("lookups", "records", "new_records", "foreign_records", "n_ips", "failures", "writes")
"""Signals of each past day."""


class Story(NamedTuple):
    """What is known of an account on a day.

    account, day
        Whose, and which.
    past
        One row per day and channel, the day included, oldest first: day, channel, profession, the `SHOWN` signals, and
        whether a day before was flagged: it alerted, was warned of early, or was too strange to learn from, and is part
        of no comparison.
    compared
        One row per signal of the day's stranger channel, as in `detector.comparison.compare_days`.
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
    past = _days(timeline, account, chosen)
    if past.empty:
        raise HistoryError(f"account {account!r} has no day in the 28 before {chosen}; is it written as in the dumps?")
    scored = score_days(timeline, model, days=[chosen], settings=settings).scores
    found = scored[scored["account"] == account].to_dict("records")
    score: dict[str, Any] | None = {str(name): value for name, value in found[0].items()} if found else None
    return Story(account, chosen, past, _compare(timeline, account, chosen, past, score).drop(columns="account"), score)


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


def _days(timeline: Timeline, account: str, day: date) -> pd.DataFrame:
    """The account's days among the 28 before, and the day itself, with their flags."""
    both = (timeline.all_days_before(day), timeline.account_days(day))
    columns = ("day", "channel", "profession", *SHOWN)
    parts = [to_frame(rows.filter(rows.account == account).select(*columns)) for rows in both]
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.assign(day=list(pd.to_datetime(rows["day"]).dt.date)).sort_values(["day", "channel"], ignore_index=True)
    flagged = flagged_days(timeline, day)
    return rows.assign(flagged=rows["day"].isin(flagged.loc[flagged["account"] == account, "day"]))


def _compare(
    timeline: Timeline, account: str, day: date, past: pd.DataFrame, score: dict[str, Any] | None
) -> pd.DataFrame:
    channel = score["channel"] if score else past["channel"].iloc[-1]
    known = past["profession"].dropna()
    group = score["peer_group"] if score else f"{known.iloc[-1] if len(known) else EVERYONE} {channel}"
    asked = pd.DataFrame({"account": [account], "channel": [channel], "peer_group": [group]})
    return compare_days(timeline, day, asked)
