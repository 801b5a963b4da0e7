"""What each account did so far on a day that goes on, by source: slices are added, so that work never grows with them.

It is a short cut: without it, or where the day's files are not those that were summed up, all of them are once more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from ibis import _
from ibis.backends.duckdb import Backend

from detector.aggregates import WRITES

SUMS = pa.schema(
    [
        ("account", pa.string()),
        ("channel", pa.string()),
        ("ip", pa.string()),
        ("user_agent", pa.string()),
        *((name, pa.int64()) for name in ("lookups", "misses", "writes", "canaries")),
    ]
)
KEY = ("account", "channel", "ip", "user_agent")
COUNTS = ("lookups", "misses", "writes", "canaries")
_FILES = b"files"


class Sums(NamedTuple):
    """Sums (`SUMS`: look-ups, failed ones included, writes that succeeded, touches of canaries), and of which files."""

    rows: pa.Table
    files: tuple[str, ...]


NOTHING = Sums(SUMS.empty_table(), ())


def load_sums(path: Path, *, files: Sequence[str]) -> Sums:
    """What was summed up, if all of it is among the day's files still; what cannot be read was not."""
    try:
        rows = pq.read_table(path)
        summed = tuple(json.loads((rows.schema.metadata or {})[_FILES]))
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return NOTHING
    if rows.schema.remove_metadata() != SUMS or not set(summed) <= set(files):
        return NOTHING
    return Sums(rows.replace_schema_metadata(None), summed)


def save_sums(sums: Sums, path: Path) -> None:
    """Keep them for the next run."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".new")
    pq.write_table(sums.rows.replace_schema_metadata({_FILES: json.dumps(sums.files)}), draft)
    draft.replace(path)


def as_table(rows: pd.DataFrame, columns: Sequence[str]) -> ir.Table:
    """Sums as a table: a column that the logs do not have is a text without values, not a column of no type."""
    texts = dict.fromkeys(KEY, "string")
    return ibis.memtable(rows[list(columns)], schema={name: texts.get(name, "int64") for name in columns})


def add_up(
    sums: Sums, events: ir.Table, *, files: Sequence[str], canaries: Sequence[str], con: Backend
) -> tuple[Sums, list[str]]:
    """Add the events of files to the sums; also the accounts that these files have events of."""
    new = con.to_pyarrow(_sum_up(events, canaries=canaries)).cast(SUMS)
    both = pa.concat_tables([sums.rows, new]).group_by(list(KEY)).aggregate([(name, "sum") for name in COUNTS])
    rows = both.rename_columns([*KEY, *COUNTS]).select(SUMS.names).cast(SUMS)
    accounts: list[str] = new["account"].unique().to_pylist()
    return Sums(rows, (*sums.files, *files)), accounts


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
