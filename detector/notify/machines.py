"""Alerts for machines: OCSF findings, ECS documents, and syslog lines of RFC 5424."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from detector import __version__
from detector.ledger import Alert
from detector.ledger.outbox import Delivery
from detector.ledger.store import OPERATOR, REVIEW
from detector.notify.traces import MOST_TOLD, span_of, traces_of
from detector.output.ocsf import CLASS, RISK_SCORES, TECHNIQUES, to_finding
from detector.output.rows import plain

ECS_VERSION = "8.17.0"
EXTENSION = "detector"
UPDATE = 2
LEARNING = 4
FACILITY = 13
"""Log audit (RFC 5424, table 1)."""
SYSLOG_SEVERITIES = {"low": 5, "medium": 4, "high": 3, "critical": 2}
"""Notice, warning, error, critical (RFC 5424, table 2)."""
ENTERPRISE = "32473"
"""The number that IANA reserves for examples and documentation (RFC 5612): the project has none of its own."""
_PRINTABLE = re.compile(r"[^\x21-\x7e]")


def to_ocsf(delivery: Delivery, alert: Alert, *, zone: str) -> dict[str, Any]:
    """The alert as an OCSF Detection Finding; its update has the same `uid`."""
    row = {**asdict(alert), "checks": alert.checks or ["operator" if alert.kind == OPERATOR else "ExtractionForest"]}
    row["evidence"] = [_instants(each) for each in alert.evidence]
    finding = to_finding(row, None, zone=zone)
    info = finding["finding_info"]
    info["desc"] = "; ".join(dict.fromkeys([alert.title, *alert.reasons]))
    if alert.kind == OPERATOR:
        info["types"], info["attacks"] = ["Detection impaired"], []
    elif alert.queue == "main":
        info["analytic"] = {
            "name": "ExtractionForest",
            "uid": alert.model_version,
            "type_id": LEARNING,
            "type": "Learning (ML/DL)",
            "version": alert.model_version,
        }
    if alert.account is not None:
        finding["resources"] = [{"name": alert.account, "uid": alert.account, "type": "Account"}]
    if delivery.is_update:
        finding |= {"activity_id": UPDATE, "activity_name": "Update", "type_uid": CLASS * 100 + UPDATE}
    known = {"campaign": alert.campaign, "checks": alert.checks, "score": alert.score}
    finding["unmapped"] |= known | {"delivery_id": delivery.delivery_id}
    return finding


def _instants(evidence: dict[str, Any]) -> dict[str, Any]:
    """Evidence as the ledger keeps it, whose instants are text, with what an absent field is."""
    return {"source": None, "ip": None, "user_agent": None, "first_line": None, "last_line": None} | evidence


def to_ecs(delivery: Delivery, alert: Alert, *, zone: str) -> dict[str, Any]:  # noqa: ARG001 - one signature for both
    """The alert as a document of the Elastic Common Schema."""
    at = alert.last_at or alert.changed_at
    document: dict[str, Any] = {
        "@timestamp": at,
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": delivery.delivery_id,
            "kind": "alert",
            "category": ["iam"] if alert.kind != OPERATOR else ["process"],
            "type": ["change"] if delivery.is_update else ["info"],
            "severity": RISK_SCORES[alert.severity],
            "start": alert.first_at,
            "end": alert.last_at,
            "created": alert.raised_at,
            "module": "extraction-detector",
            "risk_score": RISK_SCORES[alert.severity],
            "reason": "; ".join(dict.fromkeys([alert.title, *alert.reasons])),
        },
        "message": alert.title,
        "rule": {"id": alert.alert_id, "name": ", ".join(alert.checks) or "ExtractionForest", "version": __version__},
        # What ECS has no field for stands under a name of its own: values of labels are text.
        EXTENSION: {"severity": alert.severity, "records_exposed": alert.records_exposed, "score": alert.score},
        "labels": {"queue": alert.queue, "campaign": alert.campaign, "day": str(alert.day), "kind": alert.kind},
    }
    if alert.account is not None:
        document["user"] = {"name": alert.account, "id": alert.account}
        document["threat"] = {"technique": {"id": [uid for uid, _ in TECHNIQUES]}}
    if addresses := sorted({each["ip"] for each in alert.evidence if each.get("ip")}):
        document["related"] = {"ip": addresses}
    return document


FORMS: dict[str, Callable[..., dict[str, Any]]] = {"ocsf": to_ocsf, "ecs": to_ecs}


def to_json_line(form: str, delivery: Delivery, alert: Alert, *, zone: str) -> str:
    """One line of JSON, without its end; whatever an account is called, it is one line."""
    return json.dumps(plain(FORMS[form](delivery, alert, zone=zone)), ensure_ascii=True, allow_nan=False)


def to_syslog(delivery: Delivery, alert: Alert, *, now: datetime, zone: str) -> bytes:
    """One message of RFC 5424, in UTF-8: header, structured data, text; times of events in the portal's zone."""
    priority = FACILITY * 8 + SYSLOG_SEVERITIES[alert.severity]
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    host = _PRINTABLE.sub("", socket.gethostname())[:255] or "-"
    usual = "UPDATE" if delivery.is_update else "ALERT"
    kind = {OPERATOR: "OPERATOR", REVIEW: "REVIEW"}.get(alert.kind, usual)
    addresses = [each.address for each in traces_of(alert, zone=zone)]
    first, last = span_of(alert, zone=zone) or (None, None)
    told = {
        "key": delivery.delivery_id,
        "alert": alert.alert_id,
        "severity": alert.severity,
        "day": str(alert.day),
        "account": alert.account,
        "records": alert.records_exposed,
        "campaign": alert.campaign,
        "addresses": " ".join(addresses[:MOST_TOLD]) or None,
        "more_addresses": len(addresses) - MOST_TOLD if len(addresses) > MOST_TOLD else None,
        "first": first and first.isoformat(timespec="seconds"),
        "last": last and last.isoformat(timespec="seconds"),
    }
    data = "".join(f' {name}="{_escaped(str(value))}"' for name, value in told.items() if value is not None)
    sentence = alert.reasons[0] if alert.kind == OPERATOR and alert.reasons else alert.title
    text = " ".join(sentence.split())
    header = f"<{priority}>1 {stamp} {host} detector {os.getpid()} {kind} [detector@{ENTERPRISE}{data}] "
    return header.encode() + b"\xef\xbb\xbf" + text.encode()


def _escaped(value: str) -> str:
    """A parameter's value, escaped as RFC 5424 (6.3.3) asks; control characters are written out."""
    shown = "".join(each if each.isprintable() else f"%{ord(each):02x}" for each in value)
    return re.sub(r'(["\\\]])', r"\\\1", shown)
