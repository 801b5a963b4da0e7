"""Reading: from dumps to events, rejects, counts and warnings."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import duckdb
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from detector.errors import ConfigError, EmptyReadError, ReadError
from detector.reading import sql
from detector.reading.concerns import warnings_of
from detector.reading.counts import FileCount
from detector.reading.dumps import Dump, content_sha256, expand, is_compressed
from detector.reading.mapping import Input
from detector.reading.parts import Part
from detector.reading.records import keyed, use_key
from detector.reading.staging import events_of, read_file, rejects_of
from detector.schema import REJECTS

Progress = Callable[[str, int, int], None]
"""Called before each file with its path, the bytes before it, and the bytes of all files."""

_MOST_REJECTED_OF_A_FILE = 0.5
_QUOTED = re.compile(r"'[^']*'")
_REASONS_TOLD = 3
_FILES_TOLD = 3


@dataclass(frozen=True)
class Reading:
    """What was read: events (lazy, on files in scratch or on the dumps themselves), rejects, counts, warnings."""

    events: ir.Table
    rejects: pa.Table
    files: tuple[FileCount, ...]
    warnings: tuple[str, ...]


def read(
    inputs: Sequence[Input | str | Path],
    *,
    con: Backend,
    scratch: Path,
    key: bytes,
    zone: str,
    max_reject_share: float = 0.05,
    skip: Collection[str] = (),
    progress: Progress | None = None,
) -> Reading:
    """Read dumps into events.

    Parameters
    ----------
    inputs
        Paths with their mappings; a bare path has the default mapping.
    con
        An Ibis DuckDB backend; the events live in it.
    scratch
        A folder for intermediate Parquet, which must outlive the events; the caller removes it.
    key
        For the tokens of records (see `load_key`).
    zone
        The portal's zone: that of times whose source names none.
    max_reject_share
        Of the lines that are neither header nor ignored. Above it, or with more than half of one file rejected, reading
        stops; 1 never stops.
    skip
        Files, by the paths that `expand` gives, that are not to be read now; what their inputs have the authority on
        is theirs all the same.
    progress
        Called before each file.

    Returns
    -------
    Reading
        Events in no particular order, with the columns of `detector.schema.EVENTS`.

    Raises
    ------
    ReadError
        If a file cannot be read, no format fits it, too many lines are rejects, or there is no event at all.
    ConfigError
        If a mapping does not fit its file.
    """
    given = [entry if isinstance(entry, Input) else Input(path=str(entry)) for entry in inputs]
    if not given:
        raise ConfigError("no input; expected a path, or an [[input]] in the configuration")
    dumps = [dump for dump in expand(given) if dump.path not in skip]
    scratch.mkdir(parents=True, exist_ok=True)
    with keyed(con.con, key), _in_order(con.con):
        found = [
            read_file(
                dump, supplied_elsewhere=_supplied_elsewhere(dump, given), con=con.con, scratch=scratch, zone=zone
            )
            for dump in _told(dumps, progress)
        ]
        parts = _without_copies(found)
        warnings = warnings_of(parts, con=con.con)
    if any(part.shape and part.shape.identifies for part in parts):
        use_key(con.con, key)  # for whoever asks for these events, whose tokens are made then
    _refuse_too_many(parts, max_reject_share, con.con)
    _refuse_nothing(parts)
    rejects = REJECTS.check(rejects_of(parts, con=con.con))
    told = (*_told_rejects(parts, con.con), *warnings)
    return Reading(_view(parts, con), rejects, tuple(part.counted for part in parts), told)


def _told(dumps: list[Dump], progress: Progress | None) -> Iterator[Dump]:
    sizes = [0 if dump.is_stream else Path(dump.path).stat().st_size for dump in dumps]
    for place, dump in enumerate(dumps):
        if progress:
            progress(dump.path, sum(sizes[:place]), sum(sizes))
        yield dump


def _supplied_elsewhere(dump: Dump, inputs: list[Input]) -> tuple[str, ...]:
    """Actions that other inputs have the authority on, and this one has not."""
    others = {
        action for place, entry in enumerate(inputs) if place != dump.position for action in entry.mapping.authority
    }
    return tuple(sorted(others - set(dump.input.mapping.authority)))


def _without_copies(parts: list[Part]) -> list[Part]:
    """Leave out the lines of a file whose content is another one's: nothing happened twice for being sent twice."""
    contents = _contents(parts)
    first: dict[str, str] = {}
    kept = []
    for part in parts:
        original = first.setdefault(contents.get(part.dump.path, part.counted.sha256), part.dump.path)
        kept.append(part if original == part.dump.path or not part.counted.lines else _as_copy(part, original))
    return kept


