"""Events of a closed day are judged by the run that reads them, once, and so is a day that was rebuilt."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.history import History
from detector.ledger import open_ledger
from detector.ledger.store import EXTRACTION, OPERATOR
from detector.run import run_once
from detector.run.late import REST
from detector.settings import Settings
from tests.run.portal import (
    CANARY,
    HEADER,
    START,
    Line,
    configure,
    ledger_rows,
    lines_of,
    strange_lines,
    write_slice,
)
from tests.run.test_job import TUESDAY, deliver
from tests.run.test_killed import past

__all__ = ["past"]
WEDNESDAY = TUESDAY + timedelta(days=1)
RECEIVER = '[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "told.jsonl"\nseverity = "high"\n'
MORNING = datetime.combine(WEDNESDAY, time(9), UTC)


def closed_halfway(folder: Path, *, extra: str = "") -> tuple[Settings, datetime]:
    """Half of Tuesday came, and Wednesday's first hours closed it; the canary is in the other half."""
    settings = configure(folder, extra=extra)
    deliver(folder, START)
    deliver(folder, TUESDAY, parts=2)
    now = deliver(folder, WEDNESDAY, parts=2)
    assert TUESDAY in run_once(settings, now=now).closed
    assert extractions(settings) == []
    return settings, now


def usual_lines(day: date, *, accounts: int = 80) -> list[Line]:
    """A day's lines without the canary."""
    return [line for line in lines_of(day, accounts=accounts) if f",{CANARY}," not in line.text]


def extractions(settings: Settings) -> list[tuple[str | None, date]]:
    """Whom alerts concern, and when."""
    found = open_ledger(history=settings.history.folder).alerts(kind=EXTRACTION)
    return [(each.account, each.day) for each in found]


def told_to_operators(settings: Settings) -> list[str]:
    """Titles of the operator's alerts on late days."""
    found = open_ledger(history=settings.history.folder).alerts(kind=OPERATOR)
    return [each.title for each in found if each.checks == ["late_day"]]


def test_late_events_of_a_closed_day_are_judged_by_the_run_that_reads_them(tmp_path: Path) -> None:
    """The alert is raised and told once, with addresses and times; without a model an operator learns who looked."""
    told = tmp_path / "told.jsonl"
    settings, now = closed_halfway(tmp_path, extra=RECEIVER.replace("told.jsonl", str(told)))
    deliver(tmp_path, TUESDAY, parts=2, part=1)
    report = run_once(settings, now=now)
    assert report.late == (TUESDAY,)
    (alert,) = open_ledger(history=settings.history.folder).alerts(kind=EXTRACTION)
    assert (alert.account, alert.day) == ("a1", TUESDAY)
    lines = [line for line in lines_of(TUESDAY, accounts=2) if ",a1," in line.text]
    assert (alert.first_at, alert.last_at) == (lines[0].at, lines[-1].at)
    (seen,) = alert.evidence
    assert (seen["ip"], seen["lookups"]) == ("192.0.2.1", sum(",lookup," in line.text for line in lines))
    (line,) = told.read_text().splitlines()
    assert [each["src_endpoint"]["ip"] for each in json.loads(line)["evidences"]] == ["192.0.2.1"]
    (text,) = told_to_operators(settings)
    assert text.startswith("late events of 2026-03-03: judged by checks of counts alone")
    again = run_once(settings, now=now + 2 * REST)
    assert (again.late, again.recorded.raised, again.recorded.known) == ((), (), ())


