"""Open Cybersecurity Schema Framework, as JSON lines.

Classes: Account Change 3001, Authentication 3002, API Activity 6003, Datastore Activity 6005.
"""

from __future__ import annotations

from collections.abc import Iterator

from detector.reading import sql
from detector.reading.formats.json_lines import Value, are_objects, json_rows
from detector.reading.formats.source import Format, Rows, Source
from detector.reading.mapping import Mapping
from detector.reading.sample import Sample

ACCOUNT_CHANGE, AUTHENTICATION, API_ACTIVITY, DATASTORE_ACTIVITY = "3001", "3002", "6003", "6005"
_CLASSES = (ACCOUNT_CHANGE, AUTHENTICATION, API_ACTIVITY, DATASTORE_ACTIVITY)

_ACTION, _OUTCOME, _ACCOUNT, _DELEGATE, _FORWARDED = "(action)", "(outcome)", "(account)", "(delegate)", "(forwarded)"
_N_RECORDS = "(n_records)"
_PATHS = (
    "class_uid",
    "activity_id",
    "status_id",
    "status",
    "http_response.code",
    "user.uid",
    "user.name",
    "user.email_addr",
    "actor.user.uid",
    "actor.user.name",
    "actor.user.email_addr",
    "http_request.x_forwarded_for",
    "resources",
)
_COLUMNS = {
    "timestamp": ["time", "time_dt"],
    "account": _ACCOUNT,
    "delegate": _DELEGATE,
    "action": _ACTION,
    "outcome": _OUTCOME,
    "ip": "src_endpoint.ip",
    "forwarded_for": _FORWARDED,
    "record": ["resources.0.uid", "resources.0.name", "unmapped.record"],
    "n_records": _N_RECORDS,
    "service": ["api.service.name", "service.name", "dst_endpoint.svc_name"],
    "session": ["actor.session.uid", "session.uid"],
    "user_agent": "http_request.user_agent",
    "organisation": ["actor.user.org.uid", "actor.user.org.name", "user.org.uid", "user.org.name"],
    "auth_mode": ["unmapped.auth_mode", "auth_factors.0.factor_type", "auth_protocol"],
    "profession": "unmapped.profession",
    "channel": "unmapped.channel",
    "record_id_mode": "unmapped.record_id_mode",
    "method": "http_request.http_method",
    "path": "http_request.url.path",
}
# Activities by class, from the schema's dictionary; those not listed are ignored, and counted.
_ACTIVITIES = {
    ACCOUNT_CHANGE: {
        "1": "account_change",
        "2": "account_change",
        "3": "password_reset",
        "4": "password_reset",
        "5": "account_change",
        "6": "account_change",
        "7": "account_change",
        "8": "account_change",
        "9": "account_change",
        "10": "account_change",
        "11": "account_change",
        "12": "account_change",
    },
    AUTHENTICATION: {"1": "login", "2": "logout"},
    API_ACTIVITY: {"1": "write", "2": "lookup", "3": "write", "4": "write"},
    DATASTORE_ACTIVITY: {
        "1": "lookup",
        "2": "write",
        "4": "lookup",
        "5": "write",
        "6": "write",
        "7": "write",
        "8": "lookup",
    },
}


def _recognises(sample: Sample) -> bool:
    return are_objects(sample, with_keys=(("class_uid",), ("time", "time_dt")))


def _default(_: Sample) -> Mapping:
    return Mapping.model_validate({"columns": _COLUMNS})


def _rows(source: Source) -> Iterator[Rows]:
    yield json_rows(source, paths=_PATHS, derived=_derived, ignored=_ignored)


def _ignored(value: Value) -> list[tuple[str, str]]:
    known = " OR ".join(_is_activity(value, group, one) for group, all_of in _ACTIVITIES.items() for one in all_of)
    number = sql.matches_whole(f"{value('class_uid')} || {value('activity_id')}", r"\d{1,8}")
    told = f"'class ' || {value('class_uid')} || ' activity ' || {value('activity_id')}"
    return [(f"_valid AND NOT coalesce({known}, false) AND {number}", told)]


def _derived(value: Value) -> dict[str, str]:
    actions = [
        (_is_activity(value, group, one), sql.text(meant))
        for group, all_of in _ACTIVITIES.items()
        for one, meant in all_of.items()
    ]
    subject, actor = (
        sql.first_of(value(f"{who}.{key}") for key in ("uid", "name", "email_addr")) for who in ("user", "actor.user")
    )
    about_user = f"{value('class_uid')} IN ('{ACCOUNT_CHANGE}', '{AUTHENTICATION}')"
    statuses = [(f"{value('status_id')} = '1'", "'success'"), (f"{value('status_id')} = '2'", "'failure'")]
    otherwise = sql.first_of([f"nullif({value('http_response.code')}, '0')", "'success'"])
    return {
        _ACTION: sql.cases(actions, otherwise="NULL::VARCHAR"),
        _OUTCOME: sql.cases(statuses, otherwise=otherwise),
        _ACCOUNT: sql.cases([(about_user, f"coalesce({subject}, {actor})")], otherwise=f"coalesce({actor}, {subject})"),
        _DELEGATE: sql.cases([(f"{about_user} AND {actor} <> {subject}", actor)]),
        _FORWARDED: sql.replace_all(value("http_request.x_forwarded_for"), r'["\[\]]', ""),
        # An answer lists what it showed; a refusal shows nothing.
        _N_RECORDS: sql.cases(
            [
                (
                    f"{value('resources')} IS NOT NULL AND {value('status_id')} <> '2'",
                    f"json_array_length({value('resources')})::VARCHAR",
                )
            ]
        ),
    }


def _is_activity(value: Value, group: str, activity: str) -> str:
    return f"{value('class_uid')} = '{group}' AND {value('activity_id')} = '{activity}'"


OCSF = Format("ocsf", "OCSF classes 3001, 3002, 6003, 6005 as JSON lines", _recognises, _default, _rows)