def _contents(parts: list[Part]) -> dict[str, str]:
    """Hashes of the decompressed content of compressed files that some other file, from its counts, may be a copy of.

    Only of these: files are seldom sent both plain and compressed, and decompressing one again takes time.
    """
    alike: dict[str, list[Part]] = {}
    for part in parts:
        counted = part.counted
        counts = (counted.lines, counted.header, counted.read, counted.events, counted.rejected, counted.ignored)
        alike.setdefault(repr(counts), []).append(part)
    asked = (part.dump for same in alike.values() if len(same) > 1 for part in same if part.counted.lines)
    return {dump.path: content_sha256(dump) for dump in asked if is_compressed(dump)}


def _as_copy(part: Part, original: str) -> Part:
    counted = part.counted
    ignored = {f"copy of {original}": counted.lines - counted.header}
    copied = replace(counted, read=0, rejected=0, events=0, ignored=ignored)
    return Part(part.dump, copied, notes=(f"it is a copy of {original} and was left out",))


@contextmanager
def _in_order(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let files be written in the order in which they are read, since that order numbers the lines."""
    before = con.execute("SELECT current_setting('preserve_insertion_order')").fetchall()[0][0]
    con.execute("SET preserve_insertion_order = true")
    try:
        yield
    finally:
        con.execute(f"SET preserve_insertion_order = {str(before).lower()}")


def _view(parts: list[Part], con: Backend) -> ir.Table:
    view = f"detector_events_{uuid4().hex}"
    con.con.execute(f"CREATE TEMPORARY VIEW {sql.name(view)} AS {' UNION ALL '.join(events_of(parts))}")
    return con.table(view)


def _refuse_too_many(parts: list[Part], most: float, con: duckdb.DuckDBPyConnection) -> None:
    if most >= 1:
        return
    rejected = sum(part.counted.rejected for part in parts)
    judged = rejected + sum(part.counted.read for part in parts)
    worst = max(parts, key=lambda part: part.counted.rejected)
    if rejected > most * judged:
        raise _too_many(worst, con, f"; {rejected} of {judged} lines in all are rejects, more than {most:.1%}")
    for part in parts:
        if part.counted.rejected > _MOST_REJECTED_OF_A_FILE * (part.counted.rejected + part.counted.read):
            raise _too_many(part, con, ", more than half of the file")


def _too_many(part: Part, con: duckdb.DuckDBPyConnection, why: str) -> ReadError:
    counted, reasons = part.counted, _reasons(part, con)
    lines = counted.rejected + counted.read
    what = f"{counted.path}: {counted.rejected} of {lines} lines cannot be read as {counted.format}"
    told, brief = (
        "; ".join(texts)
        for texts in (
            [f"{reason}: {text}" for reason, text in reasons],
            [_QUOTED.sub("…", each) for each, _ in reasons],
        )
    )
    remedy = "correct the mapping or the format, or raise --max-reject-share ([learn] max_reject_share)"
    shown = "`detector score FILE --dry-run` shows the lines; correct the mapping or the format"
    return ReadError(f"{what} ({told}); {remedy}{why}", brief=f"{what} ({brief}); {shown}{why}")


def _told_rejects(parts: list[Part], con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """A sentence for each file with rejects: too few to stop the run are not passed over in silence."""
    rejecting = [part for part in parts if part.counted.rejected]
    return tuple(
        f"{part.counted.path}: {part.counted.rejected} of {part.counted.rejected + part.counted.read} lines are rejects"
        f" ({'; '.join(reason for reason, _ in _reasons(part, con))})"
        for part in rejecting
    )


def _reasons(part: Part, con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """The commonest reasons of a file's rejects, in words with the first line that has them, and that line's text."""
    rejects = sql.within(sql.select({"reason": "reason", "line": "line", "text": "text"}, "rejected"))
    columns = {"reason": "reason", "times": "count(*)", "line": "min(line)", "text": "left(arg_min(text, line), 120)"}
    asked = sql.select(columns, rejects) + f" GROUP BY reason ORDER BY 2 DESC, 1 LIMIT {_REASONS_TOLD}"
    con.register("rejected", rejects_of([part], con=con))
    try:
        found = con.execute(asked).fetchall()
    finally:
        con.unregister("rejected")
    return [(f"{times} × {reason}, first on line {line}", text) for reason, times, line, text in found]


def _refuse_nothing(parts: list[Part]) -> None:
    if any(part.counted.events or part.counted.rejected for part in parts):
        return
    told = "; ".join(_emptiness(part.counted) for part in parts[:_FILES_TOLD])
    files = "1 file" if len(parts) == 1 else f"{len(parts)} files"
    raise EmptyReadError(f"no event in {files} ({told}); expected one at least; are file and mapping right?")


def _emptiness(counted: FileCount) -> str:
    ignored = ", ".join(f"{lines} {kind}" for kind, lines in counted.ignored.items()) or "none"
    return f"{counted.path}: {counted.lines} lines, of which {counted.header} header, ignored {ignored}"
