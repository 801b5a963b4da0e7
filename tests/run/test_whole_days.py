"""Too few events and lost kinds by the history: a month of days tells what runs of three days do not know yet."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from detector import verbs
from detector.history import History
from detector.ledger import open_ledger
from detector.ledger.store import OPERATOR
from detector.run import run_once
from detector.run.status import status_of
from detector.run.whole_days import Held, hold_days
from detector.schedule import WatchSettings
from detector.settings import PortalSettings, Settings
from tests.run.portal import CANARY, HEADER, Line, configure, lines_of, write_slice

MONDAY = date(2026, 3, 30)
"""On which the job begins; the Monday after is Easter's."""
TUESDAY = MONDAY + timedelta(days=1)
EASTER_MONDAY = date(2026, 4, 6)
UNTRAINED = "[retrain]\nfirst_days = 3650\n"
"""No run of these trains: that takes longer than all else."""
Change = Callable[[Sequence[Line]], Sequence[Line]]


def ordinary(day: date) -> list[Line]:
    """Some 300 lines of a day, 30 of a Sunday; nobody looks the canary up."""
    few = day.isoweekday() == 7
    return [line for line in lines_of(day, accounts=4 if few else 40) if f",{CANARY}," not in line.text]


def one_in_ten(lines: Sequence[Line]) -> list[Line]:
    """Few of all kinds."""
    return list(lines[::10])


def without_sign_ins(lines: Sequence[Line]) -> list[Line]:
    """Look-ups alone, and all of them."""
    return [line for line in lines if ",login," not in line.text]


def without_records(lines: Sequence[Line]) -> list[Line]:
    """A log that no longer names records."""
    return [Line(line.at, line.text.replace(",r", ",-,r").split(",-,r")[0] + _tail(line.text)) for line in lines]


def _tail(text: str) -> str:
    return ",," + ",".join(text.split(",")[5:]) if ",lookup," in text else ""


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job's folder whose history learned the four weeks before Monday in one go."""
    folder = tmp_path_factory.mktemp("month")
    learn(folder, days=28)
    return folder


def learn(folder: Path, *, days: int) -> Settings:
    """Learn so many days before Monday by hand."""
    settings = configure(folder, extra=UNTRAINED)
    learn_lines(settings, folder, [line for n in range(days, 0, -1) for line in ordinary(MONDAY - timedelta(days=n))])
    return settings


def learn_lines(settings: Settings, folder: Path, lines: Sequence[Line]) -> None:
    """Learn lines by hand."""
    dump = folder / f"{lines[0].at:%Y-%m-%d}.csv"
    dump.write_text(HEADER + "".join(line.text for line in lines))
    verbs.learn([str(dump)], history=folder / "history", mapping=folder / "mapping.toml", settings=settings)


def night_after(day: date) -> datetime:
    """One in the morning in UTC, when a nightly run reads the day."""
    return datetime.combine(day + timedelta(days=1), time(1), UTC)


def runs(settings: Settings, folder: Path, *, upto: date, changed: dict[date, Change]) -> list[tuple[date, str]]:
    """Nightly runs from Monday's on: which told of low or missing events, and what."""
    told = []
    for n in range((upto - MONDAY).days + 1):
        day = MONDAY + timedelta(days=n)
        lines = changed.get(day, list)(ordinary(day))
        write_slice(folder / "incoming", datetime.combine(day, time(23), UTC), lines)
        report = run_once(settings, now=night_after(day))
        told += [(day, text) for text in report.faults if text.startswith("all inputs: ")]
    return told


def test_a_day_of_few_events_is_told_by_the_history(month: Path, tmp_path: Path) -> None:
    """By the first run twelve hours after it is over, once, as an alert of that day; the status says so meanwhile."""
    shutil.copytree(month, tmp_path, dirs_exist_ok=True)
    settings = configure(tmp_path, extra=UNTRAINED)
    told = runs(settings, tmp_path, upto=TUESDAY + timedelta(days=1), changed={TUESDAY: one_in_ten})
    ((night, said),) = told
    assert night == TUESDAY + timedelta(days=1)
    assert "events on 2026-03-31, where " in said
    ledger = open_ledger(history=tmp_path / "history")
    (alert,) = [each for each in ledger.alerts(kind=OPERATOR) if each.title == said]
    assert (alert.day, alert.checks) == (TUESDAY, ["low"])
    now = night_after(night) + timedelta(hours=9)
    assert run_once(settings, now=now).recorded.raised == ()
    assert said in status_of(History.open(tmp_path / "history"), ledger, PortalSettings(), now=now).troubles


