"""Retro-hunt: past days judged anew, with today's model, checks and newly known addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from detector.alerts import build_alerts
from detector.errors import ConfigError, HistoryError
from detector.ledger import Receiver, Recorded, excuse, to_rows
from detector.notify import check_receivers
from detector.run.addresses import find_users, load_addresses, with_checks
from detector.run.lock import only_run
from detector.schema import ACCOUNT_SOURCES
from detector.scoring import score_days
from detector.settings import Settings
from detector.workspace import workspace


@dataclass(frozen=True)
class Hunted:
    """Days that were judged anew, and what became of their alerts."""

    days: tuple[date, ...]
    recorded: Recorded


def hunt(settings: Settings, *, since: date, now: datetime, days: Sequence[date] = ()) -> Hunted:
    """Judge the closed days since a date anew; alerts that are in the ledger are not raised twice.

    Events are no longer held: checks that look at them stay silent, and no minute is told. Whoever used an address of
    the list (`[run] addresses_file`) alerts, as when a check fires.

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
    ConfigError, HistoryError
        If there is no history, no closed day since, a receiver's address can never work, or the list of addresses is
        none.
    """
    folder = settings.history.folder
    if folder is None:
        raise ConfigError("no history: [history] folder in the settings names it")
    check_receivers(settings.notify)
    listed = load_addresses(settings.run.addresses_file) if settings.run.addresses_file else None
    with only_run(folder), workspace(settings) as place:
        history, ledger = place.history(), place.ledger(create=True)
        assert history is not None and ledger is not None, "both are named"  # noqa: S101, PT018
        asked = [day for day in history.days if day >= since and not history.is_open(day) and (day in days or not days)]
        if not asked:
            raise HistoryError(f"no closed day since {since} in {folder}: there is nothing to judge anew")
        model = place.model()
        timeline = place.timeline(history, model=model)
        found = score_days(timeline, model, days=asked, settings=settings.score)
        fired = found.fired
        if listed is not None:
            sources = history.table(place.con, ACCOUNT_SOURCES.name, asked[0], asked[-1])
            used = find_users(sources.filter(sources.day.isin(asked)), listed)
            found = found._replace(scores=with_checks(found.scores, used))
            fired = pd.concat([each for each in (fired, used) if len(each)] or [fired], ignore_index=True)
        scores = excuse(found.scores, levels=ledger.excused(), robots=ledger.robots())
        rows = to_rows(build_alerts(scores, fired, pd.DataFrame()), scores)
        receivers = [Receiver(each.name, each.severity) for each in settings.notify.receivers]
        return Hunted(tuple(asked), ledger.record(rows, at=now, receivers=receivers))
