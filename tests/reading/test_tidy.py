"""Text files whose values need no change: written as they are, with what conforming gives."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import duckdb
import pytest

from detector.reading import Input, Reading, staging
from tests.reading.reads import NIR, Read, balanced, mapping, rows_of

TOKENS = mapping(records={"kind": "token"})
TIDY = {
    "timestamp": "2026-03-01 09:00:00.5+01",
    "account": "A",
    "action": "lookup",
    "outcome": "success",
    "ip": "192.0.2.1",
    "record": "0123456789abcdef0123456789abcdef",
    "channel": "portal",
    "session": "s1",
    "user_agent": "Mozilla/5.0, (X11)",
    "profession": "nurse",
}
SOUND: list[dict[str, str]] = [
    {},
    {"timestamp": "2026-03-01T08:00:00Z", "channel": "", "ip": "", "record": "", "session": ""},
    {"account": "", "action": "login", "outcome": "failure"},
    {"channel": "software", "record": "r2", "profession": "mid wife"},
]
UNTIDY: list[dict[str, str]] = [
    {"timestamp": "2026-03-01 09:00:00"},
    {"timestamp": "2026-13-01 09:00:00+01"},
    {"timestamp": "1772352000"},
    {"timestamp": "1999-03-01 09:00:00+01"},
    {"timestamp": ""},
    {"account": ""},
    {"account": " B "},
    {"action": "LOOKUP"},
    {"action": "browse"},
    {"outcome": "200"},
    {"channel": "fax"},
    {"session": NIR},
    {"user_agent": f"app {NIR}"},
    {"user_agent": "x" * 1001},
    {"profession": " "},
    {"record": NIR},
]


def dump(folder: Path, *changes: dict[str, str]) -> Path:
    """A file with a line for each of the changes, and twenty sound ones before them."""
    path = folder / "day.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(TIDY), lineterminator="\n")
        writer.writeheader()
        writer.writerows(TIDY | {"session": f"s{n}"} for n in range(20))
        writer.writerows(TIDY | change for change in changes)
    return path


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each file that was read was tidy."""
    found: list[bool] = []
    write = staging._write_tidy

    def told(*given: Any) -> bool:
        found.append(write(*given))
        return found[-1]

    monkeypatch.setattr(staging, "_write_tidy", told)
    return found


def all_of(reading: Reading) -> tuple[Any, ...]:
    """All that reading tells."""
    assert balanced(reading)
    return rows_of(reading), reading.rejects.to_pylist(), reading.files, reading.warnings


@pytest.mark.parametrize("change", [*SOUND, *UNTIDY], ids=str)
def test_a_file_gives_what_conforming_gives(
    reads: Read, tmp_path: Path, written: list[bool], change: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events, rejects, counts and warnings are the same, whether or not a file can be written as it is."""
    given = Input(path=str(dump(tmp_path, change, {})), mapping=TOKENS)
    found = all_of(reads(given))
    assert written == [change in SOUND]
    monkeypatch.setattr(staging, "tidied", lambda *_: None)
    assert found == all_of(reads(given))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"records": {"kind": "token"}, "columns": {name: "account" if name == "session" else name for name in TIDY}},
        {"records": {"kind": "token"}, "actions": {"lookup": "export"}},
        {"records": {"kind": "token"}, "ignore": ["doctor"]},
        {"records": {"kind": "token"}, "accounts": {"kind": "hash"}},
        {"records": {"kind": "token"}, "time": {"zone": "UTC"}},
        {"records": {"kind": "token"}, "constants": {"service": "infopatient"}},
    ],
    ids=str,
)
def test_a_mapping_that_asks_for_more_than_names_is_obeyed(
    reads: Read, tmp_path: Path, written: list[bool], asked: dict[str, Any]
) -> None:
    """Then each line is conformed."""
    reads(Input(path=str(dump(tmp_path)), mapping=mapping(**asked)))
    assert written == [False]


def test_lack_of_memory_is_told(reads: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault of a line."""

    def lacking(*_given: Any, **_asked: Any) -> None:
        raise duckdb.OutOfMemoryException

    monkeypatch.setattr(staging, "_write", lacking)
    with pytest.raises(duckdb.OutOfMemoryException):
        reads(Input(path=str(dump(tmp_path)), mapping=TOKENS))
