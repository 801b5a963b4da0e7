"""Parts of the job's state that were lost: what can be found again is, and what cannot is told."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector import models_dir
from detector.cli import app
from detector.errors import ModelError
from detector.history import History
from detector.ledger import open_ledger
from detector.ledger.runs import last_run
from detector.ledger.store import OPERATOR
from detector.model.kept import PREVIOUS, load_model
from detector.run import job, run_once
from detector.run.hunting import hunt
from detector.run.status import say_unended, status_of
from detector.run.versions import keep_version, put_in_use
from tests.history.made import Killed
from tests.run.portal import START, configure, lines_of
from tests.run.test_job import TUESDAY, deliver


def test_a_replaced_file_counts_once_by_hand_too(tmp_path: Path) -> None:
    """`learn --config` says so and ends with 1, as the job tells the operator; no short cut is needed for that."""
    settings = configure(tmp_path)
    now = deliver(tmp_path, START)
    run_once(settings, now=now)
    before = History.open(tmp_path / "history").manifest
    path = min((tmp_path / "incoming").iterdir())
    path.write_text(path.read_text().replace("Firefox", "Chrome"))
    (tmp_path / "history" / "seen.json").unlink()
    by_hand = CliRunner().invoke(app, ["learn", "--config", str(tmp_path / "detector.toml")])
    assert by_hand.exit_code == 1
    assert f"warning: {path} was replaced by another file of the same time" in by_hand.stderr
    (fault,) = run_once(settings, now=now).faults
    assert fault.startswith(f"{path} was replaced")
    assert History.open(tmp_path / "history").manifest.inputs == before.inputs
    files = sorted(map(str, (tmp_path / "incoming").iterdir()))
    rebuilt = ["learn", "--replace", *files, "--config", str(tmp_path / "detector.toml")]
    assert CliRunner().invoke(app, rebuilt, catch_exceptions=False).exit_code == 0
    assert run_once(settings, now=now).faults == ()


@pytest.mark.parametrize("fault", ["missing", "changed"])
def test_a_model_that_cannot_be_used_leaves_the_checks_and_is_told(tmp_path: Path, fault: str) -> None:
    """A missing or tampered file, and none kept: checks alert, and the operator has an alert of its own kind."""
    settings = configure(tmp_path)
    run_once(settings, now=datetime(2026, 3, 2, tzinfo=UTC))
    model = tmp_path / "history" / "model"
    shutil.copytree(models_dir() / "default", model)
    if fault == "missing":
        (model / "model.skops").unlink()
    else:
        (model / "model.skops").write_bytes(b"nothing")
    report = run_once(settings, now=deliver(tmp_path, TUESDAY))
    (fault,) = report.faults
    assert fault.startswith(f"The model in use was lost: {model}")
    assert "only checks alert" in fault
    alerts = open_ledger(history=tmp_path / "history").alerts()
    assert sorted((each.kind, each.checks[0]) for each in alerts) == [
        ("extraction", "canary_record"),
        ("operator", "model"),
    ]


def test_a_training_that_is_killed_holds_no_alert_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found is told before; it is told that it was killed, and tried again a day later, not in every run."""
    settings = configure(tmp_path, extra='[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "told.jsonl"\n')
    run_once(settings, now=deliver(tmp_path, START))
    now, told, tried = deliver(tmp_path, TUESDAY), tmp_path / "told.jsonl", []

    def train(*_arguments: object, **_rest: object) -> None:
        tried.append("canary_record" in told.read_text())
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(job, "is_due", lambda *_arguments: True)
        patch.setattr(job, "retrain", train)
        with monkeypatch.context() as dead:
            dead.setattr(job, "end_run", lambda *_arguments, **_rest: None)
            with pytest.raises(Killed):
                run_once(settings, now=now)
        (fault,) = run_once(settings, now=now + timedelta(minutes=5)).faults
        assert fault.startswith(f"The run begun {now:%Y-%m-%d %H:%M} UTC was killed while it trained")
        assert fault.endswith(f"nothing is trained before {now + timedelta(days=1):%Y-%m-%d %H:%M} UTC")
        assert fault in told.read_text()
        assert tried == [True]
        with pytest.raises(Killed):
            run_once(settings, now=now + timedelta(days=1, minutes=5))
    assert tried == [True, True]


