"""A made-up folder of results, with as many alerts, and texts as hostile, as a test wants."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from detector.alerts import EVIDENCE, build_alerts
from detector.checks import FIRED
from detector.details import DETAILS
from detector.model.kept import load_model
from detector.output.files import write_results
from detector.shipped import models_dir
from tests.output.made import DAY, early, reason, scored, scores

START = datetime(2026, 2, 11, 23, tzinfo=UTC)
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"


def write_made(
    folder: Path,
    *,
    alerts: int = 2,
    account: str = "0010012{:04}",
    agent: str = AGENT,
    source: str = "day.csv",
    writes: int = 0,
) -> Path:
    """Write results with some alerts, one account for review, and one that early warning alone told of."""
    names = [account.format(number) for number in range(alerts)]
    rows = [
        _row(name) | {"alert": True, "queue": "main", "campaign": "C-1", "campaign_p_value": 0.00123} for name in names
    ]
    rows += [_row("waiting") | {"queue": "robot", "profession": "laboratory"}, _row("strange")]
    found = scores(*rows)
    fired = pd.DataFrame(
        [
            {
                "account": name,
                "day": DAY,
                "check": "reset_then_bulk",
                "severity": "high",
                "value": 1300,
                "evidence": "1,300 look-ups from a network new to it, within three days of a reset",
            }
            for name in names[:1]
        ],
        columns=list(FIRED),
    )
    found.loc[found["account"].isin(names[:1]), "checks"] = pd.Series([["reset_then_bulk"]], index=[0])
    evidence = pd.DataFrame([_evidence(name, agent, source) for name in names])
    built = build_alerts(found, fired, evidence)
    details = pa.Table.from_pylist([_details(name, agent, writes) for name in names], schema=DETAILS.arrow).to_pandas()
    result = scored(found, built, model=load_model(models_dir() / "default"))
    write_results(_with(result, details), folder, now=datetime(2026, 2, 13, tzinfo=UTC))
    return folder


def _with(result: Any, details: pd.DataFrame) -> Any:
    return replace(result, details=details, early=early({"account": "strange"}))


def _row(name: str) -> dict[str, Any]:
    reasons = [
        reason("foreign_records", "1,204 records never looked up before by it or anyone around (usually 31)"),
        reason("records", "over the last 7 days: 1,204 different records, 39 × its usual 31"),
        reason("regularity", "90% of its pauses are of the same length", value=0.9, usual=None, peers=None),
    ]
    return {"account": name, "profession": "general_practitioner", "reasons": reasons, "score": 0.83, "records": 1204}


def _evidence(name: str, agent: str, source: str) -> dict[str, Any]:
    times = {"first_at": START, "last_at": START + timedelta(hours=3)}
    counts = {"lookups": 1300, "writes": 0, "records": 1204, "first_line": 7, "last_line": 1400}
    row = {"account": name, "day": DAY, "source": source, "ip": "192.0.2.7", "user_agent": agent} | counts | times
    assert {field.name for field in EVIDENCE} <= set(row)
    return row


def _details(name: str, agent: str, writes: int) -> dict[str, Any]:
    hours = [
        {
            "hour": START + timedelta(hours=hour),
            "lookups": 650 if hour in (1, 2) else 0,
            "usual_low": 0.0,
            "usual_high": 8.0 if 9 <= hour <= 18 else 0.0,
        }
        for hour in range(24)
    ]
    days: list[dict[str, Any]] = [
        {
            "day": DAY - timedelta(days=back),
            "records": 31 if back % 7 < 5 else 0,
            "foreign_records": 2,
            "flagged": False,
        }
        for back in range(28, 0, -1)
    ]
    days[0] |= {"records": None, "foreign_records": None}
    days[-1] |= {"records": 950, "foreign_records": 900, "flagged": True}
    days.append({"day": DAY, "records": 1204, "foreign_records": 1100, "flagged": False})
    compared = [
        {"signal": "records", "value": 1204, "usual": 30.5, "largest": 44, "week_before": 31, "peers": 90.2},
        {"signal": "misses", "value": 0, "usual": 0, "largest": 3, "week_before": None, "peers": 4},
        {"signal": "writes", "value": 2, "usual": None, "largest": None, "week_before": None, "peers": 4},
        {"signal": "lookups", "value": 1300, "usual": 31, "largest": 1100, "week_before": 1001, "peers": 1108.5},
        {"signal": "failures", "value": 1300, "usual": 31, "largest": 1400, "week_before": 1001, "peers": 1108.5},
    ]
    source = {
        "ip": "192.0.2.7",
        "network": "192.0.2",
        "user_agent": agent,
        "auth_mode": "pwd",
        "logins": 1,
        "failures": 0,
        "lookups": 1300,
        "writes": writes,
        "first_at": START,
        "last_at": START + timedelta(hours=3),
        "is_new_ip": True,
        "is_new_network": True,
        "is_new_agent": False,
        "others_today": 1,
        "others_before": 0,
    }
    sources = [source | {"ip": f"192.0.2.{n}", "lookups": 1300 - n} for n in range(7, 27)]
    departments = [{"department": f"{n:02}", "records": 100 - n, "usual_share": n / 100} for n in range(1, 9)]
    who = {"lookups": 1300, "records": 1204, "new_records": 1204, "foreign_records": 1100, "misses": 26}
    return {
        "account": name,
        "day": date(2026, 2, 12),
        "hours": hours,
        "days": days,
        "compared": compared,
        "sources": sources,
        "n_sources": 20,
        "departments": departments,
    } | who
