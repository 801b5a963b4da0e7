"""Who touched which record, in numbers: a short cut that may be missing at any time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import pytest
from ibis.backends.duckdb import Backend

from detector.history import Disk, History, RetentionSettings, expire, forget, sweep, transaction
from detector.history.days import past_of
from detector.history.manifest import near_newest
from detector.history.touched import FOLDER, keep_touched, touched
from detector.joins import to_frame
from detector.novelty import mark_records, touched_in
from detector.timeline import Timeline
from tests.history.made import FIRST, add_day, day_number, open_history, record_rows

N_DAYS = 7


def _filled(folder: Path, con: Backend, *, disk: Disk | None = None, n_days: int = N_DAYS) -> History:
    """Two accounts that share a record, and each day one of their own."""
    history = open_history(folder, disk=disk)
    for offset in range(n_days):
        day = day_number(offset)
        add_day(history, day, con=con)
        own = record_rows(day, accounts=("a",), records=(f"r{offset + 2}",))
        with transaction(history, con=con) as change:
            change.put(
                day, "account_records", con.create_table("own", ibis.union(record_rows(day), own), overwrite=True)
            )
    return history


def _keep(history: History, con: Backend) -> None:
    with history.writing():
        keep_touched(history, near_newest(history.manifest), con=con)


def _files(history: History) -> list[str]:
    return sorted(path.name for path in (history.folder / FOLDER).glob("*"))


def _days(history: History) -> list[str]:
    return [name[:10] for name in _files(history)]


def test_numbers_are_those_of_the_texts(tmp_path: Path, con: Backend) -> None:
    """Account, record and day of all that was looked up or written, by record, each once."""
    history = _filled(tmp_path, con)
    assert past_of(history, day_number(N_DAYS), con=con).touched is None
    _keep(history, con)
    past = past_of(history, day_number(N_DAYS), con=con)
    assert past.touched is not None
    found = to_frame(past.touched)
    plain = to_frame(touched_in(past.records).distinct())
    keys = ["day", "code", "reader"]
    assert len(found) == 3 * N_DAYS
    assert found.sort_values(keys)[keys].to_numpy().tolist() == plain.sort_values(keys)[keys].to_numpy().tolist()
    first = to_frame(con.read_parquet(str(tmp_path / FOLDER / _files(history)[0])))
    assert first["code"].is_monotonic_increasing


def test_what_is_new_and_foreign_is_the_same_with_and_without_them(tmp_path: Path, con: Backend) -> None:
    """`b` meets a record of `a`, with whom it shares another: not foreign; to a stranger, `c`, it is."""
    history = _filled(tmp_path, con)
    day = day_number(N_DAYS)
    rows = ibis.union(
        record_rows(day, accounts=("b", "c"), records=("r5",)), record_rows(day, accounts=("a",), records=("r8", "r1"))
    )
    today = con.create_table("today", rows)
    marked = []
    for _ in range(2):
        found = to_frame(mark_records(today, past_of(history, day, con=con))).sort_values(["account", "record"])
        marked.append(found[["account", "record", "is_new", "is_foreign"]].to_numpy().tolist())
        _keep(history, con)
    assert marked[0] == marked[1]
    assert [row for row in marked[0] if row[0] != "a"] == [["b", "r5", True, False], ["c", "r5", True, True]]


@pytest.mark.parametrize("has_files", [False, True])
def test_what_is_set_aside_is_no_part_of_the_past(tmp_path: Path, con: Backend, *, has_files: bool) -> None:
    """A record that an account touched only on a day that is set aside is new to it."""
    history = _filled(tmp_path, con)
    if has_files:
        _keep(history, con)
    aside = to_frame(ibis.memtable({"account": ["a"], "day": [day_number(3)]}))
    timeline = Timeline(con, events=None, history=history, zone="Europe/Paris", set_aside=aside)
    past = timeline.past(day_number(N_DAYS))
    assert (past.touched is not None) is has_files
    today = con.create_table(
        "today", record_rows(day_number(N_DAYS), accounts=("a",), records=("r1", "r4", "r5", "r6"))
    )
    marked = to_frame(mark_records(today, past))
    assert marked.loc[marked["is_new"], "record"].tolist() == ["r5"]


def test_settling_makes_them_for_the_days_that_the_next_is_measured_against(tmp_path: Path, con: Backend) -> None:
    """Those of files that are out of use, and of days too long past, go with the next sweep; the others stay."""
    history = _filled(tmp_path, con, n_days=1)
    _keep(history, con)
    before = _files(history)
    with transaction(history, con=con) as change:
        change.put(FIRST, "account_records", record_rows(FIRST, records=("r1", "r7")))
    _keep(history, con)
    assert len(_files(history)) == 2
    sweep(history)
    assert _days(history) == [str(FIRST)]
    assert _files(history) != before
    add_day(history, day_number(29), con=con)
    _keep(history, con)
    sweep(history)
    # The day before the newest may go on still, and is measured against it.
    assert _days(history) == [str(FIRST), str(day_number(29))]
    add_day(history, day_number(30), con=con)
    _keep(history, con)
    sweep(history)
    assert _days(history) == [str(day_number(29)), str(day_number(30))]


def test_a_day_that_goes_on_is_measured_in_numbers(tmp_path: Path, con: Backend) -> None:
    """All 28 days before the newest, and those before the day before it, have their files."""
    history = _filled(tmp_path, con, n_days=30)
    _keep(history, con)
    for newest in (29, 28):
        assert past_of(history, day_number(newest), con=con).touched is not None


def test_what_retention_drops_leaves_no_numbers(tmp_path: Path, con: Backend) -> None:
    """Nothing is kept for longer in numbers than in texts."""
    history = _filled(tmp_path, con, n_days=1)
    _keep(history, con)
    add_day(history, day_number(90), con=con)
    expire(history, con=con, settings=RetentionSettings())
    sweep(history)
    assert _files(history) == []
    assert touched(history, [FIRST], con=con) is not None


@pytest.mark.parametrize("subject", [{"account": "a"}, {"record": "r3"}])
def test_what_is_forgotten_is_in_no_number(tmp_path: Path, con: Backend, subject: dict[str, Any]) -> None:
    """Files with the account's or the record's number go at once; then texts are read until the next `learn`."""
    history = _filled(tmp_path, con)
    _keep(history, con)
    ((kind, name),) = subject.items()
    number = con.raw_sql(f"SELECT hash('{name}')").fetchone()[0]
    column = "reader" if kind == "account" else "code"

    def holds() -> bool:
        paths = [str(path) for path in (tmp_path / FOLDER).glob("*.parquet")]
        return bool(paths) and number in con.read_parquet(paths).to_pyarrow()[column].to_pylist()

    assert holds()
    forget(history, con=con, at=datetime(2026, 11, 24, tzinfo=UTC), by="dpo", why="asked", **subject)
    assert not holds()
    _keep(history, con)
    assert len(_files(history)) == N_DAYS
    assert not holds()


def test_a_disk_that_refuses_stops_nothing(tmp_path: Path, con: Backend) -> None:
    """A run does not fail for its short cut, and leaves nothing of it behind."""

    def refuse(operation: str, path: Path) -> None:
        if "touched" in str(path) and operation == "rename":
            raise OSError(28, "no space left")

    history = _filled(tmp_path, con, disk=Disk(step=refuse), n_days=2)
    _keep(history, con)
    assert _files(history) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert past_of(history, day_number(2), con=con).touched is None
