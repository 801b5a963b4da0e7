"""Files that are still being written, rotated or compressed: which lines of them are new and whole."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from io import BufferedReader
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis import _

from detector.errors import ReadError
from detector.history.inputs import Known
from detector.history.manifest import Input as Held
from detector.reading import FileCount, Input, Reading
from detector.reading.dumps import Dump, decompressed

_BLOCK_BYTES = 1 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_PARQUET = b"PAR1"
FEW_REJECTS = 20
"""In a slice of a quiet night two odd lines, which anybody can send, are a tenth: they must not hold back the rest."""
AHEAD = (
    "tells mostly of days after {last}, and was not read: this machine's clock is behind, or the one that wrote it is "
    "ahead; it is read by the next run once that is set right"
)
REPLACED = (
    "was replaced by another file of the same time: none of it was added to what is held, and nothing more of it is "
    "read until you act. If it is a corrected one, or a log of which a line was rewritten, rebuild its days with "
    "`detector learn --replace` and all of their files; if it has other lines, rename it"
)
REPEATED = (
    "tells, under another name, of what is held already, and was not added to it, since that would count twice: if it "
    "is a second copy, remove it; if it is a corrected one, rebuild its days with `detector learn --replace` and the "
    "files that are right; if it only looks alike, rebuild them with all of their files and this one"
)
"""What is told of a file that is not read as it is, after its path."""


@dataclass(frozen=True)
class Snapshot:
    """The new whole lines of a file, copied to where they no longer change.

    Attributes
    ----------
    path
        The file.
    copy
        First line and new lines, plain; None: the file is read where it lies.
    sha256, size, lines
        Of the file's content, decompressed, up to the end of the last whole line.
    known
        Hash of the held input that the content begins with; None: nothing of it is held.
    lines_held
        Lines of that input, less the last one if the content goes on in the middle of it.
    start
        Where the content goes on, in bytes: behind that input, or at the beginning of the line that it goes on with.
    """

    path: str
    copy: Path | None
    sha256: str
    size: int
    lines: int
    known: str | None = None
    lines_held: int = 0
    start: int = 0

    @property
    def is_news(self) -> bool:
        """Whether there is a new line."""
        return self.known is None or self.lines > self.lines_held

    @property
    def count(self) -> FileCount:
        """The file, as far as it is known without reading what its lines mean."""
        return FileCount(self.path, "", self.sha256, self.size, self.lines)

    @property
    def as_known(self) -> Known | None:
        """What is held of it; None: nothing."""
        return Known(self.known, self.lines_held, not self.is_news) if self.known else None

    @property
    def shift(self) -> int:
        """What turns a line's number in the copy into that in the file; the copy begins with the file's first line."""
        return max(self.lines_held - 1, 0)


@dataclass(frozen=True)
class Span:
    """What the new events of one file were, and when; instants in UTC.

    Attributes
    ----------
    first_at, last_at
        First and last event that was read.
    learned_at
        The last one that a day is learned of: lines dated ahead are left out. None: all are.
    """

    path: str
    events: int
    logins: int
    signed_in: int
    lookups: int
    with_record: int
    first_at: datetime
    last_at: datetime
    learned_at: datetime | None = None


def take_snapshot(path: str, *, held: Mapping[str, Held], folder: Path, patient: bool) -> Snapshot | None:
    """Copy the new whole lines of a file; None: it is not whole yet, look again later.

    Parameters
    ----------
    path
        Plain text, gzip, zstd or Parquet.
    held
        Inputs by the SHA-256 of their content.
    folder
        Where the copy goes.
    patient
        The file may still be written to: a last line without its end waits, and so does a compressed or Parquet file
        that is cut short.

    Raises
    ------
    ReadError
        If it cannot be read; impatient, also if it is cut short.
    """
    place = Path(path)
    try:
        with place.open("rb") as file:
            head, size = file.read(4), place.stat().st_size
            if head == _PARQUET:
                return _of_parquet(path, file, size, held=held, patient=patient)
        compression = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
        return _of_text(path, compression, held=held, folder=folder, patient=patient)
    except OSError as error:
        if patient and head_is_compressed(place):
            return None
        raise ReadError(f"{path}: cannot be read ({error.strerror or error})") from error


def head_is_compressed(path: Path) -> bool:
    """Whether a file that could not be read to its end is compressed, and may only be unfinished."""
    try:
        with path.open("rb") as file:
            return file.read(4).startswith(tuple(_MAGIC))
    except OSError:
        return False


def _of_parquet(
    path: str, file: BufferedReader, size: int, *, held: Mapping[str, Held], patient: bool
) -> Snapshot | None:
    """Parquet says at its end that it is whole, and never grows."""
    file.seek(max(size - 4, 0))
    if file.read(4) != _PARQUET or size < 2 * len(_PARQUET):
        if patient:
            return None
        raise ReadError(f"{path}: cut short; expected a whole Parquet file")
    file.seek(0)
    name = hashlib.file_digest(file, "sha256").hexdigest()
    known = name if name in held else None
    return Snapshot(path, None, name, size, held[name].lines if known else 0, known, held[name].lines if known else 0)


def _of_text(
    path: str, compression: str | None, *, held: Mapping[str, Held], folder: Path, patient: bool
) -> Snapshot | None:
    if compression and (whole := _held_as_it_lies(path, held)):
        return whole
    found = _survey(path, compression, held=held, patient=patient)
    if not found.lines:
        return None
    if not found.is_news or not (patient or compression or found.known):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    # Told apart by content; the name, by which some formats are known, stays.
    copy = folder / found.sha256[:16] / Path(path).name.removesuffix(".gz").removesuffix(".zst")
    copy.parent.mkdir(exist_ok=True)
    _copy_news(path, compression, copy, start=found.start, end=found.size)
    return replace(found, copy=copy)


def _held_as_it_lies(path: str, held: Mapping[str, Held]) -> Snapshot | None:
    """A compressed file that `detector learn` learned: it is known by its bytes, not by its content."""
    with Path(path).open("rb") as file:
        name = hashlib.file_digest(file, "sha256").hexdigest()
    if name not in held:
        return None
    return Snapshot(path, None, name, held[name].bytes, held[name].lines, name, held[name].lines)


def survey_compressed(path: Path, *, held: Mapping[str, Held]) -> Snapshot | None:
    """The content of a compressed file, and what is held of it; None: it is not compressed.

    Raises
    ------
    OSError
        If it is cut short or damaged.
    ReadError
        If it goes on in the middle of a line that is held.
    """
    with path.open("rb") as file:
        head = file.read(4)
    compression = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if compression is None:
        return None
    found = _survey(str(path), compression, held=held, patient=False)
    if found.known and found.start < held[found.known].bytes:
        raise ReadError(
            f"{path} grew since it was learned, and ended in the middle of a line then: rebuild its days with "
            "`detector learn --replace` and all of their files"
        )
    return found


class _Survey:
    """One pass over a file's content: its hash at each length that an input has, and at its last line's end."""

    def __init__(self, held: Mapping[str, Held]) -> None:
        self.held = held
        self.lengths = sorted({each.bytes for each in held.values() if each.bytes > 0})
        self.digest = hashlib.sha256()
        self.whole = (self.digest.hexdigest(), 0, 0)
        self.size = self.lines = 0
        self.last = b"\n"
        self.known: str | None = None
        self.start = 0

    def take(self, block: bytes) -> None:
        """Pass a block, stopping at each length that an input has."""
        while self.lengths and self.lengths[0] <= self.size + len(block):
            place = self.lengths.pop(0) - self.size
            self._pass(block[:place])
            block = block[place:]
            self._compare(block)
        self._pass(block)

    def _compare(self, rest: bytes) -> None:
        name = self.digest.copy().hexdigest()
        if name in self.held and self.held[name].bytes == self.size:
            self.known = name
            # Half a line was taken for a whole one, since nobody went on writing it for long: it is read once more.
            is_cut = self.last != b"\n" and rest[:1] not in (b"", b"\n", b"\r")
            self.start = self.whole[1] if is_cut else self.size

    def _pass(self, block: bytes) -> None:
        if not block:
            return
        end = block.rfind(b"\n") + 1
        self.digest.update(block[:end])
        self.lines += block.count(b"\n")
        if end:
            self.whole = (self.digest.copy().hexdigest(), self.size + end, self.lines)
        self.digest.update(block[end:])
        self.size += len(block)
        self.last = block[-1:]


def _survey(path: str, compression: str | None, *, held: Mapping[str, Held], patient: bool) -> Snapshot:
    survey = _Survey(held)
    with _content(path, compression) as stream:
        while block := stream.read(_BLOCK_BYTES):
            survey.take(block)
    sha256, size, lines = survey.whole
    if not patient and survey.last != b"\n":
        sha256, size, lines = survey.digest.hexdigest(), survey.size, survey.lines + 1
    if survey.known is None:
        return Snapshot(path, None, sha256, size, lines)
    known, lines_held = held[survey.known], held[survey.known].lines
    if size <= known.bytes:
        return Snapshot(path, None, survey.known, known.bytes, lines_held, survey.known, lines_held, known.bytes)
    is_cut = survey.start < known.bytes
    return Snapshot(path, None, sha256, size, lines, survey.known, lines_held - is_cut, survey.start)


@contextmanager
def _content(path: str, compression: str | None) -> Iterator[pa.NativeFile]:
    with pa.OSFile(path) as raw:
        yield decompressed(raw, compression)


def _copy_news(path: str, compression: str | None, copy: Path, *, start: int, end: int) -> None:
    """Write the first line, which may be a header, and what lies between `start` and `end`."""
    with _content(path, compression) as stream, copy.open("wb") as target:
        first, place = start > 0, 0
        while place < end and (block := stream.read(min(_BLOCK_BYTES, end - place))):
            if first:
                head, feed, _rest = block.partition(b"\n")
                target.write((head + feed)[: start - place])
                first = not feed
            target.write(block[max(start - place, 0) :])
            place += len(block)


def snapshot_inputs(dumps: Iterable[Dump], snapshots: Mapping[str, Snapshot]) -> list[Input]:
    """Inputs that read the copies in place of their files."""
    found = []
    for dump in dumps:
        copy = snapshots[dump.path].copy
        found.append(dump.input.model_copy(update={"path": str(copy or dump.path)}))
    return found


def restore(reading: Reading, snapshots: Mapping[str, Snapshot]) -> Reading:
    """What was read of copies as if it had been read of the files: paths, line numbers, hashes."""
    by_copy = {str(each.copy): each for each in snapshots.values() if each.copy is not None}
    if not by_copy:
        return reading
    places = pd.DataFrame(
        {
            "source": list(by_copy),
            "file": [each.path for each in by_copy.values()],
            "shift": [each.shift for each in by_copy.values()],
            "first": [2 if each.lines_held else 1 for each in by_copy.values()],
        }
    )
    events = reading.events.left_join(ibis.memtable(places), "source").drop("source_right")
    events = events.filter(_.line.fill_null(1) >= _.first.fill_null(0))
    names = [name for name in reading.events.columns if name not in ("source", "line")]
    events = events.select(
        *names, source=_.file.fill_null(_.source), line=(_.line + _.shift.fill_null(0)).cast("int64")
    ).select(*reading.events.columns)
    files = tuple(_restored(file, by_copy.get(file.path)) for file in reading.files)
    warnings = tuple(name_files(text, snapshots) for text in reading.warnings)
    return Reading(events, _restored_rejects(reading.rejects, by_copy), files, warnings)


def _restored(file: FileCount, snapshot: Snapshot | None) -> FileCount:
    if snapshot is None:
        return file
    repeated = int(bool(snapshot.lines_held))
    # The first line was read again: as a header, as an event, or as a reject.
    read = file.read - (repeated and not file.header and not file.rejected)
    return replace(
        file,
        path=snapshot.path,
        sha256=snapshot.sha256,
        size=snapshot.size,
        lines=snapshot.lines,
        read=max(read, 0),
        events=max(file.events - (file.read - read), 0),
    )


def _restored_rejects(rejects: pa.Table, by_copy: Mapping[str, Snapshot]) -> pa.Table:
    rows = [
        {**row, "source": found.path, "line": row["line"] + found.shift} if found else row
        for row in rejects.to_pylist()
        if not ((found := by_copy.get(row["source"])) and found.lines_held and row["line"] == 1)
    ]
    return pa.Table.from_pylist(rows, schema=rejects.schema)


def few_rejects(snapshots: Collection[Snapshot]) -> float:
    """The share of new lines that `FEW_REJECTS` are, half of them at most."""
    lines = sum(each.count.lines - each.lines_held for each in snapshots)
    return min(FEW_REJECTS / max(lines, 1), 0.5)


def name_files(text: str, snapshots: Mapping[str, Snapshot]) -> str:
    """A sentence on copies as one on the files that they are of."""
    for each in snapshots.values():
        if each.copy is not None:
            text = text.replace(str(each.copy), each.path)
    return text


def spans_of(events: ir.Table, *, before: datetime) -> Iterator[Span]:
    """What each file's events were, by path; those from `before` on are not learned."""
    lookup = _.action == "lookup"
    sums = events.group_by("source").aggregate(
        events=_.count(),
        logins=(_.action == "login").sum(),
        signed_in=((_.action == "login") & (_.outcome == "success")).sum(),
        lookups=lookup.sum(),
        with_record=(lookup & _.record.notnull()).sum(),
        first_at=_.timestamp.min(),
        last_at=_.timestamp.max(),
        learned_at=_.timestamp.max(where=_.timestamp < before),
    )
    for row in sums.order_by("source").to_pyarrow().to_pylist():
        yield Span(row.pop("source"), **row)
