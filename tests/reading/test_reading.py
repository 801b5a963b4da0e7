"""Reading as a whole: inputs, counts, rejects, warnings, and input that is hostile or broken."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend

from detector.errors import ConfigError, ReadError
from detector.reading import Input, Reading, read
from detector.schema import REJECTS
from tests.reading.reads import KEY, NIR, ZONE, Read, balanced, column, mapping, rows_of
from tests.reading.samples import SAMPLES, sample

HEADER = "timestamp,account,action,outcome,record\n"


def row(second: int, **other: str) -> str:
    """One sound line, with some cells replaced."""
    cells = {"timestamp": f"2026-03-01T09:00:{second:02}Z", "account": "A", "action": "lookup", "outcome": "success"}
    return ",".join([*(cells | other).values()] + ([] if "record" in other else ["r"])) + "\n"


def write(folder: Path, content: str | bytes, name: str = "events.csv") -> Path:
    """A file, in folders as its name says."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# Inputs


def test_folders_globs_and_files_are_read_once_each(reads: Read, tmp_path: Path) -> None:
    """A file that a folder, a glob and its own name all mean is read once; hidden files are left out."""
    write(tmp_path, HEADER + row(1, account="A"), "in/a.csv")
    write(tmp_path, HEADER + row(2, account="B"), "in/deep/b.csv")
    write(tmp_path, "nothing", "in/.hidden")
    folder = tmp_path / "in"
    reading = reads(folder, str(folder / "*.csv"), folder / "a.csv")
    assert [Path(count.path).name for count in reading.files] == ["a.csv", "b.csv"]
    assert column(reading, "account") == ["A", "B"]


