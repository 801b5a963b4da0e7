"""Clocks that are wrong and lines that nobody can read: they are told, and the job goes on where it can."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import pytest

from detector.errors import RunError
from detector.history import History
from detector.ledger import open_ledger
from detector.ledger.store import OPERATOR
from detector.run import run_once
from detector.run.status import Status, status_of
from detector.settings import Settings
from detector.verbs import learn
from tests.run.portal import HEADER, START, configure, lines_of, write_slice
from tests.run.test_job import TUESDAY, deliver


def test_a_clock_that_was_set_back_is_refused(tmp_path: Path) -> None:
    """Nothing is read by a clock that would mistake days; set right, the job goes on."""
    settings = configure(tmp_path)
    now = deliver(tmp_path, TUESDAY, parts=2)
    run_once(settings, now=now)
    later = deliver(tmp_path, TUESDAY, parts=2, part=1)
    with pytest.raises(RunError, match="the clock was set back"):
        run_once(settings, now=now - timedelta(days=2))
    ledger = open_ledger(history=tmp_path / "history")
    assert any("the clock was set back" in each.title for each in ledger.alerts(kind=OPERATOR))
    assert any("the clock was set back" in each for each in looked_at(settings, now - timedelta(days=2)).troubles)
    assert run_once(settings, now=later).learned.files


def test_a_run_under_a_clock_that_was_ahead_stops_nothing(tmp_path: Path) -> None:
    """A year ahead for one run: the status calls it trouble; the next run, set right, sets it aside and reads."""
    settings = configure(tmp_path)
    now = deliver(tmp_path, TUESDAY, parts=2)
    run_once(settings, now=now - timedelta(minutes=5))
    run_once(settings, now=now + timedelta(days=365))
    assert any("later than now" in each for each in looked_at(settings, now).troubles)
    later = deliver(tmp_path, TUESDAY, parts=2, part=1)
    report = run_once(settings, now=later)
    (fault,) = report.faults
    assert "its clock was ahead" in fault
    assert report.learned.files
    assert run_once(settings, now=later + timedelta(minutes=5)).faults == ()
    assert not any("later than now" in each for each in looked_at(settings, later + timedelta(hours=2)).troubles)


def test_what_cannot_be_read_is_told_without_the_logs_text(tmp_path: Path) -> None:
    """One alert for files whose first lines differ, with file, line and reason: no token, account or address."""
    told = '[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "told.jsonl"\nseverity = "low"\n'
    settings = configure(tmp_path, extra=told)
    now = deliver(tmp_path, TUESDAY)
    run_once(settings, now=now)
    for n, account in enumerate(("SECRET-ONE", "SECRET-TWO")):
        lines = [
            f"{now.isoformat()},{account},look_up,success,{n}75062abf0f7b5542,192.0.2.77,Firefox" for _ in range(50)
        ]
        (tmp_path / "incoming" / f"odd{n}.csv").write_text(HEADER + "\n".join(lines) + "\n")
    (fault,) = run_once(settings, now=now + timedelta(hours=1)).faults
    assert "50 of 50 lines cannot be read as csv (50 × unknown action …, first on line 2)" in fault
    assert "1 more file of its input has the same" in fault
    messages = (tmp_path / "told.jsonl").read_text()
    assert "unknown action" in messages
    for text in ("SECRET", "75062abf0f7b5542", "192.0.2.77", "look_up"):
        assert text not in messages


def test_logs_and_a_run_of_the_future_drop_no_past_and_stop_nobody_who_says_so(tmp_path: Path) -> None:
    """Written and read by a clock a year ahead: it is told, nothing is dropped, and the message names the way on."""
    settings = configure(tmp_path)
    now = deliver(tmp_path, *(START + timedelta(days=n) for n in range(3)))
    run_once(settings, now=now)
    history = History.open(tmp_path / "history")
    held = list(history.days)
    ahead = now + timedelta(days=365)
    write_slice(tmp_path / "incoming", ahead, lines_of(ahead.date(), accounts=2))
    assert any("Events of" in each for each in run_once(settings, now=ahead + timedelta(hours=12)).faults)
    assert [day for day in History.open(tmp_path / "history").days if day in held] == held
    records = History.open(tmp_path / "history").table(ibis.duckdb.connect(), "account_records", held[0], held[0])
    assert records.count().to_pyarrow().as_py()
    later = deliver(tmp_path, START + timedelta(days=3))
    with pytest.raises(RunError, match="--clock-is-right"):
        run_once(settings, now=later)
    report = run_once(settings, now=later, clock_is_right=True)
    assert report.learned.files
    assert run_once(settings, now=later + timedelta(minutes=5)).faults == ()
    assert not [each for each in looked_at(settings, later + timedelta(hours=3)).troubles if "Events of" in each]
    first = min((tmp_path / "incoming").iterdir())
    replacing = settings.model_copy(update={"learn": settings.learn.model_copy(update={"replace": True})})
    learn([str(first)], mapping=tmp_path / "mapping.toml", now=later, settings=replacing)
    assert History.open(tmp_path / "history").paths("account_records", held[1], held[1])


def looked_at(settings: Settings, now: datetime) -> Status:
    """The status then."""
    folder = settings.history.folder
    assert folder is not None
    return status_of(History.open(folder), open_ledger(history=folder), settings.portal, now=now)


def test_two_odd_lines_hold_back_no_slice(tmp_path: Path) -> None:
    """Half a character in a name, that anybody can send, is masked; what cannot be read at all leaves the rest."""
    settings = configure(tmp_path)
    now = deliver(tmp_path, TUESDAY)
    path = write_slice(tmp_path / "incoming", now, [])
    rows = [
        {
            "timestamp": f"{now - timedelta(minutes=n):%FT%TZ}",
            "account": f"a{n}",
            "action": "lookup",
            "outcome": "success",
        }
        for n in range(17)
    ]
    odd = {**rows[0], "account": "\ud800", "action": "login", "outcome": "failure"}
    lines = [json.dumps(row) for row in (*rows, odd, odd)] + ["{not JSON", "nor this"]
    path.with_name("odd.jsonl").write_text("\n".join(lines) + "\n")
    report = run_once(settings, now=now + timedelta(hours=1))
    assert [(each.read, each.rejected) for each in report.learned.files if each.path.endswith("odd.jsonl")] == [(19, 2)]
