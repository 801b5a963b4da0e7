"""CSV and its like: delimiters, encodings, quotes, headers; fast where clean, line by line where not."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import ConfigError
from detector.reading import Input
from detector.reading.formats.spanning import Row, put_together
from detector.reading.lines import SCHEMA as LINES
from tests.reading.reads import Read, balanced, column, mapping, rows_of
from tests.reading.samples import SAMPLES, sample

HEADER = "timestamp,account,action,outcome,service\n"
ROW = "2026-03-01T09:00:00Z,A,lookup,success,{}\n"


def csv(folder: Path, content: str | bytes, name: str = "events.csv") -> Path:
    """A file."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_columns_called_as_those_of_events_need_no_mapping(reads: Read) -> None:
    """A canonical file is read as it is."""
    reading = reads(sample("events.csv"))
    assert column(reading, "action") == ["login", "lookup", "lookup", "login"]
    assert column(reading, "account")[-1] is None
    assert column(reading, "n_records") == [None, 2, None, None]
    assert column(reading, "line") == [2, 3, 4, 5]
    assert reading.warnings == ()


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_delimiters_and_encodings_are_found(reads: Read, tmp_path: Path, delimiter: str, encoding: str) -> None:
    """Four delimiters and five encodings give the same events."""
    text = (HEADER + ROW.format("santé") + ROW.format("à côté")).replace(",", delimiter)
    reading = reads(csv(tmp_path, text.encode(encoding)))
    assert column(reading, "service") == ["santé", "à côté"]
    assert balanced(reading)


def test_compressed_files_are_read(reads: Read, tmp_path: Path) -> None:
    """Plain, gzip (in two members) and zstd hold the same events; the hash is that of the file as it lies."""
    body = (HEADER + "".join(ROW.format(n) for n in range(100))).encode()
    halves = gzip.compress(body[:500]) + gzip.compress(body[500:])
    paths = [
        csv(tmp_path, body),
        csv(tmp_path, halves, "events.csv.gz"),
        tmp_path / "events.csv.zst",
    ]
    with pa.CompressedOutputStream(str(paths[2]), "zstd") as out:
        out.write(body)
    found = [reads(path) for path in paths]
    assert [column(reading, "service") for reading in found] == [[str(n) for n in range(100)]] * 3
    assert len({reading.files[0].sha256 for reading in found}) == 3
    assert [reading.files[0].lines for reading in found] == [101] * 3


def test_real_look_ups_are_read_by_a_short_mapping(reads: Read) -> None:
    """EDGAR's date and time are two columns, its account is an address that no longer parses."""
    reading = reads(sample("edgar.csv", mapping="edgar"))
    first = rows_of(reading)[0]
    assert str(first["timestamp"]) == "2017-01-01 00:00:00+00:00"
    assert (first["account"], first["record"]) == ("104.197.32.ihd", "1111711.0")
    assert reading.files[0].events == 59


def test_the_whole_real_day_is_accounted_for(reads: Read, shared_data: Path) -> None:
    """174,856 look-ups by 2,499 addresses of 41,178 companies, as its README says."""
    reading = reads(sample(str(shared_data / "edgar-2017-01-01.csv.gz"), mapping="edgar"))
    events = reading.events
    assert reading.files[0].events == 174_856
    assert balanced(reading)
    assert int(events.account.nunique().to_pandas()) == 2_499
    assert int(events.record.nunique().to_pandas()) == 41_178


def test_bad_lines_are_rejects_with_their_numbers(reads: Read, tmp_path: Path) -> None:
    """Too few columns, too many, broken quotes: each is a reject, and its neighbours keep their line numbers."""
    lines = ["good", 'a "quoted" name', "", '"a, b"', '"open', "x,y", "last"]
    text = HEADER + "".join(ROW.format(line) for line in lines[:2]) + "\n" + ROW.format(lines[3])
    text += ROW.format(lines[4]) + ROW.format(lines[5]) + "2026-03-01\n" + ROW.format(lines[6])
    reading = reads(csv(tmp_path, text), max_reject_share=1)
    assert list(zip(column(reading, "line"), column(reading, "service"), strict=True)) == [
        (2, "good"),
        (3, 'a "quoted" name'),
        (5, "a, b"),
        (9, "last"),
    ]
    assert [(row["line"], row["reason"]) for row in reading.rejects.to_pylist()] == [
        (6, "a quote is opened and not closed, or closed within a field"),
        (7, "6 columns, expected 5"),
        (8, "1 columns, expected 5"),
    ]
    assert reading.files[0].ignored == {"blank": 1}
    assert balanced(reading)


