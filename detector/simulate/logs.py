"""The same days as a portal's own logs: an access log, the identity provider's console, the application's trace.

Read together with the mappings written beside them, they give the canonical events again: sign-ins and changes of the
account come from the console, look-ups and writes from the trace, and the access log tells everything once more.
Milliseconds (console) and seconds (access log) are all that these formats keep of a time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SIGN_IN = ("login", "logout", "password_reset", "account_change")
DATA = ("lookup", "write", "export", "delegation")
PROXY = "10.20.0.5"
"""The portal's own front; the client's address follows the user agent."""

ZONE = "Europe/Paris"
ID_MODES = {"card": "vitale", "typed": "nir_typed", "traits": "traits"}
TRACE_ACTIONS = {"lookup": "read", "write": "create", "export": "export", "delegation": "delegate"}
CONSOLE_TYPES = {
    "login": "LOGIN",
    "logout": "LOGOUT",
    "password_reset": "UPDATE_PASSWORD",
    "account_change": "UPDATE_EMAIL",
}
THREADS = 40


class Log(NamedTuple):
    """One kind of log: its folder, file ending, lines, and the mapping that reads it back."""

    name: str
    ending: str
    lines: Callable[[pa.Table], pa.Array]
    mapping: str


def _text(value: str) -> pa.Scalar:
    return pa.scalar(value, pa.string())


def _join(*parts: pa.Array | str) -> pa.Array:
    """Join columns and constants to one text a row; null parts are empty."""
    filled = [_text(part) if isinstance(part, str) else pc.fill_null(part.cast(pa.string()), "") for part in parts]
    return pc.binary_join_element_wise(*filled, "")


def _renamed(column: pa.Array, names: dict[str, str]) -> pa.Array:
    """Replace values; those without a new name become null."""
    place = pc.index_in(column, pa.array(list(names)))
    return pa.array(list(names.values())).take(place)


def _is(table: pa.Table, actions: tuple[str, ...]) -> pa.Table:
    return table.filter(pc.is_in(table["action"], pa.array(actions)))


def _stamp(table: pa.Table, pattern: str, *, unit: str, zone: str) -> pa.Array:
    """Return times as text, cut to the unit."""
    kind = pa.timestamp(unit, zone)
    return pc.strftime(table["timestamp"].cast(kind, safe=False), format=pattern)


def access_lines(table: pa.Table) -> pa.Array:
    """Return every event as a request in nginx's combined form, with the client's address as forwarded."""
    failed = pc.equal(table["outcome"], "failure")
    sign_in = pc.equal(table["action"], "login")
    status = pc.if_else(failed, pc.if_else(sign_in, "401", "404"), "200")
    size = pc.if_else(failed, "162", "5120")
    agent = pc.fill_null(table["user_agent"], "-")
    return _join(
        PROXY,
        " - ",
        pc.fill_null(table["account"], "-"),
        " [",
        _stamp(table, "%d/%b/%Y:%H:%M:%S %z", unit="s", zone=ZONE),
        '] "',
        _requests(table),
        ' HTTP/1.1" ',
        status,
        " ",
        size,
        ' "-" "',
        agent,
        '" "',
        table["ip"],
        '"',
    )


def _requests(table: pa.Table) -> pa.Array:
    """Return method and path with query; software has its own front path."""
    front = pc.if_else(pc.equal(table["channel"], "software"), "/lps/", "/PortailPS/")
    service = pc.fill_null(table["service"], "session")
    record = pc.if_else(pc.is_valid(table["record"]), _join("?nir=", table["record"]), "")
    verb = pc.if_else(pc.is_in(table["action"], pa.array(("lookup", "export"))), "GET ", "POST ")
    return _join(verb, front, service, "/", table["action"], record)


def console_lines(table: pa.Table) -> pa.Array:
    """Return sign-ins, sign-outs and changes of accounts as console lines of Keycloak; successes are at DEBUG."""
    events = _is(table, SIGN_IN)
    failed = pc.equal(events["outcome"], "failure")
    known = pc.is_valid(events["account"])
    error = pc.if_else(known, "invalid_user_credentials", "user_not_found")
    return _join(
        pc.replace_substring(_stamp(events, "%Y-%m-%d %H:%M:%S", unit="ms", zone="UTC"), ".", ","),
        pc.if_else(failed, " WARN ", " DEBUG"),
        " [org.keycloak.events] (executor-thread-",
        pa.array(np.arange(events.num_rows) % THREADS),
        ') type="',
        _renamed(events["action"], CONSOLE_TYPES),
        pc.if_else(failed, "_ERROR", ""),
        '", realmId="portal", realmName="portal", clientId="portal", userId="',
        pc.if_else(known, _join("u-", events["account"]), "null"),
        '", ipAddress="',
        events["ip"],
        pc.if_else(failed, _join('", error="', error), ""),
        '", auth_method="openid-connect"',
        pc.if_else(pc.is_valid(events["session"]), _join(', code_id="', events["session"], '"'), ""),
        pc.if_else(known, _join(', username="', events["account"], '"'), ""),
    )


def trace_lines(table: pa.Table) -> pa.Array:
    """Return look-ups, writes, downloads and delegations as the application's trace, one JSON object a line."""
    events = _is(table, DATA)
    failed = pc.equal(events["outcome"], "failure")
    lookup = pc.equal(events["action"], "lookup")
    fields = {
        "ts": _stamp(events, "%Y-%m-%dT%H:%M:%SZ", unit="us", zone="UTC"),
        "account_id": events["account"],
        "delegate_id": events["delegate"],
        "profession": events["profession"],
        "finess": events["organisation"],
        "auth_mode": events["auth_mode"],
        "session_id": events["session"],
        "src_ip": events["ip"],
        "ua": events["user_agent"],
        "channel": _renamed(events["channel"], {"portal": "portal", "software": "integrated"}),
        "service": events["service"],
        "action": _renamed(events["action"], TRACE_ACTIONS),
        "patient_id_mode": _renamed(events["record_id_mode"], ID_MODES),
        "patient_nir": events["record"],
        "result": pc.if_else(failed, pc.if_else(lookup, "not_found", "error"), "found"),
    }
    quoted = [part for name, column in fields.items() for part in (f',"{name}":', _quoted(column))]
    shown = pc.fill_null(events["n_records"].cast(pa.string()), "null")
    return _join('{"trace_id":"', pa.array(np.arange(events.num_rows)), '"', *quoted, ',"ranks_returned":', shown, "}")


