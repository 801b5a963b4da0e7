"""What is new in the files of a run: events of lines that the history does not hold yet, and the record of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import ibis.expr.types as ir
from ibis import _

from detector.arriving import Snapshot
from detector.clock import epoch_us, local_days
from detector.history.inputs import Known
from detector.history.manifest import Input as Held
from detector.history.manifest import Times
from detector.history.store import History
from detector.history.transactions import Transaction
from detector.reading import FileCount

ROTATION = timedelta(minutes=1)
"""By how much the first event of a rotated log may be older than the last of the one before."""
MOST_AHEAD = timedelta(hours=1)
"""By how much a log's clock may be ahead of ours."""
FROZEN = "retention has dropped records around it, so that nothing can be compared with it any more"
"""Why events of a day are not learned whose past is gone."""


class LeftOut(NamedTuple):
    """Events of a day that were not learned, and why."""

    day: date
    events: int
    reason: str


class News(NamedTuple):
    """A file with something new, and what is held of it already."""

    file: FileCount
    known: Known | None

    @property
    def lines_held(self) -> int:
        """Lines from the start that are held."""
        return self.known.lines if self.known else 0


class Found(NamedTuple):
    """What new events there are: how many on each day, by file; and when each file's happened, as far as by now."""

    days: Mapping[date, Counter[str]]
    times: Mapping[str, Times]

    def without(self, paths: Collection[str]) -> Found:
        """The same without some files."""
        days = {
            day: Counter({path: n for path, n in counts.items() if path not in paths})
            for day, counts in self.days.items()
        }
        return Found(
            {day: counts for day, counts in days.items() if counts},
            {path: times for path, times in self.times.items() if path not in paths},
        )


def by_content(file: FileCount, content: Snapshot | None) -> FileCount:
    """A file as it is known to the history: a compressed one by what it holds, so that it is known uncompressed too."""
    return replace(file, sha256=content.sha256, size=content.size) if content else file


def unseen(events: ir.Table, news: list[News]) -> ir.Table:
    """Events of the files that have something new, without the lines that are held."""
    unseen = events.filter(events.source.isin([each.file.path for each in news]))
    for each in news:
        if each.lines_held:
            unseen = unseen.filter((unseen.source != each.file.path) | (unseen.line > each.lines_held))
    return unseen


def find_days(events: ir.Table, *, zone: str, now: datetime) -> Found:
    """Which days the events are of, and when those of each file happened.

    A line dated ahead says nothing of that: each log that begins anew by the same name would be taken for a replaced
    one until its day has come.
    """
    day_of = local_days(events.timestamp, zone=zone)
    by_now = events.timestamp <= now + MOST_AHEAD
    counts = events.group_by(day=day_of(epoch_us(events.timestamp)), source=events.source).aggregate(
        n=_.count(), first=_.timestamp.min(where=by_now), last=_.timestamp.max(where=by_now)
    )
    days: dict[date, Counter[str]] = {}
    times: dict[str, Times] = {}
    for row in counts.to_pyarrow().to_pylist():
        path = row["source"]
        days.setdefault(row["day"], Counter())[path] += row["n"]
        if row["last"] is None:
            continue
        found = Times(*(row[name].astimezone(UTC) for name in ("first", "last")))
        times[path] = found.over(times.get(path, found))
    return Found(days, times)


def find_ahead(found: Found, *, last: date) -> list[str]:
    """Paths of files most of whose new events lie after a day: ours is the clock that is wrong, or theirs."""
    n_all, n_ahead = Counter[str](), Counter[str]()
    for day, counts in found.days.items():
        n_all.update(counts)
        n_ahead.update(counts if day > last else {})
    return sorted(path for path, n in n_ahead.items() if n > n_all[path] / 2)


def find_replaced(news: Collection[News], times: Mapping[str, Times], *, history: History) -> list[str]:
    """Paths of files that do not begin with what was read of them, and tell of the same time again.

    A log that was rotated begins anew as well, but when the old one ended, or a little before: the lines of some
    servers tell when a request began, and stand in the order in which requests ended.

    Parameters
    ----------
    news
        Files with something new.
    times
        When their new events happened.
    history
        What was read by which name.
    """
    inputs, read = history.manifest.inputs, dict[str, Times]()
    for held in inputs.values():
        for name, span in held.paths.items():
            read[name] = max(span, read.get(name, span), key=lambda each: each.last)
    return [
        each.file.path
        for each in news
        if each.file.path in times
        and (name := _name_of(each.file.path, folder=history.folder)) in read
        # Whoever begins with what was read by this path grew; with what was read by another, as a header alone, not.
        and not (each.known and name in inputs[each.known.sha256].paths)
        and times[each.file.path].first <= _ended(read[name])
    ]


def _ended(read: Times) -> datetime:
    """Up to when another file tells of the same time: nearly the last event, but at least half of the way there."""
    return read.last - min(ROTATION, (read.last - read.first) / 2)


def _name_of(path: str, *, folder: Path) -> str:
    """A file's path from the history's folder; empty for what can be read only once, and is another each time."""
    return os.path.relpath(path, folder) if Path(path).is_file() else ""


def record_input(change: Transaction, news: News, found: Found | None = None) -> None:
    """Remember an input, and what new events it has, if any; one that grew takes the place of what it was."""
    path, before = news.file.path, news.known.sha256 if news.known else None
    days = {day for day, counts in found.days.items() if path in counts} if found else set()
    held = change.manifest.inputs.get(before or news.file.sha256)
    paths = dict(held.paths) if held else {}
    name = _name_of(path, folder=change.history.folder)
    if name and found and path in found.times:
        paths[name] = found.times[path].over(paths.get(name, found.times[path]))
    if before is not None:
        days = days | set(change.manifest.inputs[before].days)
        for day, entry in change.manifest.days.items():
            if before in entry.inputs:
                change.set_day(day, inputs=tuple(sorted({*entry.inputs, news.file.sha256} - {before})))
        change.manifest = change.manifest.without_inputs(frozenset((before,)))
    known = Held(bytes=news.file.size, lines=news.file.lines, days=tuple(sorted(days)), paths=paths)
    change.manifest = change.manifest.with_input(news.file.sha256, known)


def warnings_of(left_out: Iterable[LeftOut], amended: Iterable[date]) -> Iterator[str]:
    """What to say of events that were not learned, or whose day was closed."""
    for each in left_out:
        yield f"{each.day}: {each.events} events were not learned: {each.reason}"
    for day in amended:
        yield (
            f"{day} was closed when events came for it: its counts were amended, signals that need the order of events "
            "were not; `detector run` judges it anew by them, or as in time if it is rebuilt with "
            "`detector learn --replace` and all of its files"
        )
