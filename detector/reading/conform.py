"""From what a format found to columns of events: names, values, times, tokens, and what is wrong with a line.

Everything is one SQL query over whole columns, built in layers; each layer adds columns to those below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from detector.errors import ConfigError
from detector.reading import records, sql
from detector.reading.formats.source import Field, Rows
from detector.reading.mapping import ANY, IGNORE, REQUEST_COLUMNS, Mapping, Request
from detector.reading.network import client_address
from detector.reading.rejects import shown
from detector.reading.times import FIRST_YEAR, LAST_YEAR, instant_of, instants, oddity_of, zone_of
from detector.schema import ACTIONS, CHANNELS, EVENTS, OUTCOMES, RECORD_ID_MODES

FACTS = ("record_sex", "record_decade", "record_department", "record_key_ok")
CONTENT = tuple(name for name in EVENTS.names if name not in ("source", "line"))
BOOKKEEPING = ("_part", "_problem", "_ignored", "_text", "_oddity", "_zone", "_print")
"""What stands beside events in scratch: part of a line, why rejected, why ignored, the rejected line, what was odd
about its time; of some lines, chosen by their time, the zone that the time names, and that hash, by which repeated
lines are found."""

_VALUES: dict[str, tuple[str, tuple[str, ...]]] = {
    "action": ("actions", ACTIONS),
    "outcome": ("outcomes", OUTCOMES),
    "channel": ("channels", CHANNELS),
    "record_id_mode": ("record_id_modes", RECORD_ID_MODES),
}
_READABLE = ("ip", "service", "auth_mode", "user_agent", "profession")
_TELLING_APART = ("session", "organisation", "delegate")
LONGEST_TEXT = 1000  # characters kept of a user agent or service: longer ones are attacks or faults
_MOST_RECORDS = 2**31 - 1
_STATUS = r"[1-5]\d\d"  # an HTTP status in place of an outcome: 400 and above failed
_FAILED_STATUS = "400"
_PLAIN_WORD = "[A-Za-z_. -]{1,40}"  # may be told as it is: no digit, no control character
_FAILED_LOGIN = "action = 'login' AND outcome = 'failure'"


@dataclass(frozen=True)
class Meaning:
    """What conforming needs beside the rows.

    Attributes
    ----------
    asked
        The user's mapping: what it names must be there.
    mapping
        The same over the format's default.
    zone
        Of times that name none.
    supplied_elsewhere
        Actions that other inputs have the authority on.
    skips_anonymous
        Whether a line without account is ignored rather than rejected.
    print_every
        One line in so many leaves its hash, chosen by its time, so that repeated lines do or do not together.
    """

    asked: Mapping
    mapping: Mapping
    zone: str
    supplied_elsewhere: tuple[str, ...] = ()
    skips_anonymous: bool = False
    print_every: int = 1


def conform(rows: Rows, meaning: Meaning, *, path: str) -> str:
    """Return the query that turns rows into events, one row per event, ignored line or reject, with `BOOKKEEPING`.

    Raises
    ------
    ConfigError
        If the mapping names columns that the file has not, or nothing gives the time, the account or the action.
    """
    _refuse_absent(rows, meaning.asked, path)
    _refuse_unmapped(rows, meaning.mapping, path)
    layers = (
        _rule(rows, meaning.mapping),
        _named(rows, meaning),
        _valued(rows, meaning),
        _timed(rows, meaning.mapping) | _ignored(rows, meaning),
        {"timestamp": _instant(meaning), "_oddity": oddity_of("_wall", zone=meaning.zone)},
        _fault(meaning),
    )
    query = rows.query
    for columns in layers:
        query = sql.select(columns, sql.within(query), keep=True)
    return sql.select(_final(rows, meaning), sql.within(query))


def _refuse_absent(rows: Rows, mapping: Mapping, path: str) -> None:
    absent = [
        f"[columns] {column} = {' or '.join(map(repr, names))}"
        for column, names in mapping.columns.items()
        if not any(name in rows.fields for name in names)
    ]
    absent += [f"[time] columns {name!r}" for name in mapping.time.columns if name not in rows.fields]
    if absent:
        known = _shown_columns(rows) or "none"
        raise ConfigError(
            f"{path}: the mapping names columns that the file has not: {'; '.join(absent)}; it has {known}"
        )


def _refuse_unmapped(rows: Rows, mapping: Mapping, path: str) -> None:
    found = {column for column, names in mapping.columns.items() if any(name in rows.fields for name in names)}
    found |= mapping.constants.keys() | ({"timestamp"} if mapping.time.columns else set())
    for rule in mapping.requests:
        found |= {*re.compile(rule.path).groupindex, *({"action"} if rule.action else ())}
    for column in ("timestamp", "account", "action"):
        if column not in found:
            known = _shown_columns(rows) or "none"
            raise ConfigError(
                f"{path}: nothing gives the {column} of its events; expected a column {column!r}, or a mapping that "
                f"says which column, constant or request it is; the file's columns: {known}"
            )


def _shown_columns(rows: Rows) -> str:
    """Names of a file's columns; in a file without header, the first line's cells stand there, so they are masked."""
    return records.masked(", ".join(map(repr, rows.fields)))


def _rule(rows: Rows, mapping: Mapping) -> dict[str, str]:
    """The place of the request rule that a line matches: from 1, 0 for none, null where the line is no request."""
    if not mapping.requests:
        return {"_rule": "NULL::INTEGER"}
    method, path = _source(rows, mapping, "method"), _source(rows, mapping, "path")
    found = [(_matches_request(rule, method, path), str(place)) for place, rule in enumerate(mapping.requests, 1)]
    return {"_rule": sql.cases([(f"{path} IS NULL", "NULL"), *found], otherwise="0")}


def _matches_request(rule: Request, method: str, path: str) -> str:
    fits = sql.matches(path, rule.path)
    return f"{sql.matches(method, rule.method)} AND {fits}" if rule.method else fits


def _named(rows: Rows, meaning: Meaning) -> dict[str, str]:
    """Event columns as the source wrote them, under the names of events with `_raw_` before them."""
    mapping = meaning.mapping
    named = {
        f"_raw_{column}": _from_requests(mapping, column, _source(rows, mapping, column), rows)
        for column in (*CONTENT, *REQUEST_COLUMNS)
        if column != "timestamp"
    }
    return named | {"_when": _time(rows, mapping)[0]}


def _time(rows: Rows, mapping: Mapping) -> tuple[str, str]:
    """SQL for the time as the source has it, and its DuckDB type."""
    names = mapping.time.columns or mapping.columns.get("timestamp", ())
    fields = [rows.fields[name] for name in names if name in rows.fields]
    if mapping.time.columns and len(fields) > 1:
        fields = [Field("concat_ws(' ', " + ", ".join(f"{field.sql}::VARCHAR" for field in fields) + ")")]
    if len(fields) > 1:
        fields = [Field(sql.first_of(_clean(field) for field in fields))]
    field = fields[0] if fields else Field(sql.text(mapping.constants.get("timestamp", "")))
    return (_clean(field) if field.kind == "VARCHAR" else field.sql), field.kind


def _timed(rows: Rows, mapping: Mapping) -> dict[str, str]:
    """The wall clock, looked for only where the time names no zone."""
    wall = instants("_when", kind=_time(rows, mapping)[1], layout=mapping.time.format).wall
    return {"_wall": sql.cases([("_instant IS NULL", wall)])}


def _source(rows: Rows, mapping: Mapping, column: str) -> str:
    if column in mapping.constants:
        return sql.text(mapping.constants[column])
    fields = [rows.fields[name] for name in mapping.columns.get(column, ()) if name in rows.fields]
    return sql.first_of(_clean(field) for field in fields) if fields else "NULL::VARCHAR"


def _clean(field: Field) -> str:
    text = field.sql if field.kind == "VARCHAR" else f"{field.sql}::VARCHAR"
    padded = f"starts_with({text}, ' ') OR ends_with({text}, ' ')"  # trim is slow, and seldom needed
    return sql.cases([(f"{text} = ''", sql.NULL), (padded, f"nullif(trim({text}), '')")], otherwise=text)


def _from_requests(mapping: Mapping, column: str, otherwise: str, rows: Rows) -> str:
    path = _source(rows, mapping, "path")
    given = [
        (f"_rule = {place}", value)
        for place, rule in enumerate(mapping.requests, 1)
        if (value := _of_rule(rule, column, path))
    ]
    return sql.cases(given, otherwise=otherwise)


def _of_rule(rule: Request, column: str, path: str) -> str | None:
    group = re.compile(rule.path).groupindex.get(column)
    taken = [f"nullif(url_decode(regexp_extract({path}, {sql.text(rule.path)}, {group})), '')"] if group else []
    constant = getattr(rule, column, None) if column in ("action", "service", "channel", "record_id_mode") else None
    return sql.first_of([*taken, *([sql.text(constant)] if constant else [])]) if taken or constant else None


def _valued(rows: Rows, meaning: Meaning) -> dict[str, str]:
    """Values under the names that events have for them; `_compact` and `_is_nir` prepare the record."""
    mapping = meaning.mapping
    columns = {
        column: _translate(f"_raw_{column}", getattr(mapping, table), allowed, status=column == "outcome")
        for column, (table, allowed) in _VALUES.items()
    }
    if "outcome" not in mapping.columns and "outcome" not in mapping.constants:
        columns["outcome"] = "'success'"
    compacted = records.compact("_raw_record")
    return columns | {
        "_compact": compacted,
        "_is_nir": records.is_identifier(compacted),
        "_number": "try_cast(_raw_n_records AS DOUBLE)",
        "_written": "_when::VARCHAR",
        "_instant": instants("_when", kind=_time(rows, mapping)[1], layout=mapping.time.format).zoned,
        "_address": client_address("_raw_ip", "_raw_forwarded_for", trusted=mapping.trusted_proxies),
    }


def _translate(raw: str, table: dict[str, str], allowed: tuple[str, ...], *, status: bool) -> str:
    """A source's value in the words of events: by the mapping, else as it is if known, else by the mapping's `*`."""
    branches = [(f"{raw} IS NULL", sql.text(table[""]))] if "" in table else []
    branches += [
        (f"{raw} = {sql.text(value)}", sql.text(meant)) for value, meant in table.items() if value not in ("", ANY)
    ]
    known = ", ".join(map(sql.text, allowed))
    branches += [(f"{raw} IN ({known})", raw), (f"lower({raw}) IN ({known})", f"lower({raw})")]
    if status:
        failed = sql.cases([(f"{raw} >= '{_FAILED_STATUS}'", "'failure'")], otherwise="'success'")
        branches.append((sql.matches_whole(raw, _STATUS), failed))
    if ANY in table:
        branches.append((f"{raw} IS NOT NULL", sql.text(table[ANY])))
    return sql.cases(branches, otherwise="NULL::VARCHAR")


def _instant(meaning: Meaning) -> str:
    return f"coalesce(_instant, {instant_of('_wall', zone=meaning.zone)})"


def _ignored(rows: Rows, meaning: Meaning) -> dict[str, str]:
    mapping = meaning.mapping
    kinds = [("_ignored IS NOT NULL", "_ignored"), ("_problem IS NOT NULL", "NULL")]
    kinds += [(sql.matches(rows.text, pattern), sql.text(f"ignore {pattern!r}")) for pattern in mapping.ignore]
    kinds += [("_rule = 0", sql.text("no request rule matches"))] if mapping.requests else []
    kinds += [
        (f"_raw_action = {sql.text(value)}" if value else "_raw_action IS NULL", sql.text(f"action {value}"))
        for value, meant in mapping.actions.items()
        if meant == IGNORE and value != ANY
    ]
    named = sql.matches_whole("_raw_action", _PLAIN_WORD)
    kinds.append((f"action = {sql.text(IGNORE)} AND {named}", "'action ' || _raw_action"))
    kinds.append((f"action = {sql.text(IGNORE)}", sql.text("other actions")))
    if meaning.supplied_elsewhere:
        listed = ", ".join(map(sql.text, meaning.supplied_elsewhere))
        kinds.append((f"action IN ({listed})", "action || ', supplied by another input'"))
    if meaning.skips_anonymous:
        kinds.append((f"_raw_account IS NULL AND NOT ({_FAILED_LOGIN})", sql.text("no account")))
    return {"_skip": sql.cases(kinds, otherwise="NULL::VARCHAR")}


def _fault(meaning: Meaning) -> dict[str, str]:
    return {"_fault": sql.cases([("_skip IS NOT NULL", "NULL"), *_faults(meaning)], otherwise="NULL::VARCHAR")}


def _faults(meaning: Meaning) -> Iterable[tuple[str, str]]:
    yield "_problem IS NOT NULL", "_problem"
    yield "_written IS NULL", "'no time'"
    yield "lower(_written) IN ('nan', 'inf', '-inf', 'infinity', '-infinity')", "'the time is not finite'"
    yield '"timestamp" IS NULL', "'the time is in no known notation'"
    first, last = (f"TIMESTAMPTZ '{year}-01-01 00:00:00+00'" for year in (FIRST_YEAR, LAST_YEAR))
    outside = f'"timestamp" NOT BETWEEN {first} AND {last}'
    yield outside, f"'the time is not between {FIRST_YEAR} and {LAST_YEAR}: wrong unit or notation'"
    for column in _VALUES:
        if column in ("action", "outcome"):
            yield f"{column} IS NULL AND _raw_{column} IS NULL", f"'no {column}'"
        yield f"{column} IS NULL AND _raw_{column} IS NOT NULL", f"'unknown {column} ' || {_told(f'_raw_{column}')}"
    yield f"_raw_account IS NULL AND NOT ({_FAILED_LOGIN})", "'no account'"
    whole = f"isfinite(_number) AND _number BETWEEN 0 AND {_MOST_RECORDS} AND _number = floor(_number)"
    yield f"_raw_n_records IS NOT NULL AND NOT coalesce({whole}, false)", "'n_records is not a number of records'"
    if meaning.mapping.records.kind == "token":
        held = f"_is_nir OR {records.holds_identifier('_raw_record')}"
        yield held, "'the record holds what has the form of a social-security number, and the mapping says token'"


def _told(value: str) -> str:
    return f"'''' || left({shown(value)}, 40) || ''''"


def _final(rows: Rows, meaning: Meaning) -> dict[str, str]:
    good = "_skip IS NULL AND _fault IS NULL"
    columns = {"timestamp": '"timestamp"', "action": "action", "outcome": "outcome", "record_id_mode": "record_id_mode"}
    columns["channel"] = "coalesce(channel, 'portal')"
    columns["account"] = _account(meaning.mapping)
    columns["n_records"] = "_number::INTEGER"
    columns |= {name: _readable(_kept(name)) for name in _READABLE}
    columns |= {name: records.disguise(f"_raw_{name}", domain=name) for name in _TELLING_APART}
    columns |= record_columns(meaning.mapping)
    kept = {name: sql.cases([(good, columns[name])]) for name in CONTENT}
    return ({"_line": "_line"} if rows.numbered else {}) | kept | _bookkeeping(rows, meaning, good)


def _readable(value: str) -> str:
    scrubbed = records.scrub(value)
    return sql.cases([(f"strlen({value}) > {LONGEST_TEXT}", f"left({scrubbed}, {LONGEST_TEXT})")], otherwise=scrubbed)


def _kept(name: str) -> str:
    return "_address" if name == "ip" else f"_raw_{name}"


def _account(mapping: Mapping) -> str:
    if mapping.accounts.kind == "hash":
        return records.token_sql("_raw_account", domain="account")
    return records.disguise("_raw_account", domain="account")


def record_columns(mapping: Mapping) -> dict[str, str]:
    """The token, and the facts: from the identifier while it is there, else as the source has them."""
    given = {
        "record_sex": "_raw_record_sex",
        "record_decade": "try_cast(_raw_record_decade AS INTEGER)",
        "record_department": "_raw_record_department",
        "record_key_ok": "try_cast(_raw_record_key_ok AS BOOLEAN)",
    }
    if mapping.records.kind == "token":
        return given | {"record": "_raw_record"}
    message = records.record_message("_raw_record", "_compact", "_is_nir")
    found = records.facts("_compact", "_is_nir")
    return {name: sql.first_of([found[name], given[name]]) for name in FACTS} | {
        "record": records.token_sql(message, domain=records.RECORD_DOMAIN)
    }


def _bookkeeping(rows: Rows, meaning: Meaning, good: str) -> dict[str, str]:
    # Lines are chosen by their time: repetitions share it, and it is shorter to hash than the line.
    printed = f"{good} AND hash(_written) % {meaning.print_every} = 0"
    return {
        "_part": "_part",
        "_problem": "_fault",
        "_ignored": "_skip",
        "_text": sql.cases([("_fault IS NOT NULL", shown(rows.text))], otherwise="NULL::VARCHAR"),
        "_oddity": sql.cases([(f"{good} AND _instant IS NULL", "_oddity")]),
        "_zone": sql.cases([(printed, zone_of("_written", "_instant"))]),
        "_print": sql.cases([(f"{printed} AND _part = 1", f"hash({rows.text})")]),
    }
