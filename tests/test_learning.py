"""Learning dumps into a history."""

from __future__ import annotations

import csv
import gzip
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ibis import _
from ibis.backends.duckdb import Backend

from detector.account_days import ACCOUNT_DAYS, DayTables
from detector.aggregates import ACCOUNT_DAY, Aggregates
from detector.errors import HistoryError
from detector.history import Disk, History, RetentionSettings
from detector.learning import Learned, LearnSettings, learn
from detector.novelty import Past
from detector.prepared import hold
from detector.reading import Input, Mapping
from detector.schema import INSTANT
from tests.history.made import FailingDisk, Killed, fingerprint

ROOT = Path(__file__).resolve().parents[1]
FIRST = date(2026, 3, 2)
NOW = datetime(2026, 11, 24, tzinfo=UTC)
TOKENS = Mapping.model_validate({"records": {"kind": "token"}})
Line = tuple[str, ...]
COLUMNS = ("timestamp", "account", "action", "outcome", "ip", "record", "session")


def quick_account_days(_day: date, *, today: Aggregates, past: Past, **_rest: object) -> DayTables:
    """Stand in for the real signals, whose many columns take a second: a few that depend on the sums and the past."""
    found = hold(_quick_signals, today.sources, today.records, past.records)
    account_days = found.mutate(past_days=ibis.literal(past.n_days, "int32"))
    return DayTables(account_days, today.hours.mutate(new_records=ibis.literal(past.n_days, "int64")))


def _quick_signals(sources: ir.Table, records: ir.Table, past: ir.Table) -> ir.Table:
    known = past.select("account", "record").distinct()
    new = records.anti_join(known, ["account", "record"]).group_by("account").aggregate(new_records=_.count())
    sums = sources.group_by(ACCOUNT_DAY).aggregate(lookups=_.lookups.sum(), logins=_.logins.sum())
    found = sums.left_join(new, "account").drop("account_right")
    return found.mutate(
        **{c.name: ibis.null(ibis.dtype(c.type)) for c in ACCOUNT_DAYS.columns if c.name not in found.columns}
    )


def quick_with_order(day: date, *, order: ir.Table, **rest: Any) -> DayTables:
    """The same with a signal that needs the order of events."""
    quick_tables = quick_account_days(day, **rest)
    burst = order.select(*ACCOUNT_DAY, "busiest_10_min")
    return quick_tables._replace(
        account_days=quick_tables.account_days.drop("busiest_10_min").left_join(burst, ACCOUNT_DAY)
    )


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.history.days.build_account_days", quick_account_days)


quick = pytest.mark.usefixtures("_quick")


@dataclass(frozen=True)
class Desk:
    """A place to learn at: a history, a DuckDB, and dumps."""

    folder: Path
    con: Backend

    def history(self, name: str = "history", *, disk: Disk | None = None, token_fraction: float = 1.0) -> History:
        """The history of that name, made where there is none."""
        return History.open(
            self.folder / name, zone="Europe/Paris", key_id="k", token_fraction=token_fraction, create=True, disk=disk
        )

    def dump(self, name: str, lines: Iterable[Line]) -> Path:
        """A dump with these lines: Parquet in the columns of events, which is read fastest, or CSV with a header."""
        path, rows = self.folder / name, list(lines)
        if path.suffix == ".parquet":
            table = pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows])
            instants = pa.array([datetime.fromisoformat(row[0]) for row in rows], INSTANT)
            pq.write_table(table.set_column(0, "timestamp", instants), path)
            return path
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows)
        return path

    def learn(self, *paths: Path, history: History | None = None, settings: LearnSettings | None = None) -> Learned:
        """Learn dumps, whose records are tokens."""
        return learn(
            [Input(path=str(path), mapping=TOKENS) for path in paths],
            history=history or self.history(),
            con=self.con,
            scratch=self.folder / "scratch",
            key=b"k" * 32,
            now=NOW,
            settings=settings,
        )

    def tables(self, name: str = "history") -> dict[str, str]:
        """Hashes of the history's files, without the manifest."""
        return {path: digest for path, digest in fingerprint(self.folder / name).items() if path != "manifest.json"}

    def rows(self, table: str, day: date, *, name: str = "history") -> list[dict[str, object]]:
        """Rows of a table of a day."""
        found = self.history(name).table(self.con, table, day, day).to_pyarrow().to_pylist()
        return sorted(found, key=lambda row: str(row["account"]))


@pytest.fixture
def desk(tmp_path: Path, con: Backend) -> Desk:
    """An empty place to learn at."""
    return Desk(tmp_path, con)


