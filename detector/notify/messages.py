"""What a person is told of alerts: short, in plain text, and without any record's token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from detector.ledger import Alert, Robot
from detector.ledger.background import Background
from detector.ledger.outbox import Delivery
from detector.ledger.store import OPERATOR, by_gravity
from detector.ledger.told import Verdict
from detector.notify.traces import MOST_TOLD, Trace, span_of, traces_of
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
        "grown": ", grown since you were told",
        "reopened": "Judged benign by {author} on {at}, and open again",
        "fired": "this check has fired since: {checks}",
        "fired_many": "these checks have fired since: {checks}",
        "outgrown": "it outgrew what was judged",
        "thousands": ",",
        "operator": "The detector itself",
        "account": "Account",
        "portal": "The portal as a whole",
        "records": "records shown so far",
        "records_over": "records shown",
        "day": "Day",
        "between": "active between {first} and {last}",
        "since": "Beyond the limit of early warning since {at}",
        "part": "Part of campaign {campaign}, and as severe as all that its accounts got",
        "robot": "Known robot until {until}, up to {ceiling} look-ups a day, says {author}: {reason}",
        "from": "From",
        "lookups": "look-ups",
        "writes": "writes",
        "to": "to",
        "others": "and {n} more",
        "sum": "{n} records shown, summed over accounts",
        "least": "at least {n} records shown, summed over accounts",
        "next": "Next: detector alerts {alert}, then detector verdict {alert} malicious|benign --note ...",
        "many": "{n} alerts",
        "campaign": "campaign {campaign}: {n} accounts, {records}",
        "more": "and {n} more: detector alerts",
        "key": "Reference",
    },
    "fr": {
        "low": "faible",
        "medium": "moyenne",
        "high": "haute",
        "critical": "critique",
        "grown": ", plus importante que lors du premier message",
        "reopened": "Jugée bénigne par {author} le {at}, et rouverte",
        "fired": "ce contrôle s'est déclenché depuis : {checks}",
        "fired_many": "ces contrôles se sont déclenchés depuis : {checks}",
        "outgrown": "elle dépasse ce qui avait été jugé",
        "thousands": "\u202f",
        "operator": "Le détecteur lui-même",
        "account": "Compte",
        "portal": "Le portail dans son ensemble",
        "records": "dossiers affichés à ce stade",
        "records_over": "dossiers affichés",
        "day": "Jour",
        "between": "actif entre {first} et {last}",
        "since": "Au-delà de la limite de l'alerte précoce depuis {at}",
        "part": "Élément de la campagne {campaign}, aussi grave que tout ce que ses comptes ont obtenu",
        "robot": "Robot connu jusqu'au {until}, à {ceiling} consultations par jour au plus, dit {author} : {reason}",
        "from": "Depuis",
        "lookups": "consultations",
        "writes": "écritures",
        "to": "à",
        "others": "et {n} de plus",
        "sum": "{n} dossiers affichés, somme des comptes",
        "least": "au moins {n} dossiers affichés, somme des comptes",
        "next": "Suite : detector alerts {alert}, puis detector verdict {alert} malicious|benign --note ...",
        "many": "{n} alertes",
        "campaign": "campagne {campaign} : {n} comptes, {records}",
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


def compose(
    pairs: Sequence[tuple[Delivery, Alert]],
    *,
    digest: int,
    zone: str,
    language: Language = "en",
    backgrounds: Mapping[str, Background] | None = None,
) -> list[Message]:
    """Messages for deliveries with their alerts: one each, or one for all when there are more than `digest` alerts.

    Times are those of the portal's zone; `backgrounds` tells by alert what the ledger says beside it.
    """
    if len({alert.alert_id for _, alert in pairs}) > digest:
        return [_digest(pairs, language, zone)]
    known = backgrounds or {}
    return [
        _single(delivery, alert, known.get(alert.alert_id, Background()), language, zone) for delivery, alert in pairs
    ]


def _single(delivery: Delivery, alert: Alert, beside: Background, language: Language, zone: str) -> Message:
    words = _WORDS[language]
    grown = words["grown"] if delivery.is_update else ""
    title = f"[{words[alert.severity]}] {_subject(alert, words)}{grown}: {_title(alert, language)}"
    lines = [title, "", f"{words['day']}: {alert.day} ({zone}){_span(alert, words, zone)}"]
    if alert.records_exposed is not None:
        is_over = delivery.stored_at.astimezone(ZoneInfo(zone)).date() > alert.day
        shown = f"{_number(alert.records_exposed, words)} {words['records_over' if is_over else 'records']}"
        lines.append(shown + _written([alert], words))
    if traces := traces_of(alert, zone=zone):
        told = [f"{visible(each.address)}{_doings(each, words)}" for each in traces]
        lines.append(f"{words['from']} {_some(told, words)}")
    if alert.campaign is not None:
        lines.append(words["part"].format(campaign=alert.campaign))
    if len(beside.members) > 1:
        lines.append(_campaign(beside.members, words, most=MOST_TOLD))
    if beside.judged is not None:
        lines.append(_reopened(beside, beside.judged, words, zone))
    if beside.robot is not None:
        lines.append(_robot(beside.robot, words))
    if alert.alert_at is not None and alert.kind != OPERATOR:
        lines.append(words["since"].format(at=f"{alert.alert_at.astimezone(ZoneInfo(zone)):%H:%M}"))
    said = [alert.title] if alert.kind == OPERATOR else []
    lines += [f"- {visible(reason)}" for reason in alert.reasons[:REASONS_TOLD] if reason not in said]
    if alert.kind != OPERATOR:
        lines += ["", words["next"].format(alert=alert.alert_id[:8])]
    lines += ["", f"{words['key']}: {delivery.delivery_id}"]
    return Message(title, "\n".join(lines), delivery.delivery_id, (delivery,), alert.severity)


def _campaign(members: Sequence[Alert], words: dict[str, str], *, most: int | None = None) -> str:
    """A campaign's name, sum and accounts, the first few or all."""
    named = [visible(each.account or "") for each in members]
    told = {"campaign": members[0].campaign, "n": len(members), "records": _sum(members, words) or "-"}
    return f"{words['campaign'].format(**told)}: {_some(named, words, most=most or len(named))}"


