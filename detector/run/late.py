"""Closed days that events came for, or that were rebuilt: the manifest tells which, and they are judged anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from detector.history import History
from detector.ledger import Ledger
from detector.model.kept import Model
from detector.news import LeftOut
from detector.output.table import say_days
from detector.run.hunting import STALE, rows_of_days, unfit_closed
from detector.run.watching import Fault
from detector.scoring import score_days
from detector.workspace import Workspace

LATE_DAYS = 7
"""Days before today that are judged anew by themselves: a feed that is mended within a week."""
REST = timedelta(hours=1)
"""A day that slices come for all day long is judged anew so often, since that is the work of a whole day."""
TOO_OLD = f"more than {LATE_DAYS} days ago"


class LateDays(NamedTuple):
    """What is to be done of late days.

    In neither are those that wait: judged anew within the hour, or the newest day, whose signals are not computed yet.

    Attributes
    ----------
    due
        Days to judge now, oldest first.
    unfit
        Days that are not judged by themselves, with the reason.
    """

    due: tuple[date, ...]
    unfit: dict[date, str]


def find_late(history: History, *, now: datetime, zone: str) -> LateDays:
    """Tell what is to be judged anew, from the history's state alone."""
    first = now.astimezone(ZoneInfo(zone)).date() - timedelta(days=LATE_DAYS)
    reasons = {day: TOO_OLD if day < first else unfit_closed(history, day) for day in history.late}
    due = [day for day, why in reasons.items() if not why and not _rests(history, day, now=now)]
    return LateDays(tuple(due), {day: why for day, why in reasons.items() if why not in ("", STALE)})


def judge_late(place: Workspace, history: History, ledger: Ledger, model: Model, day: date) -> list[dict[str, Any]]:
    """Judge a closed day anew by its sums, as `run --since` does; rows for the ledger."""
    timeline = place.timeline(history, model=model)
    found = score_days(timeline, model, days=[day], settings=place.settings.score)
    return rows_of_days(found, timeline, ledger, days=[day], history=history, con=place.con)


def say_late(late: LateDays, lost: Sequence[LeftOut], *, cold: bool) -> list[Fault]:
    """What an operator should know of days whose late events checks alone judge, or nobody, or are not read."""
    found = [f"late events of {each.day}: {each.events} were not read: {each.reason}" for each in lost]
    if late.due and cold:
        found.append(
            f"late events of {say_days(late.due)}: judged by checks of counts alone, there being no model; once there "
            f"is one, `detector run --since {late.due[0]}` judges them by it"
        )
    for why in dict.fromkeys(late.unfit.values()):
        days = [day for day, each in late.unfit.items() if each == why]
        found.append(
            f"late events of {say_days(days)}: judged by nobody ({why}); `detector run --since {days[0]}` judges what "
            "can be"
        )
    return [Fault("late_day", text) for text in found]


def _rests(history: History, day: date, *, now: datetime) -> bool:
    last = history.manifest.days[day].judged_at
    return last is not None and now < last + REST
