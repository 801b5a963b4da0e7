"""Runs in the ledger: what each saw, and which have no end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from detector.ledger import Ledger
from detector.ledger.runs import begin_run, end_run, last_model, last_run, note_run

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_the_newest_model_that_a_run_judged_with_is_known(ledger: Ledger) -> None:
    """Runs before the first model, or with the shipped one, say nothing."""
    assert last_model(ledger) is None
    reports: list[dict[str, Any]] = [{}, {"model": "a1"}, {"model": "b2"}, {"model": None}]
    for hour, report in enumerate(reports):
        at = NOW + timedelta(hours=hour)
        end_run(ledger, begin_run(ledger, at=at), at=at, report=report)
    assert last_model(ledger) == "b2"


def test_what_a_run_saw_is_recorded_before_it_ends(ledger: Ledger) -> None:
    """Killed then, it has no end, and its counts stand."""
    note_run(ledger, begin_run(ledger, at=NOW), report={"feeds": {"x": {"events": 7}}})
    found = last_run(ledger)
    assert found is not None
    assert (found.ended_at, found.report) == (None, {"feeds": {"x": {"events": 7}}})
