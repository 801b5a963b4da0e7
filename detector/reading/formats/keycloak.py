"""Keycloak's events: as JSON, and as lines of its console with quotes (since version 22) and without.

The account is the user name. Events that carry the user's id take the name that successful events of the same file give
to that id; most events but sign-ins carry nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from detector.reading import sql
from detector.reading.formats.json_lines import Value, are_objects, json_rows
from detector.reading.formats.source import BLANK, Field, Format, Rows, Source
from detector.reading.mapping import Mapping
from detector.reading.sample import Sample

_ACCOUNT, _ACTION, _OUTCOME = "(account)", "(action)", "(outcome)"
_PATHS = ("type", "userId", "details.username", "details.credential_type", "operationType")
_CONSOLE = r"type=\"?[A-Z_]+\"?, .*(?:clientId|userId|ipAddress)="
_STAMPED = r"^(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[,.]\d+\S*) "
# Anchored: whoever writes these words into a user agent must not make an access log one of Keycloak's.
_RECOGNISED = (
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[,.]\d+(?:Z|[+-]\d\d:?\d\d)? +[A-Z]+ +"
    rf"(?:\[org\.keycloak\.events\] |\[[^\]]*\] \([^)]*\) {_CONSOLE})"
)
_FAILED = "_ERROR"
_ACTIONS = {
    "LOGIN": "login",
    "LOGOUT": "logout",
    "UPDATE_PASSWORD": "password_reset",
    "RESET_PASSWORD": "password_reset",
    "REGISTER": "account_change",
    "UPDATE_EMAIL": "account_change",
    "UPDATE_PROFILE": "account_change",
    "UPDATE_TOTP": "account_change",
    "REMOVE_TOTP": "account_change",
    "UPDATE_CREDENTIAL": "account_change",
    "REMOVE_CREDENTIAL": "account_change",
    "FEDERATED_IDENTITY_LINK": "account_change",
    "IMPERSONATE": "delegation",
    "*": "ignore",
}
_COLUMNS = {
    "timestamp": "time",
    "account": _ACCOUNT,
    "action": _ACTION,
    "outcome": _OUTCOME,
    "ip": "ipAddress",
    "session": ["sessionId", "details.code_id"],
}


def _recognises(sample: Sample) -> bool:
    return _is_json(sample) or any(re.match(_RECOGNISED, line) for line in sample.bodies)


def _is_json(sample: Sample) -> bool:
    return are_objects(sample, with_keys=(("type", "operationType"), ("realmId", "realmName"), ("time",)))


def _default(_: Sample) -> Mapping:
    return Mapping.model_validate({"columns": _COLUMNS, "actions": _ACTIONS})


def _rows(source: Source) -> Iterator[Rows]:
    yield _json_rows(source) if _is_json(source.sample) else _console_rows(source)


def _json_rows(source: Source) -> Rows:
    return json_rows(
        source, paths=_PATHS, derived=_derived, ignored=lambda value: [(_is_admin(value), "'admin event'")]
    )


def _is_admin(value: Value) -> str:
    return f"{value('type')} IS NULL AND {value('operationType')} IS NOT NULL"


def _console_rows(source: Source) -> Rows:
    wanted = tuple(dict.fromkeys((*source.wanted, *_PATHS)))

    def value(path: str) -> str:
        return _value(path.rsplit(".", 1)[-1])

    is_event = sql.matches("_body", _CONSOLE)
    columns = {
        "_line": "_line",
        "_text": "_text",
        "_body": "_body",
        "_part": "1",
        "_problem": "_problem",
        "_ignored": sql.cases(
            [("_body = ''", sql.text(BLANK)), (f"NOT {is_event}", "'no event'")], otherwise="NULL::VARCHAR"
        ),
    }
    fields = {path: Field(value(path)) for path in wanted}
    fields["time"] = Field(f"regexp_extract(_body, {sql.text(_STAMPED)}, 1)")
    fields |= {name: Field(expression) for name, expression in _derived(value).items()}
    return Rows(sql.select(columns, source.bodies()), fields, "_text")


def _value(key: str) -> str:
    """SQL for a `key="value"` or `key=value`; the text `null` is null."""
    pattern = rf'\b{re.escape(key)}=(?:"((?:[^"\\]|\\.)*)"|([^,"]*))'
    found = [f"nullif(regexp_extract(_body, {sql.text(pattern)}, {group}), '')" for group in (1, 2)]
    return f"nullif({sql.first_of(found)}, 'null')"


def _derived(value: Value) -> dict[str, str]:
    kind, name, identity = value("type"), value("details.username"), _known(value("userId"))
    failed = f"ends_with({kind}, '{_FAILED}')"
    # Whoever tries to sign in chooses the name of a failure, so only what succeeded names anybody.
    named = f"max({name}) FILTER (NOT {failed}) OVER (PARTITION BY {identity})"
    of_identity = sql.cases([(f"{identity} IS NOT NULL", named)])
    changed = f"{kind} LIKE 'UPDATE_CREDENTIAL%' AND {value('details.credential_type')} = 'password'"
    return {
        _ACCOUNT: sql.first_of([of_identity, name, identity]),
        _ACTION: sql.cases([(changed, "'UPDATE_PASSWORD'")], otherwise=f"regexp_replace({kind}, '{_FAILED}$', '')"),
        _OUTCOME: sql.cases([(failed, "'failure'")], otherwise="'success'"),
    }


def _known(identity: str) -> str:
    return f"nullif({identity}, 'null')"


KEYCLOAK = Format("keycloak", "Keycloak's events, as JSON or console lines", _recognises, _default, _rows)