def at(offset: int, hour: int = 9, minute: int = 0) -> str:
    """A time, in UTC, on the `offset`-th day."""
    return datetime(2026, 3, 2 + offset, hour, minute, tzinfo=UTC).isoformat()


def lookup(when: str, account: str, record: str) -> Line:
    """A look-up."""
    return when, account, "lookup", "success", "192.0.2.7", record, "s1"


def a_day(offset: int, accounts: str = "ab", lookups: int = 4) -> list[Line]:
    """Lines of a day: each account signs in and looks up records of its own, one of them new that day."""
    lines: list[Line] = []
    for account in accounts:
        lines.append((at(offset, 8), account, "login", "success", "192.0.2.7", "", "s1"))
        lines.extend(lookup(at(offset, 9, n), account, f"{account}{n}") for n in range(lookups))
        lines.append(lookup(at(offset, 10), account, f"{account}-of-day-{offset}"))
    return lines


def the_days(desk: Desk, count: int) -> list[Path]:
    """One dump a day."""
    return [desk.dump(f"day-{offset}.parquet", a_day(offset)) for offset in range(count)]


def day_number(offset: int) -> date:
    """The `offset`-th day."""
    return FIRST + timedelta(days=offset)


@quick
def test_learned_days_are_held(desk: Desk) -> None:
    """Each day has its sums and signals; all but the newest are closed, and the report says so."""
    report = desk.learn(*the_days(desk, 3))
    history = desk.history()
    days = tuple(day_number(offset) for offset in range(3))
    assert report.days == report.refreshed == history.days == days
    assert report.closed == days[:2]
    assert [history.is_open(day) for day in days] == [False, False, True]
    assert [row["lookups"] for row in desk.rows("account_sources", days[1])] == [5, 5]
    assert [row["new_records"] for row in desk.rows("account_days", days[1])] == [1, 1]
    assert len(desk.rows("account_records", days[0])) == 10
    assert len(desk.rows("open_events", days[2])) == 12
    assert not list((desk.folder / "scratch").iterdir())


