"""Many accounts that alert on one day: more often something changed for all of them than all of them were taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import date

from ibis.backends.duckdb import Backend

from detector.history import History
from detector.ledger import Ledger
from detector.ledger.growth import BENIGN
from detector.ledger.store import EXTRACTION
from detector.run.watching import Fault

FEWEST = 20
"""The attack of March 2022 drove nineteen accounts."""
SHARE, MANY = 0.05, 300
"""One account in twenty, or three hundred: known attacks drove a few, stuffed credentials dozens. Nobody is silenced
for it, so that being wrong costs a sentence."""


def find_at_once(raised: Collection[str], ledger: Ledger, history: History, *, con: Backend) -> list[Fault]:
    """Days of which a run raised alerts, and on which many of the active accounts alert, benign ones left out.

    Parameters
    ----------
    raised
        Ids of the alerts that the run raised.
    ledger, history
        What alerts and who was active.
    con
        Ibis DuckDB backend.
    """
    if not raised:
        return []
    alerts = [each for each in ledger.alerts(kind=EXTRACTION) if each.account and each.verdict != BENIGN]
    found = []
    for day in sorted({each.day for each in alerts if each.alert_id in raised}):
        told = [each for each in alerts if each.day == day]
        n = len({each.account for each in told})
        if n < FEWEST:
            continue
        n_active = _count_active(history, day, con=con)
        if n >= MANY or n >= SHARE * n_active:
            campaigns = Counter(each.campaign for each in told if each.campaign).most_common(1)
            text = _in_words(day, n, n_active, campaigns[0][0] if campaigns else "ID")
            found.append(Fault("many", text, str(day), day))
    return found


def _count_active(history: History, day: date, *, con: Backend) -> int:
    paths = history.paths("account_sources", day, day)
    sources = con.read_parquet(paths, union_by_name=True) if paths else None
    return 0 if sources is None else int(sources.account.nunique().to_pyarrow().as_py())


def _in_words(day: date, n: int, n_active: int, named: str) -> str:
    return (
        f"{n:,} of {n_active:,} accounts that were active on {day} alert. So many at once are seldom robbed: before "
        "blocking them, look for a change of the portal, of its logs, or of everybody's browser or network. If it is "
        f"one, `detector verdict {named} benign --note WHY` says so of all alerts of a campaign, and their days become "
        "part of the past again"
    )
