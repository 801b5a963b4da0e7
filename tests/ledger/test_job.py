"""The job with a team's ledger, on a real PostgreSQL that goes away while it is at work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from detector.errors import LedgerError
from detector.ledger import open_ledger
from detector.ledger.outbox import count_deliveries
from detector.run import run_once
from detector.run.judging import Judge
from detector.settings import Settings
from tests.ledger.servers import Postgres
from tests.run.portal import configure
from tests.run.test_job import TUESDAY, deliver

pytestmark = pytest.mark.postgres


def after_judging(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do something once an account was judged and before its alert is recorded."""
    real = Judge.judge_slice
    done: list[date] = []

    def judged(self: Judge, day: date) -> Any:
        found = real(self, day)
        if found[0] and not done:
            done.append(day)
            act()
        return found

    monkeypatch.setattr(Judge, "judge_slice", judged)


def configured(folder: Path, server: Postgres) -> Settings:
    """A job with this ledger, and somebody to tell."""
    receiver = f'[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "{folder}/told.jsonl"\n'
    return configure(folder, extra=f'[ledger]\nurl = "{server.url}"\n{receiver}')


def held(server: Postgres, folder: Path) -> tuple[int, int, int]:
    """Alerts in the ledger, those delivered, and lines that were told."""
    ledger = open_ledger(url=server.url)
    told = folder / "told.jsonl"
    lines = told.read_text().splitlines() if told.exists() else []
    return len(ledger.alerts()), count_deliveries(ledger).get(("siem", "delivered"), 0), len(lines)


def empty(server: Postgres) -> None:
    """Leave nothing to the next test."""
    ledger = open_ledger(url=server.url)
    for alert in ledger.alerts():
        assert alert.account is not None
        ledger.forget(alert.account)
    with ledger.writing("emptying") as connection:
        connection.exec_driver_sql("DELETE FROM runs")


def test_a_database_restarted_while_a_run_is_at_work_costs_no_alert(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run takes a new connection and goes on; the alert is there once, and told once."""
    settings = configured(tmp_path, server)
    after_judging(monkeypatch, lambda: server.control("restart", "-m", "immediate"))
    now = deliver(tmp_path, TUESDAY)
    assert len(run_once(settings, now=now).recorded.raised) == 1
    assert run_once(settings, now=now).recorded.raised == ()
    assert held(server, tmp_path) == (1, 1, 1)
    empty(server)


def test_a_database_that_stays_away_fails_the_run_and_loses_nothing(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so; once the database is back, the next run raises what this one could not, once."""
    settings = configured(tmp_path, server)
    after_judging(monkeypatch, lambda: server.control("stop", "-m", "immediate"))
    now = deliver(tmp_path, TUESDAY)
    with pytest.raises(LedgerError):
        run_once(settings, now=now)
    server.control("start")
    assert len(run_once(settings, now=now).recorded.raised) == 1
    assert run_once(settings, now=now).recorded.raised == ()
    assert held(server, tmp_path) == (1, 1, 1)
    empty(server)