def test_standard_input_is_read(reads: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is the standard input, compressed or not; its hash and lines are counted on the way."""
    body = (HEADER + "".join(row(n) for n in range(50))).encode()
    for content in (body, gzip.compress(body)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        reading = reads("-")
        assert (reading.files[0].path, reading.files[0].lines, reading.files[0].events) == ("-", 51, 50)
        assert reading.files[0].size == len(content)


def test_a_pipe_is_read(reads: Read, tmp_path: Path) -> None:
    """A named pipe, as a shell's process substitution makes, is read once, from its first byte."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    body = HEADER + "".join(row(n % 60, account=str(n)) for n in range(20_000))
    writer = threading.Thread(target=pipe.write_text, args=(body,))
    writer.start()
    reading = reads(pipe)
    writer.join()
    assert (reading.files[0].events, reading.files[0].size) == (20_000, len(body))


def test_one_file_with_two_mappings_is_refused(reads: Read, tmp_path: Path) -> None:
    """Which of two mappings is meant cannot be known; the same twice is no question."""
    path = str(write(tmp_path, HEADER + row(1)))
    assert reads(path, path).files[0].events == 1
    with pytest.raises(ConfigError, match="two inputs mean this file"):
        reads(path, Input(path=path, mapping=mapping(constants={"service": "x"})))


def test_no_input_is_refused(reads: Read) -> None:
    """Nothing to read is an error."""
    with pytest.raises(ConfigError, match="no input"):
        reads()


def test_how_lines_are_cut_into_files_changes_nothing(reads: Read, tmp_path: Path) -> None:
    """One file or three hold the same events but for where they come from."""
    lines = [row(n, account=f"A{n}") for n in range(30)]
    whole = write(tmp_path, HEADER + "".join(lines), "whole.csv")
    for place in range(3):
        write(tmp_path, HEADER + "".join(lines[place::3]), f"cut/{place}.csv")

    def content(reading: Reading) -> list[tuple[object, ...]]:
        kept = [{k: v for k, v in found.items() if k not in ("source", "line")} for found in rows_of(reading)]
        return sorted(tuple(found.values()) for found in kept)[:30]

    first = [str(found) for found in sorted(map(str, content(reads(whole))))]
    assert first == [str(found) for found in sorted(map(str, content(reads(tmp_path / "cut"))))]


def test_a_copy_of_a_file_is_left_out(reads: Read, tmp_path: Path) -> None:
    """The same bytes under two names count once; the second is accounted for as a copy, and told."""
    write(tmp_path, HEADER + row(1), "in/a.csv")
    write(tmp_path, HEADER + row(1), "in/b.csv")
    reading = reads(tmp_path / "in")
    assert len(rows_of(reading)) == 1
    assert list(reading.files[1].ignored) == [f"copy of {tmp_path / 'in' / 'a.csv'}"]
    assert balanced(reading)
    assert any("it is a copy of" in warning for warning in reading.warnings)


@pytest.mark.parametrize("pack", [gzip.compress, lambda body: bytes(pa.compress(body, "zstd", asbytes=True))])
def test_a_compressed_copy_of_a_file_is_left_out(reads: Read, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """A dump that lies there plain and compressed counts once, and the run tells; another of as many lines stays."""
    body = HEADER + row(1) + row(2)
    write(tmp_path, body, "in/a.csv")
    (tmp_path / "in" / "b.csv.packed").write_bytes(pack(body.encode()))
    (tmp_path / "in" / "c.csv.packed").write_bytes(pack((HEADER + row(3) + row(4)).encode()))
    reading = reads(tmp_path / "in")
    assert len(rows_of(reading)) == 4
    assert list(reading.files[1].ignored) == [f"copy of {tmp_path / 'in' / 'a.csv'}"]
    assert not reading.files[2].ignored
    assert balanced(reading)
    assert any("it is a copy of" in warning for warning in reading.warnings)


def test_an_authority_supplies_its_actions_alone(reads: Read) -> None:
    """Where two sources log one look-up, the one with authority is heard; the other's are counted."""
    reading = reads(sample("trace.jsonl", mapping="trace"), sample("access.log", mapping="portal"))
    access = reading.files[1]
    assert access.ignored["lookup, supplied by another input"] == 5
    assert access.ignored["write, supplied by another input"] == 1
    assert (access.events, reading.files[0].events) == (1, 4)
    assert balanced(reading)


def test_progress_tells_files_and_bytes(con: Backend, tmp_path: Path) -> None:
    """Before each file, the caller hears its path and how far reading is."""
    paths = [write(tmp_path, HEADER + row(n), f"{n}.csv") for n in range(2)]
    size = paths[0].stat().st_size
    told: list[tuple[str, int, int]] = []
    read(paths, con=con, scratch=tmp_path / "s", key=KEY, zone=ZONE, progress=lambda *a: told.append(a))
    assert told == [(str(paths[0]), 0, 2 * size), (str(paths[1]), size, 2 * size)]


@pytest.mark.parametrize("name", ["absent.csv", "absent/*.csv"])
def test_an_input_that_means_no_file_is_refused(reads: Read, tmp_path: Path, name: str) -> None:
    """A path without file is an error: a day without data must not look like a quiet one."""
    with pytest.raises(ReadError, match="no such file; expected a file, a folder"):
        reads(tmp_path / name)


def test_an_unknown_format_name_is_refused(reads: Read) -> None:
    """`--input-format` knows the formats by name."""
    with pytest.raises(ConfigError, match="unknown input format 'xml'; expected one of parquet, ocsf"):
        reads(Input(path=str(SAMPLES / "events.csv"), format="xml"))


def test_a_named_format_overrides_detection(reads: Read) -> None:
    """ECS lines are JSON lines too, if the user says so."""
    columns = {"timestamp": "@timestamp", "account": "user.id", "action": "event.action"}
    asked = mapping(columns=columns, actions={"user-login": "login", "*": "ignore", "": "ignore"})
    reading = reads(Input(path=str(SAMPLES / "ecs.jsonl"), mapping=asked, format="jsonl"))
    assert (reading.files[0].format, reading.files[0].events) == ("jsonl", 1)


# Rejects


def test_rejects_have_place_reason_and_masked_text(reads: Read, tmp_path: Path) -> None:
    """A reject names file, line and reason; its text shows no identifier, no control character, and 500 characters."""
    bad = f"2026-03-01T09:00:00Z,A,steal \x1b[31m,success,{NIR} {'x' * 600}\n"
    path = write(tmp_path, HEADER + row(1) + bad)
    reading = reads(path, max_reject_share=1)
    assert reading.rejects.schema.equals(REJECTS.arrow)
    (reject,) = reading.rejects.to_pylist()
    assert (reject["source"], reject["line"]) == (str(path), 3)
    assert reject["reason"] == r"unknown action 'steal \x1b[31m'"
    assert reject["text"].startswith(r"2026-03-01T09:00:00Z,A,steal \x1b[31m,success,[masked] xxx")
    assert len(reject["text"]) == 500


def test_a_few_rejects_are_told(reads: Read, tmp_path: Path) -> None:
    """Rejects that do not stop the run are told of, with their reasons and no text."""
    path = write(tmp_path, HEADER + "".join(map(row, range(50))) + row(2, action="steal") + row(3))
    (told,) = [warning for warning in reads(path).warnings if "are rejects" in warning]
    assert told == f"{path}: 1 of 52 lines are rejects (1 × unknown action 'steal', first on line 52)"


def test_too_many_rejects_stop_the_run(reads: Read, tmp_path: Path) -> None:
    """Above the share the error names the worst file, the commonest reasons and a place, and no identifier."""
    path = write(tmp_path, HEADER + row(1) * 15 + row(2, action="x") + row(3, record=NIR, timestamp="soon"))
    with pytest.raises(ReadError) as caught:
        reads(path)
    message = str(caught.value)
    assert "2 of 17 lines cannot be read as csv" in message
    assert "1 × unknown action 'x', first on line 17" in message
    assert "the time is in no known notation, first on line 18" in message
    assert "more than 5.0%" in message
    assert NIR not in message


def test_the_share_is_a_boundary(reads: Read, tmp_path: Path) -> None:
    """Exactly the share passes; ignored lines do not dilute it."""
    path = write(tmp_path, HEADER + "".join(row(n) for n in range(19)) + row(20, action="x"))
    assert reads(path).files[0].rejected == 1
    ignoring = mapping(ignore=["T09:00:0"])
    with pytest.raises(ReadError, match="1 of 10 lines"):
        reads(Input(path=str(path), mapping=ignoring))


def test_a_file_of_rejects_does_not_hide_among_others(reads: Read, tmp_path: Path) -> None:
    """A small file that cannot be read stops the run, however many good lines other files have."""
    write(tmp_path, HEADER + "".join(row(n % 60, account=str(n)) for n in range(500)), "in/good.csv")
    write(tmp_path, HEADER + row(1, action="x") * 3, "in/bad.csv")
    with pytest.raises(ReadError, match=r"bad.csv: 3 of 3 lines .* more than half of the file"):
        reads(tmp_path / "in")


@pytest.mark.parametrize("number", ["NaN", "inf", "-inf", "-1", "2.5", "1e99", "many"])
def test_what_is_no_number_of_records_is_a_reject(reads: Read, tmp_path: Path, number: str) -> None:
    """NaN, infinities, negative, broken and huge numbers are rejects with a reason."""
    text = "timestamp,account,action,outcome,n_records\n" + row(1, record="2") + row(2, record=number)
    reading = reads(write(tmp_path, text), max_reject_share=1)
    assert reading.rejects.column("reason").to_pylist() == ["n_records is not a number of records"]
    assert column(reading, "n_records") == [2]


def test_a_time_that_is_not_finite_or_far_away_is_a_reject(reads: Read, tmp_path: Path) -> None:
    """NaN, infinity, and a wrong unit that lands in 1970 are told apart."""
    bad = "".join(row(1, timestamp=written) for written in ("nan", "-Infinity", "17723556", ""))
    reading = reads(write(tmp_path, HEADER + row(0) + bad), max_reject_share=1)
    assert reading.rejects.column("reason").to_pylist() == [
        "the time is not finite",
        "the time is not finite",
        "the time is not between 2000 and 2060: wrong unit or notation",
        "no time",
    ]


def test_an_account_may_be_absent_in_a_failed_sign_in_alone(reads: Read, tmp_path: Path) -> None:
    """Nobody is named by a failed sign-in; any other line without account is a reject."""
    text = HEADER + row(1, account="", action="login", outcome="failure") + row(2, account="") + row(3)
    reading = reads(write(tmp_path, text), max_reject_share=1)
    assert column(reading, "account") == [None, "A"]
    assert reading.rejects.column("line").to_pylist() == [3]


def test_a_line_that_holds_a_nul_byte_is_a_reject(reads: Read, tmp_path: Path) -> None:
    """However many clean lines stand around it, and however they could be read."""
    text = HEADER + "".join(row(n, account=str(n)) for n in range(40)) + row(41, account="A\0B")
    for name, content in (("plain.csv", text.encode()), ("packed.csv.gz", gzip.compress(text.encode()))):
        path = tmp_path / name
        path.write_bytes(content)
        reading = reads(path)
        assert reading.rejects.select(["line", "reason"]).to_pylist() == [
            {"line": 42, "reason": "line holds a NUL byte"}
        ]
        assert balanced(reading)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such name")
def test_a_file_whose_name_is_not_utf8_is_refused(reads: Read, tmp_path: Path) -> None:
    """Results name their files, and could not name this one."""
    (tmp_path / os.fsdecode(b"day\xff.csv")).write_text(HEADER + row(1))
    with pytest.raises(ReadError, match=r"day\\udcff.csv': its name is not UTF-8"):
        reads(tmp_path)


def test_deep_json_among_good_lines_spoils_nothing(reads: Read, tmp_path: Path) -> None:
    """A line nested deeper than a parser follows stops nobody from reading the rest."""
    good = '{"timestamp": "2026-03-01T09:00:00Z", "account": "A", "action": "lookup", "outcome": "success"}\n'
    deep = good.replace("}", ', "z": ' + "[" * 10**5 + "]" * 10**5 + "}")
    reading = reads(write(tmp_path, deep + good * 30, "day.jsonl"))
    assert reading.files[0].lines == 31
    assert balanced(reading)


# What must not happen


def test_a_browser_cannot_make_an_access_log_something_else(reads: Read, tmp_path: Path) -> None:
    """Words of another format in a user agent change nothing: else whoever attacks could hide a whole file."""
    said = 'x INFO  [org.keycloak.events] type=\\"LOGIN\\", clientId=\\"x\\", userId=\\"y\\"'
    line = '192.0.2.{n} - A [01/Mar/2026:09:00:0{n} +0000] "GET /a HTTP/1.1" 200 5 "-" "{agent}"\n'
    text = "".join(line.format(n=n, agent=said) for n in range(9))
    assert reads(write(tmp_path, text, "access.log")).files[0].format == "combined"
    wide = HEADER.replace("\n", ",user_agent\n") + row(1).replace("\n", ",x INFO  [org.keycloak.events] type=LOGIN\n")
    assert reads(write(tmp_path, wide, "wide.csv")).files[0].format == "csv"


def test_no_identifier_is_left_anywhere(reads: Read, tmp_path: Path) -> None:
    """Whatever column, reject, warning or scratch file: no identifier, in no notation."""
    spaced = "1 84 12 76 451 000 38"
    text = "timestamp,account,action,outcome,record,service,user_agent,session,ip,organisation,delegate\n"
    for value in (NIR, spaced, NIR[:13]):
        text += (
            f"2026-03-01T09:00:00Z,{value},lookup,success,{value},s {value},u/{value},{value},{value},{value},{value}\n"
        )
    text += f"soon,{NIR},lookup,success,{NIR},,,,,,\n"
    text += f"2026-03-01T09:00:00Z,A,{NIR},success,{NIR},,,,,,\n"
    reading = reads(write(tmp_path, text), max_reject_share=1)
    told = str(rows_of(reading)) + str(reading.rejects.to_pylist()) + str(reading.warnings) + str(reading.files)
    for form in (NIR[:13], spaced[:18], NIR[1:13]):
        assert form not in told
        for path in (tmp_path / "scratch").iterdir():
            assert form.encode() not in path.read_bytes()
    assert len(rows_of(reading)) == 3
    assert len(set(column(reading, "record"))) == 1


def test_an_error_shows_no_identifier(reads: Read, tmp_path: Path) -> None:
    """A file whose lines are all wrong is told about without showing whose they are."""
    path = write(tmp_path, HEADER + f'"2026-03-01T09:00:00Z,{NIR},lookup\n' * 5)
    with pytest.raises(ReadError) as caught:
        reads(path)
    assert NIR not in str(caught.value)
    assert NIR not in str(caught.value.__cause__)


def test_a_missing_header_shows_no_identifier(reads: Read, tmp_path: Path) -> None:
    """In a file without header the first line's cells are taken for names: an error that lists them masks them."""
    path = write(tmp_path, f"2026-03-01T09:00:00Z,A,{NIR},1 84 12 76 451 000\n" * 3)
    with pytest.raises(ConfigError, match=r"'\[masked\]', '\[masked\]'"):
        reads(path)


def test_hashed_accounts_are_tokens(reads: Read, tmp_path: Path) -> None:
    """With `[accounts] kind = "hash"` no account keeps its name, and two stay two."""
    text = HEADER + row(1, account="A") + row(2, account="B") + row(3, account="A")
    path = write(tmp_path, text)
    found = column(reads(Input(path=str(path), mapping=mapping(accounts={"kind": "hash"}))), "account")
    assert found[0] == found[2] != found[1]
    assert not {"A", "B"} & set(found)


def test_settings_of_the_connection_are_left_as_they_were(con: Backend, tmp_path: Path) -> None:
    """Reading keeps the order of lines whatever the connection's setting, and puts the setting back."""
    con.con.execute("SET preserve_insertion_order = false")
    path = write(tmp_path, HEADER + "".join(row(n % 60, account=str(n)) for n in range(3000)))
    reading = read([path], con=con, scratch=tmp_path / "s", key=KEY, zone=ZONE)
    assert [(found["line"], found["account"]) for found in rows_of(reading)] == [(n + 2, str(n)) for n in range(3000)]
    assert con.con.execute("SELECT current_setting('preserve_insertion_order')").fetchall() == [(False,)]


# Broken input


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"no event in 1 file \(.*0 lines"),
        (b"\n\n  \n", r"no event in 1 file \(.*ignored 3 blank"),
        (HEADER.encode(), r"no event in 1 file \(.*1 lines, of which 1 header"),
        (bytes(range(256)) * 40, "binary .* expected CSV, JSON"),
        (b"PK\x03\x04rest", "found a zip archive, expected plain text, gzip, zstd or Parquet; unpack it first"),
        (b"BZh91AY", "found bzip2"),
        (gzip.compress(HEADER.encode() * 5000)[:60], "cut short or damaged"),
        (gzip.compress((HEADER + "x" * 10**6).encode())[:-20], "cut short or damaged"),
        (b"\x1f\x8b" + b"garbage" * 50, "cut short or damaged"),
        (b"x" * 10**7, "no known format"),
        (b"hello\nworld\nthis is no log\n", "no known format.*tried parquet .*; name one with --input-format"),
        ((HEADER + row(1) + row(2)).replace("\n", "\r").encode(), "its lines end with carriage returns alone"),
        (b'{"timestamp": ' + b"[" * 10**5 + b"]" * 10**5 + b"}\n", "no known format"),
        (b"PAR1" + b"x" * 100, "not a whole Parquet file"),
    ],
)
def test_a_broken_file_is_told(reads: Read, tmp_path: Path, content: bytes, told: str) -> None:
    """Empty, blank, header only, binary, archived, cut, unknown: each has an error that names the file."""
    with pytest.raises(ReadError, match=told) as caught:
        reads(write(tmp_path, content, "dump"))
    assert str(tmp_path / "dump") in str(caught.value)


