"""The command: quick to answer, clear about what is wrong, and nothing left half done."""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from detector.cli import app, main
from detector.cli.app import VERBS, run

HEAVY = {"duckdb", "ibis", "numpy", "pandas", "pyarrow", "pydantic", "rich.table", "scipy", "sklearn"}
EVENTS = "timestamp,account,action,outcome,record,ip\n" + "".join(
    f"2026-02-12T{9 + n % 8:02}:{n % 60:02}:00Z,a{n % 30},lookup,success,r{n},192.0.2.{n % 30}\n" for n in range(300)
)


def detector(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would."""
    command = [sys.executable, "-m", "detector", *arguments]
    environment = {**os.environ, "COLUMNS": "100", **env}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A small day's dump with its mapping."""
    (tmp_path / "mapping.toml").write_text('[records]\nkind = "token"\n')
    path = tmp_path / "day.csv"
    path.write_text(EVENTS)
    return path


def test_help_loads_nothing_heavy() -> None:
    """What makes `--help` slow is imported by the verbs alone."""
    ask = f"import sys, detector.cli; print(sorted({HEAVY!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


@pytest.mark.parametrize("verb", list(VERBS))
def test_each_verb_has_a_help_that_tells_every_option(verb: str) -> None:
    """No option is without a word on what it does."""
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    assert command.help
    assert not [parameter.name for parameter in command.params if not parameter.help and parameter.name != "help"]
    assert CliRunner().invoke(app, [verb, "--help"]).exit_code == 0


def test_the_version_is_told() -> None:
    """`--version` prints it and nothing else."""
    import detector as package

    assert CliRunner().invoke(app, ["--version"]).output.strip() == package.__version__


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["score"], 2, r"no dump: name files"),
        (["score", "absent.csv"], 1, "absent.csv: no such file"),
        (["score", "day.csv", "--config", "absent.toml"], 2, "absent.toml: the settings cannot be read"),
        (["score", "day.csv", "--mapping", "absent.toml"], 2, "absent.toml: the mapping cannot be read"),
        (["score", "day.csv", "--mapping", "mapping.toml", "--history", "absent"], 1, "absent holds no history"),
        (["score", "day.csv", "--mapping", "mapping.toml", "--model", "absent"], 1, "absent: no such model"),
        (["learn", "day.csv"], 2, "no history: name its folder (--history DIR"),
        (["train", "--history", "absent"], 1, "absent holds no history"),
        (["show", "a", "--history", "absent"], 1, "absent holds no history"),
        (["simulate", "out", "--preset", "huge"], 2, "--preset huge: not one of demo, small"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    arguments: list[str],
    code: int,
    message: str,
    dump: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line on stderr with what was found and the next step; no traceback; nothing on stdout."""
    monkeypatch.chdir(dump.parent)
    monkeypatch.setattr(sys, "argv", ["detector", *arguments])
    assert run() == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_misuse_of_an_option_ends_with_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that does not exist is misuse."""
    monkeypatch.setattr(sys, "argv", ["detector", "score", "--no-such-option"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2


def test_a_traceback_is_shown_on_demand(
    dump: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DETECTOR_DEBUG=1 shows where an error came from."""
    monkeypatch.chdir(dump.parent)
    monkeypatch.setenv("DETECTOR_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["detector", "score", "absent.csv"])
    assert run() == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.timeout(300)
def test_a_day_is_scored_without_history(dump: Path) -> None:
    """CSV on stdout, messages on stderr, all files in the folder; the whole says that it is cold."""
    arguments = ("score", "day.csv", "--mapping", "mapping.toml", "--format", "csv", "--out", "out", "--exit-code")
    done = detector(*arguments, cwd=dump.parent)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 30
    assert {row["cold"] for row in rows} == {"true"}
    assert {row["p_value"] for row in rows} == {""}
    assert "warning: no trained model" in done.stderr
    assert "warning: 2026-02-12 was judged as it stands (last event 16:" in done.stderr
    names = {path.name for path in (dump.parent / "out").iterdir()}
    tables = {"scores.parquet", "early.parquet", "details.parquet", "rejects.parquet", "queue.csv"}
    assert names == tables | {"alerts.jsonl", "report.html", "run.json"}
    report = json.loads((dump.parent / "out" / "run.json").read_text())
    (file,) = report["files"]
    assert file["lines"] == file["header"] + file["read"] + sum(file["ignored"].values()) + file["rejected"] == 301
    assert report["days"][0] | {"last_event_at": None} == {
        "day": "2026-02-12",
        "complete": False,
        "last_event_at": None,
        "accounts": 30,
        "alerts": 0,
        "early": 0,
        "queues": {},
    }
    assert report["model"]["cold"]
    assert report["settings"]["portal"]["zone"] == "Europe/Paris"


@pytest.mark.parametrize(
    ("days", "told"),
    [(1, "300 events of 1 day: 2026-02-12"), (2, "600 events of 2 days: 2026-02-12 to 2026-02-13")],
)
def test_what_was_learned_is_told(dump: Path, days: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many events of how many days, and which; the same dump again is none."""
    if days == 2:
        dump.with_name("next.csv").write_text(EVENTS.replace("02-12T", "02-13T").replace("a1,", "b1,"))
    dumps = [path.name for path in sorted(dump.parent.glob("*.csv"))]
    monkeypatch.chdir(dump.parent)
    arguments = ["learn", *dumps, "--mapping", "mapping.toml", "--history", "history", "--complete"]
    first = CliRunner().invoke(app, arguments)
    assert told in first.stdout
    assert "a key was made: history.key; keep a copy elsewhere" in first.stderr
    again = CliRunner().invoke(app, arguments)
    assert "learned 0 events of 0 days\n" in again.stdout
    assert "key was made" not in again.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_within_a_query_is_told_as_one(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database says `Query interrupted` in an error of its own; that is no defect."""
    program = importlib.import_module("detector.cli.app")

    def interrupted() -> None:
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            program._end(number, None)
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr(program, "app", interrupted)
    monkeypatch.setattr(program, "_received", [])
    assert run() == code
    assert "nothing was left half done" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing_half_done(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """Interrupted while it waits for standard input, it says so, and no scratch, history or output is left."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (tmp_path / "detector.toml").write_text('[engine]\ntemp_folder = "tmp"\n')
    command = [sys.executable, "-m", "detector", "score", "-", "--config", "detector.toml", "--out", "out"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        waited_s = 0.0
        while not list(temporary.iterdir()) and waited_s < 90:
            time.sleep(0.1)
            waited_s += 0.1
        running.send_signal(number)
        # Its standard input stays open: what ends it is the signal, not the end of the input.
        running.wait(timeout=60)
        _, err = running.communicate()
    assert running.returncode == code, err.decode()
    assert "Traceback" not in err.decode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["detector.toml", "tmp"]
    assert not list(temporary.iterdir())
