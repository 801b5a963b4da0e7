"""Files as they come: growing, rotated, compressed, late, twice, in any order; each whole line counts once."""

from __future__ import annotations

import gzip
import os
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend

from detector.history import History, forget_day
from detector.learning import Learned, LearnSettings, learn
from detector.reading import Input, Mapping
from tests.history.made import fingerprint

DAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 20, tzinfo=UTC)
HEADER = "timestamp,account,action,outcome,record,ip\n"
TOKENS = Mapping.model_validate({"records": {"kind": "token"}})


def lines(first: int, last: int, *, at: datetime = datetime(2026, 3, 2, 8, tzinfo=UTC)) -> str:
    """Look-ups with these numbers, a minute apart."""
    return "".join(
        f"{(at + timedelta(minutes=n)).isoformat()},a{n % 3},lookup,success,r{n},192.0.2.{n % 3}\n"
        for n in range(first, last)
    )


@dataclass(frozen=True)
class Inbox:
    """A folder that files come to, and the history that they go into."""

    folder: Path
    con: Backend

    @property
    def incoming(self) -> Path:
        """Where files come."""
        return self.folder / "incoming"

    def history(self) -> History:
        """The history, made where there is none."""
        return History.open(self.folder / "history", zone="Europe/Paris", key_id="", create=True)

    def put(self, name: str, text: str | bytes, *, age_s: float = 60) -> Path:
        """A file that was last written to a while ago."""
        self.incoming.mkdir(exist_ok=True)
        path = self.incoming / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        at = NOW.timestamp() - age_s
        os.utime(path, (at, at))
        return path

    def take(self, *, arriving: bool = True, paths: Sequence[Path] = (), now: datetime = NOW) -> Learned:
        """Learn what has come."""
        return learn(
            [Input(path=str(path), mapping=TOKENS) for path in paths or [self.incoming]],
            history=self.history(),
            con=self.con,
            scratch=self.folder / "scratch",
            key=b"k" * 32,
            now=now,
            settings=LearnSettings(arriving=arriving),
        )

    def numbers(self, day: date = DAY) -> list[int]:
        """Numbers of the look-ups that are held, each as often as it is."""
        held = self.history().table(self.con, "open_events", day, day).to_pyarrow()
        return sorted(int(record[1:]) for record in held["record"].to_pylist() if record)


@pytest.fixture
def inbox(tmp_path: Path, con: Backend) -> Inbox:
    """An empty one."""
    return Inbox(tmp_path, con)


def test_a_file_grows_and_half_a_line_waits(inbox: Inbox) -> None:
    """New lines are added, half a line is left for later, and what is held is not read again."""
    whole = HEADER + lines(0, 30)
    for end in (5, len(HEADER) + 3, 700, 701, 1200, len(whole)):
        inbox.put("portal.csv", whole[:end])
        inbox.take()
        assert inbox.numbers() == list(range(max(whole[:end].count("\n") - 1, 0)))
    assert inbox.take().files == ()
    assert len(inbox.history().manifest.inputs) == 1


def test_evidence_keeps_the_lines_of_the_file(inbox: Inbox, tmp_path: Path) -> None:
    """Rejects of a part that grew are told with the line that they have in the file itself."""
    inbox.put("portal.csv", HEADER + lines(0, 30))
    inbox.take()
    inbox.put("portal.csv", HEADER + lines(0, 30) + "no time,a,lookup,success,r,x\n" + lines(30, 60))
    learned = inbox.take()
    assert learned.rejects.select(["source", "line"]).to_pylist() == [
        {"source": str(tmp_path / "incoming" / "portal.csv"), "line": 32}
    ]
    (file,) = learned.files
    assert (file.lines, file.read, file.rejected) == (62, 30, 1)


def test_a_format_without_a_header_grows(inbox: Inbox) -> None:
    """The first line, which is read again to know the format, is not counted again."""
    rows = [
        f'{{"timestamp":"2026-03-02T08:{n:02}:00Z","account":"a","action":"lookup","outcome":"success","record":"r{n}"}}\n'
        for n in range(40)
    ]
    for end in (10, 11, 40):
        inbox.put("portal.jsonl", "".join(rows[:end]))
        inbox.take()
        assert inbox.numbers() == list(range(end))


