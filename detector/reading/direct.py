"""Canonical Parquet that needs no change: checked, then used where it lies, without a copy.

Where records are identifiers and nothing else needs a change, whoever reads the rows sees tokens in their place: one
takes longer to make than all else of a row, and is made when it is asked for.

A day of a large portal has 15 million rows, so nothing is done twice or row by row that can be done once for a file (by
its statistics), for a group, or for a distinct value.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

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


def check(path: str, shape: Shape, *, con: duckdb.DuckDBPyConnection) -> tuple[int, tuple[str, ...]] | None:
    """Check the rows of a file: their number, and what to tell of them.

    Null if any row needs a change or is a reject, so that the file must be staged.
    """
    source = sql.within(_rows_sql([path], shape))
    rows = _checked_words(source, con)
    if rows is None or not _are_sound(source, shape, con):
        return None
    if any(_hold_identifier(source, column, con) for column in _FEW_VALUES if shape.holds(column)):
        return None
    prints = sql.select({"all": "count(*)", "distinct": "count(DISTINCT print)"}, sql.within(_prints(source)))
    return rows, tuple(repetition(*con.execute(prints).fetchall()[0]))


def _checked_words(source: str, con: duckdb.DuckDBPyConnection) -> int | None:
    """The number of rows; null if a word is unknown, or an account missing that is needed."""
    absent = "count(*) FILTER (account IS NULL)"
    asked = sql.select({name: name for name in _WORDS} | {"n": "count(*)", "absent": absent}, source)
    found = con.execute(f"{asked} GROUP BY {', '.join(_WORDS)}").fetchall()
    for action, outcome, channel, mode, _, nameless in found:
        known = action in ACTIONS and outcome in OUTCOMES and channel in CHANNELS and mode in (None, *RECORD_ID_MODES)
        if not known or (nameless and (action, outcome) != ("login", "failure")):
            return None
    return int(sum(row[4] for row in found))


def _are_sound(source: str, shape: Shape, con: duckdb.DuckDBPyConnection) -> bool:
    """Whether each time is a time, no number is negative, no record and no name an identifier."""
    faults = ['"timestamp" IS NULL', *(records.holds_identifier(name) for name in _MANY_VALUES if shape.holds(name))]
    if shape.identifies:
        faults += [_is_unkempt(name) for name in CONTENT if shape.holds(name) and duckdb_kind(name) == "VARCHAR"]
    elif shape.holds("record") and not records.all_digests(source, "record", con=con):
        faults.append(f"{records.is_identifier(records.compact('record'))} OR {records.holds_identifier('record')}")
    asked = {
        "faults": f"count(*) FILTER ({' OR '.join(faults)})",
        "first": 'year(min("timestamp"))',
        "last": 'year(max("timestamp"))',
        "least": "min(n_records)",
    }
    try:
        faulty, first, last, least = con.execute(sql.select(asked, source)).fetchall()[0]
    except duckdb.ConversionException:  # more records than a column of events holds
        return False
    in_time = first is None or (first >= FIRST_YEAR and last < LAST_YEAR)
    return not faulty and in_time and (least is None or least >= 0)


def _is_unkempt(column: str) -> str:
    """Whether a text has spaces around it, or is too long to be kept as it is."""
    text = sql.name(column)
    return f"coalesce(starts_with({text}, ' ') OR ends_with({text}, ' ') OR strlen({text}) > {LONGEST_TEXT}, false)"


def _hold_identifier(source: str, column: str, con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a distinct value holds an identifier; by FILTER, since a WHERE would be pushed below the groups."""
    distinct = sql.select({"value": sql.name(column)}, source) + f" GROUP BY {sql.name(column)}"
    held = f"count(*) FILTER ({records.holds_identifier('value')})"
    return bool(con.execute(sql.select({"held": held}, sql.within(distinct))).fetchall()[0][0])


def _prints(source: str) -> str:
    """The query for the hashes of some rows, chosen by their time, so that repeated rows are chosen together."""
    whole = 'hash("timestamp", account, action, record, ip)'
    return sql.select({"print": whole}, source, where=f'hash("timestamp") % {_PRINT_EVERY} = 0')


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