def _quoted(column: pa.Array) -> pa.Array:
    """Return JSON strings, `null` for null; the simulator's own texts need no escapes."""
    return pc.if_else(pc.is_valid(column), _join('"', column, '"'), "null")


ACCESS_MAPPING = """\
trusted_proxies = ["10.20.0.0/16"]

[columns]
forwarded_for = "extra_1"

[outcomes]
200 = "success"
401 = "failure"
404 = "failure"

[[requests]]
path = '^/lps/(?P<service>[a-z_]+)/(?P<action>lookup)\\?nir=(?P<record>[0-9A-Ba-f]+)'
channel = "software"

[[requests]]
path = '^/PortailPS/(?P<service>[a-z_]+)/(?P<action>lookup|write|export)\\?nir=(?P<record>[0-9A-Ba-f]+)'

[[requests]]
path = '^/PortailPS/session/(?P<action>login|logout)$'

[[requests]]
path = '^/PortailPS/(?P<service>[a-z_]+)/(?P<action>login|logout|password_reset|account_change|delegation)$'
"""

CONSOLE_MAPPING = """\
authority = ["login", "logout", "password_reset", "account_change"]

[time]
zone = "UTC"
"""

TRACE_MAPPING = """\
authority = ["lookup", "write", "export", "delegation"]

[columns]
timestamp = "ts"
account = "account_id"
delegate = "delegate_id"
profession = "profession"
organisation = "finess"
auth_mode = "auth_mode"
session = "session_id"
ip = "src_ip"
user_agent = "ua"
channel = "channel"
service = "service"
action = "action"
record_id_mode = "patient_id_mode"
record = "patient_nir"
outcome = "result"
n_records = "ranks_returned"

[actions]
read = "lookup"
create = "write"
export = "export"
delegate = "delegation"

[outcomes]
found = "success"
not_found = "failure"
error = "failure"

[channels]
portal = "portal"
integrated = "software"

[record_id_modes]
vitale = "card"
nir_typed = "typed"
traits = "traits"
"""

LOGS = (
    Log("access", ".log", access_lines, ACCESS_MAPPING),
    Log("keycloak", ".log", console_lines, CONSOLE_MAPPING),
    Log("trace", ".jsonl", trace_lines, TRACE_MAPPING),
)


def log_path(out: Path, log: Log, *, stem: str) -> Path:
    """Return the file of one day."""
    return out / "logs" / log.name / f"{stem}{log.ending}"


def append_lines(path: Path, lines: pa.Array, *, first: bool) -> None:
    """Write one line per row: to a new file if `first`, else at the end of the file."""
    ended = pc.binary_join_element_wise(lines, "\n", "")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb" if first else "ab") as file:
        for chunk in ended.chunks if isinstance(ended, pa.ChunkedArray) else [ended]:
            file.write(b"".join(chunk.cast(pa.binary()).to_pylist()))


def write_mappings(out: Path, *, records: str) -> None:
    """Write each log's mapping, and a configuration that reads all three."""
    kind = f'\n[records]\nkind = "{records}"\n'
    inputs = [f'[[input]]\npath = "{log.name}/*{log.ending}"\nmapping = "{log.name}.toml"\n' for log in LOGS]
    for log in LOGS:
        (out / "logs" / f"{log.name}.toml").write_text(log.mapping + kind, encoding="utf-8")
    (out / "logs" / "detector.toml").write_text("\n".join(inputs), encoding="utf-8")
