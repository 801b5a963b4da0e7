"""Learning: dumps become days of the history, whatever the order they come in and however they are cut into files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _
from ibis.backends.duckdb import Backend
from pydantic import BaseModel, ConfigDict, Field

from detector.arriving import (
    Snapshot,
    Span,
    few_rejects,
    name_files,
    restore,
    snapshot_inputs,
    spans_of,
    survey_compressed,
    take_snapshot,
)
from detector.clock import day_start
from detector.errors import EmptyReadError, ReadError
from detector.history import History, RetentionSettings, expire, sweep, transaction
from detector.history.days import add_events, append_events, settle
from detector.history.inputs import Known, recognise
from detector.history.manifest import is_frozen
from detector.news import (
    FROZEN,
    Found,
    LeftOut,
    News,
    by_content,
    find_days,
    record_input,
    unseen,
    warnings_of,
)
from detector.reading import FileCount, Input, Progress, Reading, read
from detector.reading.dumps import Dump, expand
from detector.repeats import find_held_back
from detector.schema import REJECTS
from detector.seen import SEEN, Seen, Stamp, stamp_of

_T = TypeVar("_T")


class LearnSettings(BaseModel):
    """How dumps are learned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replace: bool = False
    """Rebuild the days of the inputs from these inputs alone, whether they are held or not."""

    complete: bool = False
    """Close the newest day too: nothing more will come for it."""

    canaries: tuple[str, ...] = ()
    """Tokens of records that nobody has a reason to look up."""

    max_reject_share: float = Field(default=0.05, ge=0, le=1)
    """Reading stops above this share of rejected lines."""

    batch_bytes: int = Field(default=4 << 30, gt=0)
    """Inputs are committed in batches of about this size: less is lost when a run is killed, more is read twice from
    scratch the smaller it is."""

    arriving: bool = False
    """The inputs are still being written: only whole lines count, the newest day is not summed up yet, and no day
    closes. `detector run` says so; a command that a person gives means what is there."""

    settle_s: float = Field(default=600, ge=0)
    """A file that nobody has written to for so long is whole, even without the end of its last line."""

    retention: RetentionSettings = RetentionSettings()


@dataclass(frozen=True)
class Learned:
    """What a run of `learn` did.

    Attributes
    ----------
    days
        Days that events were added to.
    amended
        Of these, days that were closed: only their counts changed.
    late
        Of these, days that were closed, be they amended or rebuilt: the job judges them anew.
    refreshed
        Days whose signals were computed, since they or their past changed.
    closed
        Days whose events were dropped, being over.
    expired
        Days of which something was dropped for its age.
    skipped
        Paths of inputs that were held already.
    left_out
        Events that were not learned.
    waiting
        Paths of inputs with nothing whole in them yet.
    spans
        What each input that is still being written had in it, for those who watch over it.
    replaced
        Paths of inputs that were not added: what they tell of is held, by the same path or from other files.
    faults
        What is wrong with inputs that were not learned; the others were.
    files, rejects, warnings
        As reading tells them.
    """

    days: tuple[date, ...] = ()
    amended: tuple[date, ...] = ()
    late: tuple[date, ...] = ()
    refreshed: tuple[date, ...] = ()
    closed: tuple[date, ...] = ()
    expired: tuple[date, ...] = ()
    skipped: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    waiting: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    replaced: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    files: tuple[FileCount, ...] = ()
    rejects: pa.Table = field(default_factory=REJECTS.empty)
    warnings: tuple[str, ...] = ()


def learn(
    inputs: Sequence[Input | str | Path],
    *,
    history: History,
    con: Backend,
    scratch: Path,
    key: bytes,
    now: datetime,
    settings: LearnSettings | None = None,
    progress: Progress | None = None,
) -> Learned:
    """Add dumps to a history, compute the signals of the days they make stale, and drop what is past its retention.

    Inputs that are held are skipped; of a file that grew, the new lines are added. Days may come in any order, twice,
    or after a kill: the history is the same to the byte.

    Parameters
    ----------
    inputs
        Paths with their mappings; none at all computes what is stale.
    history
        The history; it shows the new state afterwards.
    con
        Ibis DuckDB backend.
    scratch
        A folder for intermediate files, which the caller removes.
    key
        For the tokens of records; the caller opened the history with its id.
    now
        The time, with its zone: days after tomorrow are not learned, and files out of use for long are removed.
    settings
        How to learn.
    progress
        Told of each file before it is read, and of each day before its signals are computed.

    Raises
    ------
    HistoryError
        If another run writes to the history, the disk is full, or an input grew in the middle of a line.
    ReadError, ConfigError
        If an input cannot be read; what was committed before stays.
    """
    given = [entry if isinstance(entry, Input) else Input(path=str(entry)) for entry in inputs]
    chosen = settings or LearnSettings()
    learner = _Learner(history, con, scratch, key, now, chosen, progress)
    with history.writing():
        batches = list(_batches(expand(given), size=chosen.batch_bytes))
        reports = [learner.add(given, batch, is_last=batch is batches[-1]) for batch in batches]
        if chosen.arriving:
            learner.seen.save()
        settled = settle(
            history,
            con=con,
            canaries=chosen.canaries,
            complete=chosen.complete,
            arriving=chosen.arriving,
            progress=progress,
        )
        expired = expire(history, con=con, settings=chosen.retention, trusts_leaps=not chosen.arriving, now=now)
        sweep(history, before_s=now.timestamp() - chosen.retention.grace_s)
    reports.append(Learned(refreshed=settled.refreshed, closed=settled.closed, expired=expired))
    return _merge(reports)


