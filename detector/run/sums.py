"""What each account did so far on a day that goes on, by source: slices are added, so that work never grows with them.

Beside the counts stands what looks at the account found: which of its sources are new to it, and how much of what
bounds each signal is known not to count. No signal grows by more than its bound does, so that most accounts need not be
looked at again.

It is a short cut: without it, or where the day's files are not those that were summed up, all of them are once more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis import _
from ibis.backends.duckdb import Backend

from detector.aggregates import WRITES

KEY = ("account", "channel", "ip", "user_agent")
COUNTS = ("lookups", "misses", "writes", "canaries")
BOUNDED_BY = {
    "far_excess": "strange_deeds",
    "lone_strangers": "strange_deeds",
    "lone_odd_strangers": "strange_deeds",
    "lone_writes": "writes",
    "vain_lookups": "misses",
    "foreign_writes": "writes",
    "foreign_records": "lookups",
    "busiest_hour": "lookups",
    "new_source_uses": "strange_deeds",
    "new_agent_uses": "strange_deeds",
    "new_writes": "writes",
}
"""Signals of early warning, and the count that none of them exceeds, nor outgrows."""
SUMS = pa.schema(
    [
        *((name, pa.string()) for name in KEY),
        *((name, pa.int64()) for name in COUNTS),
        ("is_strange", pa.bool_()),
        *((name, pa.int64()) for name in BOUNDED_BY),
        ("looked", pa.int64()),
    ]
)
_FILES, _PAST, _WAITING = b"files", b"past", b"waiting"


class Sums(NamedTuple):
    """What accounts did so far on a day.

    rows
        `SUMS`: look-ups, failed ones included, writes that succeeded, touches of canaries; whether the source is one
        that the account did not use in the past (null: not looked at yet); for each signal, how much of the count
        that bounds it is known not to count, on one row of the account and channel; and how much the account had done
        when it was looked at closely, on one row of it.
    files
        Which were summed up.
    past
        Digest of the past that the looks compared with.
    waiting
        Accounts that are to be looked at though they may do nothing more.
    """

    rows: pa.Table
    files: tuple[str, ...]
    past: str = ""
    waiting: tuple[str, ...] = ()


NOTHING = Sums(SUMS.empty_table(), ())


def load_sums(path: Path, *, files: Sequence[str], past: str = "") -> Sums:
    """What was summed up, if all of it is among the day's files still; what cannot be read was not.

    What looks found counts for nothing once the past is another.
    """
    try:
        rows = pq.read_table(path)
        metadata = rows.schema.metadata or {}
        summed, waiting = (tuple(json.loads(metadata[name])) for name in (_FILES, _WAITING))
        compared = metadata[_PAST].decode()
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return NOTHING
    if rows.schema.remove_metadata() != SUMS or not set(summed) <= set(files):
        return NOTHING
    rows = rows.replace_schema_metadata(None)
    return Sums(rows if compared == past else _unlooked(rows.select([*KEY, *COUNTS])), summed, past, waiting)


def save_sums(sums: Sums, path: Path) -> None:
    """Keep them for the next run."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".new")
    metadata = {_FILES: json.dumps(sums.files), _PAST: sums.past, _WAITING: json.dumps(sums.waiting)}
    pq.write_table(sums.rows.replace_schema_metadata(metadata), draft)
    draft.replace(path)


def as_table(rows: pd.DataFrame, columns: Sequence[str]) -> ir.Table:
    """Sums as a table: a column that the logs do not have is a text without values, not a column of no type."""
    texts = dict.fromkeys(KEY, "string")
    return ibis.memtable(rows[list(columns)], schema={name: texts.get(name, "int64") for name in columns})


def add_up(
    sums: Sums, events: ir.Table, *, files: Sequence[str], canaries: Sequence[str], con: Backend
) -> tuple[Sums, list[str]]:
    """Add the events of files to the sums; also the accounts that these files have events of, or that wait."""
    new = _unlooked(con.to_pyarrow(_sum_up(events, canaries=canaries)))
    totals = (*COUNTS, *BOUNDED_BY, "looked")
    both = (
        pa.concat_tables([sums.rows, new])
        .group_by(list(KEY))
        .aggregate([*((name, "sum") for name in totals), ("is_strange", "any")])
    )
    rows = both.rename_columns([*KEY, *totals, "is_strange"]).select(SUMS.names).cast(SUMS)
    accounts = {*new["account"].to_pylist(), *sums.waiting}
    return sums._replace(rows=rows, files=(*sums.files, *files)), sorted(accounts)


def rows_of(sums: Sums, accounts: Sequence[str]) -> pd.DataFrame:
    """The rows of some accounts."""
    rows: pd.DataFrame = sums.rows.filter(_is_among(sums, accounts)).to_pandas()
    return rows


def with_rows_of(sums: Sums, accounts: Sequence[str], rows: pd.DataFrame) -> Sums:
    """The same sums with other rows of some accounts."""
    others = sums.rows.filter(pc.invert(_is_among(sums, accounts)))
    theirs = pa.Table.from_pandas(rows[SUMS.names], schema=SUMS, preserve_index=False)
    return sums._replace(rows=pa.concat_tables([others, theirs.replace_schema_metadata(None)]))


def _is_among(sums: Sums, accounts: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(sums.rows["account"], value_set=pa.array(list(accounts), pa.string()))


def _unlooked(rows: pa.Table) -> pa.Table:
    """Counts of which no look found anything yet."""
    nothing = {"is_strange": pa.nulls(len(rows), pa.bool_())}
    zeros = pa.array(np.zeros(len(rows), dtype=np.int64))
    columns = {name: rows[name] for name in rows.column_names} | nothing | dict.fromkeys((*BOUNDED_BY, "looked"), zeros)
    return pa.table(columns).select(SUMS.names).cast(SUMS)


def _sum_up(events: ir.Table, *, canaries: Sequence[str]) -> ir.Table:
    lookup, written = _.action == "lookup", _.action.isin(WRITES) & (_.outcome == "success")
    named = events.filter(_.account.notnull()).mutate(channel=_.channel.fill_null("portal"))
    is_canary = _.record.isin(list(canaries)) if canaries else ibis.literal(False)
    return named.group_by(list(KEY)).aggregate(
        lookups=lookup.sum(),
        misses=(lookup & (_.outcome != "success")).sum(),
        writes=written.sum(),
        canaries=((lookup | written) & is_canary).sum(),
    )
