"""An incident starts from alerts: which accounts and days they are about."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from detector.errors import ConfigError
from detector.incident.alerted import alerted
from tests.report.made import write_made


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with three alerts."""
    return write_made(tmp_path_factory.mktemp("results") / "out", alerts=3)


def test_all_alerts_are_meant_or_those_that_are_named(results: Path) -> None:
    """Accounts and days, each once."""
    uids = [json.loads(line)["metadata"]["uid"] for line in (results / "alerts.jsonl").read_text().splitlines()]
    accounts, days = alerted(results, ())
    assert (len(accounts), days) == (3, [date(2026, 2, 12)])
    assert alerted(results, uids[:1])[0] == accounts[:1]


def test_an_unknown_alert_or_folder_is_told(results: Path, tmp_path: Path) -> None:
    """With what was found."""
    with pytest.raises(ConfigError, match=r"--alert nothing: not in .*, which holds 3 alerts"):
        alerted(results, ["nothing"])
    with pytest.raises(ConfigError, match=r"no alerts to be read .*expected what `score --out` wrote"):
        alerted(tmp_path, ())
