"""A history folder as its readers see it: one whole state, whatever writers do meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from detector.errors import HistoryError
from detector.history.disk import Disk, explained
from detector.history.lock import locked
from detector.history.manifest import Manifest, Part, dump, is_pending, load, references, stale_days
from detector.history.tables import TABLES, folder_of, read_rows

MANIFEST = "manifest.json"
LOCK = "lock"


class History:
    """What earlier days looked like, in a folder.

    An object shows the state that was committed when it was opened, or last written through it. Files of earlier states
    stay for a while after they are replaced, so that a reader can finish.

    Attributes
    ----------
    folder
        The folder.
    manifest
        The state shown.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, disk: Disk) -> None:
        self.folder = folder
        self.manifest = manifest
        self.disk = disk
        self._writing = False

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        zone: str | None = None,
        key_id: str | None = None,
        token_fraction: float | None = None,
        create: bool = False,
        disk: Disk | None = None,
    ) -> History:
        """Open a history.

        Parameters
        ----------
        folder
            The folder.
        zone
            IANA name of the portal's zone, whose calendar days the history's days are.
        key_id
            Identifies the key that made the record tokens; empty for tokens that came from outside.
        token_fraction
            Share of the record tokens that is kept, over 0, at most 1.
            These three must be what the history was made with; those left out are not compared.
        create
            Make the history where there is none; this needs `zone` and `key_id`, and keeps all tokens by default.
        disk
            File operations; tests replace it.

        Raises
        ------
        HistoryError
            If there is none, it is damaged, of another format, or was made with other values.
        """
        place, files = Path(folder), disk or Disk()
        if create and not (place / MANIFEST).exists():
            if zone is None or key_id is None:
                raise HistoryError(f"a new history in {place} needs a zone and a key id")
            _create(place, Manifest(zone=zone, key_id=key_id, token_fraction=token_fraction or 1.0), disk=files)
        history = cls(place, load(place / MANIFEST), disk=files)
        history._agree(zone=zone, key_id=key_id, token_fraction=token_fraction)
        return history

    def _agree(self, **expected: str | float | None) -> None:
        held = {name: getattr(self.manifest, name) for name in expected}
        faults = [
            f"{name} is {held[name]!r} there and {value!r} here"
            for name, value in expected.items()
            if value is not None and value != held[name]
        ]
        if faults:
            key_id = expected.get("key_id")
            remedy = _key_remedy(self.manifest.key_id, here=str(key_id)) if key_id not in (None, held["key_id"]) else ""
            raise HistoryError(
                f"history {self.folder} does not fit: {'; '.join(faults)}; {remedy or 'set what it was made with'}, or "
                "learn into another folder"
            )

    def require_key(self, key_id: str) -> None:
        """Refuse tokens that another key made; an empty id stands for tokens that came from outside.

        Raises
        ------
        HistoryError
            If the history was made with another key, or with none.
        """
        self._agree(key_id=key_id)

    @property
    def days(self) -> tuple[date, ...]:
        """Days held, oldest first."""
        return tuple(sorted(self.manifest.days))

    @property
    def stale(self) -> tuple[date, ...]:
        """Days whose novelty must be computed anew since they or their past changed, oldest first."""
        return stale_days(self.manifest)

    def is_open(self, day: date) -> bool:
        """Whether the day is held and its events are kept still."""
        return day in self.manifest.days and self.manifest.days[day].state == "open"

    @property
    def pending(self) -> tuple[date, ...]:
        """Days of which only the events are held so far, and no sums: those that a job adds slices to."""
        return tuple(day for day in self.days if is_pending(self.manifest.days[day]))

    @property
    def late(self) -> tuple[date, ...]:
        """Closed days that events came for, or that were rebuilt, and that were not judged since."""
        return tuple(day for day in self.days if self.manifest.days[day].is_late and not self.is_open(day))

    def require_fresh(self, first: date, last: date) -> None:
        """Refuse days whose novelty is out of date.

        Raises
        ------
        HistoryError
            If any day from `first` to `last`, ends included, is stale.
        """
        stale = [day for day in self.stale if first <= day <= last]
        if stale:
            raise HistoryError(
                f"{len(stale)} days of history {self.folder} are stale ({stale[0]} to {stale[-1]}): days before "
                f"them changed after they were learned; compute them anew with `detector learn --history {self.folder}`"
            )

    def paths(self, table: str, first: date, last: date, *, held: bool = False) -> list[str]:
        """Parquet files of a table's days from `first` to `last`, ends included, oldest first.

        Parameters
        ----------
        table
            Name of a table in `detector.history.tables.TABLES`.
        held
            Include what an incident keeps of days past their retention, which may be a few accounts only.

        Raises
        ------
        HistoryError
            If a file is gone.
        """
        found: list[str] = []
        for day in self.days:
            stored = self.manifest.days[day].tables.get(table)
            if stored is None or not first <= day <= last or (stored.expired and not held):
                continue
            found.extend(str(self._present(table, part)) for part in stored.parts)
        return found

    def _present(self, table: str, part: Part) -> Path:
        path = self.path_of(table, part)
        if not path.exists():
            raise HistoryError(
                f"{path} is gone, though {self.folder / MANIFEST} names it: open the history again if it was opened "
                "long ago; else restore it from a backup, or rebuild its day with `detector learn --replace`"
            )
        return path

    def path_of(self, table: str, part: Part) -> Path:
        """Where a file of a table is."""
        return self.folder / folder_of(table) / part.name

    def table(self, con: Backend, table: str, first: date, last: date) -> ir.Table:
        """A table's rows of the days from `first` to `last`, ends included; without any, no row, of the same columns.

        Parameters
        ----------
        con
            Ibis DuckDB backend that is to read the files.
        table
            Name of a table in `detector.history.tables.TABLES`.
        """
        return read_rows(self.paths(table, first, last), table=TABLES[table], con=con)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer, and see the newest state; may be nested.

        Raises
        ------
        HistoryError
            If another writer is at work, or the folder cannot be written.
        """
        if self._writing:
            yield
            return
        with locked(self.folder / LOCK):
            self._writing = True
            try:
                self.manifest = load(self.folder / MANIFEST)
                yield
            finally:
                self._writing = False

    def replace_manifest(self, manifest: Manifest) -> None:
        """Commit a state whose files are all in place; the caller is the only writer (`writing`).

        Raises
        ------
        HistoryError
            If the state on disk is not the one that this object shows: somebody writes without the lock's protection.
        """
        if load(self.folder / MANIFEST) != self.manifest:
            raise HistoryError(
                f"{self.folder} was changed by another run, perhaps on another machine, which the lock does not bar: "
                "let only one machine write to it, then run again"
            )
        for path in sorted(self._files(self.manifest) - self._files(manifest)):
            # Its age tells `sweep` when the last reader that could use it came; before the commit, lest a kill skip it.
            self.disk.touch(path)
        _write_manifest(self.folder, manifest, disk=self.disk)
        self.manifest = manifest
        self.disk.sync(self.folder)

    def _files(self, manifest: Manifest) -> set[Path]:
        return {self.path_of(each.table, each.part) for each in references(manifest)}


def _key_remedy(there: str, *, here: str) -> str:
    """What to do about tokens that another key made, or none."""
    if not there:
        return 'its records came as tokens, which the mapping must say of these as well ([records] kind = "token")'
    if not here:
        return "these records are said to be tokens already, its own were made with a key: mend the mapping ([records])"
    return "name the key that it was made with (--key-file, or [history] key_file)"


def _create(folder: Path, manifest: Manifest, *, disk: Disk) -> None:
    with explained(f"making a history in {folder}"):
        _refuse_orphans(folder)
        # Who looked up what is nobody's business: the folder's owner alone may enter it.
        disk.make_folder(folder, mode=0o700)
        _write_manifest(folder, manifest, disk=disk)
        disk.sync(folder)


def _refuse_orphans(folder: Path) -> None:
    orphans = [name for name in TABLES if any((folder / folder_of(name)).glob("*.parquet"))]
    if orphans:
        raise HistoryError(
            f"{folder / MANIFEST} is missing though {', '.join(orphans)} are there: restore it from a backup, or learn "
            "into a new folder"
        )


def _write_manifest(folder: Path, manifest: Manifest, *, disk: Disk) -> None:
    draft = folder / f"{MANIFEST}.new"
    disk.write(draft, content=dump(manifest))
    disk.rename(draft, to=folder / MANIFEST)
