"""Many accounts that alert on one day are told to the operator as one thing."""

from __future__ import annotations

from pathlib import Path

import pytest
from ibis.backends.duckdb import Backend

from detector.history import History, transaction
from detector.ledger import Ledger, open_ledger
from detector.run.at_once import FEWEST, find_at_once
from tests.history.made import open_history, source_rows
from tests.ledger.made import DAY, NOON, row


def _portal(folder: Path, con: Backend, *, active: int, alerting: int) -> tuple[History, Ledger]:
    history = open_history(folder)
    with transaction(history, con=con) as change:
        change.put(DAY, "account_sources", source_rows(DAY, accounts=tuple(f"a{n}" for n in range(active))))
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
    faults = find_at_once([row("a1")["alert_id"]], ledger, history, con=con)
    assert [each.kind for each in faults] == ["many"] * is_told
    for each in faults:
        assert each.day == DAY
        assert each.text.startswith(f"{alerting} of {active} accounts that were active on {DAY} alert")
        assert "`detector verdict C-1 benign --note WHY`" in each.text


def test_nothing_is_told_of_days_without_new_alerts_or_of_benign_ones(tmp_path: Path, con: Backend) -> None:
    """What was told before stands in the ledger; what people explained is no alert any more."""
    history, ledger = _portal(tmp_path, con, active=100, alerting=60)
    assert find_at_once([], ledger, history, con=con) == []
    for each in ledger.alerts(campaign="C-1"):
        ledger.judge(each.alert_id, "benign", author="ana", note="a new browser for all", at=NOON)
    assert find_at_once([row("a0")["alert_id"]], ledger, history, con=con) == []
