"""The manifest: what a history holds. It is one JSON file, and renaming it into place is the only commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from detector.account_days import ACCOUNT_DAYS
from detector.errors import HistoryError

FORMAT = 1
"""Version of the layout; it changes when an older program could misread what a newer one wrote."""

WINDOW_DAYS = 28
"""Days before a day that its novelty is measured against: four whole weeks."""

PAST_TABLES = ("account_records", "account_sources", "account_hours")
"""Tables of the past that novelty is measured against."""


class Entry(BaseModel):
    """Common to all parts of the manifest: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(Entry):
    """One Parquet file of a table, for one day."""

    name: str
    sha256: str
    bytes: int
    rows: int


class Stored(Entry):
    """A table of one day; once it has expired, its parts are what an incident holds of it."""

    parts: tuple[Part, ...]
    expired: bool = False


class Day(Entry):
    """A day: open while its events are kept, closed once they are dropped.

    `inputs` are those its tables were made from. `content` identifies the sums in its tables, as they were learned:
    neither novelty nor retention nor erasure changes it. `past` identifies what its novelty was computed against; null:
    not computed since the day changed. `is_late`: events came once it was closed, or it was rebuilt then, and the
    job has not judged it since. `judged_at` is when the job last judged it for that; null: never.
    """

    state: Literal["open", "closed"]
    content: str
    tables: Mapping[str, Stored] = Field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    past: str | None = None
    is_late: bool = False
    judged_at: AwareDatetime | None = None


class Times(NamedTuple):
    """The first and the last event of a file, in UTC."""

    first: AwareDatetime
    last: AwareDatetime

    def over(self, other: Times) -> Times:
        """Both together."""
        return Times(min(self.first, other.first), max(self.last, other.last))


class Input(Entry):
    """An input that was learned, by the SHA-256 of its first `bytes` bytes, which held `lines` lines.

    A file that grew begins with an input that is held. `days` are those it has events of, whether they still come from
    it (`Day.inputs`) or were rebuilt from others since: it is not added again either way. `paths` tell by which name it
    was read, from the history's folder, and when the events read by that name happened: what lies there now and tells
    of the same time replaced it.
    """

    bytes: int
    lines: int
    days: tuple[date, ...]
    paths: Mapping[str, Times] = Field(default_factory=dict)


class Hold(Entry):
    """Days, ends included, that an incident keeps from retention and erasure; no account means all of them."""

    first: date
    last: date
    accounts: tuple[str, ...] = ()

    def covers(self, day: date) -> bool:
        """Whether the day is one of them."""
        return self.first <= day <= self.last


class Manifest(Entry):
    """A whole state of a history, and what every verb must agree on."""

    format: int = FORMAT
    zone: str
    key_id: str
    token_fraction: float = Field(gt=0, le=1)
    days: Mapping[date, Day] = Field(default_factory=dict)
    inputs: Mapping[str, Input] = Field(default_factory=dict)
    holds: Mapping[str, Hold] = Field(default_factory=dict)

    def with_day(self, day: date, entry: Day) -> Manifest:
        """Return the manifest with that day set."""
        return self.model_copy(update={"days": {**self.days, day: entry}})

    def without_days(self, days: frozenset[date]) -> Manifest:
        """Return the manifest without those days."""
        return self.model_copy(update={"days": {day: entry for day, entry in self.days.items() if day not in days}})

    def with_input(self, sha256: str, entry: Input) -> Manifest:
        """Return the manifest with that input set."""
        return self.model_copy(update={"inputs": {**self.inputs, sha256: entry}})

    def without_inputs(self, hashes: frozenset[str]) -> Manifest:
        """Return the manifest without those inputs."""
        return self.model_copy(update={"inputs": {key: each for key, each in self.inputs.items() if key not in hashes}})


class Reference(NamedTuple):
    """A file that the manifest refers to."""

    day: date
    table: str
    part: Part


EVENTS_ONLY = "events "
"""How the content of a day begins that was not summed up since events came."""


def is_pending(entry: Day) -> bool:
    """Whether the day holds events that its sums do not count yet."""
    return entry.content.startswith(EVENTS_ONLY)


def is_stale(manifest: Manifest, day: date) -> bool:
    """Whether the day's novelty was not computed against the past that is held now, and still can be."""
    return manifest.days[day].past != past_digest(manifest, day) and not is_frozen(manifest, day)


def references(manifest: Manifest) -> Iterator[Reference]:
    """All files that the manifest refers to."""
    for day, entry in manifest.days.items():
        for table, stored in entry.tables.items():
            for part in stored.parts:
                yield Reference(day, table, part)


def past_digest(manifest: Manifest, day: date) -> str:
    """Identify what a day's novelty is computed against: the content of the days before, and the signals' columns."""
    past = (f"{before} {manifest.days[before].content}" for before in window(day) if before in manifest.days)
    return digest_of((_SIGNALS, *past))


def stale_days(manifest: Manifest) -> tuple[date, ...]:
    """Days whose novelty was not computed against the past that is held now, oldest first."""
    return tuple(day for day in sorted(manifest.days) if is_stale(manifest, day))


def is_frozen(manifest: Manifest, day: date) -> bool:
    """Whether what retention dropped makes the day's novelty, or that of a day after it, impossible to compute anew."""
    around = (day, *window(day), *(day + timedelta(days=ahead) for ahead in range(1, WINDOW_DAYS + 1)))
    return any(is_expired(manifest, near, table) for near in around for table in PAST_TABLES)


def is_expired(manifest: Manifest, day: date, table: str) -> bool:
    """Whether retention has dropped a table of a day."""
    entry = manifest.days.get(day)
    return entry is not None and table in entry.tables and entry.tables[table].expired


def window(day: date) -> tuple[date, ...]:
    """The days before a day that its novelty is measured against, oldest first."""
    return tuple(day - timedelta(days=back) for back in range(WINDOW_DAYS, 0, -1))


def near_newest(manifest: Manifest) -> tuple[date, ...]:
    """The days that the newest, the one before it and the one after are measured against, oldest first.

    Around midnight two days go on. None of an empty history.
    """
    if not manifest.days:
        return ()
    newest = max(manifest.days)
    return (*window(newest - timedelta(days=1))[:2], *window(newest + timedelta(days=1)))


def dump(manifest: Manifest) -> bytes:
    """Write the manifest as JSON; equal manifests give equal bytes."""
    return (json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True) + "\n").encode()


def load(path: Path) -> Manifest:
    """Read a manifest.

    Raises
    ------
    HistoryError
        If it is absent, unreadable, damaged, or of another format.
    """
    content = _parse(path)
    found = content.get("format")
    if found != FORMAT:
        raise HistoryError(
            f"{path} is of format {found!r}, this program reads format {FORMAT}: use the program that wrote "
            "it, or learn its dumps into a new folder"
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise HistoryError(
            f"{path} is damaged: {error}; restore it from a backup, or learn into a new folder"
        ) from error


def _parse(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise HistoryError(
            f"{path.parent} holds no history ({path.name} is not there): name another folder, or make one with "
            f"`detector learn DUMPS --history {path.parent}`"
        ) from error
    except OSError as error:
        raise HistoryError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise HistoryError(
            f"{path} is damaged ({error}): restore it from a backup, or learn into a new folder"
        ) from error
    return content if isinstance(content, dict) else {}


def digest_of(lines: Iterable[str]) -> str:
    """SHA-256 of lines of text, in hexadecimal."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


_SIGNALS = digest_of(f"{column.name} {column.type}" for column in ACCOUNT_DAYS.columns)
"""Days learned before a signal was added are stale."""