def test_an_empty_file_among_others_is_told(reads: Read, tmp_path: Path) -> None:
    """A quiet hour's empty file does not stop a day, and is not passed over in silence."""
    write(tmp_path, b"", "in/a.csv")
    write(tmp_path, HEADER + row(1), "in/b.csv")
    reading = reads(tmp_path / "in")
    assert [count.format for count in reading.files] == ["empty", "csv"]
    assert any("a.csv: it is empty" in warning for warning in reading.warnings)


def test_encodings_may_be_mixed(reads: Read, tmp_path: Path) -> None:
    """Lines that are not UTF-8 are read as Windows-1252, one by one, and counted."""
    text = HEADER.encode() + row(1, record="é").encode() + row(2, record="à").encode("cp1252") + row(3).encode()
    path = write(tmp_path, text)
    reading = reads(Input(path=str(path), mapping=mapping(records={"kind": "token"})))
    assert column(reading, "record") == ["é", "à", "r"]
    assert any("1 line is not UTF-8" in warning for warning in reading.warnings)


def test_a_line_of_ten_megabytes_is_a_reject(reads: Read, tmp_path: Path) -> None:
    """One line without end costs itself, and neither memory nor its neighbours."""
    path = write(tmp_path, HEADER + row(1) + "x" * 10_000_000 + "\n" + row(2) + "\0zero\n" + row(3))
    reading = reads(path, max_reject_share=1)
    assert column(reading, "line") == [2, 4, 6]
    assert reading.rejects.column("reason").to_pylist() == ["line longer than 1048576 bytes", "line holds a NUL byte"]
    assert max(map(len, reading.rejects.column("text").to_pylist())) <= 500
    assert balanced(reading)


