"""Parts of the job's state that were lost: what can be found again is, and what cannot is told."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector import models_dir
from detector.cli import app
from detector.history import History
from detector.ledger import open_ledger
from detector.run import run_once
from tests.run.portal import START, configure
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


@pytest.mark.parametrize("fault", ["missing", "changed"])
def test_a_model_that_cannot_be_used_leaves_the_checks_and_is_told(tmp_path: Path, fault: str) -> None:
    """A missing or tampered file: checks alert, and the operator has an alert of its own kind."""
    settings = configure(tmp_path)
    run_once(settings, now=datetime(2026, 3, 2, tzinfo=UTC))
    model = tmp_path / "history" / "model"
    shutil.copytree(models_dir() / "default", model)
    if fault == "missing":
        (model / "model.skops").unlink()
    else:
        (model / "model.skops").write_bytes(b"nothing")
    report = run_once(settings, now=deliver(tmp_path, TUESDAY))
    assert len(report.faults) == 1
    alerts = open_ledger(history=tmp_path / "history").alerts()
    assert sorted((each.kind, each.checks[0]) for each in alerts) == [
        ("extraction", "canary_record"),
        ("operator", "model"),
    ]