def test_a_quoted_field_may_span_lines(reads: Read, tmp_path: Path) -> None:
    """Its row has the number of its first line and all of the text; the other lines are counted, none is lost."""
    spanning = ['Mozilla\n(X11; "odd")', "one\n\n2026-03-01T09:00:00Z,A,\nfour"]
    fields = ["good"] * 20 + ['"{}"'.format(field.replace('"', '""')) for field in spanning] + ["last"]
    text = HEADER + "".join(ROW.format(field) for field in fields)
    for path in (csv(tmp_path, text), csv(tmp_path, text + "short,row\n", "faulty.csv"), csv(tmp_path, text[:-1])):
        reading = reads(path, max_reject_share=1)
        assert column(reading, "service") == ["good"] * 20 + spanning + ["last"]
        assert column(reading, "line") == [*range(2, 22), 22, 24, 28]
        assert reading.files[0].ignored == {"line of the row above": 4}
        assert reading.files[0].lines == len(path.read_text().splitlines())
        assert balanced(reading)


def test_an_open_quote_swallows_no_row(reads: Read, tmp_path: Path) -> None:
    """Where lines put together make no row of the right width, each stands for itself."""
    fields = ['"open', "a", 'b"', '"c', '"", "d', "e", '"f,"', "last"]
    reading = reads(csv(tmp_path, HEADER + "".join(ROW.format(field) for field in fields)), max_reject_share=1)
    assert column(reading, "service") == ["a", 'b"', "e", "f,", "last"]
    assert reading.files[0].ignored == {}
    assert balanced(reading)


def test_rows_that_span_lines_are_cut_by_no_block() -> None:
    """Wherever a block of lines ends, the rows are the same."""
    texts = ["a,b,c", 'a,"x', "", 'y",c', "a,b,c", '"open,b,c', "d,e,f"]
    lines = pa.record_batch([pa.array(range(1, 8)), pa.array(texts), pa.nulls(7, pa.string())], schema=LINES)
    expected = [(1, "a,b,c"), (2, 'a,"x\n\ny",c'), (5, "a,b,c"), (6, '"open,b,c'), (7, "d,e,f")]
    for cut in range(8):
        blocks = put_together(iter([lines.slice(0, cut), lines.slice(cut)]), Row(",", 3))
        rows = [row for block in blocks for row in block.to_pylist()]
        assert [row["_line"] for row in rows] == list(range(1, 8)), cut
        assert [(row["_line"], row["_text"]) for row in rows if not row["_continued"]] == expected, cut


def test_a_header_in_the_middle_is_a_header(reads: Read, tmp_path: Path) -> None:
    """Files that were put together have several headers; each is counted as such, in both ways of reading."""
    clean = HEADER + ROW.format(1) + HEADER + ROW.format(2)
    for name, text in (("clean.csv", clean), ("careful.csv", clean + "\n")):
        count = reads(csv(tmp_path, text, name)).files[0]
        assert (count.header, count.events) == (2, 2)


@settings(max_examples=6)  # each has many cells, and reads a file
@given(cells=st.lists(st.text('a",; é', max_size=6), min_size=1, max_size=60), end=st.sampled_from(["", "\n"]))
def test_both_ways_of_reading_agree(tmp_path_factory: pytest.TempPathFactory, cells: list[str], end: str) -> None:
    """Any quoted text comes out as it went in (trimmed, empty as null), whether a blank line slows reading or not."""
    import csv as standard
    import io

    import ibis

    from detector.reading import read
    from tests.reading.reads import KEY, ZONE

    out = io.StringIO()
    writer = standard.writer(out, lineterminator="\n")
    writer.writerow(["timestamp", "account", "action", "outcome", "service"])
    writer.writerows(["2026-03-01T09:00:00Z", "A", "lookup", "success", cell] for cell in cells)
    folder = tmp_path_factory.mktemp("csv")
    path = csv(folder, out.getvalue() + end)
    con = ibis.duckdb.connect(threads=1)
    try:
        reading = read([path], con=con, scratch=folder / "scratch", key=KEY, zone=ZONE)
        assert column(reading, "service") == [cell.strip(" ") or None for cell in cells]
    finally:
        con.disconnect()