def test_a_quote_that_is_not_closed_costs_its_line(reads: Read, tmp_path: Path) -> None:
    """One stray quote at the start of a long file neither hides the format nor swallows the lines after it."""
    path = write(tmp_path, HEADER + row(0).replace("T", 'T"', 1) + row(1, account='"A') + row(2) * 5000)
    reading = reads(path, max_reject_share=1)
    assert "a quote is opened and not closed" in reading.rejects.column("reason").to_pylist()[-1]
    assert reading.files[0].read >= 5000
    assert balanced(reading)


def test_five_notations_and_two_zones_are_one_time(reads: Read, tmp_path: Path) -> None:
    """The same instant in five notations is one instant; the mixture is told."""
    written = [
        "2026-03-01T09:00:00Z",
        "2026-03-01 10:00:00",
        "1772355600",
        "1772355600000",
        "01/Mar/2026:14:00:00 +0500",
    ]
    reading = reads(write(tmp_path, HEADER + "".join(row(0, timestamp=time) for time in written)))
    assert len(set(column(reading, "timestamp"))) == 1
    assert any("some of its times name their zone and some do not" in warning for warning in reading.warnings)
    assert any("its times are in 2 zones" in warning for warning in reading.warnings)


def test_a_repeated_hour_is_told(reads: Read, tmp_path: Path) -> None:
    """Of an hour that the clock repeats the first is taken, in one it skips time moves on; both are counted."""
    times = ["2026-10-25 02:30:00", "2026-03-29 02:30:00", "2026-10-25 03:30:00"]
    reading = reads(write(tmp_path, HEADER + "".join(row(0, timestamp=time) for time in times)))
    assert [str(at) for at in column(reading, "timestamp")] == [
        "2026-10-25 00:30:00+00:00",
        "2026-03-29 01:30:00+00:00",
        "2026-10-25 02:30:00+00:00",
    ]
    assert any("1 time falls into an hour that the clock ran twice" in warning for warning in reading.warnings)
    assert any("1 time falls into an hour that the clock skipped" in warning for warning in reading.warnings)


