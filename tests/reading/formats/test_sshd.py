"""sshd in syslog."""

from __future__ import annotations

import gzip
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from detector.errors import ConfigError
from detector.reading import Input
from tests.reading.reads import Read, balanced, column, mapping, rows_of
from tests.reading.samples import sample

AUTH = mapping(time={"year": 2017, "zone": "UTC"})


def log(folder: Path, *lines: str) -> str:
    """A file of sshd lines: `stamp|process|message`."""
    path = folder / "auth.log"
    parts = [line.split("|") for line in lines]
    path.write_text("".join(f"{stamp} host sshd[{process}]: {said}\n" for stamp, process, said in parts))
    return str(path)


def test_sign_ins_are_counted_once_each(reads: Read) -> None:
    """A repeated message is as many events; an unknown user followed by a failed password is one; no name is null."""
    reading = reads(sample("auth.log", mapping="sshd"))
    found = Counter((row["account"], row["outcome"], row["line"]) for row in rows_of(reading))
    assert found == {
        ("ubuntu", "success", 6): 1,
        ("support", "failure", 10): 1,
        ("elastic_user_7", "failure", 17): 1,
        ("elastic_user_7", "success", 18): 1,
        ("pi", "failure", 26): 1,
        ("root", "failure", 30): 1,
        ("root", "failure", 31): 5,
        (None, "failure", 41): 1,
    }
    count = reading.files[0]
    assert (count.read, count.events) == (8, 12)
    assert count.ignored == {
        "invalid user, told again by the failed password": 2,
        "no sign-in": 23,
        "other programs": 9,
    }
    assert balanced(reading)


def test_a_name_cannot_forge_an_address(reads: Read, tmp_path: Path) -> None:
    """Whoever signs in chooses the name: an address within it is not where they come from."""
    forged = "Failed password for invalid user x from 198.51.100.1 port 22 ssh2 from 192.0.2.1 port 99 ssh2"
    reading = reads(Input(path=log(tmp_path, f"Mar  1 09:00:00|7|{forged}"), mapping=AUTH))
    assert column(reading, "ip") == ["192.0.2.1"]
    assert column(reading, "account") == ["x from 198.51.100.1 port 22 ssh2"]


def test_the_year_turns_where_the_month_falls_back(reads: Read, tmp_path: Path) -> None:
    """The mapping's year is the first line's; a late December line among January's stays in the old year."""
    failed = "Failed password for root from 192.0.2.1 port 9 ssh2"
    stamps = ("Feb 29 10:00:00", "Dec 31 23:59:59", "Jan  1 00:00:01", "Dec 31 23:59:58", "Jan  2 00:00:00")
    path = log(tmp_path, *(f"{stamp}|{n}|{failed}" for n, stamp in enumerate(stamps)))
    reading = reads(Input(path=path, mapping=mapping(time={"year": 2016, "zone": "UTC"})))
    assert [str(at)[:10] for at in column(reading, "timestamp")] == [
        "2016-02-29",
        "2016-12-31",
        "2017-01-01",
        "2016-12-31",
        "2017-01-02",
    ]


def test_without_a_year_the_files_own_is_its_last_lines(reads: Read, tmp_path: Path) -> None:
    """The year comes from the file's date, counted from its end, and the user is told."""
    failed = "Failed password for root from 192.0.2.1 port 9 ssh2"
    path = log(tmp_path, f"Dec 31 23:59:59|1|{failed}", f"Jan  1 00:00:01|2|{failed}")
    os.utime(path, (1_500_000_000, 1_500_000_000))  # July 2017
    reading = reads(Input(path=path, mapping=mapping(time={"zone": "UTC"})))
    assert [at.year for at in column(reading, "timestamp")] == [2016, 2017]
    assert any("its times have no year; 2017" in warning for warning in reading.warnings)


