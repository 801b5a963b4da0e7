"""Canonical Parquet that needs no change: checked, then used where it lies, without a copy.

Where records are identifiers and nothing else needs a change, whoever reads the rows sees tokens in their place: one
takes longer to make than all else of a row, and is made when it is asked for.

A day of a large portal has 15 million rows, so nothing is done twice or row by row that can be done once for a file (by
its statistics), for a group, or for a distinct value.
"""

from __future__ import annotations

from collections.abc import Mapping as Columns
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from detector.reading import records, sql
from detector.reading.conform import CONTENT, FACTS, LONGEST_TEXT, record_columns
from detector.reading.counts import repetition
from detector.reading.formats.parquet import columns_of, read_sql
from detector.reading.mapping import Mapping
from detector.reading.times import FIRST_YEAR, LAST_YEAR
from detector.schema import ACTIONS, CHANNELS, EVENTS, OUTCOMES, RECORD_CODE, RECORD_ID_MODES

_REQUIRED = ("timestamp", "account", "action", "outcome")
_INSTANT = "TIMESTAMP WITH TIME ZONE"
_FEW_VALUES = ("service", "auth_mode", "user_agent", "profession", "organisation")
_MANY_VALUES = ("account", "ip", "session", "delegate")
_WORDS = ("action", "outcome", "channel", "record_id_mode")
_PRINT_EVERY = 64
_PRINT = f"""
    CASE WHEN hash("timestamp") % {_PRINT_EVERY} = 0 THEN hash("timestamp", account, action, record, ip) END
"""
"""SQL for the hash of a row, of some that are chosen by their time, so that repeated rows are chosen together."""
_KINDS = {"int32": "INTEGER", "bool": "BOOLEAN"}


@dataclass(frozen=True)
class Shape:
    """What decides how a file's rows are used.

    Attributes
    ----------
    kinds
        Its columns and their DuckDB types.
    blanks
        Which may hold empty texts.
    constants
        Columns that the mapping gives.
    identifies
        Whether its records are identifiers, of which tokens are shown.
    """

    kinds: tuple[tuple[str, str], ...]
    blanks: frozenset[str]
    constants: tuple[tuple[str, str], ...]
    identifies: bool = False

    def kind(self, column: str) -> str:
        """A column's DuckDB type; empty if the file has none of that name."""
        return dict(self.kinds).get(column, "")

    def holds(self, column: str) -> bool:
        """Whether the file has a column."""
        return any(column == name for name, _ in self.kinds)


def shape_of(path: str, mapping: Mapping, *, con: duckdb.DuckDBPyConnection) -> Shape | None:
    """Return the shape of a file that leaves nothing to change but empty texts, which count as null; else null.

    That is: columns named and typed as those of events, times that are instants, and a mapping that translates nothing
    but records.
    """
    kinds = columns_of(path, con=con)
    plain = Mapping(records=mapping.records, constants=mapping.constants, authority=mapping.authority)
    given = kinds.keys() | mapping.constants.keys()
    fits = (
        mapping == plain
        and all(column in given for column in _REQUIRED)
        and kinds.get("timestamp") == _INSTANT
        and all(_fits(kinds[column], column) for column in CONTENT if column in kinds)
    )
    if not fits:
        return None
    identifies = mapping.records.kind == "nir"
    return Shape(tuple(kinds.items()), _blanks(path, con), tuple(mapping.constants.items()), identifies)


def _fits(kind: str, column: str) -> bool:
    wanted = duckdb_kind(column)
    if wanted == "VARCHAR":
        return kind == "VARCHAR" or kind.startswith("ENUM")
    return kind.endswith("INT") or kind == wanted if wanted == "INTEGER" else kind == wanted