def test_a_wrong_delimiter_is_told_by_the_columns_it_makes(reads: Read, tmp_path: Path) -> None:
    """With the wrong delimiter the mapped columns are absent: the error names them and what there is."""
    path = csv(tmp_path, HEADER + ROW.format(1))
    asked = mapping(csv={"delimiter": ";"}, columns={"timestamp": "timestamp", "account": "account"})
    with pytest.raises(ConfigError, match=r"columns that the file has not: .*'timestamp'.*it has 'timestamp,account"):
        reads(Input(path=str(path), mapping=asked))


def test_a_file_that_gives_no_account_is_refused(reads: Read, tmp_path: Path) -> None:
    """Without a column or a mapping for what is needed, nothing is read, and the error lists the columns there are."""
    with pytest.raises(ConfigError, match=r"nothing gives the account of its events.*'user'"):
        reads(csv(tmp_path, "timestamp,user,action\n2026-03-01T09:00:00Z,A,lookup\n"))


def test_a_column_named_twice_is_refused_if_it_is_needed(reads: Read, tmp_path: Path) -> None:
    """Which of two columns of one name is meant cannot be known."""
    text = "timestamp,account,account,action\n2026-03-01T09:00:00Z,A,B,lookup\n"
    asked = mapping(columns={"timestamp": "timestamp", "account": "account", "action": "action"})
    with pytest.raises(ConfigError, match="names 'account' more than once"):
        reads(Input(path=str(csv(tmp_path, text)), mapping=asked))


def test_a_file_without_header_is_read_by_places(reads: Read, tmp_path: Path) -> None:
    """Without a header, columns are numbers."""
    path = csv(tmp_path, "A;2026-03-01T09:00:00Z;x\nB;2026-03-01T09:00:01Z;y\n")
    columns = {"account": "1", "timestamp": "2"}
    constants = {"action": "lookup", "outcome": "success"}
    reading = reads(Input(path=str(path), mapping=mapping(csv={"header": False}, columns=columns, constants=constants)))
    assert column(reading, "account") == ["A", "B"]
    assert column(reading, "line") == [1, 2]


def test_names_of_columns_never_become_sql(reads: Read, tmp_path: Path) -> None:
    """Quotes and statements in a header or a mapping are names, and nothing else."""
    evil = '"); DROP TABLE x; --'
    path = csv(tmp_path, f't,"{evil.replace(chr(34), chr(34) * 2)}"\n2026-03-01T09:00:00Z,\'; SELECT 1; --\n')
    columns = {"timestamp": "t", "account": evil}
    constants = {"action": "lookup", "outcome": "success", "service": "it's"}
    reading = reads(Input(path=str(path), mapping=mapping(columns=columns, constants=constants)))
    assert column(reading, "account") == ["'; SELECT 1; --"]
    assert column(reading, "service") == ["it's"]


def test_a_nameless_last_column_is_no_fault(reads: Read, tmp_path: Path) -> None:
    """Programs that end each line with a delimiter make one column more, which is empty."""
    for name, end in (("clean.csv", ""), ("careful.csv", "\n")):
        text = HEADER.replace("\n", ",\n") + ROW.format("x,") + end
        assert column(reads(csv(tmp_path, text, name)), "service") == ["x"]


def test_samples_lie_where_the_tests_expect_them() -> None:
    """Every sample is read by some test of this folder."""
    tests = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert [path.name for path in SAMPLES.iterdir() if path.suffix != ".md" and path.name not in tests] == []


def test_lines_of_a_large_file_keep_their_numbers(reads: Read, tmp_path: Path) -> None:
    """Read block by block by several threads, each event has the line that it stands on."""
    path, agent = tmp_path / "large.csv", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
    lines = (f"2026-03-01T09:{line % 60:02}:00Z,a{line},login,success,{agent}\n" for line in range(2, 300_002))
    path.write_text("timestamp,account,action,outcome,user_agent\n" + "".join(lines), encoding="utf-8")
    events = reads(path).events
    told = events.aggregate(n=events.count(), n_right=(events.account == "a" + events.line.cast("string")).sum())
    assert told.to_pyarrow().to_pylist() == [{"n": 300_000, "n_right": 300_000}]
