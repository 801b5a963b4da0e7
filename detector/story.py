"""One account's story: its past 28 days, how one day compares with them and with its peers, and why that is strange."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from shlex import quote
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd
from ibis import _

from detector.account_days import ACCOUNT_DAYS
from detector.comparison import compare_days, flagged_days
from detector.errors import HistoryError
from detector.explain import EVERYONE
from detector.history import History
from detector.history.tables import OPEN_EVENTS
from detector.joins import to_frame
from detector.ledger import Alert, Ledger, Robot, excuse
from detector.model.kept import Model
from detector.scoring import ScoreSettings, score_days
from detector.timeline import Timeline

SHOWN = ("lookups", "records", "new_records", "foreign_records", "n_ips", "failures", "writes")
"""Signals of each past day."""


class OpenDay(NamedTuple):
    """What was read so far of an account on a day that is not closed, and so is part of no story.

    day
        Calendar day in the portal's zone.
    lookups, records
        Look-ups, and records shown; records without tokens are not counted.
    last_at
        Its last event so far, in the portal's zone; None: it did nothing that was read.
    """

    day: date
    lookups: int
    records: int
    last_at: datetime | None


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
    open_days
        Days after it that are not closed, oldest first: nothing else here tells of them.
    alerts
        The ledger's alerts on the account, of the day and later ones; None without a ledger.
    is_explained
        The day would alert, but people have explained it: `score` says that it does not.
    robot
        The account's entry among known robots, in force or not.
    """

    account: str
    day: date
    past: pd.DataFrame
    compared: pd.DataFrame
    score: dict[str, Any] | None
    open_days: tuple[OpenDay, ...] = ()
    alerts: tuple[Alert, ...] | None = None
    is_explained: bool = False
    robot: Robot | None = None


def tell_story(
    timeline: Timeline,
    model: Model,
    account: str,
    *,
    day: date | None = None,
    settings: ScoreSettings | None = None,
    ledger: Ledger | None = None,
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
        The day to explain; None: the newest closed one on which the account was active.
    settings
        Of scoring.
    ledger
        Where the account's alerts are.

    Raises
    ------
    HistoryError
        If the day, or the account in the 28 days before it, is not held, or the day is not closed.
    """
    history = _history_of(timeline)
    chosen = day or _newest(timeline, history, account)
    if chosen not in history.days:
        raise HistoryError(f"{chosen} is not held; {history.folder} holds {history.days[0]} to {history.days[-1]}")
    if chosen in history.pending:
        raise HistoryError(_unclosed(account, _open_days(timeline, history, account, since=chosen)))
    past = _days(timeline, account, chosen)
    if past.empty:
        raise HistoryError(f"account {account!r} has no day in the 28 before {chosen}; is it written as in the dumps?")
    scored = score_days(timeline, model, days=[chosen], settings=settings).scores
    score = _row_of(scored, account)
    robots = [] if ledger is None else ledger.robots()
    is_explained = False
    if ledger is not None and score is not None and score["alert"]:
        score = _row_of(excuse(scored, levels=ledger.excused(), robots=robots), account) or score
        is_explained = not score["alert"]
    compared = _compare(timeline, account, chosen, past, score).drop(columns="account")
    alerts = None if ledger is None else tuple(ledger.alerts(account=account, since=chosen))
    opened = _open_days(timeline, history, account, since=chosen)
    robot = next((each for each in robots if each.account == account), None)
    return Story(account, chosen, past, compared, score, opened, alerts, is_explained, robot)


def _row_of(scores: pd.DataFrame, account: str) -> dict[str, Any] | None:
    found = scores[scores["account"] == account].to_dict("records")
    return {str(name): value for name, value in found[0].items()} if found else None


def _history_of(timeline: Timeline) -> History:
    if timeline.history is None or not timeline.history.days:
        raise HistoryError("no day is held: learn days first (detector learn)")
    return timeline.history


def _newest(timeline: Timeline, history: History, account: str) -> date:
    rows = history.table(timeline.con, ACCOUNT_DAYS.name, history.days[0], history.days[-1])
    newest: date | None = rows.filter(rows.account == account).day.max().to_pyarrow().as_py()
    if newest is None:
        seen = [each for each in _open_days(timeline, history, account) if each.last_at is not None]
        if seen:
            raise HistoryError(_unclosed(account, seen))
        raise HistoryError(
            f"account {account!r} has no day in {history.folder}, which holds {history.days[0]} to "
            f"{history.days[-1]}; is it written as in the dumps?"
        )
    return newest


def _open_days(timeline: Timeline, history: History, account: str, *, since: date = date.min) -> tuple[OpenDay, ...]:
    """What was read of the account on days that are not closed."""
    found = []
    for day in history.pending:
        if day < since:
            continue
        events = history.table(timeline.con, OPEN_EVENTS.name, day, day)
        lookup = _.action == "lookup"
        row = (
            events.filter(events.account == account)
            .aggregate(
                lookups=lookup.cast("int64").sum().fill_null(0),
                records=_.record.nunique(where=lookup & (_.outcome == "success")),
                last_at=_.timestamp.max(),
            )
            .to_pyarrow()
            .to_pylist()[0]
        )
        last_at = row["last_at"].astimezone(ZoneInfo(timeline.zone)) if row["last_at"] is not None else None
        found.append(OpenDay(day, int(row["lookups"]), int(row["records"]), last_at))
    return tuple(found)


def _unclosed(account: str, days: Sequence[OpenDay]) -> str:
    told = ", ".join(
        f"{each.day} ({each.lookups:,} look-ups so far, the last event at {each.last_at:%H:%M})"
        if each.last_at is not None
        else f"{each.day} (nothing read of it so far)"
        for each in days
    )
    return (
        f"account {account!r}: not closed, and so no story yet: {told}; `detector alerts --account {quote(account)} "
        f"--since {days[0].day}` lists what was found meanwhile, which need not be all"
    )


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
