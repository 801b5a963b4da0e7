"""Commits: all or nothing, whatever happens and whenever."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import ibis
import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend

from detector.errors import HistoryError, SchemaError
from detector.history import History, transaction
from detector.history.manifest import references
from tests.history.made import (
    FIRST,
    FailingDisk,
    Killed,
    add_day,
    day_number,
    fingerprint,
    open_history,
    record_rows,
    source_rows,
)

ROOT = Path(__file__).resolve().parents[2]

NOBODY = 65534
"""The user who owns nothing."""


def test_same_rows_give_the_same_bytes(tmp_path: Path, con: Backend) -> None:
    """Rows in another order, in another folder, give the same manifest and files to the byte."""
    day, names = FIRST, tuple(f"a{number}" for number in range(50))
    for folder, accounts in (("one", names), ("two", names[::-1])):
        with transaction(open_history(tmp_path / folder), con=con) as change:
            change.put(day, "account_sources", source_rows(day, accounts=accounts))
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")


def test_order_of_days_changes_nothing(tmp_path: Path, con: Backend) -> None:
    """Days committed in another order give the same files, and the same manifest but for what is stale."""
    for folder, order in (("one", (0, 1, 2)), ("two", (2, 0, 1))):
        history = open_history(tmp_path / folder)
        for offset in order:
            add_day(history, day_number(offset), con=con)
    one, two = fingerprint(tmp_path / "one"), fingerprint(tmp_path / "two")
    assert one.pop("manifest.json") != two.pop("manifest.json")
    assert one == two
    assert History.open(tmp_path / "two").stale == (day_number(2),)


def _operations(folder: Path, con: Backend) -> list[str]:
    disk = FailingDisk()
    add_day(open_history(folder), FIRST, con=con)
    add_day(open_history(folder, disk=disk), FIRST, con=con, lookups=9)
    return disk.steps


@pytest.mark.parametrize(("error", "every"), [(Killed, 1), (OSError, 3)])
def test_fault_between_any_two_operations_leaves_a_whole_state(
    tmp_path: Path, con: Backend, error: type[BaseException], every: int
) -> None:
    """A kill, or a full disk, before any one file operation leaves the old state or the new; the next run mends it."""
    add_day(open_history(tmp_path / "before"), FIRST, con=con)
    before = fingerprint(tmp_path / "before")
    operations = _operations(tmp_path / "count", con)
    expected = fingerprint(tmp_path / "count")
    seen = set()
    for at in range(len(operations) - 1, -1, -every):
        folder = tmp_path / str(at)
        shutil.copytree(tmp_path / "before", folder)
        with pytest.raises((Killed, HistoryError)):
            add_day(open_history(folder, disk=FailingDisk(at=at, error=error)), FIRST, con=con, lookups=9)
        after = fingerprint(folder)
        assert after in (before, expected), operations[at]
        seen.add(after["manifest.json"])
        add_day(open_history(folder), FIRST, con=con, lookups=9)
        assert fingerprint(folder) == expected, operations[at]
    assert len(operations) > 10
    assert len(seen) == 2  # the fault after the renaming of the manifest came too late to stop it


def test_fault_while_making_a_history(tmp_path: Path) -> None:
    """A history whose making was stopped anywhere can be made by the next run."""
    disk = FailingDisk()
    open_history(tmp_path / "count", disk=disk)
    for at in range(len(disk.steps)):
        with pytest.raises(Killed):
            open_history(tmp_path / str(at), disk=FailingDisk(at=at))
        assert open_history(tmp_path / str(at)).days == ()


def test_full_disk_is_told_and_frees_what_it_wrote(tmp_path: Path, con: Backend) -> None:
    """When the disk is full the error says so, and files of the failed change do not fill it further."""
    history = open_history(tmp_path)
    add_day(history, FIRST, con=con)
    files = sorted(tmp_path.rglob("*.parquet"))

    def full(operation: str, path: Path) -> None:
        if operation == "write" and path.name == "manifest.json.new":
            raise OSError(28, "No space left on device")

    history.disk.step = full
    with pytest.raises(HistoryError, match=r"No space left on device.*committed before is intact"):
        add_day(history, day_number(1), con=con)
    assert sorted(tmp_path.rglob("*.parquet")) == files
    assert History.open(tmp_path).days == history.days == (FIRST,)


def test_real_full_disk_is_a_history_error(tmp_path: Path, con: Backend) -> None:
    """DuckDB's own words for a device without room become a `HistoryError` too."""
    history = open_history(tmp_path)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / f"{os.getpid()}-0.parquet").symlink_to("/dev/full")
    with pytest.raises(HistoryError, match="committed before is intact"):
        add_day(history, FIRST, con=con)
    assert History.open(tmp_path).days == ()


def test_error_inside_the_block_changes_nothing(tmp_path: Path, con: Backend) -> None:
    """An error of the caller passes through, and neither manifest nor files change."""
    history = open_history(tmp_path)

    def fail() -> None:
        with transaction(history, con=con) as change:
            change.put(FIRST, "account_sources", source_rows(FIRST))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert history.days == History.open(tmp_path).days == ()
    assert list(tmp_path.rglob("*.parquet")) == []


def test_nothing_done_commits_nothing(tmp_path: Path, con: Backend) -> None:
    """A block that changes nothing leaves the manifest's file alone."""
    history = open_history(tmp_path)
    before = (tmp_path / "manifest.json").stat().st_mtime_ns
    with transaction(history, con=con):
        pass
    assert (tmp_path / "manifest.json").stat().st_mtime_ns == before