def _batches(dumps: list[Dump], *, size: int) -> Iterator[list[Dump]]:
    batch: list[Dump] = []
    total = 0
    for dump in dumps:
        grown = total + _size(dump)
        if batch and grown > size:
            yield batch
            batch, grown = [], _size(dump)
        batch.append(dump)
        total = grown
    if batch:
        yield batch


def _size(dump: Dump) -> int:
    path = Path(dump.path)
    return path.stat().st_size if path.is_file() else 0


def _merge(reports: Sequence[Learned]) -> Learned:
    """One report of several: days once and in order, everything else as it came."""
    merged: dict[str, Any] = {}
    for name in (each.name for each in fields(Learned)):
        values = [getattr(report, name) for report in reports]
        if name == "rejects":
            merged[name] = pa.concat_tables(values)
        else:
            together = tuple(value for part in values for value in part)
            merged[name] = tuple(sorted(set(together))) if name in _DAYS else together
    return Learned(**merged)


_DAYS = ("days", "amended", "late", "refreshed", "closed", "expired")


@dataclass
class _Taken:
    """What was found of a batch of files that are still being written."""

    news: dict[str, Snapshot] = field(default_factory=dict)
    stamps: dict[str, Stamp | None] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def report(self) -> Learned:
        """What is told of the files without news."""
        return Learned(skipped=tuple(self.held), waiting=tuple(self.waiting), faults=tuple(self.faults))


