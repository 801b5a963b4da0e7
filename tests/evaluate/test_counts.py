"""Daily counts from events."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from detector.evaluate.counts import COUNTED, connect, count_days, read_events, with_outcome
from detector.evaluate.foreign import count_foreign
from tests.evaluate.portal import write_day


def counts(files: list[Path], *, zone: str = "Europe/Paris") -> pd.DataFrame:
    """Count what these files hold, by account and day."""
    with connect() as con:
        read_events(con, files=[str(file) for file in files])
        return count_days(con, zone=zone).astype({"day": str}).set_index(["account", "day"])


def test_each_count_counts_its_own_events(tmp_path: Path) -> None:
    """One account's day of every kind of event gives the counts written here."""
    rows = [
        {"at": "2026-03-02T08:00", "action": "login", "outcome": "failure", "ip": "1.1.1.1"},
        {"at": "2026-03-02T08:01", "action": "login", "ip": "1.1.1.1", "user_agent": "x"},
        {"at": "2026-03-02T08:02", "action": "lookup", "record": "r", "ip": "1.1.1.2"},
        {"at": "2026-03-02T09:02", "action": "lookup", "record": "r"},
        {"at": "2026-03-02T22:02", "action": "lookup", "record": "s", "outcome": "failure"},
        {"at": "2026-03-02T09:03", "action": "write", "record": "r"},
        {"at": "2026-03-02T09:04", "action": "export", "record": "r"},
        {"at": "2026-03-02T09:05", "action": "password_reset"},
    ]
    found = counts([write_day(tmp_path, "2026-03-02", [{"account": "a", **row} for row in rows])])
    expected = (3, 1, 1, 1, 1, 1, 1, 1, 2, 1, 3, 1)
    assert found[list(COUNTED)].to_numpy().tolist() == [list(expected)]


def test_failed_sign_ins_alone_are_no_activity(tmp_path: Path) -> None:
    """An account that only ever fails to sign in is counted and not active; a failure that names nobody is no row."""
    rows: list[dict[str, object]] = [
        {"at": "2026-03-02T08:00", "account": "a", "action": "login", "outcome": "failure"},
        {"at": "2026-03-02T08:00", "account": "b", "action": "logout"},
        {"at": "2026-03-02T08:00", "action": "login", "outcome": "failure"},
    ]
    found = counts([write_day(tmp_path, "2026-03-02", rows)])
    assert found["active"].to_dict() == {("a", "2026-03-02"): False, ("b", "2026-03-02"): True}


def test_days_are_those_of_the_portal(tmp_path: Path) -> None:
    """23:30 UTC is the next day in Paris."""
    file = write_day(tmp_path, "2026-03-02", [{"at": "2026-03-02T23:30", "account": "a", "action": "lookup"}])
    assert counts([file]).index.tolist() == [("a", "2026-03-03")]
    assert counts([file], zone="UTC").index.tolist() == [("a", "2026-03-02")]


def test_malicious_rows_get_the_outcome_of_the_dump(tmp_path: Path) -> None:
    """Rows are found by file name and row number from 1; a row that the dumps do not hold has no outcome."""
    rows: list[dict[str, object]] = [
        {"at": "2026-03-02T08:00", "account": "a", "action": "lookup"},
        {"at": "2026-03-02T08:00", "account": "a", "action": "lookup", "outcome": "failure"},
    ]
    name = write_day(tmp_path, "2026-03-02", rows)
    malicious = pd.DataFrame({"source": [name.name, name.name, "other"], "line": [2, 1, 1]})
    with connect() as con:
        read_events(con, files=[str(name)])
        found = with_outcome(con, malicious=malicious)
    assert found["outcome"].fillna("none").tolist() == ["failure", "success", "none"]


def test_foreign_records_are_new_and_unknown_around(tmp_path: Path) -> None:
    """Of a's three records, one is its own, one is known to b with whom a shares, one is known only to a stranger."""
    past = [("a", "own"), ("a", "shared"), ("b", "shared"), ("b", "near"), ("c", "far")]
    today = [("a", "own"), ("a", "near"), ("a", "far")]
    files = [
        write_day(
            tmp_path, day, [{"at": f"{day}T09:00", "account": a, "action": "lookup", "record": r} for a, r in rows]
        )
        for day, rows in (("2026-03-02", past), ("2026-03-03", today))
    ]
    with connect() as con:
        read_events(con, files=[str(file) for file in files])
        found = count_foreign(con, days=[pd.Timestamp("2026-03-03")], zone="UTC")
    assert found[["account", "new_records", "foreign_records"]].to_numpy().tolist() == [["a", 2, 1]]
