"""Who touched which record on a day, in numbers and in order: a short cut past the texts of account-records.

No truth stands in these files, and no manifest names them: one belongs to a file of account-records, by its name, and
is as good as absent once that is out of use. `settle` makes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import duckdb
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from detector.history.manifest import Part
from detector.history.store import History
from detector.history.tables import read_rows, write_rows
from detector.novelty import touched_in
from detector.schema import ACCOUNT_RECORDS, Column, Table

FOLDER = "touched"
TOUCHED = Table(
    "touched",
    "one row per account, day and record that it looked up or wrote",
    (
        Column("code", pa.uint64(), "the record's number"),
        Column("reader", pa.uint64(), "the account's number"),
        Column("day", pa.date32(), "calendar day in the portal's zone"),
    ),
    ("code", "reader"),
)
_ENCODINGS = {"code": "DELTA_BINARY_PACKED"}
"""Codes in order differ by 44 bits, not 64."""


def path_of(history: History, part: Part) -> Path:
    """Where the numbers of a file of account-records are; another version of the engine gives others."""
    return history.folder / FOLDER / f"{Path(part.name).stem}-{duckdb.__version__}.parquet"


def touched(history: History, days: Iterable[date], *, con: Backend) -> ir.Table | None:
    """Who touched which record on some days, as `detector.novelty.touched_in` tells.

    None where a file is not there, and on another engine than DuckDB, whose numbers they are: texts must be read.
    """
    paths = paths_of(history, days)
    if con.name != "duckdb" or not all(path.exists() for path in paths):
        return None
    return read_rows([str(path) for path in paths], table=TOUCHED, con=con)


def keep_touched(history: History, days: Iterable[date], *, con: Backend) -> None:
    """Make the files of some days, where they are not there; the caller is the only writer.

    If the disk refuses, texts are read: a run must not fail for its short cut.
    """
    for part in _parts(history, days):
        path = path_of(history, part)
        if path.exists():
            continue
        rows = read_rows([str(history.path_of(ACCOUNT_RECORDS.name, part))], table=ACCOUNT_RECORDS, con=con)
        with suppress(OSError):
            _write(history, touched_in(rows).distinct(), path, con=con)


def paths_of(history: History, days: Iterable[date]) -> list[Path]:
    """Where the files of some days are, or would be."""
    return [path_of(history, part) for part in _parts(history, days)]


def _write(history: History, rows: ir.Table, path: Path, *, con: Backend) -> None:
    disk, draft = history.disk, history.folder / "tmp" / f"{os.getpid()}-touched.parquet"
    try:
        disk.make_folder(draft.parent)
        disk.make_folder(path.parent)
        disk.step("write", draft)
        write_rows(rows, draft, table=TOUCHED, con=con, encodings=_ENCODINGS)
        disk.rename(draft, to=path)
    except OSError:
        disk.remove(draft)
        raise


def _parts(history: History, days: Iterable[date]) -> Iterator[Part]:
    """Files of account-records that are held of some days, but not what only an incident keeps."""
    for day in days:
        entry = history.manifest.days.get(day)
        stored = entry.tables.get(ACCOUNT_RECORDS.name) if entry is not None else None
        if stored is not None and not stored.expired:
            yield from stored.parts
