"""Alerts of scored days as rows of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd

from detector.ledger.store import EXTRACTION


def to_rows(alerts: pd.DataFrame, scores: pd.DataFrame, early: pd.DataFrame | None = None) -> list[dict[str, Any]]:
    """Rows for `Ledger.record`, one per alert.

    Parameters
    ----------
    alerts
        `detector.alerts.ALERTS`.
    scores
        `SCORES` of the same days.
    early
        `EARLY`: the minute at which an alert was clear.
    """
    by_account = {(row["account"], _day(row["day"])): row for row in scores[scores["alert"]].to_dict("records")}
    clear = {} if early is None else {(r["account"], _day(r["day"])): r["alert_at"] for r in early.to_dict("records")}
    rows = []
    for alert in alerts.to_dict("records"):
        key = (alert["account"], _day(alert["day"]))
        rows.append(_row(alert, by_account.get(key, {}), clear.get(key)))
    return rows


def _row(alert: Mapping[Any, Any], score: Mapping[Any, Any], alert_at: Any) -> dict[str, Any]:
    reasons = score.get("reasons")
    told = [reason["sentence"] for reason in reasons] if reasons is not None else []
    row = {name: alert[name] for name in ("alert_id", "account", "channel", "queue", "severity", "title")}
    row |= {name: score.get(name) for name in ("campaign", "score", "p_value", "strangeness", "model_version")}
    row |= {
        "kind": EXTRACTION,
        "day": _day(alert["day"]),
        "records_exposed": alert["records_exposed"],
        "checks": list(alert["checks"]) if alert["checks"] is not None else [],
        "reasons": told,
        "evidence": list(alert["evidence"]) if alert["evidence"] is not None else [],
        "first_at": alert["first_at"],
        "last_at": alert["last_at"],
        "alert_at": alert_at,
    }
    return {name: _stored(value) for name, value in row.items()}


def _day(value: Any) -> date:
    return pd.Timestamp(value).date()


def _stored(value: Any, *, inside: bool = False) -> Any:
    """A value as the database takes it: nothing of NumPy or pandas; instants have a zone, inside JSON they are text."""
    match value:
        case dict():
            return {str(key): _stored(each, inside=True) for key, each in value.items()}
        case list() | np.ndarray():
            return [_stored(each, inside=True) for each in value]
        case np.generic():
            return _stored(value.item(), inside=inside)
        case str() | bool() | int():
            return value
        case _ if value is None or value is pd.NaT or value is pd.NA or value != value:
            return None
        case pd.Timestamp() | datetime():
            instant = pd.Timestamp(value).to_pydatetime(warn=False)
            instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
            return instant.isoformat() if inside else instant
        case float() if float(value).is_integer() and inside:
            return int(value)
    return value