# Warnings


def test_a_sound_source_raises_no_warning(reads: Read) -> None:
    """What has all columns, sign-ins that succeed, and an even clock, is read in silence."""
    assert reads(sample("events.csv")).warnings == ()


def test_missing_columns_and_sign_ins_are_told(reads: Read, tmp_path: Path) -> None:
    """Signals that cannot be had are named, once for all inputs together."""
    told = "look-ups and no sign-in: what depends on sign-ins stays unknown; is an input missing?"
    warnings = reads(write(tmp_path, HEADER + row(1) + row(2, timestamp="2026-03-01T19:00:00Z"))).warnings
    assert told in warnings
    assert told not in reads(write(tmp_path, HEADER + row(1), name="slice.csv")).warnings, "a slice of a quiet night"
    assert told in reads(write(tmp_path, HEADER + row(1) * 500, name="busy.csv")).warnings
    assert any(warning.startswith("no event has ip, user_agent, profession, session") for warning in warnings)


def test_a_missing_outcome_is_told(reads: Read, tmp_path: Path) -> None:
    """Without outcomes all counts as done, and the user knows."""
    path = write(tmp_path, "timestamp,account,action\n2026-03-01T09:00:00Z,A,lookup\n")
    reading = reads(path)
    assert column(reading, "outcome") == ["success"]
    assert any("nothing gives the outcome" in warning for warning in reading.warnings)