def test_a_day_that_a_year_has_not_is_a_reject(reads: Read, tmp_path: Path) -> None:
    """29 February of 2017 is no day, and is not moved to another."""
    failed = "Failed password for root from 192.0.2.1 port 9 ssh2"
    path = log(tmp_path, f"Feb 28 10:00:00|1|{failed}", f"Feb 29 10:00:00|2|{failed}")
    reading = reads(Input(path=path, mapping=AUTH), max_reject_share=1)
    assert reading.rejects.column("line").to_pylist() == [2]


@pytest.mark.parametrize(
    ("times", "reason"), [("1000000000", "repeated more than 10000 times"), ("0", "repeated 0 times")]
)
def test_a_number_of_repeats_cannot_fill_the_disk_nor_lose_the_line(
    reads: Read, tmp_path: Path, times: str, reason: str
) -> None:
    """A line that claims a billion repeats, or none, is a reject."""
    said = f"message repeated {times} times: [ Failed password for root from 192.0.2.1 port 9 ssh2]"
    good = "Mar  1 09:00:00|1|Accepted password for a from 192.0.2.1 port 9 ssh2"
    reading = reads(Input(path=log(tmp_path, good, f"Mar  1 09:00:01|2|{said}"), mapping=AUTH), max_reject_share=1)
    assert reading.rejects.column("reason").to_pylist() == [reason]
    assert reading.files[0].events == 1
    assert balanced(reading)


def test_other_stamps_are_read(reads: Read, tmp_path: Path) -> None:
    """ISO 8601 stamps, RFC 5424 and newer program names are sshd's too."""
    path = tmp_path / "auth.log"
    path.write_text(
        "2026-03-01T09:00:00.5+01:00 host sshd-session[7]: Accepted password for a from 192.0.2.1 port 9 ssh2\n"
        "<38>1 2026-03-01T09:00:01Z host sshd 8 - - Failed password for b from 2001:db8::1 port 9 ssh2\n"
    )
    reading = reads(path)
    assert [str(at) for at in column(reading, "timestamp")] == [
        "2026-03-01 08:00:00.500000+00:00",
        "2026-03-01 09:00:01+00:00",
    ]
    assert column(reading, "ip") == ["192.0.2.1", "2001:db8::1"]


def test_standard_input_needs_a_year(reads: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has neither file date nor year cannot be dated: the error says which key to set."""
    text = "Mar  1 09:00:00 host sshd[1]: Accepted password for a from 192.0.2.1 port 9 ssh2\n"
    (tmp_path / "in").write_text(text)
    with (tmp_path / "in").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(ConfigError, match=r"-: its times have no year; say it in the mapping: \[time\] year"):
            reads("-")


def test_the_whole_real_log_is_accounted_for(reads: Read, shared_data: Path) -> None:
    """25 days of a real auth.log: as many events as a line-by-line count finds."""
    path = shared_data / "openssh-auth.log.gz"
    reading = reads(sample(str(path), mapping="sshd"))
    assert balanced(reading)
    accepted, failed, unknown = naive_counts(gzip.decompress(path.read_bytes()).decode())
    outcomes = Counter(column(reading, "outcome"))
    assert outcomes == {"success": accepted, "failure": failed + unknown}
    # The data's README counts lines: repeated messages not at all, and both lines of an unknown user's failed password.
    assert (accepted, failed, unknown) == (226, 1_042, 86)


def naive_counts(text: str) -> tuple[int, int, int]:
    """Accepted, failed, and unknown users whose password the same process does not go on to refuse; by plain Python."""
    said = [match.groups() for line in text.splitlines() if (match := re.search(r"sshd\[(\d+)\]: (.*)$", line))]
    accepted = sum(message.startswith("Accepted ") for _, message in said)
    failed, refused = 0, set()
    for process, message in said:
        repeated = re.match(r"message repeated (\d+) times: \[ (.*)\]$", message)
        if found := re.match(
            r"Failed \S+ for (invalid user )?(.*) from \S+ port", repeated[2] if repeated else message
        ):
            failed += int(repeated[1]) if repeated else 1
            refused.add((process, found[2].strip()))
    unknown = [(p, m[13:].rsplit(" from ", 1)[0].strip()) for p, m in said if m.startswith("Invalid user ")]
    return accepted, failed, sum(pair not in refused for pair in unknown)