def test_rows_of_another_table_are_refused(tmp_path: Path, con: Backend) -> None:
    """Rows that lack columns, or hold a null where none may be, are a `SchemaError`."""
    history = open_history(tmp_path)
    with (
        pytest.raises(SchemaError, match=r"account_sources .* missing columns ip"),
        transaction(history, con=con) as change,
    ):
        change.put(FIRST, "account_sources", record_rows(FIRST))
    rows = source_rows(FIRST).mutate(logins=ibis.null("int64"))
    with pytest.raises(SchemaError, match="column 'logins' has 2 nulls"), transaction(history, con=con) as change:
        change.put(FIRST, "account_sources", rows)
    with (
        pytest.raises(SchemaError, match="column 'logins' is string, not int64"),
        transaction(history, con=con) as change,
    ):
        change.put(FIRST, "account_sources", source_rows(FIRST).mutate(logins=ibis.literal("1")))
    assert history.days == ()


def test_second_writer_is_told(tmp_path: Path, con: Backend) -> None:
    """While one writes, a second writer gets a clear error, and a reader is not hindered."""
    add_day(open_history(tmp_path), FIRST, con=con)
    first, second = History.open(tmp_path), History.open(tmp_path)
    with first.writing():
        with pytest.raises(HistoryError, match="another run is writing to"), transaction(second, con=con):
            pass
        assert History.open(tmp_path).days == (FIRST,)
    add_day(second, day_number(1), con=con)


def test_writer_sees_what_another_committed_before_it(tmp_path: Path, con: Backend) -> None:
    """A history opened before another's commit adds to that commit, and loses none of it."""
    early = open_history(tmp_path)
    add_day(History.open(tmp_path), FIRST, con=con)
    add_day(early, day_number(1), con=con)
    assert History.open(tmp_path).days == (FIRST, day_number(1))


def test_commit_past_the_lock_is_refused(tmp_path: Path, con: Backend) -> None:
    """A manifest that changed under the lock, as from another machine, is not overwritten."""
    history = open_history(tmp_path)

    def write_both() -> None:
        with transaction(history, con=con) as change:
            (tmp_path / "lock").unlink()  # another machine does not see the lock
            add_day(History.open(tmp_path), FIRST, con=con)
            change.put(day_number(1), "account_sources", source_rows(day_number(1)))

    with pytest.raises(HistoryError, match="was changed by another run"):
        write_both()
    assert History.open(tmp_path).days == (FIRST,)


def test_read_only_state_is_told(tmp_path: Path, con: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be written is told, and can be read."""
    monkeypatch.chdir(tmp_path)
    history = open_history(Path())
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid()
    if user == 0:  # root may write anywhere
        os.seteuid(NOBODY)
    try:
        assert History.open(Path()).days == ()
        with pytest.raises(HistoryError, match="cannot be written"), transaction(history, con=con):
            pass
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


def test_unwritable_lock_is_told(tmp_path: Path, con: Backend) -> None:
    """A lock file that cannot be opened for writing, as on a read-only file system, is told."""
    history = open_history(tmp_path)
    (tmp_path / "lock").mkdir()
    with pytest.raises(HistoryError, match=r"cannot be written \(Is a directory\)"), transaction(history, con=con):
        pass


def test_closing_drops_the_events(tmp_path: Path, con: Backend) -> None:
    """A closed day has no events, and keeps everything else."""
    history = open_history(tmp_path)
    with transaction(history, con=con) as change:
        change.put(FIRST, "account_sources", source_rows(FIRST))
        change.put(FIRST, "open_events", ibis.memtable(_one_event()))
    assert history.is_open(FIRST)
    assert history.table(con, "open_events", FIRST, FIRST).count().to_pyarrow().as_py() == 1
    with transaction(history, con=con) as change:
        change.close(FIRST)
    assert not history.is_open(FIRST)
    assert history.paths("open_events", FIRST, FIRST) == []
    assert history.table(con, "account_sources", FIRST, FIRST).count().to_pyarrow().as_py() == 2


def _one_event() -> pa.Table:
    from detector.history.tables import OPEN_EVENTS

    row = {"timestamp": 0, "account": "a", "action": "login", "outcome": "success"}
    return OPEN_EVENTS.check(pa.Table.from_pylist([row]))


def test_sigkill_leaves_a_whole_state(tmp_path: Path, con: Backend) -> None:
    """A process that writes without pause and is killed leaves a state with all its files, whole, and no lock."""
    open_history(tmp_path / "history")
    child = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path / "history")], cwd=ROOT)
    try:
        _wait_for_days(tmp_path / "history", 2)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    history = History.open(tmp_path / "history")
    assert history.days
    for each in references(history.manifest):
        assert hashlib.sha256(history.path_of(each.table, each.part).read_bytes()).hexdigest() == each.part.sha256
    count = len(history.days)
    add_day(history, day_number(10_000), con=con)
    assert len(History.open(tmp_path / "history").days) == count + 1


_WRITER = """
import itertools, sys
from pathlib import Path
import ibis
from tests.history.made import add_day, day_number, open_history
con = ibis.duckdb.connect(threads=1)
history = open_history(Path(sys.argv[1]))
for offset in itertools.count():
    add_day(history, day_number(offset), con=con)
"""


def _wait_for_days(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(History.open(folder).days) < count:
        assert time.monotonic() < deadline, "the writer wrote nothing"
        time.sleep(0.01)
