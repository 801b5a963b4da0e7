"""Many accounts that alert on one day are told to the operator as one thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ibis.backends.duckdb import Backend

from detector.history import History, transaction
from detector.ledger import Ledger, open_ledger
from detector.ledger.store import OPERATOR
from detector.run import run_once
from detector.run.at_once import FEWEST, find_at_once
from tests.history.made import open_history, source_rows
from tests.ledger.made import DAY, NOON, row
from tests.run.portal import CANARY, Line, configure, write_slice


def _portal(folder: Path, con: Backend, *, active: int, alerting: int) -> tuple[History, Ledger]:
    history = open_history(folder)
    with transaction(history, con=con) as change:
        change.put(DAY, "account_sources", source_rows(DAY, accounts=tuple(f"a{n}" for n in range(active))))
        change.close(DAY)
    ledger = open_ledger(history=folder)
    ledger.record([row(f"a{n}", campaign="C-1" if n else None) for n in range(alerting)], at=NOON)
    return history, ledger


@pytest.mark.parametrize(
    ("active", "alerting", "is_told"),
    [(100, 60, True), (100, FEWEST - 1, False), (800, FEWEST, False), (400, 20, True)],
)
def test_one_account_in_twenty_is_many(
    tmp_path: Path, con: Backend, active: int, alerting: int, *, is_told: bool
) -> None:
    """It names how many of how many, and how to say of all that they are harmless."""
    history, ledger = _portal(tmp_path, con, active=active, alerting=alerting)
    faults = find_at_once(ledger, history, now=NOON, con=con)
    assert [each.kind for each in faults] == ["many"] * is_told
    for each in faults:
        assert each.day == DAY
        assert each.text.startswith(f"{alerting} of {active} accounts that were active on {DAY} alert")
        assert "`detector verdict C-1 benign --note WHY`" in each.text


def test_nothing_is_told_of_old_alerts_or_of_benign_ones(tmp_path: Path, con: Backend) -> None:
    """Two days later it is no news; what people explained is no alert any more."""
    history, ledger = _portal(tmp_path, con, active=100, alerting=60)
    assert find_at_once(ledger, history, now=NOON + timedelta(days=2), con=con) == []
    for each in ledger.alerts(campaign="C-1"):
        ledger.judge(each.alert_id, "benign", author="ana", note="a new browser for all", at=NOON)
    assert find_at_once(ledger, history, now=NOON, con=con) == []


def test_the_job_tells_it_once(tmp_path: Path) -> None:
    """A page that shows a canary to everybody: one alert beside theirs, which stands until it is explained."""
    settings = configure(tmp_path)
    end = datetime(2026, 3, 2, 9, tzinfo=UTC)
    seen = [
        Line(end, f"{(end - timedelta(minutes=4)).isoformat()},a{n},lookup,success,{CANARY},192.0.2.{n},Firefox\n")
        for n in range(24)
    ]
    write_slice(tmp_path / "incoming", end, seen)
    for minutes in (1, 6):
        faults = run_once(settings, now=end + timedelta(minutes=minutes)).faults
        assert [text.partition(". ")[0] for text in faults] == [
            "24 of 24 accounts that were active on 2026-03-02 alert"
        ]
    ledger = open_ledger(history=tmp_path / "history")
    assert [each.checks for each in ledger.alerts(kind=OPERATOR)] == [["many"]]


def test_of_a_day_whose_sources_are_gone_nobody_knows_how_many_were_active(tmp_path: Path, con: Backend) -> None:
    """What is not known makes no day look usual."""
    _history, ledger = _portal(tmp_path / "one", con, active=100, alerting=60)
    (fault,) = find_at_once(ledger, open_history(tmp_path / "two"), now=NOON, con=con)
    assert fault.text.startswith(f"60 accounts of {DAY} alert. ")
