"""Many accounts that alert on one day: an attack that drives them, or something that changed for all of them."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta

from ibis.backends.duckdb import Backend

from detector.history import History
from detector.history.tables import OPEN_EVENTS
from detector.ledger import Ledger
from detector.ledger.growth import BENIGN
from detector.ledger.store import EXTRACTION
from detector.run.watching import Fault
from detector.schema import ACCOUNT_SOURCES

FEWEST = 20
"""The attack of March 2022 drove nineteen accounts."""
SHARE, MANY = 0.05, 300
"""One account in twenty, or three hundred: known attacks drove a few, stuffed credentials dozens. Nobody is silenced
for it, so that being wrong costs a sentence."""

LATELY = timedelta(days=1)


def find_at_once(ledger: Ledger, history: History, *, now: datetime, con: Backend) -> list[Fault]:
    """Days of which alerts were raised lately, and on which many of the active accounts alert, benign ones left out.

    What the ledger holds decides, not what a run did: killed in between, the next run finds the same.

    Parameters
    ----------
    ledger, history
        What alerts and who was active.
    now
        The time, with its zone.
    con
        Ibis DuckDB backend.
    """
    alerts = [each for each in ledger.alerts(kind=EXTRACTION) if each.account and each.verdict != BENIGN]
    lately = {each.day for each in alerts if now - each.raised_at < LATELY}
    found = []
    for day in sorted(lately):
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
    table = OPEN_EVENTS if history.is_open(day) else ACCOUNT_SOURCES
    paths = history.paths(table.name, day, day)
    rows = con.read_parquet(paths, union_by_name=True) if paths else None
    return 0 if rows is None else int(rows.account.nunique().to_pyarrow().as_py())


def _in_words(day: date, n: int, n_active: int, named: str) -> str:
    whom = f"{n:,} of {n_active:,} accounts that were active on {day}" if n_active else f"{n:,} accounts of {day}"
    return (
        f"{whom} alert. So many at once are driven by an attack, or something changed for many: the portal, its logs, "
        "everybody's browser or network. Look at those with most records first, then at what the reasons have in "
        "common. If it is a change, judge apart whoever came from an address of its own or read strangers (`detector "
        f"alerts --campaign {named}` lists them); then `detector verdict {named} benign --note WHY` says so of all "
        "alerts of a campaign that are open and for which no check fired, and their days become part of the past again"
    )
