"""A small log in CSV, whose records are tokens: ten practices at work, and on the last day somebody else."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from detector.reading import Mapping
from detector.reading.mapping import Records

LAST = date(2026, 3, 11)
DAYS = 12
HEADER = ("timestamp", "account", "action", "outcome", "record", "ip", "user_agent", "session", "service")
MAPPING = Mapping(records=Records(kind="token"))
PROXY = "203.0.113.5"
"""Where six of the ten practices come from: a hospital's proxy, or a carrier."""


def honest() -> list[tuple[str, ...]]:
    """Ten look-ups a day of each practice's own records."""
    rows: list[tuple[str, ...]] = []
    for back in range(DAYS - 1, -1, -1):
        for account in range(10):
            ip = PROXY if account < 6 else f"192.0.2.{account}"
            for number in range(10):
                at = datetime(LAST.year, LAST.month, LAST.day, 9, number, account, tzinfo=UTC) - timedelta(days=back)
                record = f"r{account}-{(number + back) % 15}"
                session = f"s{back}-{account}"
                rows.append(
                    (at.isoformat(), f"h{account}", "lookup", "success", record, ip, "Firefox", session, "infopatient")
                )
    return rows


def theft(
    *,
    account: str = "h9",
    ip: str = "198.51.100.9",
    agent: str = "Chrome",
    service: str = "infopatient",
    n: int = 200,
    back: int = 0,
) -> list[tuple[str, ...]]:
    """A reset, a sign-in, and some strangers at night, five seconds apart, so many days before the last."""
    start = datetime(LAST.year, LAST.month, LAST.day, 1, tzinfo=UTC) - timedelta(days=back)
    session = f"stolen {account}"
    rows: list[tuple[str, ...]] = [
        (start.isoformat(), account, "password_reset", "success", "", ip, agent, "", ""),
        ((start + timedelta(minutes=1)).isoformat(), account, "login", "success", "", ip, agent, session, ""),
    ]
    for number in range(n):
        at = start + timedelta(minutes=2, seconds=5 * number)
        rows.append(
            (at.isoformat(), account, "lookup", "success", f"x{ip}-{number}-{back}", ip, agent, session, service)
        )
    return rows


def write_log(path: Path, *parts: Sequence[tuple[str, ...]]) -> Path:
    """Write a log, in order of time."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(sorted(row for part in parts for row in part))
    return path
