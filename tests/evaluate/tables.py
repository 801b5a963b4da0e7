"""Small tables that the tests of the measures start from."""

from __future__ import annotations

import pandas as pd

from detector.evaluate.frames import DAY_TYPE

D1, D2, D3 = "2026-03-02", "2026-03-03", "2026-03-04"
"""Monday to Wednesday."""


def days(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    """Judged account-days: account, day, label, score."""
    return pd.DataFrame(list(rows), columns=["account", "day", "label", "score"]).astype({"day": DAY_TYPE})


def attacks(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Attacked account-days: scenario, account, day."""
    return pd.DataFrame(list(rows), columns=["scenario", "account", "day"]).astype({"day": DAY_TYPE})


def pairs(*rows: tuple[str, str]) -> pd.DataFrame:
    """Account-days: account, day."""
    return pd.DataFrame(list(rows), columns=["account", "day"]).astype({"day": DAY_TYPE})


def event(
    account: str | None,
    at: str,
    *,
    action: str = "lookup",
    outcome: str | None = "success",
    record: str | None = "r",
    scenario: str = "S1",
) -> dict[str, object]:
    """One malicious event of a campaign named after its scenario; `at` is UTC, and a day in UTC is a day here."""
    return {
        "scenario": scenario,
        "campaign": f"{scenario}-1",
        "account": account,
        "timestamp": at,
        "day": at[:10],
        "action": action,
        "outcome": outcome,
        "record": record,
    }


def events(*rows: dict[str, object]) -> pd.DataFrame:
    """Malicious events as a frame with the types of the truth."""
    frame = pd.DataFrame(list(rows), columns=list(event("a", D1)))
    return frame.assign(
        timestamp=pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601").astype("datetime64[us, UTC]")
    ).astype({"day": DAY_TYPE})


def scores(*rows: tuple[str, str, bool, str | None]) -> pd.DataFrame:
    """Scored account-days: account, day, alert, queue."""
    frame = pd.DataFrame(list(rows), columns=["account", "day", "alert", "queue"])
    return frame.astype({"day": DAY_TYPE, "alert": bool, "queue": object})


def early(*rows: tuple[str, str]) -> pd.DataFrame:
    """Alerts inside the day: account and UTC minute."""
    frame = pd.DataFrame(list(rows), columns=["account", "alert_at"])
    at = pd.to_datetime(frame["alert_at"], utc=True, format="ISO8601").astype("datetime64[us, UTC]")
    return frame.assign(alert_at=at, day=at.dt.tz_localize(None).dt.normalize()).astype({"day": DAY_TYPE})
