"""Retro-hunt: past days judged anew, with today's model, checks and newly known addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import ibis.expr.types as ir
import pandas as pd
from ibis import _
from ibis.backends.duckdb import Backend

from detector.account_days import ACCOUNT_DAYS
from detector.alerts import build_alerts, find_evidence
from detector.clock import day_start
from detector.errors import ConfigError, HistoryError, ModelError
from detector.history import History
from detector.history.manifest import is_expired
from detector.ledger import Alert, Ledger, Receiver, Recorded, excuse, to_rows
from detector.ledger.reviews import review_rows, waits
from detector.ledger.store import EXTRACTION
from detector.model.kept import Model
from detector.notify import check_receivers
from detector.output.table import say_days
from detector.run.addresses import AddressList, find_users, load_addresses, with_checks
from detector.run.judging import open_events
from detector.run.lock import only_run
from detector.run.lost import find_model
from detector.schema import ACCOUNT_SOURCES
from detector.scoring import Scored, score_days
from detector.settings import Settings
from detector.timeline import Timeline
from detector.workspace import Workspace, workspace

NOT_HELD = "nothing is held"
GOES_ON = "not over: the job judges it slice by slice"
EXPIRED = "past the retention"
STALE = "signals out of date: `detector learn --history DIR` computes them anew"
NOBODY = "no named account did anything"


@dataclass(frozen=True)
class Hunted:
    """What a hunt did.

    Attributes
    ----------
    days
        Days that were judged anew, oldest first.
    left_out
        By reason, days since the first one that were not.
    unsearched
        Days that were judged, and on which no address was looked for: where accounts came from is past its retention.
    recorded
        What became of the alerts.
    lost
        That the model in use was lost and none is kept, so that only checks and addresses alerted; empty: it was not.
    """

    days: tuple[date, ...]
    left_out: Mapping[str, tuple[date, ...]]
    unsearched: tuple[date, ...]
    recorded: Recorded
    lost: str = ""


def hunt(settings: Settings, *, since: date, now: datetime, days: Sequence[date] = ()) -> Hunted:
    """Judge the days since a date anew that are over; alerts that are in the ledger are not raised twice.

    Of closed days events are no longer held: checks that look at them stay silent, and no minute is told; where from is
    known by the day's sources. Whoever used
    an address of the list (`[run] addresses_file`) alerts, as when a check fires.

    Parameters
    ----------
    since
        The first day.
    now
        The time, with its zone.
    days
        Only these; none: all since.

    Raises
    ------
    AlreadyRunningError
        If a run is at work on this history.
    ConfigError, HistoryError, ModelError
        If there is no history, no day to judge, a receiver's address can never work, the list of addresses is none, or
        the model in use was lost and one is kept, which a run takes back.
    """
    folder = settings.history.folder
    if folder is None:
        raise ConfigError("no history: [history] folder in the settings names it")
    check_receivers(settings.notify)
    listed = load_addresses(settings.run.addresses_file) if settings.run.addresses_file else None
    with only_run(folder), workspace(settings) as place:
        history, ledger = place.history(), place.ledger(create=True)
        assert history is not None and ledger is not None, "both are named"  # noqa: S101, PT018
        return _Hunt(place, history, ledger, listed, now).work(since, days)


class _Hunt:
    """The means of one hunt, and its steps."""

    def __init__(
        self, place: Workspace, history: History, ledger: Ledger, listed: AddressList | None, now: datetime
    ) -> None:
        self.place, self.history, self.ledger, self.listed, self.now = place, history, ledger, listed, now

    def work(self, since: date, days: Sequence[date]) -> Hunted:
        today = self.now.astimezone(ZoneInfo(self.place.zone)).date()
        wanted = [since + timedelta(days=n) for n in range((today - since).days + 1)]
        reasons = {day: self._unfit(day) for day in wanted if day in days or not days}
        model, lost = self._model()
        timeline = self._timeline([day for day, why in reasons.items() if not why], model)
        reasons |= {day: NOBODY for day in reasons if self._is_empty(timeline, day, why=reasons[day])}
        asked = [day for day, why in reasons.items() if not why]
        left_out = {why: tuple(day for day in reasons if reasons[day] == why) for why in reasons.values() if why}
        if not asked:
            told = "".join(f"; {say_days(each)}: {why}" for why, each in left_out.items())
            raise HistoryError(f"no day since {since} in {self.history.folder} to judge anew{told}")
        unsearched = [day for day in asked if is_expired(self.history.manifest, day, ACCOUNT_SOURCES.name)]
        recorded = self._judge(timeline, model, asked)
        return Hunted(tuple(asked), left_out, tuple(unsearched) if self.listed else (), recorded, lost)

    def _unfit(self, day: date) -> str:
        """Why a day cannot be judged anew; empty: it can."""
        if day not in self.history.days:
            return NOT_HELD
        if self.history.is_open(day):
            after = timedelta(seconds=self.place.settings.run.close_after_s)
            end = day_start(day + timedelta(days=1), zone=self.place.zone)
            return "" if self.now >= end + after else GOES_ON
        return unfit_closed(self.history, day)

    def _is_empty(self, timeline: Timeline, day: date, *, why: str) -> bool:
        return not why and self.history.is_open(day) and day not in timeline.input_days

    def _model(self) -> tuple[Model, str]:
        found = find_model(self.place, self.history, self.ledger)
        if found.is_kept:
            raise ModelError(f"the model in use was lost: {found.lost}; `detector run --once` takes a kept one back")
        return found.model, found.sentence if found.lost else ""

    def _timeline(self, days: Sequence[date], model: Model) -> Timeline:
        """The past; of days that are not closed, their events, which no sums count yet."""
        still_open = [day for day in days if self.history.is_open(day)]
        events = open_events(self.history, still_open, con=self.place.con) if still_open else None
        return self.place.timeline(self.history, events=events, model=model)

    def _judge(self, timeline: Timeline, model: Model, days: Sequence[date]) -> Recorded:
        found = score_days(timeline, model, days=days, settings=self.place.settings.told)
        fired = found.fired
        if self.listed is not None:
            used = self._users(timeline, days, self.listed)
            found = found._replace(scores=with_checks(found.scores, used))
            fired = pd.concat([each for each in (fired, used) if len(each)] or [fired], ignore_index=True)
        rows = rows_of_days(
            found._replace(fired=fired), timeline, self.ledger, days=days, history=self.history, con=self.place.con
        )
        receivers = [Receiver(each.name, each.severity) for each in self.place.settings.notify.receivers]
        return self.ledger.record(rows, at=self.now, receivers=receivers)

    def _users(self, timeline: Timeline, days: Sequence[date], listed: AddressList) -> pd.DataFrame:
        """Who used an address of the list."""
        held = self.history.table(self.place.con, ACCOUNT_SOURCES.name, days[0], days[-1])
        closed = [day for day in days if day not in timeline.input_days]
        tables = [held.filter(held.day.isin(closed))] if closed else []
        tables += [timeline.sources(day) for day in timeline.input_days if day in days]
        found = [find_users(each, listed) for each in tables]
        return pd.concat([each for each in found if len(each)] or found[:1], ignore_index=True)


def unfit_closed(history: History, day: date) -> str:
    """Why a closed day cannot be judged anew; empty: it can."""
    if is_expired(history.manifest, day, ACCOUNT_DAYS.name):
        return EXPIRED
    return STALE if day in history.stale else ""


def rows_of_days(
    found: Scored, timeline: Timeline, ledger: Ledger, *, days: Sequence[date], history: History, con: Backend
) -> list[dict[str, Any]]:
    """What was found on days that are over, as rows for the ledger; of closed ones without minutes.

    Where from and when is told of a closed day by its sources, unless the ledger names files and lines already.
    """
    scores = excuse(found.scores, levels=ledger.excused(), robots=ledger.robots())
    is_told = scores["alert"] | waits(scores)
    named = {day: scores.loc[is_told & (pd.to_datetime(scores["day"]).dt.date == day), "account"] for day in days}
    evidence = [_evidence(timeline, history, con, day, accounts.tolist()) for day, accounts in named.items()]
    lines = pd.concat([each for each in evidence if len(each)] or [pd.DataFrame()], ignore_index=True)
    early = found.early[pd.to_datetime(found.early["day"]).dt.date.isin(timeline.input_days)]
    held = {each.alert_id: each for each in ledger.alerts(since=min(days), until=max(days), kind=EXTRACTION)}
    alerts = [
        row | {"evidence": []} if row["day"] not in timeline.input_days and _names_files(held, row) else row
        for row in to_rows(build_alerts(scores, found.fired, lines), scores, early)
    ]
    return [*alerts, *review_rows(scores, lines, known=set(held))]


def _names_files(held: Mapping[str, Alert], row: Mapping[str, Any]) -> bool:
    known = held.get(row["alert_id"])
    return known is not None and any(each.get("source") for each in known.evidence)


def _evidence(timeline: Timeline, history: History, con: Backend, day: date, accounts: list[str]) -> pd.DataFrame:
    if not accounts:
        return pd.DataFrame()
    if day in timeline.input_days:
        events = timeline.events_of(day)
        return pd.DataFrame() if events is None else find_evidence(events, accounts).assign(day=day)
    return sum_sources(history.table(con, ACCOUNT_SOURCES.name, day, day), accounts).assign(day=day)


def sum_sources(sources: ir.Table, accounts: Sequence[str]) -> pd.DataFrame:
    """Evidence of a closed day: as `detector.alerts.find_evidence` tells it, without files, lines and records.

    Parameters
    ----------
    sources
        `account_sources` of the day.
    accounts
        The accounts.
    """
    rows = sources.filter(sources.account.isin(accounts)).group_by(["account", "ip", "user_agent"])
    sums = rows.aggregate(
        lookups=_.lookups.sum(), writes=_.writes.sum(), first_at=_.first_at.min(), last_at=_.last_at.max()
    )
    found: pd.DataFrame = sums.order_by(["account", "first_at", "ip", "user_agent"]).to_pandas()
    return found.assign(source=None, records=None, first_line=None, last_line=None)
