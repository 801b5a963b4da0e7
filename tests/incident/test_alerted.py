"""An incident starts from alerts: which accounts and days they are about."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from detector.alerts import build_alerts
from detector.early import EARLY
from detector.errors import ConfigError, LedgerError
from detector.incident.alerted import alerted, alerted_in_ledger
from detector.ledger import open_ledger, to_rows
from tests.output import made
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


def test_the_beginning_of_an_id_is_enough(results: Path, tmp_path: Path) -> None:
    """As `detector alerts` shows it; where two begin so, it is asked for more."""
    lines = (results / "alerts.jsonl").read_text().splitlines()
    findings = [json.loads(line) for line in lines]
    for finding, uid in zip(findings, ("abcdef12-one", "abcdef12-two", "12345678-three"), strict=True):
        finding["metadata"]["uid"] = uid
    (tmp_path / "alerts.jsonl").write_text("".join(json.dumps(finding) + "\n" for finding in findings))
    account = findings[2]["resources"][0]["uid"]
    assert alerted(tmp_path, ["12345678"])[0] == [account]
    assert alerted(tmp_path, ["12345678", "12345678-three"])[0] == [account]
    with pytest.raises(ConfigError, match=r"--alert abcdef12: 2 alerts of .* begin so; type more of the id"):
        alerted(tmp_path, ["abcdef12"])
    with pytest.raises(ConfigError, match="--alert 1: not in"):
        alerted(tmp_path, ["1"])


def test_an_unknown_alert_or_folder_is_told(results: Path, tmp_path: Path) -> None:
    """With what was found."""
    with pytest.raises(ConfigError, match=r"--alert nothing: not in .*, which holds 3 alerts"):
        alerted(results, ["nothing"])
    with pytest.raises(ConfigError, match=r"no alerts to be read .*expected what `score --out` wrote"):
        alerted(tmp_path, ())


def test_alerts_of_the_ledger_are_found_by_the_beginning_of_their_ids(tmp_path: Path) -> None:
    """What scoring recorded leads to its account and day."""
    ledger = open_ledger(history=tmp_path)
    found = made.scores({"account": "h9", "alert": True, "queue": "main"})
    alerts = build_alerts(found, made.fired().iloc[:0], pd.DataFrame())
    ledger.record(to_rows(alerts, found, EARLY.empty().to_pandas()), at=datetime(2026, 2, 13, tzinfo=UTC))
    uid = alerts["alert_id"].iloc[0]
    assert alerted_in_ledger(ledger, [uid[:10]]) == (["h9"], [made.DAY])
    with pytest.raises(LedgerError, match="no alert begins with"):
        alerted_in_ledger(ledger, ["0000000000"])