def test_signals_are_those_of_the_past(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a week of past, the real signals tell which records are new, per day and per hour."""
    dumps = the_days(desk, 8)
    with monkeypatch.context() as patch:
        patch.setattr("detector.history.days.build_account_days", quick_account_days)
        desk.learn(*dumps[:7])
    report = desk.learn(dumps[7])
    assert report.refreshed == (day_number(7),)
    found = desk.rows("account_days", day_number(7))
    assert [(row["records"], row["new_records"], row["foreign_records"]) for row in found] == [(5, 1, 1), (5, 1, 1)]
    assert [row["busiest_10_min"] for row in found] == [4, 4]
    assert sum(int(str(row["new_records"])) for row in desk.rows("account_hours", day_number(7))) == 2


@quick
def test_order_of_days_changes_nothing(desk: Desk) -> None:
    """Days learned one by one in another order give the same manifest and the same files to the byte."""
    dumps = the_days(desk, 3)
    desk.learn(*dumps, history=desk.history("at once"))
    for place in (1, 2, 0):
        desk.learn(dumps[place], history=desk.history("one by one"))
    assert fingerprint(desk.folder / "one by one") == fingerprint(desk.folder / "at once")


@quick
def test_learning_twice_changes_nothing(desk: Desk) -> None:
    """What is held is recognised by its content, under another name too, and nothing is read or written."""
    dumps = the_days(desk, 2)
    desk.learn(*dumps)
    before = fingerprint(desk.folder / "history")
    renamed = dumps[1].rename(desk.folder / "renamed.parquet")
    disk = FailingDisk(at=0)
    report = desk.learn(dumps[0], renamed, history=desk.history(disk=disk))
    assert report.skipped == (str(dumps[0]), str(renamed))
    assert not report.days
    assert not report.files
    assert fingerprint(desk.folder / "history") == before


@quick
def test_same_content_twice_in_one_call_counts_once(desk: Desk) -> None:
    """A dump and its copy are one input."""
    (dump,) = the_days(desk, 1)
    copy = Path(shutil.copy(dump, desk.folder / "copy.parquet"))
    report = desk.learn(dump, copy)
    assert report.skipped == (str(copy),)
    assert [row["lookups"] for row in desk.rows("account_sources", FIRST)] == [5, 5]


@quick
def test_kill_at_any_commit_and_again(desk: Desk) -> None:
    """A run that is killed leaves a history that can be opened; run again, it gives the bytes of one that was not."""
    dumps = the_days(desk, 2)
    disk = FailingDisk()
    settings = LearnSettings(batch_bytes=1)  # a commit for each file
    desk.learn(*dumps, history=desk.history("whole", disk=disk), settings=settings)
    expected = fingerprint(desk.folder / "whole")
    renamings = [place for place, step in enumerate(disk.steps) if step == "rename manifest.json"]
    assert len(renamings) == 1 + 2 + 2  # made, two batches, two days
    for place in (renamings[2], renamings[-1], renamings[-1] + 1):
        name = f"killed at {place}"
        with pytest.raises(Killed):
            desk.learn(*dumps, history=desk.history(name, disk=FailingDisk(at=place)), settings=settings)
        assert desk.history(name).days in [tuple(day_number(n) for n in range(count)) for count in range(3)]
        desk.learn(*dumps, history=desk.history(name), settings=settings)
        assert fingerprint(desk.folder / name) == expected


@quick
def test_sigkill_and_again(desk: Desk) -> None:
    """A process killed while it learns leaves a history that learns the rest: the same bytes as without the kill."""
    dumps = the_days(desk, 2)
    desk.learn(*dumps, history=desk.history("whole"))
    desk.history("killed")
    child = subprocess.Popen([sys.executable, "-W", "ignore", "-c", _LEARNER, str(desk.folder)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 90
        while not desk.history("killed").days and child.poll() is None:
            assert time.monotonic() < deadline, "the child learned nothing"
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    desk.learn(*dumps, history=desk.history("killed"))
    assert fingerprint(desk.folder / "killed") == fingerprint(desk.folder / "whole")


_LEARNER = """
import sys
from pathlib import Path
import ibis
import detector.history.days
from tests.test_learning import Desk, quick_account_days
detector.history.days.build_account_days = quick_account_days
desk = Desk(Path(sys.argv[1]), ibis.duckdb.connect(threads=1))
desk.learn(desk.folder / "day-0.parquet", desk.folder / "day-1.parquet", history=desk.history("killed"))
"""


@quick
def test_kill_before_the_signals_leaves_a_stale_day_that_is_refused(desk: Desk) -> None:
    """Days that were added and not computed yet are refused, and `learn` without dumps computes them."""
    disk = FailingDisk()
    (dump,) = the_days(desk, 1)
    desk.learn(dump, history=desk.history("whole", disk=disk))
    added = disk.steps.index("rename manifest.json", disk.steps.index("rename manifest.json") + 1)
    with pytest.raises(Killed):
        desk.learn(dump, history=desk.history(disk=FailingDisk(at=added + 2)))
    with pytest.raises(HistoryError, match=r"1 days of history .* are stale"):
        desk.history().require_fresh(FIRST, FIRST)
    assert desk.learn().refreshed == (FIRST,)
    assert fingerprint(desk.folder / "history") == fingerprint(desk.folder / "whole")


@quick
def test_cut_of_a_day_into_files_changes_no_table(desk: Desk) -> None:
    """A day in one file, in three at once, and in three one by one while it is open, gives the same tables."""
    lines = a_day(0)
    parts = [desk.dump(f"part-{n}.parquet", lines[n::3]) for n in range(3)]
    desk.learn(desk.dump("day.parquet", lines), history=desk.history("one file"))
    desk.learn(*parts, history=desk.history("three files"))
    for part in parts:
        desk.learn(part, history=desk.history("one by one"))
    assert desk.tables("one file") == desk.tables("three files") == desk.tables("one by one")
    assert fingerprint(desk.folder / "three files") == fingerprint(desk.folder / "one by one")


@quick
def test_days_in_one_file_are_days_in_files(desk: Desk) -> None:
    """Several days in one file give the same tables as a file each."""
    month = desk.dump("month.parquet", [line for offset in range(2) for line in a_day(offset)][::-1])
    desk.learn(month, history=desk.history("one file"))
    desk.learn(*the_days(desk, 2), history=desk.history("files"))
    assert desk.tables("one file") == desk.tables("files")


def test_late_lines_amend_counts_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events for a closed day add to its counts; signals that need the order of events stay; later days are renewed."""
    monkeypatch.setattr("detector.history.days.build_account_days", quick_with_order)
    dumps = the_days(desk, 2)
    desk.learn(*dumps)
    before = desk.rows("account_days", FIRST)
    late = desk.dump("late.parquet", [lookup(at(0, 9, n), "a", "a-of-day-1") for n in range(10)])
    report = desk.learn(late)
    assert report.amended == report.days == (FIRST,)
    assert report.refreshed == (FIRST, day_number(1))
    assert any("was closed when events came for it" in warning for warning in report.warnings)
    after = desk.rows("account_days", FIRST)
    assert [row["lookups"] for row in after] == [15, 5]
    assert [row["busiest_10_min"] for row in after] == [row["busiest_10_min"] for row in before] == [4, 4]
    assert [row["new_records"] for row in desk.rows("account_days", day_number(1))] == [None, 1]
    assert desk.learn(late).skipped == (str(late),)


@quick
def test_replace_rebuilds_a_day(desk: Desk) -> None:
    """A day is rebuilt from the given dump alone, as if learned from it; what it replaced is not added again."""
    wrong = desk.dump("wrong.parquet", a_day(0, lookups=9))
    dumps = the_days(desk, 2)
    desk.learn(*dumps, history=desk.history("right"))
    desk.learn(wrong, *dumps[1:])
    report = desk.learn(dumps[0], settings=LearnSettings(replace=True))
    assert report.days == (FIRST,)
    assert not report.amended
    assert report.refreshed == tuple(day_number(n) for n in range(2))
    assert desk.tables() == desk.tables("right")
    assert desk.learn(wrong).skipped == (str(wrong),)
    again = fingerprint(desk.folder / "history")
    desk.learn(dumps[0], settings=LearnSettings(replace=True))
    assert fingerprint(desk.folder / "history") == again


@quick
def test_replace_in_batches_keeps_all_files_of_a_day(desk: Desk) -> None:
    """A day rebuilt from two files that are committed apart has the events of both, and a shrunk day is warned of."""
    lines = a_day(0)
    parts = [desk.dump(f"part-{n}.parquet", lines[n::2]) for n in range(2)]
    desk.learn(desk.dump("wrong.parquet", a_day(0, lookups=9)))
    report = desk.learn(*parts, settings=LearnSettings(replace=True, batch_bytes=1))
    desk.learn(*parts, history=desk.history("right"))
    assert desk.tables() == desk.tables("right")
    assert any("was rebuilt from fewer events than it had (6 now, 22 before)" in each for each in report.warnings)


@quick
@pytest.mark.parametrize("packed", [False, True])
def test_file_that_grew_adds_its_new_lines(desk: Desk, packed: bool) -> None:  # noqa: FBT001 - a test's parameter
    """Of a file that begins with an input, the rest is learned; the history is that of the whole file."""
    lines = [line for offset in range(2) for line in a_day(offset)]
    whole = desk.dump("log.csv", lines).read_bytes()
    cut = whole.index(f"\n{at(0, 10)},b".encode()) + 1
    pieces = [gzip.compress(part, mtime=0) if packed else part for part in (whole[:cut], whole[cut:])]
    log = desk.folder / "access.log"
    log.write_bytes(pieces[0])
    desk.learn(log)
    log.write_bytes(b"".join(pieces))
    report = desk.learn(log)
    assert report.days == (FIRST, day_number(1))
    desk.learn(log, history=desk.history("whole"))
    assert fingerprint(desk.folder / "history") == fingerprint(desk.folder / "whole")
    assert desk.learn(log).skipped == (str(log),)


@quick
def test_a_dump_both_plain_and_compressed_counts_once(desk: Desk) -> None:
    """A log learned plain is known again compressed, and the other way round, in one run or in two."""
    plain, packed = desk.dump("log.csv", a_day(0)), desk.folder / "log.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for n, runs in enumerate(([[plain], [packed]], [[packed], [plain]], [[plain, packed]])):
        report = [desk.learn(*run, history=desk.history(f"{n}")) for run in runs][-1]
        assert len(report.skipped) == 1
        assert desk.tables(f"{n}") == desk.tables("0")
        assert set(desk.history(f"{n}").manifest.inputs) == set(desk.history("0").manifest.inputs)


@quick
def test_file_that_grew_within_a_line_is_refused(desk: Desk) -> None:
    """Nobody can tell what was learned of half a line, so nothing is added."""
    log = desk.dump("access.log", a_day(0))
    whole = log.read_bytes()
    log.write_bytes(whole[:-2])  # "s1" of the last line is cut
    desk.learn(log)
    before = fingerprint(desk.folder / "history")
    log.write_bytes(whole)
    with pytest.raises(HistoryError, match="ended in the middle of a line then"):
        desk.learn(log)
    assert fingerprint(desk.folder / "history") == before


@quick
def test_last_line_without_its_end_is_a_line(desk: Desk) -> None:
    """A file whose last line had no line feed, and that went on after one, grew by whole lines."""
    log = desk.dump("access.log", a_day(0))
    whole = log.read_bytes()
    log.write_bytes(whole[:-1])
    desk.learn(log)
    log.write_bytes(whole + ",".join(lookup(at(0, 11), "a", "a9")).encode())
    assert desk.learn(log).days == (FIRST,)
    assert [row["lookups"] for row in desk.rows("account_sources", FIRST)] == [6, 5]


@quick
def test_day_is_that_of_the_portal(desk: Desk) -> None:
    """An event at 23:30 UTC belongs to the next day in Paris, winter or summer."""
    desk.learn(desk.dump("night.parquet", [lookup(at(0, 22, 59), "a", "r"), lookup(at(0, 23, 0), "a", "r")]))
    assert desk.history().days == (FIRST, day_number(1))


@quick
def test_days_in_the_future_are_left_out(desk: Desk) -> None:
    """A clock that is wrong closes no day and ages none: events after tomorrow are counted, told, and not learned."""
    lines = [*a_day(0), lookup("2026-11-25T12:00:00Z", "a", "r"), lookup("2026-11-26T12:00:00Z", "a", "r")]
    report = desk.learn(desk.dump("odd.parquet", lines))
    assert report.days == (FIRST, date(2026, 11, 25))
    assert [(each.day, each.events) for each in report.left_out] == [(date(2026, 11, 26), 1)]
    assert any("2026-11-26: 1 events were not learned: it lies after 2026-11-25" in each for each in report.warnings)


@quick
def test_days_whose_past_is_gone_are_left_out(desk: Desk) -> None:
    """Late events for a day that retention has frozen are counted, told, and change nothing."""
    retention = RetentionSettings(brief_days=57)
    (first,) = the_days(desk, 1)
    newest = desk.dump("newest.parquet", [lookup("2026-06-01T12:00:00Z", "a", "r")])
    report = desk.learn(first, newest, settings=LearnSettings(retention=retention))
    assert report.expired == (FIRST,)
    assert desk.rows("account_records", FIRST) == []
    before = desk.tables()
    late = desk.learn(desk.dump("late.parquet", [lookup(at(3), "a", "r")]), settings=LearnSettings(retention=retention))
    assert not late.days
    assert "retention has dropped records" in late.left_out[0].reason
    assert desk.tables() == before


@quick
def test_fraction_of_tokens_is_the_same_for_every_account(desk: Desk) -> None:
    """Half of the tokens are kept, the same ones for all accounts; all events are counted all the same."""
    history = desk.history("half", token_fraction=0.5)
    desk.learn(
        desk.dump("d.parquet", [lookup(at(0), account, f"t{n}") for account in "ab" for n in range(200)]),
        history=history,
    )
    rows = history.table(desk.con, "account_records", FIRST, FIRST).to_pyarrow().to_pylist()
    kept = {account: {row["record"] for row in rows if row["account"] == account} for account in "ab"}
    assert kept["a"] == kept["b"]
    assert 70 < len(kept["a"]) < 130
    sources = history.table(desk.con, "account_sources", FIRST, FIRST).to_pyarrow()
    assert sources["lookups"].to_pylist() == [200, 200]


@quick
def test_authority_of_a_held_input_still_counts(desk: Desk) -> None:
    """What one input has the authority on is not taken from another, even when the first is held already."""
    other = desk.dump("other.parquet", a_day(0))
    sessions = desk.dump("sessions.parquet", [line for line in a_day(0) if line[2] == "login"])
    owner = TOKENS.model_copy(update={"authority": ("login",)})

    def both(history: History) -> None:
        learn(
            [Input(path=str(sessions), mapping=owner), Input(path=str(other), mapping=TOKENS)],
            history=history,
            con=desk.con,
            scratch=desk.folder / "scratch",
            key=b"k" * 32,
            now=NOW,
            settings=LearnSettings(batch_bytes=1),
        )

    desk.learn(sessions)
    both(desk.history())
    assert [row["logins"] for row in desk.rows("account_sources", FIRST)] == [1, 1]


def test_unknown_setting_is_refused() -> None:
    """A setting that is not known is an error, not ignored."""
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        LearnSettings.model_validate({"replcae": True})


@quick
def test_progress_tells_files_and_days(desk: Desk) -> None:
    """Whoever waits is told of each file before it is read, and of each day before its signals are computed."""
    dumps = the_days(desk, 2)
    told: list[str] = []
    learn(
        [Input(path=str(path), mapping=TOKENS) for path in dumps],
        history=desk.history(),
        con=desk.con,
        scratch=desk.folder / "scratch",
        key=b"k" * 32,
        now=NOW,
        progress=lambda text, _before, _total: told.append(text),
    )
    assert told == [*map(str, dumps), f"signals of {day_number(0)}", f"signals of {day_number(1)}"]
