"""Canonical Parquet that needs no change: checked in one pass, then used where it lies, without a copy."""

from __future__ import annotations

import duckdb

from detector.reading import records, sql
from detector.reading.conform import CONTENT
from detector.reading.counts import repetition
from detector.reading.formats.parquet import read_sql
from detector.reading.mapping import Mapping
from detector.reading.times import FIRST_YEAR, LAST_YEAR
from detector.schema import ACTIONS, CHANNELS, EVENTS, OUTCOMES, RECORD_ID_MODES

_REQUIRED = ("timestamp", "account", "action", "outcome")
_INSTANT = "TIMESTAMP WITH TIME ZONE"
_FEW_VALUES = ("service", "auth_mode", "user_agent", "profession", "organisation")
_MANY_VALUES = ("account", "ip", "session", "delegate")
_PRINT, _PRINT_EVERY = 'hash("timestamp", account, action, record, ip)', 64
_KINDS = {"int32": "INTEGER", "bool": "BOOLEAN"}


def may_be_direct(kinds: dict[str, str], mapping: Mapping) -> bool:
    """Whether columns and mapping leave nothing to change: names and types of events, tokens, no value to translate."""
    plain = Mapping(records=mapping.records, constants=mapping.constants, authority=mapping.authority)
    given = kinds.keys() | mapping.constants.keys()
    return (
        mapping.records.kind == "token"
        and mapping == plain
        and all(column in given for column in _REQUIRED)
        and kinds.get("timestamp") == _INSTANT
        and all(_fits(kinds[column], column) for column in CONTENT if column in kinds)
    )


def _fits(kind: str, column: str) -> bool:
    wanted = str(EVENTS.arrow.field(column).type)
    if wanted == "string":
        return kind == "VARCHAR" or kind.startswith("ENUM")
    if wanted == "int32":
        return kind.endswith("INT") or kind == "INTEGER"
    return kind == (_INSTANT if wanted.startswith("timestamp") else _KINDS[wanted])


def check(
    path: str, kinds: dict[str, str], mapping: Mapping, *, con: duckdb.DuckDBPyConnection
) -> tuple[int, tuple[str, ...]] | None:
    """Check the rows of a file: their number, and what to tell of them.

    Null if any row needs a change or is a reject, so that the file must be staged.
    """
    columns = {column: _expression(column, kinds, mapping) for column in CONTENT}
    source = sql.within(sql.select(columns, read_sql([path])))
    faults = " OR ".join(f"coalesce({fault}, false)" for fault in _faults(kinds))
    asked = {
        "rows": "count(*)",
        "faulty": f"count(*) FILTER ({faults})",
        "prints": f"count(*) FILTER ({_PRINT} % {_PRINT_EVERY} = 0)",
        "distinct": f"count(DISTINCT {_PRINT}) FILTER ({_PRINT} % {_PRINT_EVERY} = 0)",
    }
    rows, faulty, prints, distinct = con.execute(sql.select(asked, source)).fetchall()[0]
    if faulty or any(_distinct_hold_identifier(path, column, con) for column in _FEW_VALUES if column in kinds):
        return None
    return int(rows), tuple(repetition(prints, distinct))


def _faults(kinds: dict[str, str]) -> list[str]:
    """SQL conditions, each of which makes a row a reject, or in need of change."""
    faults = [
        f'"timestamp" IS NULL OR year("timestamp") NOT BETWEEN {FIRST_YEAR} AND {LAST_YEAR - 1}',
        "account IS NULL AND NOT (action = 'login' AND outcome = 'failure')",
        _unknown("action", ACTIONS) + " OR action IS NULL",
        _unknown("outcome", OUTCOMES) + " OR outcome IS NULL",
        _unknown("channel", CHANNELS),
        _unknown("record_id_mode", RECORD_ID_MODES),
    ]
    if "n_records" in kinds:
        faults.append("n_records < 0")
    if "record" in kinds:
        faults.append(records.is_identifier(records.compact("record")))
    faults.extend(records.holds_identifier(column) for column in _MANY_VALUES if column in kinds)
    return faults


def _unknown(column: str, allowed: tuple[str, ...]) -> str:
    return f"{column} NOT IN ({', '.join(map(sql.text, allowed))})"


def _distinct_hold_identifier(path: str, column: str, con: duckdb.DuckDBPyConnection) -> bool:
    distinct = sql.within(f"SELECT DISTINCT {sql.name(column)}::VARCHAR AS value FROM {read_sql([path])}")  # noqa: S608
    found = con.execute(sql.select({"n": "count(*)"}, distinct, where=records.holds_identifier("value"))).fetchall()
    return bool(found[0][0])


def events_sql(paths: list[str], kinds: dict[str, str], mapping: Mapping) -> str:
    """The query for the events of checked files of one shape, where they lie."""
    columns = {column: _expression(column, kinds, mapping) for column in CONTENT}
    return sql.select(columns | {"source": "filename", "line": "file_row_number + 1"}, read_sql(paths))


def _expression(column: str, kinds: dict[str, str], mapping: Mapping) -> str:
    kind = duckdb_kind(column)
    if column in mapping.constants:
        return f"{sql.text(mapping.constants[column])}::{kind}"
    if column not in kinds:
        return "'portal'" if column == "channel" else f"NULL::{kind}"
    found = sql.name(column) if kinds[column] == kind else f"{sql.name(column)}::{kind}"
    found = f"nullif({found}, '')" if kind == "VARCHAR" else found
    return f"coalesce({found}, 'portal')" if column == "channel" else found


def duckdb_kind(column: str) -> str:
    """The DuckDB type of a column of events."""
    wanted = str(EVENTS.arrow.field(column).type)
    return {"string": "VARCHAR", "int64": "BIGINT", **_KINDS}.get(wanted, _INSTANT)
