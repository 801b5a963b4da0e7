"""Alerts for the tests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from detector.alerts import alert_id

DAY = date(2026, 3, 12)
NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)


def row(account: str = "a", *, day: date = DAY, severity: str = "medium", **changes: Any) -> dict[str, Any]:
    """A row for `Ledger.record`."""
    values: dict[str, Any] = {
        "alert_id": alert_id(account, day),
        "kind": "extraction",
        "account": account,
        "day": day,
        "channel": "portal",
        "queue": "main",
        "severity": severity,
        "records_exposed": 400,
        "title": "400 records that nobody around knows",
        "checks": [],
        "campaign": None,
        "score": 0.8,
        "p_value": 0.0001,
        "strangeness": 40.0,
        "reasons": ["400 records that nobody around knows"],
        "evidence": [{"source": "portal.csv", "first_line": 7, "last_line": 900}],
        "model_version": "0123456789ab",
        "first_at": NOON - timedelta(hours=4),
        "last_at": NOON - timedelta(hours=1),
        "alert_at": NOON - timedelta(hours=3),
    }
    return values | changes
