"""What is new in the files of a run: events of lines that the history does not hold yet, and the record of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import NamedTuple

import ibis.expr.types as ir
from ibis import _

from detector.arriving import Snapshot
from detector.clock import epoch_us, local_days
from detector.history.inputs import Known
from detector.history.manifest import Input as Held
from detector.history.transactions import Transaction
from detector.reading import FileCount


class News(NamedTuple):
    """A file with something new, and what is held of it already."""

    file: FileCount
    known: Known | None

    @property
    def lines_held(self) -> int:
        """Lines from the start that are held."""
        return self.known.lines if self.known else 0


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


def count_days(events: ir.Table, *, zone: str) -> dict[date, Counter[str]]:
    """Events of each day, by file."""
    day_of = local_days(events.timestamp, zone=zone)
    counts = events.group_by(day=day_of(epoch_us(events.timestamp)), source=events.source).aggregate(n=_.count())
    found: dict[date, Counter[str]] = {}
    for row in counts.to_pyarrow().to_pylist():
        found.setdefault(row["day"], Counter())[row["source"]] += row["n"]
    return found


def record_input(change: Transaction, news: News, *, days: set[date]) -> None:
    """Remember an input; one that grew takes the place of what it was."""
    before = news.known.sha256 if news.known else None
    if before is not None:
        days = days | set(change.manifest.inputs[before].days)
        for day, entry in change.manifest.days.items():
            if before in entry.inputs:
                change.set_day(day, inputs=tuple(sorted({*entry.inputs, news.file.sha256} - {before})))
        change.manifest = change.manifest.without_inputs(frozenset((before,)))
    held = Held(bytes=news.file.size, lines=news.file.lines, days=tuple(sorted(days)))
    change.manifest = change.manifest.with_input(news.file.sha256, held)
