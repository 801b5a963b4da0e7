"""When days close: a day that is over keeps no events."""

from __future__ import annotations

from pathlib import Path

import pytest
from ibis.backends.duckdb import Backend

from detector.learning import LearnSettings
from tests.test_learning import FIRST, Desk, day_number, quick_account_days, the_days


@pytest.fixture
def desk(tmp_path: Path, con: Backend, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """An empty place to learn at, where signals are quickly made."""
    monkeypatch.setattr("detector.history.days.build_account_days", quick_account_days)
    return Desk(tmp_path, con)


def test_complete_closes_the_newest_day(desk: Desk) -> None:
    """`complete` says that nothing more will come."""
    report = desk.learn(*the_days(desk, 1), settings=LearnSettings(complete=True))
    assert report.closed == (FIRST,)
    assert not desk.history().is_open(FIRST)


def test_a_day_that_is_over_closes_at_once(desk: Desk) -> None:
    """Of days learned together only the newest keeps its events; they all hold what they hold learned one by one."""
    together, one_by_one = desk.history("together"), desk.history("one by one")
    dumps = the_days(desk, 3)
    report = desk.learn(*dumps, history=together)
    for dump in dumps:
        desk.learn(dump, history=one_by_one)
    assert report.closed == (FIRST, day_number(1))
    days = [str(day_number(each)) for each in range(3)]
    assert _with_events(desk, "together") == days[-1:]
    assert _with_events(desk, "one by one") == days
    assert desk.tables("together") == desk.tables("one by one")


def _with_events(desk: Desk, history: str) -> list[str]:
    """Days whose events were written, whether they are out of use or not."""
    return sorted(path.name[: len("2026-03-02")] for path in (desk.folder / history / "open").iterdir())
