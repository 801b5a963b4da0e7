"""Which files were held whole when last looked at: a short cut past reading them again, not the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from detector.history.manifest import Input as Held

SEEN = "seen.json"
"""Where the history remembers what files looked like when their content was known: a short cut, not the truth."""


@dataclass(frozen=True)
class Stamp:
    """What a file looked like from outside when its content was held."""

    size: int
    mtime_ns: int
    inode: int
    sha256: str
    last_at: str = ""
    """Its newest event then, ISO 8601 in UTC; empty: none was read."""


class Seen:
    """Which files were held whole when last looked at, by path, size, time and inode: they need not be read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamps = _load(path)
        self._found: dict[str, Stamp] = {}

    def is_held(self, path: str, *, inputs: Mapping[str, Held], spent_before: datetime | None = None) -> bool:
        """Whether the file is as it was when its content was held, and that content still is.

        Of what ended before a time, inputs are forgotten, since nothing is added to its days: files that stay where
        they are for years would be read anew by each run.
        """
        stamp = self._stamps.get(path)
        if (
            stamp is None
            or not (stamp.sha256 in inputs or _ended(stamp, spent_before))
            or replace(stamp, last_at="") != _stamp(path, stamp.sha256)
        ):
            return False
        self._found[path] = stamp
        return True

    def note(self, path: str, *, sha256: str, stamp: Stamp | None, last_at: datetime | None = None) -> None:
        """Remember a file as it was before it was read."""
        if stamp is not None:
            before = self._stamps.get(path)
            told = last_at.astimezone(UTC).isoformat() if last_at else before.last_at if before else ""
            self._found[path] = replace(stamp, sha256=sha256, last_at=told)

    def save(self) -> None:
        """Keep what was found, and nothing on files that are gone."""
        draft = self._path.with_suffix(".new")
        # If the disk refuses, files are looked at again: a run must not fail for its short cut.
        with suppress(OSError):
            draft.write_text(json.dumps({path: vars(each) for path, each in sorted(self._found.items())}))
            draft.replace(self._path)


def _ended(stamp: Stamp, before: datetime | None) -> bool:
    return before is not None and bool(stamp.last_at) and datetime.fromisoformat(stamp.last_at) < before


def stamp_of(path: str) -> Stamp | None:
    """What a file looks like from outside; None: it is gone."""
    return _stamp(path, "")


def _stamp(path: str, sha256: str) -> Stamp | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino, sha256)


def _load(path: Path) -> dict[str, Stamp]:
    """The short cut as it was kept; damaged, it is as good as none."""
    try:
        return {name: Stamp(**each) for name, each in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