def test_what_a_killed_run_found_is_told_before_the_next_does_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though every run were killed: alerts that wait in the outbox go out first."""
    settings = configure(tmp_path, extra='[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "told.jsonl"\n')
    run_once(settings, now=deliver(tmp_path, START))
    now = deliver(tmp_path, TUESDAY)

    def die(*_arguments: object, **_rest: object) -> None:
        raise Killed

    with monkeypatch.context() as dead:
        dead.setattr(job, "end_run", die)
        with pytest.raises(Killed):
            run_once(settings, now=now)
        dead.setattr(job, "learn", die)
        with pytest.raises(Killed):
            run_once(settings, now=now + timedelta(minutes=5))
    assert "canary_record" in (tmp_path / "told.jsonl").read_text()


def trained(history: Path, *strangeness: float) -> list[str]:
    """Keep models that differ, each of a later day than the one before, and use the first."""
    shipped = load_model(models_dir() / "default")
    models = [
        replace(
            shipped,
            cold=False,
            calibration=shipped.calibration.assign(strangeness=shipped.calibration["strangeness"] + more),
            card={**shipped.card, "last_day": f"2026-01-{n + 1:02}"},
        )
        for n, more in enumerate(strangeness)
    ]
    for each in models:
        keep_version(each, history)
    put_in_use(models[0], history, model_folder=history / "model")
    return [each.version for each in models]


def lose(history: Path, fault: str) -> None:
    """Remove the model in use, leave an older one in its place as a replaced folder does, or damage it."""
    model = history / "model"
    if fault == "damaged":
        (model / "calibration.parquet").write_bytes(b"nothing")
    else:
        shutil.rmtree(model)
    if fault == "older":
        shutil.copytree(models_dir() / "default", model.with_name(f"model{PREVIOUS}"))


@pytest.mark.parametrize("fault", ["gone", "older", "damaged"])
def test_a_model_that_was_lost_is_taken_back_before_the_day_is_judged(tmp_path: Path, fault: str) -> None:
    """The kept one that the last run used, not the newest, which may have lost against it; the operator is told."""
    settings = configure(tmp_path, extra="[retrain]\nfirst_days = 99")
    run_once(settings, now=deliver(tmp_path, START))
    used, _newer = trained(tmp_path / "history", 1, 2)
    now = deliver(tmp_path, TUESDAY, parts=2)
    assert run_once(settings, now=now).model == used
    lose(tmp_path / "history", fault)
    report = run_once(settings, now=deliver(tmp_path, TUESDAY, parts=2, part=1))
    (told,) = report.faults
    assert told.startswith(f"The model in use was lost: {tmp_path}/history/model")
    assert f"the kept model {used} takes its place" in told
    assert report.model == load_model(tmp_path / "history" / "model").version == used
    (alert,) = open_ledger(history=tmp_path / "history").alerts(kind=OPERATOR)
    assert (alert.checks, alert.severity) == (["model"], "high")
    assert '"verb": "model"' in (tmp_path / "history" / "actions.jsonl").read_text()
    assert run_once(settings, now=now + timedelta(hours=6)).faults == ()


def test_a_second_loss_on_one_day_is_told_as_well(tmp_path: Path) -> None:
    """What takes the place of the first may be tampered with too; nobody is told twice of one loss."""
    settings = configure(tmp_path, extra="[retrain]\nfirst_days = 99")
    history = tmp_path / "history"
    run_once(settings, now=deliver(tmp_path, START))
    trained(history, 1, 2)
    now = deliver(tmp_path, TUESDAY, parts=2)
    for hour in range(4):
        if hour % 2:
            lose(history, "damaged")
        run_once(settings, now=now + timedelta(hours=hour))
    alerts = open_ledger(history=history).alerts(kind=OPERATOR)
    assert [(each.checks, each.day) for each in alerts] == [(["model"], TUESDAY)] * 2


def test_a_kept_model_that_was_changed_is_passed_over(tmp_path: Path) -> None:
    """The next that is sound is used; where none was ever kept or used, none was lost."""
    settings = configure(tmp_path, extra="[retrain]\nfirst_days = 99")
    assert run_once(settings, now=deliver(tmp_path, START)).faults == ()
    used, newer = trained(tmp_path / "history", 1, 2)
    lose(tmp_path / "history", "gone")
    (tmp_path / "history" / "models" / newer / "calibration.parquet").write_bytes(b"nothing")
    assert run_once(settings, now=deliver(tmp_path, TUESDAY)).model == used


def test_a_hunt_says_that_the_model_was_lost(tmp_path: Path) -> None:
    """With one kept it waits for a run to take it back; with none it goes on, with checks and addresses alone."""
    settings = configure(tmp_path, extra="[retrain]\nfirst_days = 99")
    run_once(settings, now=deliver(tmp_path, START))
    trained(tmp_path / "history", 1)
    now = deliver(tmp_path, TUESDAY)
    run_once(settings, now=now)
    lose(tmp_path / "history", "gone")
    with pytest.raises(ModelError, match="takes a kept one back"):
        hunt(settings, since=START, now=now)
    shutil.rmtree(tmp_path / "history" / "models")
    assert "until one is trained only checks alert" in hunt(settings, since=START, now=now).lost


def die(*_given: object, **_named: object) -> None:
    """Stand for SIGKILL."""
    raise Killed


def test_a_run_that_was_killed_is_shown_and_its_counts_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it judges, it has counted what it read; the status names it, and once the next ended all is well."""
    settings = configure(tmp_path)
    now = deliver(tmp_path, START)
    with monkeypatch.context() as patch:
        for name in ("end_run", "Judge"):
            patch.setattr(f"detector.run.job.{name}", die)
        with pytest.raises(Killed):
            run_once(settings, now=now)
    history, ledger = History.open(tmp_path / "history"), open_ledger(history=tmp_path / "history")
    killed = last_run(ledger)
    assert killed is not None
    assert sum(feed["events"] for feed in killed.report["feeds"].values()) == len(lines_of(START, accounts=2))
    (told,) = say_unended(status_of(history, ledger, settings.portal, now=now))
    assert told.startswith(f"1 run interrupted in the last eight days, the last one begun {now:%Y-%m-%d %H:%M} UTC")
    later = now + timedelta(minutes=5)
    assert run_once(settings, now=later).faults == ()
    found = status_of(history, ledger, settings.portal, now=later)
    assert (found.interrupted, found.troubles) == ((now,), ())
    assert say_unended(found)[0].startswith("1 run interrupted in the last eight days, the last one begun 2026-03-02")
