"""What waits for review, as rows of the ledger: a robot's first batch, which alerts for no strangeness of its own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

from detector.alerting import FIRST_BATCHES
from detector.alerts import alert_id, build_alerts
from detector.ledger.rows import to_rows
from detector.ledger.store import REVIEW

NOTICE = "first batch of new software, to be reviewed"
NO_CHECKS = pd.DataFrame(columns=["account", "day", "check", "severity", "value", "evidence"])


def waits(scores: pd.DataFrame) -> pd.Series:
    """Which account-days of `SCORES` the job tells of though they do not alert.

    The other queues hold the strangest of each day, which an analyst reads; a first batch is rare, and a theft through
    the software channel begins like one.
    """
    return ~scores["alert"] & (scores["queue"] == FIRST_BATCHES)


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
        row | {"alert_id": _review_id(row), "kind": REVIEW, "severity": "low", "title": f"{NOTICE}: {row['title']}"}
        for row in rows
        if row["alert_id"] not in known
    ]


def _review_id(row: dict[str, Any]) -> str:
    return alert_id(row["account"], row["day"], check=REVIEW)
