"""What the tests of reading share: a call of `read` with a fixed key and zone, and events as plain rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from detector.reading import Input, Mapping, Reading
from detector.schema import EVENTS

KEY = bytes(range(32))
ZONE = "Europe/Paris"

# Serial 000 is given to nobody; the keys are right.
NIR = "184127645100038"
CORSICAN_NIR = "299052A12300044"


class Read(Protocol):
    """Reads dumps in a fresh scratch folder with the key and zone above."""

    def __call__(self, *inputs: Input | str | Path, max_reject_share: float = 0.05) -> Reading:
        """Read."""
        ...


def rows_of(reading: Reading) -> list[dict[str, Any]]:
    """Events as rows, by file and line; the table is checked against the schema on the way."""
    table = EVENTS.check(reading.events.select(*EVENTS.names).order_by("source", "line").to_pyarrow())
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def column(reading: Reading, name: str) -> list[Any]:
    """One column of the events, by file and line."""
    return [row[name] for row in rows_of(reading)]


def mapping(**settings: Any) -> Mapping:
    """A mapping from keyword arguments, as its TOML has them."""
    return Mapping.model_validate(settings)


def balanced(reading: Reading) -> bool:
    """Whether, in every file, lines = header + read + ignored + rejected."""
    return all(
        count.lines == count.header + count.read + sum(count.ignored.values()) + count.rejected
        for count in reading.files
    )