def _reopened(beside: Background, judged: Verdict, words: dict[str, str], zone: str) -> str:
    at = f"{judged.at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    told = words["reopened"].format(author=visible(judged.author), at=at)
    names = {0: "outgrown", 1: "fired"}
    why = words[names.get(len(beside.new_checks), "fired_many")].format(checks=", ".join(beside.new_checks))
    return f"{told}: {why}"


def _robot(robot: Robot, words: dict[str, str]) -> str:
    """Its entry, whose end may be past, or its ceiling exceeded: why it is told of all the same."""
    return words["robot"].format(
        until=robot.expires,
        ceiling=_number(robot.ceiling, words),
        author=visible(robot.author),
        reason=visible(robot.reason),
    )


def _span(alert: Alert, words: dict[str, str], zone: str) -> str:
    span = span_of(alert, zone=zone)
    if span is None or alert.kind == OPERATOR:
        return ""
    first, last = (f"{at:%H:%M}" for at in span)
    return ", " + words["between"].format(first=first, last=last)


def _doings(trace: Trace, words: dict[str, str]) -> str:
    """What was done from an address, and from when to when."""
    counts = (("lookups", trace.lookups), ("writes", trace.writes))
    told = [_counted(n, words[name], words) for name, n in counts if n]
    if trace.first_at is not None and trace.last_at is not None:
        told.append(f"{trace.first_at:%H:%M} {words['to']} {trace.last_at:%H:%M}")
    return f" ({', '.join(told)})" if told else ""


def _some(told: Sequence[str], words: dict[str, str], *, most: int = MOST_TOLD) -> str:
    """The first few of a list, and how many more there are."""
    left = [words["others"].format(n=len(told) - most)] if len(told) > most else []
    return ", ".join([*told[:most], *left])


def _number(number: int, words: dict[str, str]) -> str:
    return f"{number:,}".replace(",", words["thousands"])


def _counted(number: int, of: str, words: dict[str, str]) -> str:
    return f"{_number(number, words)} {of.removesuffix('s') if number == 1 else of}"


def _written(alerts: Sequence[Alert], words: dict[str, str]) -> str:
    """What accounts wrote besides, if anything: no record that was shown, and as severe."""
    number = sum(int(each.get("writes") or 0) for alert in alerts for each in alert.evidence)
    return f", {_counted(number, words['writes'], words)}" if number else ""


def _sum(alerts: Sequence[Alert], words: dict[str, str]) -> str | None:
    """Records shown to these accounts, each counted for each account; without tokens nobody knows how many."""
    known = [each.records_exposed for each in alerts if each.records_exposed is not None]
    if not known:
        return None
    are_all = len(known) == len([each for each in alerts if each.account is not None])
    return words["sum" if are_all else "least"].format(n=_number(sum(known), words))


def _digest(pairs: Sequence[tuple[Delivery, Alert]], language: Language, zone: str) -> Message:
    """One message, the campaigns on top, then the severest; what grew before it could be told is one alert."""
    words = _WORDS[language]
    distinct = {alert.alert_id: alert for _, alert in pairs}
    alerts = sorted(distinct.values(), key=by_gravity)
    worst = alerts[0].severity
    campaigns: dict[str, list[Alert]] = {}
    for each in alerts:
        if each.campaign is not None:
            campaigns.setdefault(each.campaign, []).append(each)
    largest = sorted(campaigns.items(), key=lambda item: (-sum(each.records_exposed or 0 for each in item[1]), item[0]))
    lines = [_campaign(members, words) for _, members in largest]
    lines += [""] if campaigns else []
    lines += [_line(each, language, zone) for each in alerts[:MOST_LISTED]]
    if len(alerts) > MOST_LISTED:
        lines.append(words["more"].format(n=len(alerts) - MOST_LISTED))
    title = f"[{words[worst]}] {words['many'].format(n=len(alerts))}"
    if total := _sum(alerts, words):
        title += f", {total}{_written(alerts, words)}"
    key = min(delivery.delivery_id for delivery, _ in pairs) + f"+{len(pairs) - 1}"
    body = "\n".join([title, "", *lines, "", f"{words['key']}: {key}"])
    return Message(title, body, key, tuple(delivery for delivery, _ in pairs), worst)


def _line(alert: Alert, language: Language, zone: str) -> str:
    """An alert in a digest."""
    words = _WORDS[language]
    named = f"{alert.alert_id[:8]} {alert.day} [{words[alert.severity]}] {_subject(alert, words)}"
    line = f"{named}: {_title(alert, language)}"
    addresses = [visible(each.address) for each in traces_of(alert, zone=zone)]
    if not addresses:
        return line
    return f"{line}; {words['from'].lower()} {_some(addresses, words)}{_span(alert, words, zone)}"


def _title(alert: Alert, language: Language) -> str:
    """What a check saw is translated; reasons are in the job's language already, its own troubles in English."""
    if language == "en":
        return visible(alert.title)
    from detector.report.french import told

    return visible(told(alert.title, language))


def _subject(alert: Alert, words: dict[str, str]) -> str:
    if alert.kind == OPERATOR:
        return words["operator"]
    return words["portal"] if alert.account is None else f"{words['account']} {visible(alert.account)}"
