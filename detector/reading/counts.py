"""What became of each file, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_REPEATED_SHARE = 0.05
_FEWEST_REPEATED = 10
"""In a log of whole seconds a few lines of a small part are the same by chance: somebody clicked twice."""


@dataclass(frozen=True)
class FileCount:
    """What became of one file: lines = header + read + the sum of ignored + rejected.

    Attributes
    ----------
    path
        As given.
    format
        As `--input-format` has it; `empty` for a file without a line.
    sha256, size
        Of the file as it lies, in hexadecimal and bytes.
    lines
        Lines; rows for Parquet.
    read
        Lines that became events; `events` is more where one line tells several.
    ignored
        Lines understood and not needed, by kind.
    """

    path: str
    format: str
    sha256: str
    size: int
    lines: int
    header: int = 0
    read: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    events: int = 0


def repetition(prints: int, distinct: int) -> Iterator[str]:
    """What to tell if too many lines (or a sample of them, chosen by their hash) are repetitions."""
    share = 1 - distinct / prints if prints else 0.0
    if prints - distinct >= _FEWEST_REPEATED and share > _REPEATED_SHARE:
        yield f"about {share:.0%} of its lines repeat another word for word; was it sent twice?"
