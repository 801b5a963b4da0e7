"""A small portal whose logs arrive slice by slice, for the scheduled job."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from detector.ledger import open_ledger
from detector.ledger.tables import METADATA
from detector.settings import Settings, load_settings

START = date(2026, 3, 2)
CANARY = "canary"
HEADER = "timestamp,account,action,outcome,record,ip,user_agent\n"
SLICE = timedelta(minutes=5)


@dataclass(frozen=True)
class Line:
    """A log line and its time."""

    at: datetime
    text: str


def lines_of(day: date, *, accounts: int = 6, seed: int = 0) -> list[Line]:
    """A working day's lines: sign-ins and look-ups of a few accounts, and on some days one looks up a canary."""
    chance = random.Random(f"{seed} {day}")  # noqa: S311 - no secret
    found = []
    for n in range(accounts):
        at = datetime(day.year, day.month, day.day, 6, tzinfo=UTC) + timedelta(minutes=chance.randint(0, 200))
        found.append(_line(at, f"a{n}", "login", ""))
        for _ in range(chance.randint(4, 10)):
            at += timedelta(seconds=chance.randint(20, 2400))
            found.append(_line(at, f"a{n}", "lookup", f"r{n}-{chance.randint(0, 40)}"))
    if day.weekday() % 2:
        found.append(_line(found[-1].at + timedelta(minutes=3), f"a{day.weekday()}", "lookup", CANARY))
    return sorted(found, key=lambda line: (line.at, line.text))


def strange_lines(account: str, *, begin: datetime, records: int = 250) -> list[Line]:
    """One look-up a second of records that nobody else ever touched, from where the account always is."""
    times = [begin + timedelta(seconds=n) for n in range(records)]
    return [_line(at, account, "lookup", f"strange-{n}") for n, at in enumerate(times)]


def _line(at: datetime, account: str, action: str, record: str) -> Line:
    return Line(at, f"{at.isoformat()},{account},{action},success,{record},192.0.2.{account[1:]},Firefox\n")


def slices(lines: Sequence[Line]) -> Iterator[tuple[datetime, list[Line]]]:
    """The lines of each five minutes in which there are any, with the end of these minutes."""
    by_end: dict[datetime, list[Line]] = {}
    for line in lines:
        start = line.at.replace(minute=line.at.minute // 5 * 5, second=0, microsecond=0)
        by_end.setdefault(start + SLICE, []).append(line)
    yield from sorted(by_end.items())


def write_slice(folder: Path, end: datetime, lines: Sequence[Line]) -> Path:
    """A slice as a file of its own, put in place whole."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"portal-{end:%Y%m%dT%H%M}.csv"
    draft = folder / f".{path.name}"
    draft.write_text(HEADER + "".join(line.text for line in lines))
    draft.replace(path)
    return path


def configure(folder: Path, *, extra: str = "") -> Settings:
    """A job's settings, in `folder`, with its logs in `folder/incoming`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mapping.toml").write_text('[records]\nkind = "token"\n')
    (folder / "detector.toml").write_text(
        f'[portal]\ncanaries = ["{CANARY}"]\n[history]\nfolder = "history"\n[engine]\nthreads = 1\n{extra}\n'
        '[[input]]\npath = "incoming/*"\nmapping = "mapping.toml"\n'
    )
    return load_settings(folder / "detector.toml")


def ledger_rows(settings: Settings, *, without: tuple[str, ...] = ()) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the ledger but those on runs, sorted."""
    ledger = open_ledger(history=settings.history.folder)
    found: dict[str, list[tuple[object, ...]]] = {}
    with ledger.reading("testing") as connection:
        for name in ("alerts", "updates", "deliveries"):
            columns = [column for column in METADATA.tables[name].columns if column.name not in without]
            rows: list[tuple[object, ...]] = [tuple(map(str, row)) for row in connection.execute(select(*columns))]
            found[name] = sorted(rows, key=str)
    return found
