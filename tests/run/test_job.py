"""The job: one at a time, each alert once, and every fault told and survived."""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import ConfigError, DetectorError, LedgerError, RunError
from detector.history import History, subject_of
from detector.history.manifest import Part
from detector.history.transactions import Transaction
from detector.ledger import open_ledger
from detector.ledger.runs import last_run
from detector.ledger.store import OPERATOR
from detector.reading import key_path
from detector.run import AlreadyRunningError, run_once
from detector.run.forgetting import forget_subject
from detector.run.hunting import hunt
from detector.run.judging import Judge
from detector.run.status import status_of
from detector.seen import SEEN
from detector.settings import Settings
from detector.workspace import workspace
from tests.ledger.made import row
from tests.run.portal import CANARY, START, Line, configure, ledger_rows, lines_of, slices, write_slice

TUESDAY = START + timedelta(days=1)


def deliver(folder: Path, *days: date, parts: int = 1, part: int = 0) -> datetime:
    """Put the slices of some days, or a part of them, into the job's folder; return the time of the last."""
    found = [piece for day in days for piece in slices(lines_of(day, accounts=2))]
    chosen = found[part * len(found) // parts : (part + 1) * len(found) // parts]
    for end, lines in chosen:
        write_slice(folder / "incoming", end, lines)
    return chosen[-1][0] + timedelta(minutes=1)


def test_an_alert_is_raised_once_and_told_once(tmp_path: Path) -> None:
    """Within the day, at its end, and in any run between, it is the same alert; days close by themselves."""
    settings = configure(
        tmp_path, extra=f'[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "{tmp_path}/alerts.jsonl"\n'
    )
    assert len(run_once(settings, now=deliver(tmp_path, START, TUESDAY)).recorded.raised) == 1
    again = run_once(settings, now=deliver(tmp_path, TUESDAY + timedelta(days=1)))
    assert again.recorded.raised == ()
    assert again.closed[-1] == TUESDAY
    assert len((tmp_path / "alerts.jsonl").read_text().splitlines()) == 1
    assert len(ledger_rows(settings)["alerts"]) == 1
    assert not list((tmp_path / "history" / "judged").glob(f"{TUESDAY}*"))


def test_an_alert_that_score_recorded_is_told_by_the_job_once(tmp_path: Path) -> None:
    """Who looks by hand silences nothing: the next run tells what nobody was told of, and the one after does not."""
    settings = configure(
        tmp_path, extra=f'[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "{tmp_path}/alerts.jsonl"\n'
    )
    (tmp_path / "history").mkdir()
    ledger, now = open_ledger(history=settings.history.folder), deliver(tmp_path, TUESDAY)
    (found,) = ledger.record([row("a1", day=TUESDAY, severity="critical")], at=now).raised
    report = run_once(settings, now=now)
    assert (report.recorded.raised, report.recorded.known, report.handed_over) == ((), (found,), (found,))
    assert run_once(settings, now=now).handed_over == ()
    (told,) = (tmp_path / "alerts.jsonl").read_text().splitlines()
    assert json.loads(told)["finding_info"]["uid"] == found


def test_forgetting_counts_in_words_and_one_is_one(tmp_path: Path) -> None:
    """Of an account that had one alert."""
    settings = configure(tmp_path)
    run_once(settings, now=deliver(tmp_path, START, TUESDAY))
    command = ["forget", "--account", "a1", "--note", "he asked", "--config", str(tmp_path / "detector.toml")]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert re.match(r"removed \d+ rows and 1 alert; dumps, ", result.stdout)


def test_the_newest_day_is_judged_whole_once_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where logs come once a night, a day need not wait for the next: it stays open, and is judged as it grows."""
    settings = configure(tmp_path)
    judged: list[date] = []
    real = Judge.judge_day

    def watched(self: Judge, day: date) -> list[dict[str, Any]]:
        judged.append(day)
        return real(self, day)

    monkeypatch.setattr(Judge, "judge_day", watched)
    deliver(tmp_path, TUESDAY, parts=2)
    night = datetime.combine(TUESDAY + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=3)
    for _ in range(2):
        assert run_once(settings, now=night).closed == ()
    assert judged == [TUESDAY]
    deliver(tmp_path, TUESDAY, parts=2, part=1)
    assert len(run_once(settings, now=night + timedelta(hours=2)).recorded.raised) == 1
    assert judged == [TUESDAY, TUESDAY]
    later = run_once(settings, now=deliver(tmp_path, TUESDAY + timedelta(days=1)))
    assert (later.closed, later.recorded.raised) == ((TUESDAY,), ())
    assert not list((tmp_path / "history" / "judged").glob(f"{TUESDAY}*"))


def test_a_run_killed_before_it_recorded_judges_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read and not judged is judged by the next run, though nothing new has come."""
    settings = configure(tmp_path)
    now = deliver(tmp_path, TUESDAY)
    with monkeypatch.context() as patch:
        patch.setattr("detector.run.judging.to_rows", _killed)
        with pytest.raises(RuntimeError, match="killed"):
            run_once(settings, now=now)
    assert len(run_once(settings, now=now).recorded.raised) == 1


def _killed(*_arguments: object) -> None:
    raise RuntimeError("killed")


def signalled(number: signal.Signals) -> None:
    """A signal comes."""
    os.kill(os.getpid(), number)
    time.sleep(1)


def signalled_in_query(number: signal.Signals) -> None:
    """A signal comes while DuckDB is at work, which raises an error of its own."""
    try:
        signalled(number)
    except (SystemExit, KeyboardInterrupt):
        raise RuntimeError("Query interrupted") from None


@pytest.mark.parametrize(
    ("number", "code", "step", "come"),
    [
        (signal.SIGINT, 130, "detector.run.judging.add_up", signalled),
        (signal.SIGTERM, 143, "detector.history.transactions.Transaction.commit", signalled_in_query),
    ],
)
def test_a_run_told_to_end_says_so_and_loses_nothing(
    number: signal.Signals,
    code: int,
    step: str,
    come: Callable[[signal.Signals], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """While it reads or judges: a line and a code, no scratch, no operator's alert; the next run does the rest."""
    program = importlib.import_module("detector.cli.app")
    (tmp_path / "scratch").mkdir()
    settings = configure(tmp_path, extra=f'temp_folder = "{tmp_path}/scratch"')
    now = deliver(tmp_path, TUESDAY)
    with monkeypatch.context() as patch:
        patch.setattr(program, "_received", [])
        patch.setattr("sys.argv", ["detector", "run", "--once", "--config", str(tmp_path / "detector.toml")])
        patch.setattr("detector.run.run_once", partial(run_once, now=now))
        patch.setattr(step, lambda *_arguments, **_rest: come(number))
        handlers = [(each, signal.signal(each, program._end)) for each in (signal.SIGINT, signal.SIGTERM)]
        try:
            assert program.run() == code
        finally:
            for each, handler in handlers:
                signal.signal(each, handler)
    assert capsys.readouterr().err.splitlines()[-1] == "error: interrupted; nothing was left half done"
    assert not list((tmp_path / "scratch").iterdir())
    assert not list((tmp_path / "history").rglob("*.new"))
    assert ledger_rows(settings)["alerts"] == []
    stopped = last_run(open_ledger(history=settings.history.folder))
    assert stopped is not None
    assert "interrupted" in str(stopped.error)
    assert len(run_once(settings, now=now).recorded.raised) == 1


def test_a_second_run_says_so_and_ends_well(tmp_path: Path) -> None:
    """While one is at work another does nothing, and that is no failure."""
    settings = configure(tmp_path)
    (tmp_path / "history").mkdir()
    with (tmp_path / "history" / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(AlreadyRunningError, match="another run is at work"):
            run_once(settings)
        result = CliRunner().invoke(app, ["run", "--once", "--config", str(tmp_path / "detector.toml")])
    assert result.exit_code == 0
    assert "another run is at work" in result.stderr


def test_files_past_their_retention_are_not_read_again(tmp_path: Path) -> None:
    """They lie in the folder for years, what they were is forgotten with their days: no run reads them or warns.

    Where the short cut past them is lost, one run does, and what it finds is left out.
    """
    settings = configure(tmp_path, extra="[learn.retention]\nbrief_days = 57")
    run_once(settings, now=deliver(tmp_path, START))
    run_once(settings, now=deliver(tmp_path, START + timedelta(days=120)))
    now = deliver(tmp_path, START + timedelta(days=121))
    run_once(settings, now=now)
    assert all(START not in each.days for each in History.open(tmp_path / "history").manifest.inputs.values())
    again = run_once(settings, now=now)
    assert (again.faults, again.learned.files, again.learned.left_out) == ((), (), ())
    (tmp_path / "history" / SEEN).unlink()
    once, twice = (run_once(settings, now=now + timedelta(minutes=minutes)) for minutes in (5, 10))
    assert [each.day for each in once.learned.left_out] == [START]
    assert (twice.faults, twice.learned.files, twice.learned.left_out) == ((), (), ())


def test_before_the_first_file_has_come_nothing_fails(tmp_path: Path) -> None:
    """An input without a file yet is no fault."""
    report = run_once(configure(tmp_path), now=datetime(2026, 3, 2, tzinfo=UTC))
    assert (report.faults, report.learned.files) == ((), ())


def test_a_late_line_between_midnight_and_closing_counts_in_full(tmp_path: Path) -> None:
    """It is judged when it comes, and the day is closed with it as if it had come in time; nothing is amended."""
    late_at = datetime(2026, 3, 3, 22, 58, tzinfo=UTC)
    late = Line(late_at, f"{late_at.isoformat()},a0,lookup,success,{CANARY},192.0.2.0,Firefox\n")
    held = {}
    for name, comes in (("late", True), ("in time", False)):
        folder = tmp_path / name
        settings = configure(folder)
        lines = lines_of(TUESDAY, accounts=2)
        write_slice(folder / "incoming", late_at - timedelta(hours=1), lines if comes else [*lines, late])
        run_once(settings, now=datetime(2026, 3, 3, 23, 1, tzinfo=UTC))
        write_slice(folder / "incoming", late_at + timedelta(minutes=20), [after_midnight()])
        if comes:
            write_slice(folder / "incoming", late_at, [late])
            report = run_once(settings, now=datetime(2026, 3, 4, 0, 30, tzinfo=UTC))
            assert report.closed == ()
            assert len(report.recorded.raised) == 1
            assert report.learned.amended == ()
        closing = run_once(settings, now=datetime(2026, 3, 4, 1, 30, tzinfo=UTC))
        assert closing.closed == (TUESDAY,)
        assert closing.recorded.raised == ()
        held[name] = (counted(settings, TUESDAY), ledger_rows(settings, without=("raised_at", "changed_at", "at")))
    assert held["late"] == held["in time"]
    assert {row[2] for row in held["late"][1]["alerts"]} == {"a0", "a1"}


def after_midnight() -> Line:
    """Of Wednesday, in Paris."""
    at = datetime(2026, 3, 3, 23, 5, tzinfo=UTC)
    return Line(at, f"{at.isoformat()},a1,lookup,success,r1-1,192.0.2.1,Firefox\n")


def counted(settings: Settings, day: date) -> list[tuple[object, ...]]:
    """All signals of a day that is held, by account."""
    assert settings.history.folder is not None
    with workspace(settings) as place:
        rows = History.open(settings.history.folder).table(place.con, "account_days", day, day).to_pandas()
    return [tuple(map(str, row)) for row in rows.sort_values(["account", "channel"]).itertuples(index=False)]


@pytest.mark.parametrize(
    ("extra", "message"),
    [("[run]\nsettle = 3\n", "run.settle"), ('[ledger]\nurl = "mysql://x"\n', "expected sqlite:///PATH")],
)
def test_a_broken_configuration_is_told(tmp_path: Path, extra: str, message: str) -> None:
    """An unknown key, or an address that is no ledger's: nothing is done."""
    with pytest.raises(ConfigError, match=message):
        run_once(configure(tmp_path, extra=extra))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte; without the right to mount one the test skips, and says so."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def remount(place: Path, option: str) -> None:
    """Change the disk."""
    subprocess.run(["mount", "-o", f"remount,{option}", place], check=True)


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    """The run fails and says so; with room again, the next one does what it could not."""
    settings = _on(configure(tmp_path), small_disk / "history")
    now = deliver(tmp_path, TUESDAY)
    filler = small_disk / "filler"
    (small_disk / "history").mkdir()
    filler.write_bytes(b"x" * (900 << 10))
    with pytest.raises(DetectorError, match=r"(full|No space|disk|cannot be written|failed)"):
        run_once(settings, now=now)
    filler.unlink()
    remount(small_disk, "size=64m")
    assert len(run_once(settings, now=now).recorded.raised) == 1


def test_a_disk_filled_to_the_last_byte_is_not_called_broken(small_disk: Path) -> None:
    """SQLite says that it cannot read or write, which it says of a broken disk too."""
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(b"x" * 4096)
    with pytest.raises(LedgerError, match="no room is left on its disk"):
        open_ledger(history=small_disk)


def test_a_state_that_cannot_be_written_is_told_and_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    """A read-only folder: nothing is read; writable again, nothing is missing."""
    remount(small_disk, "size=64m")
    settings = _on(configure(tmp_path), small_disk / "history")
    now = deliver(tmp_path, TUESDAY, parts=2)
    run_once(settings, now=now)
    before = History.open(small_disk / "history").manifest
    now = deliver(tmp_path, TUESDAY, parts=2, part=1)
    remount(small_disk, "ro")
    with pytest.raises(DetectorError, match="cannot be written"):
        run_once(settings, now=now)
    assert History.open(small_disk / "history").manifest == before
    remount(small_disk, "rw")
    assert len(run_once(settings, now=now).recorded.raised) == 1


def test_an_outbox_that_cannot_be_written_loses_no_alert(tmp_path: Path, small_disk: Path) -> None:
    """The ledger is on a read-only disk: the run fails before it reads; the alert is raised when it can be kept."""
    remount(small_disk, "size=64m")
    settings = configure(tmp_path, extra=f'[ledger]\nurl = "sqlite:///{small_disk}/ledger.sqlite"\n')
    run_once(settings, now=datetime(2026, 3, 2, tzinfo=UTC))
    remount(small_disk, "ro")
    now = deliver(tmp_path, TUESDAY)
    with pytest.raises(DetectorError, match="ledger"):
        run_once(settings, now=now)
    remount(small_disk, "rw")
    assert len(run_once(settings, now=now).recorded.raised) == 1


def _on(settings: Settings, folder: Path) -> Settings:
    history = settings.history.model_copy(update={"folder": folder})
    return settings.model_copy(update={"history": history})


def test_two_hosts_on_one_folder_do_not_spoil_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the lock does not reach, the one that comes second notices, stops, and says so."""
    settings = configure(tmp_path)
    run_once(settings, now=deliver(tmp_path, TUESDAY, parts=3))
    now = deliver(tmp_path, TUESDAY, parts=3, part=1)
    real, calls = Transaction.write, []

    def meanwhile(change: Transaction, day: date, table: str, rows: ir.Table) -> Part:
        """The other host's run comes between reading and commit."""
        calls.append(table)
        if len(calls) == 1:
            monkeypatch.setattr("fcntl.flock", lambda *_: None)
            run_once(settings, now=now)
        return real(change, day, table, rows)

    monkeypatch.setattr(Transaction, "write", meanwhile)
    with pytest.raises(DetectorError, match="changed by another run, perhaps on another machine"):
        run_once(settings, now=now)
    monkeypatch.setattr(Transaction, "write", real)
    run_once(settings, now=deliver(tmp_path, TUESDAY, parts=3, part=2))
    held = History.open(tmp_path / "history").manifest.inputs
    assert len(held) == len(list((tmp_path / "incoming").iterdir()))


def test_past_days_are_judged_anew_without_old_alerts_twice(tmp_path: Path) -> None:
    """A canary that is known only now is found on a past day; what was raised before is not raised again."""
    settings = configure(tmp_path)
    run_once(settings, now=deliver(tmp_path, START, TUESDAY))
    now = deliver(tmp_path, TUESDAY + timedelta(days=1))
    run_once(settings, now=now)
    found = hunt(settings, since=START, now=now)
    assert found.days == (START, TUESDAY)
    assert found.recorded.raised == ()
    assert len(found.recorded.known) == 1


def test_an_account_is_forgotten_everywhere(tmp_path: Path) -> None:
    """History and ledger hold nothing on it any more, nor does what was kept of the judged; the log has no name."""
    settings = configure(tmp_path)
    now = deliver(tmp_path, TUESDAY)
    run_once(settings, now=now)
    (alert,) = open_ledger(history=tmp_path / "history").alerts()
    rows, alerts = forget_subject(settings, account=alert.account, record=None, at=now, by="ana", why="art. 17")
    assert rows > 0
    assert alerts == 1
    log = (tmp_path / "history" / "actions.jsonl").read_text()
    assert '"verb": "forget"' in log
    assert f'"{alert.account}"' not in log
    key = key_path(tmp_path / "history")
    assert subject_of(str(alert.account), key=bytes.fromhex(key.read_text()))["subject"] in log
    assert str(alert.account).encode() not in (tmp_path / "history" / "ledger.sqlite").read_bytes()
    assert run_once(settings, now=now).recorded.raised == ()


def test_the_status_tells_what_is_wrong(tmp_path: Path) -> None:
    """A run that failed, or none for long, is trouble, and the command's exit code says so; metrics are written."""
    settings = configure(tmp_path, extra=f'[run]\nmetrics = "{tmp_path}/detector.prom"\n')
    now = deliver(tmp_path, TUESDAY)
    run_once(settings, now=now)
    history, ledger = History.open(tmp_path / "history"), open_ledger(history=tmp_path / "history")
    fresh = status_of(history, ledger, settings.portal, now=now + timedelta(minutes=1))
    assert (fresh.troubles, fresh.open_alerts, fresh.newest_day) == ((), 1, str(TUESDAY))
    often = timedelta(minutes=5)
    late = status_of(history, ledger, settings.portal, now=now + timedelta(minutes=16), every=often)
    assert "no run has ended well since" in late.troubles[0]
    text = (tmp_path / "detector.prom").read_text()
    assert "# TYPE detector_alerts_open gauge\ndetector_alerts_open 1\n" in text
    assert "detector_healthy 1\n" in text
    result = CliRunner().invoke(app, ["status", "--config", str(tmp_path / "detector.toml")])
    assert result.exit_code == 1
    assert "TROUBLE: no run" in result.stdout
    assert "early warning: none without a trained model" in result.stdout
    (tmp_path / "history" / "model").mkdir()
    broken = CliRunner().invoke(app, ["status", "--config", str(tmp_path / "detector.toml")])
    assert broken.exit_code == 1
    assert "last good run: " in broken.stdout
    assert "TROUBLE: " + str(tmp_path / "history" / "model") in broken.stdout


def test_a_working_day_without_events_is_trouble_before_pauses_are_known(tmp_path: Path) -> None:
    """Events may be hours late, and absent on a weekend; a job that never saw one is blind."""
    settings = configure(tmp_path)
    run_once(settings, now=datetime.combine(START, datetime.min.time(), UTC))
    history, ledger = History.open(tmp_path / "history"), open_ledger(history=tmp_path / "history")

    def troubles(now: datetime) -> tuple[str, ...]:
        every = timedelta(days=30)
        return status_of(history, ledger, settings.portal, now=now, every=every).troubles

    assert troubles(datetime.combine(START, datetime.min.time(), UTC)) == ("no event has come yet",)
    friday = START + timedelta(days=4)
    noon = deliver(tmp_path, friday).replace(hour=13, minute=0)
    run_once(settings, now=noon)
    history = History.open(tmp_path / "history")
    assert troubles(noon + timedelta(days=3)) == ()
    assert troubles(noon + timedelta(days=3, hours=20)) == ()
    monday = friday + timedelta(days=3)
    assert troubles(noon + timedelta(days=4)) == (f"no event of {monday} or later has come, a working day",)
    assert "no event of" in troubles(noon + timedelta(days=30))[-1]


def test_messages_are_json_lines_on_request(tmp_path: Path) -> None:
    """Each line of a run's messages is an object with time, level and text, a failure's as well."""
    configure(tmp_path, extra="[run]\njson_logs = true\n")
    deliver(tmp_path, TUESDAY)
    broken = tmp_path / "incoming" / "broken.parquet"
    broken.write_bytes(b"PAR1, and no more")
    os.utime(broken, (0, 0))
    result = CliRunner().invoke(app, ["run", "--once", "--config", str(tmp_path / "detector.toml")])
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert {"info", "warning"} == {line["level"] for line in lines}
    assert all(datetime.fromisoformat(line["at"]).tzinfo for line in lines)
    assert "2 new alerts" in lines[0]["message"]
    assert [line for line in lines if "broken.parquet" in line["message"]]


def test_a_failed_runs_error_is_a_json_line_too(tmp_path: Path) -> None:
    """A ledger that nobody can open ends the run; the last line says why, as an object."""
    configure(tmp_path, extra='[run]\njson_logs = true\n[ledger]\nurl = "sqlite:////proc/none/ledger.sqlite"\n')
    deliver(tmp_path, TUESDAY)
    result = CliRunner().invoke(app, ["run", "--once", "--config", str(tmp_path / "detector.toml")])
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert (result.exit_code, lines[-1]["level"]) == (1, "error")
    assert "ledger" in lines[-1]["message"]


def test_a_failed_run_is_recorded_and_told_as_an_operators_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error stands in the ledger, and whoever is told of alerts is told of it."""
    settings = configure(tmp_path)
    now = deliver(tmp_path, TUESDAY)

    def fail(*_arguments: object, **_rest: object) -> None:
        raise RunError("no luck")

    monkeypatch.setattr("detector.run.job.learn", fail)
    with pytest.raises(RunError, match="no luck"):
        run_once(settings, now=now)
    ledger = open_ledger(history=tmp_path / "history")
    last = last_run(ledger)
    assert last is not None
    assert last.error == "no luck"
    (alert,) = ledger.alerts(kind=OPERATOR)
    assert (alert.title, alert.severity) == ("no luck", "high")
    assert CANARY not in str(alert)