@pytest.mark.parametrize(
    ("change", "text"),
    [(without_sign_ins, "no sign-ins (usually 40) among the "), (without_records, "no records in its look-ups (usual")],
)
def test_a_day_without_a_kind_is_told_by_the_history(month: Path, tmp_path: Path, change: Change, text: str) -> None:
    """Sign-ins, or tokens of records, which the other events of the day lack."""
    shutil.copytree(month, tmp_path, dirs_exist_ok=True)
    settings = configure(tmp_path, extra=UNTRAINED)
    learn_lines(settings, tmp_path, [*ordinary(MONDAY), *change(ordinary(TUESDAY)), *ordinary(EASTER_MONDAY)])
    (found,) = held(tmp_path, TUESDAY)
    assert (found.kind, found.text.startswith(text), found.day) == ("missing", True, TUESDAY)
    assert held(tmp_path, MONDAY) == []


def test_sundays_and_public_holidays_are_held_against_sundays(month: Path, tmp_path: Path) -> None:
    """Easter Monday is as quiet as one; the Tuesday after it is told of, once it was over for twelve hours."""
    shutil.copytree(month, tmp_path, dirs_exist_ok=True)
    settings = configure(tmp_path, extra=UNTRAINED)
    week = [MONDAY + timedelta(days=n) for n in range(7)]
    lines = [line for day in week for line in ordinary(day)]
    for day in (EASTER_MONDAY, EASTER_MONDAY + timedelta(days=1), EASTER_MONDAY + timedelta(days=2)):
        lines += one_in_ten(ordinary(day))
    learn_lines(settings, tmp_path, lines)
    told = {day: held(tmp_path, day) for day in (*week[1:], EASTER_MONDAY, EASTER_MONDAY + timedelta(days=1))}
    assert {day for day, found in told.items() if found} == {EASTER_MONDAY + timedelta(days=1)}
    assert "on 2026-04-07, where " in told[EASTER_MONDAY + timedelta(days=1)][0].text


def test_a_day_that_the_first_run_began_in_may_be_half_a_day(month: Path, tmp_path: Path) -> None:
    """A log that begins with the job lacks the morning: it is not held to be low, as it would be later."""
    shutil.copytree(month, tmp_path, dirs_exist_ok=True)
    settings = configure(tmp_path, extra=UNTRAINED)
    learn_lines(settings, tmp_path, [*one_in_ten(ordinary(MONDAY)), *ordinary(TUESDAY)])
    noon = datetime.combine(MONDAY, time(10), UTC)
    assert held(tmp_path, MONDAY, first_run=noon + timedelta(seconds=1)) == []
    assert [each.kind for each in held(tmp_path, MONDAY, first_run=noon)] == ["low"]


def held(folder: Path, day: date, *, first_run: datetime = datetime(2026, 3, 1, tzinfo=UTC)) -> list[Held]:
    """What the history tells of a day at noon of the next, and half a minute before: nothing yet."""
    history = History.open(folder / "history")
    noon = datetime.combine(day + timedelta(days=1), time(12), ZoneInfo("Europe/Paris"))
    found = [
        hold_days(history, PortalSettings(), WatchSettings(), first_run=first_run, now=now)
        for now in (noon - timedelta(seconds=30), noon)
    ]
    assert not [each for each in found[0] if each.day == day]
    return [each for each in found[1] if each.day == day]


def test_once_runs_tell_what_is_usual_the_history_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three working days have runs; until then each run but the first asks."""
    asked: list[date] = []

    def watched(*_arguments: object, now: datetime, **_named: object) -> list[Held]:
        asked.append(now.date())
        return []

    monkeypatch.setattr("detector.run.watching.hold_days", watched)
    runs(configure(tmp_path, extra=UNTRAINED), tmp_path, upto=MONDAY + timedelta(days=4), changed={})
    assert asked == [MONDAY + timedelta(days=n) for n in (2, 3, 4)]


def test_fewer_than_two_such_weekdays_tell_nothing(tmp_path: Path) -> None:
    """Ten days hold one Tuesday, two weeks two of them."""
    settings = learn(tmp_path, days=10)
    learn_lines(settings, tmp_path, [*ordinary(MONDAY), *one_in_ten(ordinary(TUESDAY)), *ordinary(EASTER_MONDAY)])
    assert held(tmp_path, TUESDAY) == []
    earlier = [line for n in range(14, 10, -1) for line in ordinary(MONDAY - timedelta(days=n))]
    learn_lines(settings, tmp_path, earlier)
    assert [each.kind for each in held(tmp_path, TUESDAY)] == ["low"]