@pytest.mark.parametrize("instant", ["judge_late", "keep_judged"])
def test_killed_before_or_after_it_recorded_the_next_run_judges_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant: str
) -> None:
    """What is still to be judged stands in the history: nothing new need come."""
    settings, now = closed_halfway(tmp_path)
    deliver(tmp_path, TUESDAY, parts=2, part=1)

    def killed(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"detector.run.job.{instant}", killed)
        with pytest.raises(KeyboardInterrupt):
            run_once(settings, now=now)
    assert History.open(tmp_path / "history").late == (TUESDAY,)
    report = run_once(settings, now=now)
    assert (report.learned.days, report.late) == ((), (TUESDAY,))
    assert extractions(settings) == [("a1", TUESDAY)]
    rows = ledger_rows(settings)
    assert len(rows["updates"]) == len(rows["alerts"])
    assert History.open(tmp_path / "history").late == ()


def test_slices_that_come_late_all_day_long_cost_a_judgement_an_hour(tmp_path: Path) -> None:
    """The first is judged at once, the others within the hour together, also when no more come."""
    settings, now = closed_halfway(tmp_path)
    judged = []
    for n in range(4):
        deliver(tmp_path, TUESDAY, parts=8, part=4 + n)
        judged.append(run_once(settings, now=now + n * REST / 3).late)
    assert judged == [(TUESDAY,), (), (), (TUESDAY,)]
    assert extractions(settings) == [("a1", TUESDAY)]


def test_a_day_too_long_ago_is_told_of_once_and_left_to_a_hunt(tmp_path: Path) -> None:
    """Nobody judges it by itself, and an operator learns how to."""
    settings, now = closed_halfway(tmp_path)
    later = WEDNESDAY + timedelta(days=7)
    run_once(settings, now=deliver(tmp_path, later))
    deliver(tmp_path, TUESDAY, parts=2, part=1)
    now = datetime.combine(later, time(22), UTC)
    assert run_once(settings, now=now).late == ()
    run_once(settings, now=now + timedelta(days=1))
    assert extractions(settings) == []
    (text,) = told_to_operators(settings)
    assert "judged by nobody (more than 7 days ago); `detector run --since 2026-03-03`" in text


def test_a_corrected_file_of_a_closed_day_is_judged_by_the_next_run(tmp_path: Path) -> None:
    """`learn --replace` says that it will be, and nothing is raised before."""
    settings = configure(tmp_path)
    incoming = tmp_path / "incoming"
    for day in (START, TUESDAY, WEDNESDAY):
        write_slice(incoming, datetime.combine(day, time(23, 55), UTC), usual_lines(day, accounts=2))
    assert run_once(settings, now=MORNING + timedelta(hours=15)).closed == (START, TUESDAY)
    path = write_slice(incoming, datetime.combine(TUESDAY, time(23, 55), UTC), lines_of(TUESDAY, accounts=2))
    command = ["learn", str(path), "--replace", "--config", str(tmp_path / "detector.toml")]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "changed since they were closed: 2026-03-03; the next `detector run`" in result.output
    assert extractions(settings) == []
    report = run_once(settings, now=MORNING + timedelta(hours=16))
    assert (report.late, extractions(settings)) == ((TUESDAY,), [("a1", TUESDAY)])


def test_a_theft_in_late_events_is_found_by_the_model(tmp_path: Path, past: Path) -> None:
    """One that no check sees, in a feed that comes once a night after its day was closed; nothing is left to tell."""
    settings = configure(tmp_path, extra="[retrain]\nevery_days = 3650\n")
    shutil.copytree(past / "history", tmp_path / "history")
    incoming = tmp_path / "incoming"
    write_slice(incoming, datetime.combine(START, time(23, 55), UTC), usual_lines(START))
    write_slice(incoming, datetime.combine(TUESDAY, time(12), UTC), usual_lines(TUESDAY))
    now = datetime.combine(TUESDAY, time(13), UTC)
    assert START in run_once(settings, now=now).closed
    assert extractions(settings) == []
    stolen = strange_lines("a0", begin=datetime.combine(START, time(12), UTC))
    (incoming / "other.csv").write_text(HEADER + "".join(line.text for line in stolen))
    report = run_once(settings, now=now)
    assert (report.late, extractions(settings), report.faults) == ((START,), [("a0", START)], ())
