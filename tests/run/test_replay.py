"""March 2022, replayed in slices of five minutes: who looks records up with a robot is told of at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from detector.ledger import open_ledger
from detector.simulate import World, make_attack
from detector.simulate.settings import Attack
from tests.run.forking import Forker
from tests.run.replaying import Portal

SLICE = timedelta(minutes=5)
NIGHT = make_attack("S1", accounts=19, records=9_150, spread=0, hours=3, first_day=-1, eligible="active")
"""The first of three nights in which nineteen accounts lost 510,000 records."""
FEW = make_attack("S1", accounts=4, records=3_050, spread=0, hours=1, first_day=-1, eligible="active")
"""At the same pace."""


def replay(folder: Path, attack: Attack, *, accounts: int, days: int) -> None:
    """Each account's alert must stand in the ledger by the end of the second slice in which it looked records up."""
    portal = Portal.make(folder, World(accounts=accounts, days=days, attacks=(attack,)))
    *before, last = portal.days
    portal.learn(before)
    truth = portal.malicious().to_pandas()
    looked = truth[truth["action"] == "lookup"]
    second = {
        account: sorted({at.floor("5min") for at in rows["timestamp"]})[1] + SLICE
        for account, rows in looked.groupby("account")
    }
    forker = Forker.start()
    for end, rows in portal.slices(last, SLICE):
        portal.put(end, rows)
        # What came before the attack is read by the first run that matters, what comes after it matters no more.
        if looked["timestamp"].min() - SLICE < end <= max(second.values()):
            assert forker.run(portal.config, now=end).startswith("done")
    forker.stop()
    raised = {each.account: each.raised_at for each in open_ledger(history=folder / "history").alerts()}
    late = {account: raised.get(account) for account, by in second.items() if not raised.get(account, by + SLICE) <= by}
    assert len(second) == attack.accounts
    assert not late


@pytest.mark.timeout(900)
def test_each_account_of_a_few_alerts_by_the_end_of_its_second_malicious_slice(tmp_path: Path) -> None:
    """On a small portal with three weeks of history."""
    replay(tmp_path, FEW, accounts=500, days=23)


@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
def test_each_of_the_nineteen_accounts_alerts_by_the_end_of_its_second_malicious_slice(tmp_path: Path) -> None:
    """With as many accounts as there were, each losing as much in a night as then, and a month of history."""
    replay(tmp_path, NIGHT, accounts=1_000, days=30)