def test_a_clock_that_jumps_back_is_told(reads: Read, tmp_path: Path) -> None:
    """One jump of an hour is told with its line; a file that is not sorted by time is not a clock that jumps."""
    forth = [row(0, timestamp=f"2026-03-01T{hour:02}:{minute:02}:00Z") for hour in (9, 10, 11) for minute in range(60)]
    jumping = [*forth, row(0, timestamp="2026-03-01T10:30:00Z")]
    told = "the clock goes back once, by 89 minutes at most, first on line 182"
    assert any(told in warning for warning in reads(write(tmp_path, HEADER + "".join(jumping))).warnings)
    mixed = write(tmp_path, HEADER + "".join(forth[::-1]), "mixed.csv")
    assert not any("clock goes back" in warning for warning in reads(mixed).warnings)


def test_events_later_than_their_file_are_told(reads: Read, tmp_path: Path) -> None:
    """A file cannot know tomorrow."""
    path = write(tmp_path, HEADER + row(1))
    os.utime(path, (1_600_000_000, 1_600_000_000))
    assert any("is later than the file itself" in warning for warning in reads(path).warnings)


def test_repeated_lines_are_told(reads: Read, tmp_path: Path) -> None:
    """The same line many times is read, and told; lines that differ are not."""
    same = write(tmp_path, HEADER + row(1) * 50)
    assert any("about 98% of its lines repeat another" in warning for warning in reads(same).warnings)
    assert len(rows_of(reads(same))) == 50
    other = [row(n) for n in range(50)]
    for name, clicked_twice in (("other.csv", 0), ("clicks.csv", 4)):
        path = write(tmp_path, HEADER + "".join(other + other[:clicked_twice]), name)
        assert not any("repeat another" in warning for warning in reads(path).warnings)