@dataclass
class _Learner:
    """What all batches of one run share."""

    history: History
    con: Backend
    scratch: Path
    key: bytes
    now: datetime
    settings: LearnSettings
    progress: Progress | None
    rebuilt: set[date] = field(default_factory=set)
    seen: Seen = field(init=False)

    def __post_init__(self) -> None:
        self.seen = Seen(self.history.folder / SEEN)

    @property
    def zone(self) -> str:
        """The portal's zone."""
        return self.history.manifest.zone

    def add(self, given: list[Input], batch: list[Dump], *, is_last: bool) -> Learned:
        """Read what is new in a batch of files, and commit it."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        if self.settings.arriving:
            return self._add_arriving(given, batch)
        contents = self._contents(batch)
        known = self._known(batch, contents)
        held = [path for path, each in known.items() if each.is_whole]
        fresh = {dump.path for dump in batch} - set(held)
        if not fresh:
            return Learned(skipped=tuple(held))
        with TemporaryDirectory(dir=self.scratch) as folder:
            reading = self._read(given, fresh, scratch=Path(folder))
            files = [by_content(file, contents.get(file.path)) for file in reading.files]
            news = [News(file, known.get(file.path)) for file in self._distinct(files)]
            added = self._commit(unseen(reading.events, news), news, is_last=is_last)
        again = [file.path for file in files if file not in (each.file for each in news)]
        warnings = (*reading.warnings, *added.warnings)
        read = tuple(file for file in reading.files if file.path not in added.replaced)
        return replace(added, skipped=(*held, *again), files=read, rejects=reading.rejects, warnings=warnings)

    def _add_arriving(self, given: list[Input], batch: list[Dump]) -> Learned:
        """The same of files that are still being written; one that cannot be read does not keep the others."""
        with TemporaryDirectory(dir=self.scratch) as folder:
            taken = self._take(batch, Path(folder))
            if not taken.news:
                return taken.report
            fresh = [dump for dump in batch if dump.path in taken.news]
            try:
                reading = self._read_copies(given, fresh, taken.news, scratch=Path(folder))
            except EmptyReadError:
                # A night in which nobody worked: the lines are held all the same.
                reading = None
            except ReadError as error:
                if len(fresh) == 1:
                    return _merge([taken.report, Learned(faults=(name_files(error.brief, taken.news),))])
                return _merge([taken.report, *(self._add_arriving(given, [dump]) for dump in fresh)])
            added = self._commit_arriving(reading, taken.news)
        last = {span.path: span.last_at for span in added.spans}
        for path, snapshot in taken.news.items():
            if path not in added.replaced:
                self.seen.note(path, sha256=snapshot.sha256, stamp=taken.stamps[path], last_at=last.get(path))
        return _merge([taken.report, added])

    def _take(self, batch: list[Dump], folder: Path) -> _Taken:
        """What is new and whole in each file of a batch, each content once."""
        held, taken, spent_before = self.history.manifest.inputs, _Taken(), self._spent_before()
        for path in (dump.path for dump in batch):
            if self.seen.is_held(path, inputs=held, spent_before=spent_before):
                taken.held.append(path)
                continue
            stamp = stamp_of(path)
            patient = stamp is not None and self.now.timestamp() - stamp.mtime_ns / 1e9 < self.settings.settle_s
            try:
                snapshot = take_snapshot(path, held=held, folder=folder, patient=patient)
            except ReadError as error:
                taken.faults.append(str(error))
                continue
            if snapshot is None:
                taken.waiting.append(path)
            elif snapshot.is_news and snapshot.sha256 not in {each.sha256 for each in taken.news.values()}:
                taken.news[path], taken.stamps[path] = snapshot, stamp
            else:
                taken.held.append(path)
                self.seen.note(path, sha256=snapshot.sha256, stamp=stamp)
        return taken

    def _spent_before(self) -> datetime | None:
        """When the days began to which events may still be added, as retention tells them."""
        if not self.history.days:
            return None
        last = self.history.days[-1] - timedelta(days=self.settings.retention.brief_days)
        return day_start(last + timedelta(days=1), zone=self.zone)

    def _read_copies(
        self, given: list[Input], fresh: list[Dump], news: Mapping[str, Snapshot], *, scratch: Path
    ) -> Reading:
        copies = snapshot_inputs(fresh, news)
        reading = read(
            [*copies, *given],
            con=self.con,
            scratch=scratch / "read",
            key=self.key,
            zone=self.zone,
            max_reject_share=max(self.settings.max_reject_share, few_rejects(news.values())),
            # The files themselves are not read, but what their inputs have the authority on is theirs.
            skip={dump.path for dump in expand(given)} - {copy.path for copy in copies},
            progress=self.progress,
        )
        return restore(reading, news)

    def _commit_arriving(self, reading: Reading | None, snapshots: Mapping[str, Snapshot]) -> Learned:
        news = [
            News(each.count, Known(each.known, each.lines_held, is_whole=False) if each.known else None)
            for each in snapshots.values()
        ]
        if reading is None:
            with transaction(self.history, con=self.con) as change:
                for each in news:
                    record_input(change, each)
            return Learned(files=tuple(each.file for each in news))
        events = unseen(reading.events, news)
        added = self._commit(events, news)
        end = day_start(self._tomorrow + timedelta(days=1), zone=self.zone)
        spans = tuple(span for span in spans_of(events, before=end) if span.path not in added.replaced)
        warnings = (*reading.warnings, *added.warnings)
        files = tuple(file for file in reading.files if file.path not in added.replaced)
        return replace(added, files=files, rejects=reading.rejects, warnings=warnings, spans=spans)

    def _contents(self, batch: list[Dump]) -> dict[str, Snapshot]:
        """What the compressed files hold, decompressed: they are known by that, as the same files are uncompressed."""
        held = {} if self.settings.replace else self.history.manifest.inputs
        paths = [each.path for each in batch if Path(each.path).is_file()]
        found = {path: _told(path, lambda file: survey_compressed(file, held=held)) for path in paths}
        return {path: content for path, content in found.items() if content is not None}

    def _known(self, batch: list[Dump], contents: Mapping[str, Snapshot]) -> dict[str, Known]:
        """What is held of each file; nothing when days are rebuilt, or of what can be read only once."""
        if self.settings.replace:
            return {}
        held = self.history.manifest.inputs
        paths = [each.path for each in batch if Path(each.path).is_file()]
        found = {path: _told(path, lambda file: recognise(file, held=held)) for path in paths}
        found |= {path: each.as_known for path, each in contents.items() if found[path] is None}
        return {path: known for path, known in found.items() if known is not None}

    def _read(self, given: list[Input], fresh: set[str], *, scratch: Path) -> Reading:
        return read(
            given,
            con=self.con,
            scratch=scratch,
            key=self.key,
            zone=self.zone,
            max_reject_share=self.settings.max_reject_share,
            skip={dump.path for dump in expand(given)} - fresh,
            progress=self.progress,
        )

    def _distinct(self, files: Iterable[FileCount]) -> Iterator[FileCount]:
        """Each content once: the same dump may be given twice, or come by the standard input."""
        seen = set() if self.settings.replace else set(self.history.manifest.inputs)
        for file in files:
            if file.sha256 not in seen:
                yield file
            seen.add(file.sha256)

    def _commit(self, events: ir.Table, news: list[News], *, is_last: bool = False) -> Learned:
        """Add what does not count already, and can have happened; files that cannot be read as they are stay unread."""
        found = find_days(events, zone=self.zone, now=self.now)
        held: dict[str, str] = {}
        if news and not self.settings.replace:
            held = find_held_back(events, news, found, history=self.history, con=self.con, last=self._tomorrow)
        kept = [each for each in news if each.file.path not in held]
        events = events.filter(events.source.notin(list(held))) if held else events
        added = self._add_days(events, kept, found.without(held), is_last=is_last)
        return replace(added, replaced=tuple(held), faults=tuple(f"{path} {why}" for path, why in held.items()))

    def _add_days(self, events: ir.Table, news: list[News], new: Found, *, is_last: bool) -> Learned:
        """Add each day's events to it, and record the inputs, all at once; of the last ones, close what is over."""
        found = new.days
        left_out = [LeftOut(day, found[day].total(), why) for day in sorted(found) if (why := self._unfit(day))]
        days = sorted(found.keys() - {each.day for each in left_out})
        hashes = {each.file.path: each.file.sha256 for each in news}
        amended = [day for day in days if not self._starts_open(day)]
        late = [day for day in days if day in self.history.days and not self.history.is_open(day)]
        before = {day: self._counted(day) for day in days if self._rebuilds(day) and day in self.history.days}
        over = self._over(days) if is_last else set()
        with transaction(self.history, con=self.con) as change:
            for day in days:
                inputs = {hashes[path] for path in found[day]}
                if self.settings.arriving and self._starts_open(day):
                    append_events(change, day, self._of_day(events, day), inputs=inputs)
                else:
                    add_events(
                        change,
                        day,
                        self._of_day(events, day),
                        inputs=inputs,
                        rebuild=self._rebuilds(day),
                        is_over=day in over,
                    )
            for each in news:
                record_input(change, each, new)
        closed = tuple(day for day in days if day not in amended and not self.history.is_open(day))
        self.rebuilt.update(days)
        warnings = (*warnings_of(left_out, amended), *self._shrunk(before))
        return Learned(
            days=tuple(days),
            amended=tuple(amended),
            late=tuple(late),
            closed=closed,
            left_out=tuple(left_out),
            warnings=warnings,
        )

    def _over(self, days: list[date]) -> set[date]:
        """Days for which nothing more comes, as `settle` tells them."""
        newest = max((*days, *self.history.days), default=None)
        return {day for day in days if self.settings.complete or day != newest}

    def _counted(self, day: date) -> int:
        """Events that the day's sums count."""
        sources = self.history.table(self.con, "account_sources", day, day)
        total = sources.aggregate(
            n=_.logins.sum() + _.failures.sum() + _.lookups.sum() + _.writes.sum() + _.resets.sum()
        )
        return int(total.to_pyarrow()["n"][0].as_py() or 0)

    def _shrunk(self, before: dict[date, int]) -> Iterator[str]:
        """A rebuilt day that lost events may lack files: a dump cut by another zone's days holds pieces of three."""
        for day, count in before.items():
            if (now := self._counted(day)) < count:
                yield (
                    f"{day} was rebuilt from fewer events than it had ({now} now, {count} before): if some of its "
                    "files were not given, rebuild it with all of them"
                )

    @property
    def _tomorrow(self) -> date:
        return self.now.astimezone(ZoneInfo(self.zone)).date() + timedelta(days=1)

    def _unfit(self, day: date) -> str:
        """Why a day cannot be learned; empty: it can."""
        if day > self._tomorrow:
            return f"it lies after {self._tomorrow}: a clock, or the reading of times, is wrong"
        if is_frozen(self.history.manifest, day):
            return FROZEN
        return ""

    def _rebuilds(self, day: date) -> bool:
        return self.settings.replace and day not in self.rebuilt

    def _starts_open(self, day: date) -> bool:
        return day not in self.history.days or self.history.is_open(day) or self._rebuilds(day)

    def _of_day(self, events: ir.Table, day: date) -> ir.Table:
        start, end = (day_start(each, zone=self.zone) for each in (day, day + timedelta(days=1)))
        return events.filter((_.timestamp >= start) & (_.timestamp < end))


def _told(path: str, look: Callable[[Path], _T]) -> _T:
    try:
        return look(Path(path))
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror or error})") from error
