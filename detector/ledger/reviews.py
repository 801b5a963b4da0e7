"""What waits for review, as rows of the ledger: first batches and new accounts, which have no like in the past."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

from detector.alerting import FIRST_BATCHES
from detector.alerts import alert_id, build_alerts
from detector.ledger.rows import to_rows
from detector.ledger.store import REVIEW

NEWCOMERS = "newcomer"
NOTICES = {FIRST_BATCHES: "first batch of new software, to be reviewed", NEWCOMERS: "new account, to be reviewed"}
NO_CHECKS = pd.DataFrame(columns=["account", "day", "check", "severity", "value", "evidence"])


def waits(scores: pd.DataFrame) -> pd.Series:
    """Which account-days of `SCORES` the job tells of though they do not alert.

    First batches, which are rare, and which a theft through the software channel begins like; and of newcomers in their
    queue the strangest of each day: an account made for a theft is like them. The slow queue is for an analyst.
    """
    waiting = scores[~scores["alert"] & scores["queue"].isin(list(NOTICES))]
    new = waiting[waiting["queue"] == NEWCOMERS].sort_values("rank").drop_duplicates("day")
    chosen = waiting.index[waiting["queue"] == FIRST_BATCHES].union(new.index)
    return pd.Series(scores.index.isin(chosen), index=scores.index)


def review_rows(scores: pd.DataFrame, evidence: pd.DataFrame, *, known: Collection[str]) -> list[dict[str, Any]]:
    """Rows for `Ledger.record`, of the lowest severity and an identity of their own: an alert may come yet.

    Parameters
    ----------
    scores
        `SCORES`.
    evidence
        As `detector.alerts.build_alerts` takes it.
    known
        Alerts that are in the ledger, by id: nobody reviews what alerted.
    """
    waiting = scores[waits(scores)].assign(alert=True)
    rows = to_rows(build_alerts(waiting, NO_CHECKS, evidence), waiting)
    return [
        row | {"alert_id": _review_id(row), "kind": REVIEW, "severity": "low", "title": _titled(row)}
        for row in rows
        if row["alert_id"] not in known
    ]


def _review_id(row: dict[str, Any]) -> str:
    return alert_id(row["account"], row["day"], check=REVIEW)


def _titled(row: dict[str, Any]) -> str:
    return f"{NOTICES[row['queue']]}: {row['title']}"
