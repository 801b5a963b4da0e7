"""What a person is told of alerts: short, in plain text, and without any record's token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from detector.alerts import SEVERITIES
from detector.ledger import Alert
from detector.ledger.outbox import Delivery
from detector.ledger.store import OPERATOR
from detector.output.text import visible

Language = Literal["en", "fr"]
MOST_LISTED = 20
"""Alerts that a digest lists; `detector alerts` has them all."""
REASONS_TOLD = 3

_WORDS = {
    "en": {
        "low": "low",
        "medium": "medium",
        "high": "high",
        "critical": "critical",
        "grown": "has grown",
        "operator": "The detector itself",
        "account": "Account",
        "portal": "The portal as a whole",
        "records": "records shown so far",
        "day": "Day",
        "since": "clear since",
        "next": "Next: detector alerts {alert}, then detector verdict {alert} malicious|benign --note ...",
        "many": "{n} alerts",
        "campaign": "campaign {campaign}: {n} accounts",
        "more": "and {n} more: detector alerts",
        "key": "Reference",
    },
    "fr": {
        "low": "faible",
        "medium": "moyenne",
        "high": "haute",
        "critical": "critique",
        "grown": "s'aggrave",
        "operator": "Le détecteur lui-même",
        "account": "Compte",
        "portal": "Le portail dans son ensemble",
        "records": "dossiers affichés à ce stade",
        "day": "Jour",
        "since": "établi à",
        "next": "Suite : detector alerts {alert}, puis detector verdict {alert} malicious|benign --note ...",
        "many": "{n} alertes",
        "campaign": "campagne {campaign} : {n} comptes",
        "more": "et {n} de plus : detector alerts",
        "key": "Référence",
    },
}


@dataclass(frozen=True)
class Message:
    """A message of one alert or several; `key` is the same whenever it is sent again."""

    title: str
    body: str
    key: str
    deliveries: tuple[Delivery, ...]
    severity: str


def compose(pairs: Sequence[tuple[Delivery, Alert]], *, digest: int, language: Language = "en") -> list[Message]:
    """Messages for deliveries with their alerts: one each, or one for all when there are more than `digest`."""
    if len(pairs) > digest:
        return [_digest(pairs, _WORDS[language])]
    return [_single(delivery, alert, _WORDS[language]) for delivery, alert in pairs]


def _single(delivery: Delivery, alert: Alert, words: dict[str, str]) -> Message:
    grown = f" {words['grown']}" if delivery.is_update else ""
    title = f"[{words[alert.severity]}]{grown} {_subject(alert, words)}: {visible(alert.title)}"
    lines = [title, "", f"{words['day']}: {alert.day}"]
    if alert.records_exposed is not None:
        lines.append(f"{alert.records_exposed} {words['records']}")
    if alert.alert_at is not None:
        lines.append(f"{words['since']} {alert.alert_at:%Y-%m-%d %H:%M} UTC")
    lines += [f"- {visible(reason)}" for reason in alert.reasons[:REASONS_TOLD]]
    if alert.kind != OPERATOR:
        lines += ["", words["next"].format(alert=alert.alert_id[:8])]
    lines += ["", f"{words['key']}: {delivery.delivery_id}"]
    return Message(title, "\n".join(lines), delivery.delivery_id, (delivery,), alert.severity)


def _digest(pairs: Sequence[tuple[Delivery, Alert]], words: dict[str, str]) -> Message:
    """One message, the campaigns on top, then the severest."""
    alerts = sorted((alert for _, alert in pairs), key=lambda each: (-SEVERITIES.index(each.severity), each.alert_id))
    worst = alerts[0].severity
    lines = []
    campaigns = sorted({each.campaign for each in alerts if each.campaign is not None})
    for campaign in campaigns:
        members = [visible(each.account or "") for each in alerts if each.campaign == campaign]
        lines.append(words["campaign"].format(campaign=campaign, n=len(members)) + ": " + ", ".join(members))
    lines += [""] if campaigns else []
    for each in alerts[:MOST_LISTED]:
        lines.append(f"{each.alert_id[:8]} [{words[each.severity]}] {_subject(each, words)}: {visible(each.title)}")
    if len(alerts) > MOST_LISTED:
        lines.append(words["more"].format(n=len(alerts) - MOST_LISTED))
    title = f"[{words[worst]}] {words['many'].format(n=len(alerts))}"
    key = min(delivery.delivery_id for delivery, _ in pairs) + f"+{len(pairs) - 1}"
    body = "\n".join([title, "", *lines, "", f"{words['key']}: {key}"])
    return Message(title, body, key, tuple(delivery for delivery, _ in pairs), worst)


def _subject(alert: Alert, words: dict[str, str]) -> str:
    if alert.kind == OPERATOR:
        return words["operator"]
    return words["portal"] if alert.account is None else f"{words['account']} {visible(alert.account)}"