def _blanks(path: str, con: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Columns whose least value, in some row group, is the empty text, or is not known."""
    columns = {"name": "path_in_schema", "n": "count(*)"}
    least = "num_values > coalesce(stats_null_count, 0) AND coalesce(stats_min_value, '') = ''"
    asked = sql.select(columns, f"parquet_metadata({sql.text(path)})", where=least) + " GROUP BY path_in_schema"
    return frozenset(name for name, _ in con.execute(asked).fetchall())


def check(
    path: str, shape: Shape, *, con: duckdb.DuckDBPyConnection, is_kept: bool = True
) -> tuple[int, tuple[str, ...]] | None:
    """Check the rows of a file: their number, and what to tell of them.

    Null if any row needs a change or is a reject, so that the file must be staged. Texts of a dump in Parquet, whose
    records are tokens, are kept with spaces around them and at any length; of other files (`is_kept` is false) they
    need a change.
    """
    source = sql.within(_rows_sql([path], shape))
    found = _look_through(source, shape, con, is_kept=is_kept and not shape.identifies)
    if found is None or not all(_is_sound(words) for words in found.drop_columns("prints").to_pylist()):
        return None
    if any(_hold_identifier(source, column, con) for column in _FEW_VALUES if shape.holds(column)):
        return None
    prints = pc.list_flatten(found["prints"].combine_chunks())
    return pc.sum(found["n"]).as_py() or 0, tuple(repetition(len(prints), len(prints.unique())))


def _look_through(source: str, shape: Shape, con: duckdb.DuckDBPyConnection, *, is_kept: bool) -> pa.Table | None:
    """What is to be known of the rows, by their words, in one pass; null if a number does not fit.

    Records that are tokens are told by their digits, which is soon done; where one is none, by patterns.
    """
    if not shape.holds("record") or shape.identifies:
        return _look_once(source, shape, {}, con, is_kept=is_kept)
    try:
        found = _look_once(source, shape, records.digest_measures("record"), con, is_kept=is_kept)
    except records.NO_DIGIT:
        found = None
    if found is not None and records.are_digests(pc.min(found["shortest"]).as_py()):
        return found
    faulty = f"{records.is_identifier(records.compact('record'))} OR {records.holds_identifier('record')}"
    return _look_once(source, shape, {"faulty_records": f"count(*) FILTER ({faulty})"}, con, is_kept=is_kept)


def _look_once(
    source: str, shape: Shape, of_records: Columns[str, str], con: duckdb.DuckDBPyConnection, *, is_kept: bool
) -> pa.Table | None:
    faults = ['"timestamp" IS NULL', *(records.holds_identifier(name) for name in _MANY_VALUES if shape.holds(name))]
    if not is_kept:
        faults += [_is_unkempt(name) for name in CONTENT if shape.holds(name) and duckdb_kind(name) == "VARCHAR"]
    asked = {
        **{name: name for name in _WORDS},
        "n": "count(*)",
        "absent": "count(*) FILTER (account IS NULL)",
        "faults": f"count(*) FILTER ({' OR '.join(faults)})",
        "first": 'year(min("timestamp"))',
        "last": 'year(max("timestamp"))',
        "least": "min(n_records)",
        "prints": "list(print) FILTER (print IS NOT NULL)",
        **of_records,
    }
    query = sql.select(asked, sql.within(sql.select({"print": _PRINT}, source, keep=True)))
    try:
        return con.sql(f"{query} GROUP BY {', '.join(_WORDS)}").to_arrow_table()
    except duckdb.ConversionException:  # more records than a column of events holds
        return None


def _is_sound(rows: Columns[str, Any]) -> bool:
    """Whether words are known, no account is missing that is needed, each time is a time, and nothing is negative.

    And no record and no name an identifier.
    """
    action, outcome, channel, mode = (rows[name] for name in _WORDS)
    known = action in ACTIONS and outcome in OUTCOMES and channel in CHANNELS and mode in (None, *RECORD_ID_MODES)
    is_named = not rows["absent"] or (action, outcome) == ("login", "failure")
    in_time = rows["first"] is None or (rows["first"] >= FIRST_YEAR and rows["last"] < LAST_YEAR)
    faulty = rows["faults"] or rows.get("faulty_records")
    return known and is_named and in_time and not faulty and (rows["least"] is None or rows["least"] >= 0)


def _is_unkempt(column: str) -> str:
    """Whether a text has spaces around it, or is too long to be kept as it is."""
    text = sql.name(column)
    return f"coalesce(starts_with({text}, ' ') OR ends_with({text}, ' ') OR strlen({text}) > {LONGEST_TEXT}, false)"


def _hold_identifier(source: str, column: str, con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a distinct value holds an identifier; by FILTER, since a WHERE would be pushed below the groups."""
    distinct = sql.select({"value": sql.name(column)}, source) + f" GROUP BY {sql.name(column)}"
    held = f"count(*) FILTER ({records.holds_identifier('value')})"
    return bool(con.execute(sql.select({"held": held}, sql.within(distinct))).fetchall()[0][0])


def events_sql(paths: list[str], shape: Shape, *, with_codes: bool = False) -> str:
    """The query for the events of files of one shape, where they lie.

    Of identifiers it needs the key wherever it is run, and gives the numbers that tell them apart (`RECORD_CODE`), too,
    if wanted.
    """
    rows = _rows_sql(paths, shape)
    if not shape.identifies:
        return rows
    raw = {f"_raw_{column}": sql.name(column) for column in ("record", *FACTS)}
    others = {column: sql.name(column) for column in (*CONTENT, "source", "line") if column not in ("record", *FACTS)}
    query = sql.select(others | raw, sql.within(rows))
    query = sql.select({"_compact": records.compact("_raw_record")}, sql.within(query), keep=True)
    query = sql.select({"_is_nir": records.is_identifier("_compact")}, sql.within(query), keep=True)
    made = others | record_columns(Mapping())
    wanted = {column: made[column] for column in (*CONTENT, "source", "line")}
    if with_codes:
        wanted[RECORD_CODE] = records.code_sql(records.record_message("_raw_record", "_compact", "_is_nir"))
    return sql.select(wanted, sql.within(query))


def _rows_sql(paths: list[str], shape: Shape) -> str:
    """The same with records as they are."""
    columns = {column: _expression(column, shape) for column in CONTENT}
    return sql.select(columns | {"source": "filename", "line": "file_row_number + 1"}, read_sql(paths))


def _expression(column: str, shape: Shape) -> str:
    kind, constants = duckdb_kind(column), dict(shape.constants)
    if column in constants:
        return f"{sql.text(constants[column])}::{kind}"
    if not shape.holds(column):
        return "'portal'" if column == "channel" else f"NULL::{kind}"
    found = sql.name(column) if shape.kind(column) == kind else f"{sql.name(column)}::{kind}"
    if kind == "VARCHAR" and column in shape.blanks:
        found = f"nullif({found}, '')"
    return f"coalesce({found}, 'portal')" if column == "channel" else found


def duckdb_kind(column: str) -> str:
    """The DuckDB type of a column of events."""
    wanted = str(EVENTS.arrow.field(column).type)
    return {"string": "VARCHAR", "int64": "BIGINT", **_KINDS}.get(wanted, _INSTANT)
