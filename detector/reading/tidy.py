"""A text file whose columns are those of events, and whose values are written as they are kept.

Such a file is written to Parquet as it is, and checked there as a dump in Parquet is, by groups and distinct values:
that takes a quarter less time than to ask of each line all that it might be. `conform` gives the same rows of it.
"""

from __future__ import annotations

from detector.reading import sql
from detector.reading.conform import BOOKKEEPING, CONTENT, Meaning
from detector.reading.direct import duckdb_kind
from detector.reading.formats.source import Rows
from detector.reading.mapping import Mapping
from detector.reading.times import zone_of
from detector.schema import ACTIONS, CHANNELS, OUTCOMES, RECORD_ID_MODES

_REQUIRED = ("timestamp", "account", "action", "outcome")
_WORDS = {"action": ACTIONS, "outcome": OUTCOMES, "channel": CHANNELS, "record_id_mode": RECORD_ID_MODES}
_MAY_LACK = ("channel", "record_id_mode")
_INSTANT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d(?::?\d\d)?)"
_UNTIDY = "error('untidy')"
"""What a line that is not tidy makes of the query: all of the file is then conformed."""


def tidied(rows: Rows, meaning: Meaning) -> str | None:
    """The query for the events, with what `conform` has beside them; null where the mapping asks for more than names.

    It fails at a line that must be changed, ignored or rejected for its time, its words or its lack of an account. That
    no text has spaces around it, is too long, or holds an identifier, is for `detector.reading.direct.check` to tell.
    """
    mapping = meaning.mapping
    plain = Mapping(columns=mapping.columns, records=mapping.records, authority=mapping.authority, csv=mapping.csv)
    is_plain = (
        mapping == plain
        and mapping.records.kind == "token"
        and not (rows.numbered or meaning.supplied_elsewhere or meaning.skips_anonymous)
        and {*_REQUIRED} <= mapping.columns.keys() <= {*CONTENT}
        and all(tuple(names) == (column,) and column in rows.fields for column, names in mapping.columns.items())
        and all(duckdb_kind(column) == "VARCHAR" for column in mapping.columns if column != "timestamp")
    )
    return sql.select(_columns(rows, meaning), sql.within(rows.query)) if is_plain else None


def _columns(rows: Rows, meaning: Meaning) -> dict[str, str]:
    cells = {column: rows.fields[column].sql for column in meaning.mapping.columns}
    columns = {
        column: f"nullif({cells[column]}, '')" if column in cells else f"NULL::{duckdb_kind(column)}"
        for column in CONTENT
    }
    columns |= {column: _word(columns[column], column) for column in _WORDS if column in cells}
    columns["channel"] = f"coalesce({columns['channel']}, 'portal')"
    written, failed = cells["timestamp"], f"{cells['action']} = 'login' AND {cells['outcome']} = 'failure'"
    columns["timestamp"] = _or_fail(sql.matches_whole(written, _INSTANT), f"{written}::TIMESTAMPTZ", "TIMESTAMPTZ")
    columns["account"] = _or_fail(f"{cells['account']} <> '' OR ({failed})", columns["account"])
    printed = f"hash({written}) % {meaning.print_every} = 0"
    bookkeeping = dict.fromkeys(BOOKKEEPING, "NULL::VARCHAR") | {
        "_part": "_part",
        "_zone": sql.cases([(printed, zone_of(written, written))]),
        "_print": sql.cases([(printed, f"hash({rows.text})")]),
    }
    return columns | bookkeeping


def _word(value: str, column: str) -> str:
    known = f"{value} IN ({', '.join(map(sql.text, _WORDS[column]))})"
    return _or_fail(f"{known} OR {value} IS NULL" if column in _MAY_LACK else known, value)


def _or_fail(condition: str, value: str, kind: str = "VARCHAR") -> str:
    return sql.cases([(condition, value)], otherwise=f"{_UNTIDY}::{kind}")
