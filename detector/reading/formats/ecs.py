"""Elastic Common Schema, as JSON lines, nested or flat.

Where somebody acts for another (`user.effective`), the account is the one acted for, and the delegate who acts.
"""

from __future__ import annotations

from collections.abc import Iterator

from detector.reading import sql
from detector.reading.formats.json_lines import Value, are_objects, json_rows
from detector.reading.formats.source import Format, Rows, Source
from detector.reading.mapping import Mapping
from detector.reading.sample import Sample
from detector.schema import ACTIONS

_ACTION, _OUTCOME, _DELEGATE, _PATH, _FORWARDED = "(action)", "(outcome)", "(delegate)", "(path)", "(forwarded)"
_EFFECTIVE = ("user.effective.id", "user.effective.name")
_ACTOR = ("user.id", "user.name")
_PATHS = (
    *_EFFECTIVE,
    *_ACTOR,
    "event.action",
    "event.category",
    "event.type",
    "event.outcome",
    "http.response.status_code",
    "url.path",
    "url.query",
    "network.forwarded_ip",
)
_COLUMNS = {
    "timestamp": "@timestamp",
    "account": [*_EFFECTIVE, *_ACTOR, "user.email"],
    "delegate": _DELEGATE,
    "action": _ACTION,
    "outcome": _OUTCOME,
    "ip": ["source.ip", "client.ip", "source.address", "client.address"],
    "forwarded_for": _FORWARDED,
    "record": ["entity.target.id", "labels.record"],
    "service": "service.name",
    "session": ["session.id", "labels.session"],
    "user_agent": "user_agent.original",
    "profession": "labels.profession",
    "organisation": ["organization.id", "organization.name"],
    "auth_mode": "labels.auth_mode",
    "record_id_mode": "labels.record_id_mode",
    "channel": "labels.channel",
    "n_records": "labels.n_records",
    "method": "http.request.method",
    "path": _PATH,
}
# What an `event.category` and an `event.type` mean together; the first that holds counts.
_KINDS = (
    ("authentication", "end", "logout"),
    ("session", "end", "logout"),
    ("authentication", "", "login"),
    ("session", "start", "login"),
    ("iam", "", "account_change"),
    ("", "creation", "write"),
    ("", "change", "write"),
    ("", "deletion", "write"),
    ("", "access", "lookup"),
)


def _recognises(sample: Sample) -> bool:
    return are_objects(sample, with_keys=(("@timestamp",), ("ecs.version", "event.action", "event.category")))


def _default(_: Sample) -> Mapping:
    return Mapping.model_validate(
        {"columns": _COLUMNS, "actions": {"password-change": "password_reset", "*": "ignore"}}
    )


def _rows(source: Source) -> Iterator[Rows]:
    words = (*ACTIONS, *(word for word in source.mapping.actions if word not in ("", "*")))
    yield json_rows(source, paths=_PATHS, derived=lambda value: _derived(value, words))


def _derived(value: Value, words: tuple[str, ...]) -> dict[str, str]:
    action, outcome = value("event.action"), value("event.outcome")
    known = f"{action} IN ({', '.join(map(sql.text, words))})"
    kinds = [(_is_kind(value, category, kind), sql.text(meant)) for category, kind, meant in _KINDS]
    return {
        _ACTION: sql.cases([(known, action), *kinds], otherwise=f"coalesce({action}, 'unknown')"),
        # Unknown counts as done: a look-up that may have shown a record is one that has.
        _OUTCOME: sql.first_of([f"nullif({outcome}, 'unknown')", value("http.response.status_code"), "'success'"]),
        _DELEGATE: sql.cases(
            [(f"{sql.first_of(map(value, _EFFECTIVE))} IS NOT NULL", sql.first_of(map(value, _ACTOR)))]
        ),
        _PATH: f"{value('url.path')} || coalesce('?' || {value('url.query')}, '')",
        _FORWARDED: sql.replace_all(value("network.forwarded_ip"), r'["\[\]]', ""),
    }


def _is_kind(value: Value, category: str, kind: str) -> str:
    """Whether the fields, each a word or a list of words, hold these."""
    wanted = [(value("event.category"), category), (value("event.type"), kind)]
    return " AND ".join(sql.matches(field, rf"\b{word}\b") for field, word in wanted if word)


ECS = Format("ecs", "Elastic Common Schema as JSON lines", _recognises, _default, _rows)
