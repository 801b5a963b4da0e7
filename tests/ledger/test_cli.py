"""`detector alerts`, `verdict` and `robots`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import ConfigError, LedgerError
from detector.history import History
from detector.ledger import open_ledger
from tests.ledger.made import NOON, row


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A history with a ledger that holds two alerts; the second account's name is hostile."""
    History.open(tmp_path, zone="Europe/Paris", key_id="", create=True)
    ledger = open_ledger(history=tmp_path)
    ledger.record([row("anna"), row("=cmd()\x1b[2J", severity="critical", records_exposed=12_000)], at=NOON)
    return tmp_path


def run(history: Path, *arguments: str) -> str:
    """What the command prints; its error is raised."""
    result = CliRunner().invoke(app, [*arguments, "--history", str(history)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_alerts_are_listed(history: Path) -> None:
    """The severest first, in full as JSON; what an attacker wrote is harmless in the table and in CSV."""
    table = run(history, "alerts")
    assert table.index("critical") < table.index("medium")
    assert r"=cmd()\x1b[2J" in table
    assert "2 alerts, 2 of them open" in table
    assert [each["account"] for each in json.loads(run(history, "alerts", "--format", "json"))][1] == "anna"
    assert ",'=cmd()" in run(history, "alerts", "--format", "csv")
    assert "no alert" in run(history, "alerts", "--verdict", "benign")
    assert "1 alert, " in run(history, "alerts", "--severity", "high")


def test_an_alert_is_judged(history: Path) -> None:
    """By the beginning of its id; who and why is in the ledger and in the history's log, without the account."""
    found = row("anna")["alert_id"]
    shown = run(history, "verdict", found[:8], "benign", "--note", "a nursing home moved", "--by", "ana")
    assert shown == f"{found}: benign, says ana\n"
    assert "benign" in run(history, "alerts", found[:8])
    (line,) = (history / "actions.jsonl").read_text().splitlines()
    logged = json.loads(line)
    assert (logged["verb"], logged["by"], logged["why"], logged["alert"]) == (
        "verdict",
        "ana",
        "a nursing home moved",
        found,
    )
    assert "anna" not in line


def test_a_robot_is_added_and_removed(history: Path) -> None:
    """With reason, ceiling and end; without them it is refused, and so is one that is not there."""
    with pytest.raises(ConfigError, match="--ceiling, --until and --note"):
        run(history, "robots", "batch", "--ceiling", "500")
    run(history, "robots", "batch", "--ceiling", "500", "--until", "2026-12-31", "--note", "nightly rights check")
    assert "2026-12-31" in run(history, "robots")
    run(history, "robots", "batch", "--remove")
    assert run(history, "robots") == "no known robot\n"
    with pytest.raises(LedgerError, match="no known robot"):
        run(history, "robots", "batch", "--remove")


def test_without_a_ledger_the_next_step_is_told(tmp_path: Path) -> None:
    """No ledger is no empty ledger."""
    with pytest.raises(ConfigError, match=r"no ledger: .*detector score --history DIR"):
        run(tmp_path, "alerts")
