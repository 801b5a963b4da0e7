"""Alerts as OCSF Detection Findings (class 2004): what a security information system takes in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from detector import __version__
from detector.output.rows import plain

OCSF_VERSION = "1.8.0"
CLASS, CATEGORY, CREATE = 2004, 2, 1
SEVERITY_IDS = {"low": 2, "medium": 3, "high": 4, "critical": 5}
RISK_SCORES = {"low": 21, "medium": 47, "high": 73, "critical": 99}
"""Of 100, by severity, as Elastic Security has them. How strange an account-day is orders nothing here: what a check
found may be no stranger than others."""
RULE, LEARNING = 1, 4
"""Kinds of analytic: a deterministic check, or the model."""
USER = "User"
ATTACK_VERSION = "16.1"
TECHNIQUES = (
    ("T1078", "Valid Accounts"),
    ("T1119", "Automated Collection"),
    ("T1213", "Data from Information Repositories"),
)
PRODUCT = {"name": "Extraction detector", "vendor_name": "The extraction-detector authors", "version": __version__}
DAYS_OF_PAST = 28


def to_jsonl(alerts: pd.DataFrame, scores: pd.DataFrame, *, zone: str) -> str:
    """One line of JSON per alert; the same alerts give the same bytes.

    Parameters
    ----------
    alerts
        `ALERTS`.
    scores
        `SCORES` of the same days.
    zone
        The portal's zone.
    """
    by_account = {(row["account"], row["day"]): row for row in scores[scores["alert"]].to_dict("records")}
    # In ASCII, lest marks that turn text around do so to whoever looks at the file in a terminal.
    lines = (
        to_finding(alert, by_account.get((alert["account"], alert["day"])), zone=zone)
        for alert in alerts.to_dict("records")
    )
    return "".join(json.dumps(plain(line), allow_nan=False) + "\n" for line in lines)


def to_finding(alert: Mapping[Any, Any], score: Mapping[Any, Any] | None, *, zone: str) -> dict[str, Any]:
    """One alert (a row of `ALERTS`) with its score (of `SCORES`; None for the portal as a whole) as a finding.

    `time` is that of the last event and not that of the run: judging the same dumps again gives the same finding.
    """
    start, end = _span(alert, zone=zone)
    finding: dict[str, Any] = {
        "activity_id": CREATE,
        "activity_name": "Create",
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + CREATE,
        "severity_id": SEVERITY_IDS[alert["severity"]],
        "severity": alert["severity"].capitalize(),
        "risk_score": RISK_SCORES[alert["severity"]],
        "status_id": 1,
        "status": "New",
        "is_alert": True,
        "time": end,
        "start_time": start,
        "end_time": end,
        "message": alert["title"],
        "metadata": {"version": OCSF_VERSION, "product": PRODUCT, "uid": alert["alert_id"]},
        "finding_info": _info(alert, score, start=start, end=end),
        "evidences": list(_evidences(alert)),
        "unmapped": _unmapped(alert, score),
    }
    if score is not None:
        finding["anomaly_analyses"] = [_analysis(score)]
        finding["resources"] = [_resource(alert)]
    return finding


def _span(alert: Mapping[Any, Any], *, zone: str) -> tuple[int, int]:
    """First and last event, in milliseconds since the epoch; the day's ends where the events are not held."""
    day: date = pd.Timestamp(alert["day"]).date()
    starts, ends = (datetime.combine(day, at, ZoneInfo(zone)) for at in (time.min, time.max))
    return tuple(  # type: ignore[return-value]
        _milliseconds(edge if pd.isna(seen) else seen)
        for seen, edge in ((alert["first_at"], starts), (alert["last_at"], ends))
    )


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000)


def _info(alert: Mapping[Any, Any], score: Mapping[Any, Any] | None, *, start: int, end: int) -> dict[str, Any]:
    sentences = [reason["sentence"] for reason in score["reasons"]] if score else []
    return {
        "uid": alert["alert_id"],
        "title": alert["title"],
        "desc": "; ".join(dict.fromkeys([alert["title"], *sentences])),
        "types": ["Mass extraction of records"],
        "first_seen_time": start,
        "last_seen_time": end,
        "analytic": _analytic(alert, score),
        "attacks": [{"technique": {"uid": uid, "name": name}, "version": ATTACK_VERSION} for uid, name in TECHNIQUES],
    }


def _analytic(alert: Mapping[Any, Any], score: Mapping[Any, Any] | None) -> dict[str, Any]:
    if score is None or alert["queue"] == "check":
        names = ", ".join(alert["checks"])
        return {"name": names, "uid": names, "type_id": RULE, "type": "Rule", "version": __version__}
    version = score["model_version"]
    return {
        "name": "ExtractionForest",
        "uid": version,
        "type_id": LEARNING,
        "type": "Learning (ML/DL)",
        "version": version,
    }


def _analysis(score: Mapping[Any, Any]) -> dict[str, Any]:
    reasons = list(score["reasons"])
    return {
        "analysis_targets": [{"name": score["account"], "type": USER}],
        "anomalies": [
            {
                "observation_parameter": reason["signal"],
                "observation_type": "account-day",
                "observed_pattern": reason["sentence"],
                "observations": [{"value": _number(reason["value"]), "timespan": {"duration_days": 1}}],
            }
            for reason in reasons
        ],
        "baselines": [baseline for reason in reasons for baseline in _baselines(reason)],
    }


def _baselines(reason: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, pattern in (
        ("usual", "median of the account's own active days in the 28 before"),
        ("peers", "99th percentile of its peers in the 28 days before"),
    ):
        if not pd.isna(reason[name]):
            yield {
                "observation_parameter": reason["signal"],
                "observation_type": name,
                "observed_pattern": pattern,
                "observations": [{"value": _number(reason[name]), "timespan": {"duration_days": DAYS_OF_PAST}}],
            }


def _number(value: float) -> str:
    """OCSF has observed values as text."""
    return f"{value:.10g}"


def _evidences(alert: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    for row in alert["evidence"] if alert["evidence"] is not None else ():
        # Of an open day neither file nor line is kept.
        named = row["source"] is not None and row["first_line"] is not None
        evidence: dict[str, Any] = {
            **({"name": f"{row['source']}, lines {row['first_line']} to {row['last_line']}"} if named else {}),
            "data": {name: value for name, value in row.items() if name not in ("ip", "user_agent")},
            "user": {"name": alert["account"], "uid": alert["account"]},
        }
        if row["ip"] is not None:
            evidence["src_endpoint"] = {"ip": row["ip"]}
        if row["user_agent"] is not None:
            evidence["http_request"] = {"user_agent": row["user_agent"]}
        yield evidence


def _resource(alert: Mapping[Any, Any]) -> dict[str, Any]:
    return {"name": alert["account"], "uid": alert["account"], "type": "Account"}


_FACTS = ("score", "p_value", "rank", "channel", "cold", "tail_sum", "campaign", "campaign_p_value")


def _unmapped(alert: Mapping[Any, Any], score: Mapping[Any, Any] | None) -> dict[str, Any]:
    facts = {name: alert[name] for name in ("queue", "records_exposed", "checks")}
    facts["day"] = pd.Timestamp(alert["day"]).date()
    if score is not None:
        facts |= {name: score[name] for name in _FACTS}
    return facts
