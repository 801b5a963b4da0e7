"""What the status calls trouble, and how a monitor learns of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.history import History
from detector.ledger import Receiver, Robot, open_ledger
from detector.ledger.runs import begin_run, end_run, note_run
from detector.run import run_once
from detector.run.lock import only_run
from detector.run.status import DAY, TRAINING, Status, say_unended, status_of, usual_pause
from detector.settings import Settings
from tests.ledger.made import row
from tests.run.portal import configure

DOWN = '[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "/no/such/folder/alerts.jsonl"\n'


def looked_at(settings: Settings, now: datetime) -> Status:
    """The status then."""
    folder = settings.history.folder
    assert folder is not None
    return status_of(History.open(folder), open_ledger(history=folder), settings.portal, now=now)


def test_a_receiver_that_is_down_is_trouble_within_the_hour(tmp_path: Path) -> None:
    """By name, with the reason: in the status, its exit code and the metrics; a first failure is none yet."""
    settings = configure(tmp_path, extra=f'{DOWN}[run]\nmetrics = "{tmp_path}/detector.prom"\n')
    began = datetime.now(UTC) - timedelta(minutes=33)
    for minutes in (0, 1):
        run_once(settings, now=began + timedelta(minutes=minutes))
        open_ledger(history=tmp_path / "history").record([row()], at=began, receivers=[Receiver("siem")])
    assert not [each for each in looked_at(settings, began + timedelta(minutes=29)).troubles if "siem" in each]
    assert "detector_healthy" in (tmp_path / "detector.prom").read_text()
    run_once(settings, now=began + timedelta(minutes=31))
    assert "detector_healthy 0\n" in (tmp_path / "detector.prom").read_text()
    told = [each for each in looked_at(settings, began + timedelta(minutes=31)).troubles if "siem" in each]
    since = f"{began:%Y-%m-%d %H:%M} UTC"
    reason = "/no/such/folder/alerts.jsonl: No such file or directory"
    assert told == [f"receiver siem: 1 notification not delivered since {since} ({reason})"]
    result = CliRunner().invoke(app, ["status", "--config", str(tmp_path / "detector.toml")])
    assert result.exit_code == 1
    assert f"TROUBLE: {told[0]}" in result.stdout


@pytest.mark.parametrize(("newest", "expected"), [(["portal: no event since 01:33 UTC"], 1), ([], 0)])
def test_what_the_newest_run_told_stands_until_a_run_finds_it_gone(
    tmp_path: Path, newest: list[str], expected: int
) -> None:
    """Of a nightly job a monitor asks in working hours: what was told at two is trouble at nine, and all day."""
    settings = configure(tmp_path)
    now = datetime.now(UTC)
    run_once(settings, now=now - timedelta(hours=30))
    ledger = open_ledger(history=tmp_path / "history")
    for faults, hours in ((["portal: no event since 00:12 UTC"], 29), (newest, 7)):
        at = now - timedelta(hours=hours)
        end_run(ledger, begin_run(ledger, at=at), at=at, report={"faults": faults})
    assert sum("portal: no event since" in each for each in looked_at(settings, now).troubles) == expected


@pytest.mark.parametrize(("hours", "is_overdue"), [(2, False), (7, True)])
def test_a_run_that_trains_is_not_overdue_for_six_hours(tmp_path: Path, hours: int, *, is_overdue: bool) -> None:
    """Where a run begins every five minutes, none can while a large portal's model is trained."""
    settings = configure(tmp_path)
    now = datetime.now(UTC)
    run_once(settings, now=now - timedelta(hours=hours, minutes=105))
    ledger = open_ledger(history=tmp_path / "history")
    for minutes in range(100, 0, -5):
        at = now - timedelta(hours=hours, minutes=minutes)
        end_run(ledger, begin_run(ledger, at=at), at=at, report={})
    note_run(ledger, begin_run(ledger, at=now - timedelta(hours=hours)), report={TRAINING: True})
    with only_run(tmp_path / "history"):
        found = looked_at(settings, now)
    assert any("no run has ended well" in each for each in found.troubles) is is_overdue
    assert [each for each in say_unended(found) if each.endswith(" is training")]
    killed = looked_at(settings, now)
    assert any("no run has ended well" in each for each in killed.troubles), "its lock died with it"
    assert [each for each in say_unended(killed) if each.startswith("1 run interrupted")]


