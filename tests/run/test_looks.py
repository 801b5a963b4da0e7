"""What earlier looks of a day found is a short cut: slice by slice, the same is told with it and without it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from detector.early import NAMED
from detector.run.judging import Judge
from detector.run.narrowing import own_touches
from detector.simulate import World, make_attack
from detector.workspace import Workspace, workspace
from tests.run.replaying import Portal

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

ATTACK = make_attack("S1", accounts=3, records=200, spread=0, hours=3, first_day=-1)
LIMITS = {
    "far_excess": 6.0,
    "lone_strangers": 8.0,
    "lone_writes": 3.0,
    "lone_odd_strangers": 3.0,
    "vain_lookups": 5.0,
    "foreign_writes": 6.0,
    "foreign_records": 14.0,
}
"""So low that many honest accounts come near, and some reach them."""
SPAN = timedelta(hours=3)


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Portal:
    """A portal with two weeks of history and a model."""
    made = Portal.make(tmp_path_factory.mktemp("portal"), World(accounts=120, days=18, attacks=(ATTACK,)))
    made.learn(made.days[:-1])
    return made


@pytest.fixture
def place(portal: Portal) -> Iterator[Workspace]:
    """The means of a run."""
    with workspace(portal.settings) as found:
        yield found


def told(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the ledger, by account."""
    return sorted(rows, key=lambda row: str(row["account"]))


def test_with_and_without_earlier_looks_the_same_is_told(
    portal: Portal, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every slice, new rows for the ledger are equal to the minute and reason; fewer accounts' past is read."""
    assert set(LIMITS) == set(NAMED)
    keys = pd.MultiIndex.from_product([["portal", "software"], [False, True]], names=["channel", "is_newcomer"])
    limits = pd.DataFrame(LIMITS, index=keys)
    monkeypatch.setattr(Judge, "_limits", lambda *_arguments, **_rest: limits)
    asked: list[int] = []

    def watched(past: Any, day: Any, *, accounts: Any) -> Any:
        asked.append(len(accounts))
        return own_touches(past, day, accounts=accounts)

    monkeypatch.setattr("detector.run.judging.own_touches", watched)
    found, n_with, n_without = [], 0, 0
    for end, rows in portal.slices(portal.days[-1], SPAN):
        portal.put(end, rows)
        portal.read(place, end)
        history, ledger = place.history(), place.ledger(create=True)
        assert history is not None
        assert ledger is not None
        judge, day = Judge(place, history, ledger, place.model()), history.days[-1]
        now, keep, *_ = judge.judge_slice(day)
        n_with += asked[-1]
        with monkeypatch.context() as patch:
            patch.setattr(Judge, "_digest", lambda *_arguments: "another past")
            without = judge.judge_slice(day).rows
        n_without += asked[-1]
        # Whoever was told of before is looked at again once it did a quarter more; without earlier looks, each time.
        before = {each.account for each in ledger.alerts()}
        assert [row for row in told(now) if row["account"] not in before] == [
            row for row in told(without) if row["account"] not in before
        ]
        assert all(row in without for row in now)
        found += [row["account"] for row in now if row["account"]]
        ledger.record(now, at=end)
        keep()
    assert len(set(found)) > ATTACK.accounts
    assert n_with < n_without
