"""What the status calls trouble, and how a monitor learns of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.history import History
from detector.ledger import Receiver, open_ledger
from detector.run import run_once
from detector.run.status import Status, status_of
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
