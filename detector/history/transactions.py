"""Changes to a history, made all at once or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from detector.history.disk import explained, hash_file
from detector.history.manifest import Day, Manifest, Part, Stored
from detector.history.store import History
from detector.history.tables import OPEN_EVENTS, TABLES, folder_of, read_rows, write_rows

SCRATCH = "tmp"
"""Folder for files that have no name yet; on the same file system, so that renaming is one step."""

_NAME_DIGITS = 16
"""Hexadecimal digits of the hash in a file's name: 64 bits, no accidental clash within a day's few files."""


class Transaction:
    """A state in the making: files are written at once, and count from the commit on.

    Attributes
    ----------
    manifest
        The state to commit; set parts of it through the methods, or replace it by a changed copy.
    """

    def __init__(self, history: History, *, con: Backend) -> None:
        self.history = history
        self.manifest: Manifest = history.manifest
        self.con = con
        self._written: list[Path] = []

    def put(self, day: date, table: str, rows: ir.Table) -> None:
        """Set a table of a day, replacing what it held.

        Raises
        ------
        SchemaError
            If the rows are not of that table.
        """
        self.set_table(day, table, Stored(parts=(self.write(day, table, rows),)))

    def set_table(self, day: date, table: str, content: Stored) -> None:
        """Set a table of a day to files that are there."""
        entry = self.manifest.days.get(day, Day(state="open", content=""))
        self.set_day(day, tables={**entry.tables, table: content})

    def set_day(self, day: date, **changes: Any) -> None:
        """Set parts of a day, which is open when it is new."""
        entry = self.manifest.days.get(day, Day(state="open", content=""))
        self.manifest = self.manifest.with_day(day, entry.model_copy(update=changes))

    def files(self, day: date, table: str) -> tuple[str, ...]:
        """Files of a table of a day, as far as this change has come."""
        entry = self.manifest.days.get(day)
        parts = entry.tables[table].parts if entry is not None and table in entry.tables else ()
        return tuple(str(self.history.path_of(table, part)) for part in parts)

    def rows(self, day: date, table: str, *, name: str | None = None) -> ir.Table:
        """Rows of a table of a day, as far as this change has come, through a view of that name."""
        return read_rows(self.files(day, table), table=TABLES[table], con=self.con, name=name)

    def close(self, day: date) -> None:
        """Close a day: its events are dropped, and later ones amend counts only."""
        entry = self.manifest.days[day]
        tables = {name: content for name, content in entry.tables.items() if name != OPEN_EVENTS.name}
        self.set_day(day, state="closed", tables=tables)

    def write(self, day: date, table: str, rows: ir.Table) -> Part:
        """Write a file of a table, named by day and content, without referring to it yet."""
        disk, folder = self.history.disk, self.history.folder
        draft = folder / SCRATCH / f"{os.getpid()}-{len(self._written)}.parquet"
        disk.make_folder(draft.parent)
        disk.step("write", draft)
        self._written.append(draft)
        count = write_rows(rows, draft, table=TABLES[table], con=self.con)
        disk.sync(draft)
        sha256 = hash_file(draft)
        part = Part(
            name=f"{day}-{sha256[:_NAME_DIGITS]}.parquet", sha256=sha256, bytes=draft.stat().st_size, rows=count
        )
        self._place(draft, self.history.path_of(table, part))
        return part

    def _place(self, draft: Path, path: Path) -> None:
        disk = self.history.disk
        disk.make_folder(path.parent)
        if not path.exists():
            self._written.append(path)
        disk.rename(draft, to=path)

    def commit(self) -> None:
        """Have all files reach the disk, then make the state the one that readers see."""
        disk, folder = self.history.disk, self.history.folder
        for name in sorted({folder_of(name) for name in TABLES}):
            if (folder / name).is_dir():
                disk.sync(folder / name)
        self.history.replace_manifest(self.manifest)

    def discard(self) -> None:
        """Remove what was written, as far as the disk lets one; what is left is swept later."""
        try:
            for path in self._written:
                self.history.disk.remove(path)
        except OSError:  # whatever stopped the transaction may stop this too, and its error tells more
            return


@contextmanager
def transaction(history: History, *, con: Backend) -> Iterator[Transaction]:
    """Collect changes and commit them when the block ends; when it fails, nothing has happened.

    Parameters
    ----------
    history
        The history, which shows the new state afterwards.
    con
        Ibis DuckDB backend that holds, or can read, what is to be written.

    Raises
    ------
    HistoryError
        If another writer is at work, the disk is full, or the folder cannot be written.
    """
    with history.writing():
        change = Transaction(history, con=con)
        before = history.manifest
        try:
            with explained(f"writing to history {history.folder}"):
                yield change
                if change.manifest != before:
                    change.commit()
        except BaseException:
            # A fault after the rename comes too late to undo: the files are in use.
            if history.manifest is before:
                change.discard()
            raise