def test_a_file_is_rotated_and_compressed(inbox: Inbox) -> None:
    """Renamed, or compressed, it is the same file; lines that came just before are not lost, nor counted twice."""
    inbox.put("portal.csv", HEADER + lines(0, 20))
    inbox.take()
    (inbox.incoming / "portal.csv").rename(inbox.incoming / "portal.csv.1")
    inbox.put("portal.csv", HEADER + lines(30, 40))
    inbox.take()
    (inbox.incoming / "portal.csv.1").unlink()
    inbox.put("portal.csv.2.gz", gzip.compress((HEADER + lines(0, 30)).encode()))
    inbox.take()
    inbox.take()
    assert inbox.numbers() == list(range(40))


def test_an_unfinished_compressed_file_waits(inbox: Inbox) -> None:
    """Cut short it may still be written; when nobody has written to it for long, it is told as a fault."""
    whole = gzip.compress((HEADER + lines(0, 800)).encode())
    inbox.put("portal.csv.gz", whole[: len(whole) // 2])
    assert len(inbox.take().waiting) == 1
    inbox.put("portal.csv.gz", whole[: len(whole) // 2], age_s=6_000)
    (fault,) = inbox.take().faults
    assert "portal.csv.gz: cannot be read" in fault
    inbox.put("portal.csv.gz", whole)
    inbox.take()
    assert len(inbox.numbers()) == 800


def test_a_last_line_without_its_end_counts_when_the_file_has_settled(inbox: Inbox) -> None:
    """Half a line of a file that is written to waits; after a while it is the last line."""
    text = (HEADER + lines(0, 10)).rstrip("\n")
    inbox.put("portal.csv", text)
    inbox.take()
    assert inbox.numbers() == list(range(9))
    inbox.put("portal.csv", text, age_s=6_000)
    inbox.take()
    assert inbox.numbers() == list(range(10))


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_log_that_goes_on_in_the_middle_of_a_line_is_read_on_from_its_beginning(inbox: Inbox, ending: str) -> None:
    """Its writer paused for longer than files take to settle; half of the line was a reject, as a whole it counts."""
    whole = HEADER + lines(0, 30)
    half = len(HEADER + lines(0, 9)) + 12
    inbox.put("portal.csv", whole[:half], age_s=6_000)
    assert [each.rejected for each in inbox.take().files] == [1]
    assert inbox.numbers() == list(range(9))
    inbox.put("portal.csv", whole[: half + 8])
    assert (inbox.take().faults, inbox.numbers()) == ((), list(range(9)))
    for end in (half + 60, len(whole)):
        text = whole[:end].encode()
        (inbox.incoming / "portal.csv").unlink(missing_ok=True)
        inbox.put(f"portal.csv{ending}", gzip.compress(text) if ending else text)
        learned = inbox.take()
        assert (learned.faults, learned.rejects.num_rows if learned.rejects else 0) == ((), 0)
        assert inbox.numbers() == list(range(whole[:end].count("\n") - 1))
    assert len(inbox.history().manifest.inputs) == 1


def test_one_bad_file_keeps_no_other(inbox: Inbox) -> None:
    """It is told as a fault each time until it is mended; the others are learned."""
    inbox.put("a.csv", HEADER + lines(0, 10))
    inbox.put("b.csv", "\x00\x01\x02 nothing known\n" * 30)
    inbox.put("c.csv", HEADER + lines(10, 20))
    learned = inbox.take()
    assert inbox.numbers() == list(range(20))
    assert len(learned.faults) == 1
    assert "b.csv" in learned.faults[0]
    assert len(inbox.take().faults) == 1


def test_a_bad_file_that_grows_is_told_by_its_own_name(inbox: Inbox) -> None:
    """What is read is a copy in the scratch folder; its path says nothing, and makes each run's fault a new one."""
    spoilt = HEADER + lines(0, 30) + "no,line\n" * 10
    for text in (spoilt, spoilt + lines(30, 40) + "no,line\n" * 10):
        path = inbox.put("portal.csv", text)
        (fault,) = inbox.take().faults
        assert fault.partition(":")[0] == str(path)


def test_a_slice_in_which_nothing_happened_is_no_fault(inbox: Inbox) -> None:
    """A header alone, or an empty file, is a quiet night."""
    inbox.put("a.csv", HEADER)
    inbox.put("b.csv", "")
    assert inbox.take().faults == ()
    inbox.put("c.csv", HEADER + lines(0, 3))
    inbox.take()
    assert inbox.numbers() == [0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_slices_come_in_any_order_and_twice(inbox: Inbox, seed: int, tmp_path: Path) -> None:
    """However a day is cut and delivered, it is the same day to the byte, and each line is there once."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    cuts = sorted(chance.sample(range(1, 120), 5))
    parts = [HEADER + lines(start, end) for start, end in zip([0, *cuts], [*cuts, 120], strict=True)]
    names = [(f"{n}.csv", part) for n, part in enumerate(parts)] + [(f"again-{n}.csv", parts[n]) for n in range(2)]
    chance.shuffle(names)
    for name, part in names:
        inbox.put(name, part)
        inbox.take()
    assert Counter(inbox.numbers()) == Counter(range(120))
    inbox.take(arriving=False)
    whole = Inbox(tmp_path / "whole", inbox.con)
    whole.folder.mkdir()
    whole.put("day.csv", HEADER + lines(0, 120))
    whole.take(arriving=False)
    found, expected = (
        {path: digest for path, digest in fingerprint(each.folder / "history").items() if path != "manifest.json"}
        for each in (inbox, whole)
    )
    assert found == expected


def test_what_was_learned_is_known_to_the_job_and_the_other_way_round(inbox: Inbox) -> None:
    """A folder that `detector learn` began goes on with the job, compressed files included."""
    inbox.put("a.csv.gz", gzip.compress((HEADER + lines(0, 10)).encode()))
    inbox.put("b.csv", HEADER + lines(10, 20))
    inbox.take(arriving=False)
    inbox.take()
    inbox.put("c.csv.gz", gzip.compress((HEADER + lines(20, 30)).encode()))
    inbox.take()
    inbox.take(arriving=False)
    assert inbox.numbers() == list(range(30))


def test_a_file_replaced_by_a_corrected_one_is_told_and_not_added(inbox: Inbox) -> None:
    """It would count twice, by hand as well; the manifest alone tells, without the short cut.

    A person rebuilds the day, and then all is well; a log that begins anew is learned.
    """
    inbox.put("day.csv", HEADER + lines(0, 30))
    inbox.take()
    corrected = HEADER + lines(0, 30).replace("192.0.2.1", "192.0.2.9")
    path = inbox.put("day.csv", corrected, age_s=30)
    for arriving in (True, False, True):
        (inbox.folder / "history" / "seen.json").unlink(missing_ok=True)
        (fault,) = inbox.take(arriving=arriving).faults
        assert "day.csv was replaced by another file of the same time" in fault
        assert inbox.numbers() == list(range(30))
    learn(
        [Input(path=str(path), mapping=TOKENS)],
        history=inbox.history(),
        con=inbox.con,
        scratch=inbox.folder / "scratch",
        key=b"k" * 32,
        now=NOW,
        settings=LearnSettings(replace=True),
    )
    assert inbox.take().faults == ()
    inbox.put("day.csv", HEADER + lines(30, 40))
    assert inbox.take().faults == ()
    assert inbox.numbers() == list(range(40))


def test_a_file_that_was_learned_by_hand_and_replaced_is_told_by_the_job(inbox: Inbox) -> None:
    """Whoever read it, what was read of it stands in the manifest; a file that went and comes back corrected, too."""
    inbox.put("day.csv", HEADER + lines(0, 30))
    inbox.take(arriving=False)
    inbox.put("other.csv", HEADER)
    (inbox.incoming / "day.csv").unlink()
    inbox.take()
    inbox.put("day.csv", HEADER + lines(0, 30).replace("192.0.2.1", "192.0.2.9"))
    report = inbox.take()
    assert report.replaced == (str(inbox.incoming / "day.csv"),)
    assert report.files == ()
    assert inbox.numbers() == list(range(30))


def busy_lines(first: int, last: int, *, day: date = DAY, ip: str = "192.0.2.1") -> str:
    """Look-ups of two hundred accounts with these numbers, in each of some hours."""
    rows = [
        f"{day}T{8 + n % 5:02}:{n // 5 % 60:02}:00Z,a{n % 200},lookup,success,r{n},{ip}\n" for n in range(first, last)
    ]
    return "".join(rows)


@pytest.mark.parametrize(("is_closed", "record"), [(False, "r"), (True, "r"), (True, "")])
def test_a_corrected_file_under_another_name_does_not_count_twice(
    inbox: Inbox, *, is_closed: bool, record: str
) -> None:
    """It is told, each time, until its day is rebuilt; a late file of other things that day is added."""

    def busy(first: int, last: int, **rest: Any) -> str:
        return re.sub(",r([0-9]+),", rf",{record}\1," if record else ",,", busy_lines(first, last, **rest))

    inbox.put("day.csv", HEADER + busy(0, 600))
    inbox.take()
    if is_closed:
        inbox.put("next.csv", HEADER + busy(0, 600, day=DAY + timedelta(days=1)))
        inbox.take(arriving=False)
    assert inbox.history().is_open(DAY) is not is_closed
    before = inbox.history().manifest.days[DAY].inputs
    path = inbox.put("day-v2.csv", HEADER + busy(0, 660, ip="192.0.2.9"))
    for arriving in (True, False, True):
        report = inbox.take(arriving=arriving)
        (fault,) = report.faults
        assert "day-v2.csv tells, under another name, of what is held already" in fault
        assert report.replaced == (str(path),)
    assert inbox.history().manifest.days[DAY].inputs == before
    path.unlink()
    inbox.put("late.csv", HEADER + busy(600, 1300))
    assert inbox.take().faults == ()
    assert inbox.history().manifest.days[DAY].inputs != before


@pytest.mark.parametrize("record", ["r", ""])
def test_what_comes_through_a_second_node_repeats_nothing(inbox: Inbox, record: str) -> None:
    """Each does as much each hour through either node, with records or without: a late file of a closed day is read."""
    nodes = [
        "".join(line for n, line in enumerate(busy_lines(0, 2400).splitlines(keepends=True)) if n % 400 // 200 == node)
        for node in (0, 1)
    ]
    nodes = [re.sub(",r[0-9]+,", f",{record},", node.replace(":00Z", f":0{n}Z")) for n, node in enumerate(nodes)]
    inbox.put("node-a.csv", HEADER + nodes[0])
    inbox.put("next.csv", HEADER + busy_lines(0, 600, day=DAY + timedelta(days=1)))
    inbox.take(arriving=False)
    assert not inbox.history().is_open(DAY)
    before = inbox.history().manifest.days[DAY].inputs
    inbox.put("node-b.csv", HEADER + nodes[1])
    assert inbox.take().faults == ()
    assert len(inbox.history().manifest.days[DAY].inputs) == len(before) + 1


def test_slices_and_another_feed_repeat_nothing(inbox: Inbox) -> None:
    """Whoever does as much in each slice does other things; sign-ins of the same hours are no second look-ups."""
    for n in range(4):
        inbox.put(f"slice{n}.csv", HEADER + busy_lines(600 * n, 600 * (n + 1)))
        assert inbox.take().faults == ()
    inbox.put("next.csv", HEADER + busy_lines(0, 600, day=DAY + timedelta(days=1)))
    inbox.take(arriving=False)
    inbox.put("auth.csv", HEADER + busy_lines(0, 2400).replace("lookup", "login"))
    assert inbox.take().faults == ()


def test_a_rotated_log_may_begin_a_little_before_the_old_one_ended(inbox: Inbox) -> None:
    """A slow request stands behind quick ones that began after it; of a short file less is forgiven."""
    inbox.put("portal.csv", HEADER + lines(0, 30))
    inbox.take()
    inbox.put("portal.csv", HEADER + lines(30, 31, at=datetime(2026, 3, 2, 7, 58, 30, tzinfo=UTC)))
    assert inbox.take().faults == ()
    assert inbox.numbers() == list(range(31))
    inbox.put("portal.csv", HEADER + lines(31, 32, at=datetime(2026, 3, 2, 7, 55, tzinfo=UTC)), age_s=30)
    assert len(inbox.take().replaced) == 1
    inbox.put("short.csv", HEADER + lines(40, 42))
    inbox.take()
    inbox.put("short.csv", HEADER + lines(42, 43, at=datetime(2026, 3, 2, 7, 58, 20, tzinfo=UTC)), age_s=30)
    assert len(inbox.take().replaced) == 2


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=2000)])
def test_a_line_dated_ahead_makes_no_rotated_log_a_replaced_one(inbox: Inbox, ahead: timedelta) -> None:
    """Up to when a file tells is said by what happened by now; a corrected file is told as before."""
    odd = lines(30, 31, at=datetime(2026, 3, 2, 8, tzinfo=UTC) + ahead)
    inbox.put("portal.csv", HEADER + lines(0, 30) + odd)
    inbox.take()
    inbox.put("portal.csv", HEADER + lines(31, 60))
    assert inbox.take().faults == ()
    assert inbox.numbers() == [*range(30), *range(31, 60)]
    inbox.put("portal.csv", HEADER + lines(31, 60).replace("192.0.2.1", "192.0.2.9"), age_s=30)
    assert len(inbox.take().replaced) == 1


def test_what_a_clock_that_is_behind_cannot_have_seen_is_read_once_it_is_right(inbox: Inbox) -> None:
    """A file most of which lies after tomorrow stays unread, and is told; one odd line among others is left out."""
    inbox.put("portal.csv", HEADER + lines(0, 30))
    wrong = NOW - timedelta(days=365)
    for _ in range(2):
        report = inbox.take(now=wrong)
        (fault,) = report.faults
        assert "tells mostly of days after 2025-03-03, and was not read" in fault
        assert (report.files, inbox.history().days) == ((), ())
    assert inbox.take(arriving=False, now=wrong).files == ()
    assert inbox.take().faults == ()
    assert inbox.numbers() == list(range(30))
    inbox.put("odd.csv", HEADER + lines(30, 40) + lines(40, 41, at=NOW + timedelta(days=400)))
    report = inbox.take()
    assert (report.faults, [each.events for each in report.left_out]) == ((), [1])
    assert inbox.numbers() == list(range(40))


def test_a_day_that_a_wrong_clock_made_up_can_be_forgotten(inbox: Inbox) -> None:
    """Its file is not read again as it is; mended, it is new."""
    tomorrow, text = DAY + timedelta(days=1), HEADER + lines(0, 30)
    wrong = text.replace(str(DAY), str(tomorrow))
    inbox.put("portal.csv", wrong)
    inbox.take()
    assert inbox.numbers(tomorrow) == list(range(30))
    at = datetime(2026, 3, 2, 20, tzinfo=UTC)
    forget_day(inbox.history(), tomorrow, con=inbox.con, at=at, by="ops", why="the clock was wrong")
    assert inbox.take().days == ()
    inbox.put("portal.csv", text, age_s=30)
    report = inbox.take()
    assert (report.days, report.faults) == ((DAY,), ())
    assert inbox.history().days == (DAY,)


def test_what_can_be_read_only_once_replaces_nothing(inbox: Inbox) -> None:
    """A pipe has a name, and other lines of the same time each time."""
    for part in (lines(0, 10), lines(10, 20).replace("08:", "07:")):
        reader, writer = os.pipe()
        os.write(writer, (HEADER + part).encode())
        os.close(writer)
        assert inbox.take(arriving=False, paths=[Path(f"/dev/fd/{reader}")]).faults == ()
        os.close(reader)
    assert inbox.numbers() == list(range(20))


def test_parquet_that_is_not_whole_waits(inbox: Inbox) -> None:
    """Its last bytes tell whether it is."""
    import pyarrow.parquet as pq

    path = inbox.put("p.parquet", b"PAR1 half")
    assert len(inbox.take().waiting) == 1
    at = [datetime(2026, 3, 2, 8, n, tzinfo=UTC) for n in range(3)]
    table = {"timestamp": at, "account": ["a"] * 3, "action": ["lookup"] * 3, "outcome": ["success"] * 3}
    pq.write_table(pa.table({**table, "record": ["r0", "r1", "r2"]}), path)
    inbox.take()
    assert inbox.take().files == ()
    assert inbox.numbers() == [0, 1, 2]


def test_a_short_cut_that_is_damaged_is_none(inbox: Inbox) -> None:
    """What files looked like from outside is no truth: without it they are recognised by their content."""
    inbox.put("a.csv", HEADER + lines(0, 10))
    inbox.take()
    (inbox.folder / "history" / "seen.json").write_text('{"a": 7')
    assert inbox.take().files == ()
    assert inbox.numbers() == list(range(10))


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_day_of_23_or_25_hours_is_one_day(inbox: Inbox, day: date, hours: int) -> None:
    """Its first and last minute belong to it, the neighbours' do not."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=1 if hours == 23 else 2)
    inside = lines(0, 1, at=start) + lines(1, 2, at=start + timedelta(hours=hours, minutes=-2))
    outside = lines(5, 6, at=start - timedelta(minutes=6)) + lines(0, 1, at=start + timedelta(hours=hours))
    inbox.put("a.csv", HEADER + inside + outside)
    learn(
        [Input(path=str(inbox.incoming), mapping=TOKENS)],
        history=inbox.history(),
        con=inbox.con,
        scratch=inbox.folder / "scratch",
        key=b"k" * 32,
        now=datetime(2026, 11, 1, tzinfo=UTC),
        settings=LearnSettings(arriving=True),
    )
    held = inbox.history().table(inbox.con, "account_sources", day, day).to_pyarrow()
    if not held.num_rows:
        held = inbox.history().table(inbox.con, "open_events", day, day).to_pyarrow()
        assert held.num_rows == 2
    else:
        assert sum(held["lookups"].to_pylist()) == 2