def test_metrics_that_cannot_be_written_fail_no_run(tmp_path: Path) -> None:
    """The run warns, and has done its work; the status calls it trouble until they can be written."""
    settings = configure(tmp_path, extra=f'[run]\nmetrics = "{tmp_path}/absent/detector.prom"\n')
    now = datetime.now(UTC)
    report = run_once(settings, now=now)
    assert [each for each in report.notices if "[run] metrics" in each]
    found = looked_at(settings, now)
    assert found.last_good is not None
    (told,) = [each for each in found.troubles if "metrics" in each]
    assert told.endswith("absent/detector.prom: cannot be written (No such file or directory)")
    (tmp_path / "absent").mkdir()
    run_once(settings, now=now)
    assert not [each for each in looked_at(settings, now).troubles if "metrics" in each]


@pytest.mark.parametrize(("minutes", "expected"), [(59, 0), (61, 1)])
def test_a_receiver_that_the_job_no_longer_knows_is_trouble(tmp_path: Path, minutes: int, expected: int) -> None:
    """What waits for it is tried by nobody, and the status says so."""
    settings = configure(tmp_path)
    now = datetime.now(UTC)
    run_once(settings, now=now)
    since = now - timedelta(minutes=minutes)
    open_ledger(history=tmp_path / "history").record([row()], at=since, receivers=[Receiver("left")])
    told = [each for each in looked_at(settings, now).troubles if "receiver left" in each]
    assert len(told) == expected
    assert all("is the receiver in its settings?" in each for each in told)


NIGHT = datetime(2026, 3, 2, 2, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def every(pause: timedelta, n: int, *, since: datetime = NIGHT) -> list[datetime]:
    """Beginnings of runs."""
    return [since + k * pause for k in range(n)]


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        ([], DAY),
        (every(FIVE, 12), DAY),
        (every(FIVE, 13), FIVE),
        (every(DAY, 2), DAY),
        (every(timedelta(hours=6), 9), timedelta(hours=6)),
        (sorted([*every(DAY, 5), *every(timedelta(minutes=1), 14, since=NIGHT + timedelta(hours=50))]), DAY),
        ([*every(FIVE, 300), *every(FIVE, 300, since=NIGHT + timedelta(days=2))], FIVE),
        (every(timedelta(days=3), 3), DAY),
    ],
    ids=["none", "an hour less one", "an hour", "nightly", "four a day", "by hand too", "a day away", "a day at most"],
)
def test_how_often_the_job_runs_is_learned_from_its_runs(starts: list[datetime], expected: timedelta) -> None:
    """Neither an outage nor a person who runs it by hand changes what is usual; of too few runs, nothing is said."""
    assert usual_pause(starts) == expected


@pytest.mark.parametrize(
    ("pause", "n", "well", "late"),
    [(FIVE, 20, timedelta(minutes=15), timedelta(minutes=16)), (DAY, 3, timedelta(hours=35), timedelta(hours=37))],
    ids=["every five minutes", "once a night"],
)
def test_a_run_is_overdue_by_what_is_usual(
    tmp_path: Path, pause: timedelta, n: int, well: timedelta, late: timedelta
) -> None:
    """After half as long again, fifteen minutes at least; the sentence says how often one begins."""
    settings = configure(tmp_path)
    starts = every(pause, n)
    run_once(settings, now=starts[0])
    ledger = open_ledger(history=tmp_path / "history")
    for at in starts[1:]:
        end_run(ledger, begin_run(ledger, at=at), at=at, report={})

    def overdue(after: timedelta) -> list[str]:
        return [each for each in looked_at(settings, starts[-1] + after).troubles if "no run has ended well" in each]

    assert overdue(well) == []
    (told,) = overdue(late)
    assert told.endswith("where one begins every 5 min" if pause == FIVE else "where one begins every 24 h")


@pytest.mark.parametrize(
    ("days", "told"), [(8, []), (7, ["ends"]), (0, ["ends"]), (-1, ["ended"]), (-30, ["ended"]), (-31, [])]
)
def test_a_known_robot_whose_entry_ends_is_named(tmp_path: Path, days: int, told: list[str]) -> None:
    """A week before, and for a month after; it is no trouble."""
    settings = configure(tmp_path)
    now = datetime(2026, 3, 12, 12, tzinfo=UTC)
    run_once(settings, now=now)
    end = now.date() + timedelta(days=days)
    open_ledger(history=tmp_path / "history").allow(Robot("bot", "nightly import", 500, end, "ana", now))
    found = looked_at(settings, now)
    assert found.robots == tuple(f"known robot bot: its entry {word} on {end}" for word in told)
    assert not [each for each in found.troubles if "bot" in each]
