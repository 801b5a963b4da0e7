"""March 2022, replayed in slices of five minutes: who looks records up with a robot is told of at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from detector.ledger import open_ledger
from detector.simulate import World, make_attack
from tests.run.forking import Forker
from tests.run.replaying import Portal

SLICE = timedelta(minutes=5)
ATTACK = make_attack("S1", accounts=5, records=2_700, spread=0, hours=1, first_day=-1)
"""A tenth of what each account lost in 2022, at the same pace: nobody may wait until the tiers of volume are passed."""


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_each_account_alerts_by_the_end_of_its_second_malicious_slice(tmp_path: Path) -> None:
    """Once it has looked up records in two slices, its alert stands in the ledger."""
    portal = Portal.make(tmp_path, World(accounts=1_000, days=30, attacks=(ATTACK,)))
    *before, last = portal.days
    portal.learn(before)
    truth = portal.malicious().to_pandas()
    looked = truth[truth["action"] == "lookup"]
    second = {
        account: sorted({at.floor("5min") for at in rows["timestamp"]})[1] + SLICE
        for account, rows in looked.groupby("account")
    }
    pending = None
    forker = Forker.start()
    for end, rows in portal.slices(last, SLICE):
        portal.put(end, rows)
        if not looked["timestamp"].min() - SLICE < end <= max(second.values()):
            pending = end
            continue
        assert forker.run(portal.config, now=end).startswith("done")
    forker.stop()
    assert pending is not None
    raised = {each.account: each.raised_at for each in open_ledger(history=tmp_path / "history").alerts()}
    late = {
        account: raised.get(account)
        for account, by in second.items()
        if raised.get(account) is None or raised[account] > by
    }
    assert len(second) == ATTACK.accounts
    assert not late
