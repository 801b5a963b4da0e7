"""Canonical Parquet: used where it lies if nothing has to change, else read like any other file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detector.errors import ConfigError, ReadError
from detector.reading import Input
from detector.reading.direct import shape_of
from detector.reading.dumps import Opened
from detector.reading.records import token
from detector.schema import RECORD_CODE
from tests.reading.reads import KEY, NIR, Read, balanced, column, mapping, rows_of

TOKENS = mapping(records={"kind": "token"})
AT = datetime(2026, 3, 1, 9, tzinfo=UTC)


def parquet(folder: Path, name: str = "day.parquet", **columns: Any) -> Path:
    """Two sound look-ups, with some columns replaced or added; None drops one."""
    base: dict[str, Any] = {
        "timestamp": pa.array([AT, AT + timedelta(seconds=1)], pa.timestamp("us", "UTC")),
        "account": ["A", "B"],
        "action": ["lookup", "lookup"],
        "outcome": ["success", "failure"],
        "record": ["0123456789abcdef0123456789abcdef", "r2"],
    }
    table = {name: values for name, values in (base | columns).items() if values is not None}
    path = folder / name
    pq.write_table(pa.table(table), path)
    return path


def scratch(folder: Path) -> list[Path]:
    """Files that reading wrote."""
    return list((folder / "scratch").iterdir())


def test_a_sound_file_is_used_where_it_lies(reads: Read, tmp_path: Path) -> None:
    """Nothing is copied; source and line are the file and its row; an absent channel is the portal's."""
    path = parquet(tmp_path)
    reading = reads(Input(path=str(path), mapping=TOKENS))
    assert scratch(tmp_path) == []
    rows = rows_of(reading)
    assert [(row["source"], row["line"], row["channel"]) for row in rows] == [
        (str(path), 1, "portal"),
        (str(path), 2, "portal"),
    ]
    assert [row["record"] for row in rows] == ["0123456789abcdef0123456789abcdef", "r2"]
    assert balanced(reading)


def test_both_ways_give_the_same_events(reads: Read, tmp_path: Path) -> None:
    """A file read where it lies and the same file staged (for an authority elsewhere) hold the same."""
    path = parquet(
        tmp_path, ip=["192.0.2.1", ""], n_records=pa.array([3, None], pa.int64()), channel=[None, "software"]
    )
    other = parquet(tmp_path, "other.parquet", action=["export", "export"])
    lying = rows_of(reads(Input(path=str(path), mapping=TOKENS)))
    authority = mapping(records={"kind": "token"}, authority=["export"])
    both = rows_of(reads(Input(path=str(path), mapping=TOKENS), Input(path=str(other), mapping=authority)))
    assert scratch(tmp_path) != []
    assert [row for row in both if row["source"] == str(path)] == lying
    assert [row["ip"] for row in lying] == ["192.0.2.1", None]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"account": ["A", None]}, "no account"),
        ({"account": ["A", ""]}, "no account"),
        ({"timestamp": pa.array([AT, None], pa.timestamp("us", "UTC"))}, "no time"),
        ({"timestamp": pa.array([AT, AT.replace(year=1971)], pa.timestamp("us", "UTC"))}, "the time is not between"),
        ({"action": ["lookup", "browse"]}, "unknown action 'browse'"),
        ({"action": ["lookup", None]}, "no action"),
        ({"outcome": ["success", "maybe"]}, "unknown outcome 'maybe'"),
        ({"channel": ["portal", "fax"]}, "unknown channel 'fax'"),
        ({"record_id_mode": ["card", "guess"]}, "unknown record_id_mode 'guess'"),
        ({"n_records": [1, -1]}, "n_records is not a number of records"),
        ({"record": ["r1", NIR]}, "the record holds what has the form of a social-security number"),
        ({"record": ["r1", f"/patient/{NIR}"]}, "the record holds what has the form of a social-security number"),
        ({"record": ["r1", "1 84 12 76 451 000"]}, "the record holds what has the form of a social-security number"),
    ],
)
def test_a_bad_row_is_a_reject_with_its_number(
    reads: Read, tmp_path: Path, columns: dict[str, Any], reason: str
) -> None:
    """Each kind of bad row is told with its row number, its text masked; the other row stays."""
    reading = reads(Input(path=str(parquet(tmp_path, **columns)), mapping=TOKENS), max_reject_share=1)
    (reject,) = reading.rejects.to_pylist()
    assert reject["line"] == 2
    assert reject["reason"].startswith(reason)
    assert NIR[:13] not in reject["text"].replace(" ", "")
    assert column(reading, "line") == [1]
    assert balanced(reading)


@pytest.mark.parametrize("name", ["account", "ip", "session", "delegate", "user_agent", "service", "organisation"])
def test_an_identifier_in_any_text_goes(reads: Read, tmp_path: Path, name: str) -> None:
    """A number that has the form of an identifier does not pass in any other column."""
    reading = reads(Input(path=str(parquet(tmp_path, "day.parquet", **{name: ["x", f"a {NIR} b"]})), mapping=TOKENS))
    found = column(reading, name)
    assert found[0] == "x"
    assert NIR not in found[1]
    assert len(rows_of(reading)) == 2


def test_identifiers_become_tokens_by_default(reads: Read, tmp_path: Path) -> None:
    """Without a mapping, records are identifiers, and facts are taken from them."""
    rows = rows_of(reads(parquet(tmp_path, record=[NIR, None])))
    assert (rows[0]["record_sex"], rows[0]["record_decade"], rows[0]["record_department"]) == ("1", 8, "76")
    assert rows[1]["record"] is None


def test_times_without_zone_are_the_portals(reads: Read, tmp_path: Path) -> None:
    """A naive timestamp is a wall clock; integers are epochs."""
    naive = pa.array([AT.replace(tzinfo=None), AT.replace(month=7, tzinfo=None)], pa.timestamp("us"))
    found = column(reads(Input(path=str(parquet(tmp_path, timestamp=naive)), mapping=TOKENS)), "timestamp")
    assert [at.hour for at in found] == [8, 7]
    epochs = pa.array([1772355600, 1772355601], pa.int64())
    found = column(reads(Input(path=str(parquet(tmp_path, timestamp=epochs)), mapping=TOKENS)), "timestamp")
    assert found == [AT, AT + timedelta(seconds=1)]


def test_nested_columns_are_reached_by_their_path(reads: Read, tmp_path: Path) -> None:
    """A member of a struct is a source column."""
    path = parquet(tmp_path, who=[{"id": "X"}, {"id": "Y"}])
    columns = {name: name for name in ("timestamp", "action", "outcome")} | {"account": "who.id"}
    assert column(reads(Input(path=str(path), mapping=mapping(columns=columns))), "account") == ["X", "Y"]


def test_a_missing_column_is_told(reads: Read, tmp_path: Path) -> None:
    """A Parquet file without accounts is refused, with the columns it has."""
    with pytest.raises(ConfigError, match=r"nothing gives the account.*'timestamp', 'action'"):
        reads(parquet(tmp_path, account=None))


def test_a_cut_file_is_told(reads: Read, tmp_path: Path) -> None:
    """Half a Parquet file is an error that names it."""
    path = parquet(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ReadError, match=r"day.parquet: not a whole Parquet file"):
        reads(path)


def test_files_of_different_shapes_go_together(reads: Read, tmp_path: Path) -> None:
    """Files with other columns, and staged ones, are one table of events."""
    parquet(tmp_path, "days/a.parquet".replace("/", "-"))
    parquet(tmp_path, "days-b.parquet", user_agent=["x", "y"])
    (tmp_path / "days-c.csv").write_text("timestamp,account,action,outcome\n2026-03-01T09:00:00Z,C,logout,success\n")
    reading = reads(Input(path=str(tmp_path / "days-*"), mapping=TOKENS))
    assert column(reading, "account") == ["A", "B", "A", "B", "C"]
    assert column(reading, "user_agent") == [None, None, "x", "y", None]


def test_repeated_rows_are_told(reads: Read, tmp_path: Path) -> None:
    """A file that holds each row twice is used, and the user is warned."""
    seconds = [AT + timedelta(seconds=n) for n in range(9000)] * 2
    many = {
        name: [value] * len(seconds)
        for name, value in {"account": "A", "action": "lookup", "outcome": "success"}.items()
    }
    stamps = pa.array(seconds, pa.timestamp("us", "UTC"))
    path = parquet(tmp_path, "twice.parquet", timestamp=stamps, record=[str(n) for n in range(9000)] * 2, **many)
    warnings = reads(Input(path=str(path), mapping=TOKENS)).warnings
    assert any("about 50% of its lines repeat another" in warning for warning in warnings)


@pytest.mark.parametrize(
    "odd", [{}, {"account": ["A ", "B"]}, {"user_agent": ["x" * 1001, "y"]}, {"action": ["lookup", "Lookup"]}]
)
def test_a_large_file_of_identifiers_gives_what_a_small_one_does(
    reads: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: dict[str, Any]
) -> None:
    """Tokens, facts and all else are the same whether rows are checked first or conformed one by one, told the same."""
    columns: dict[str, Any] = {
        "record": ["1 84 12 76 451 000 38", NIR],
        "record_sex": ["2", None],
        "channel": [None, "software"],
        "n_records": pa.array([3, None], pa.int64()),
    }
    path = parquet(tmp_path, **(columns | odd))
    small = reads(path)
    monkeypatch.setattr(Opened, "is_small", lambda self, most_bytes: False)
    large = reads(path)
    assert rows_of(large) == rows_of(small)
    assert len(set(column(large, "record"))) == 1
    assert (large.files, large.warnings, large.rejects) == (small.files, small.warnings, small.rejects)


@pytest.mark.parametrize(
    "record", ["199012A300044", "299052A12300044", "712345678901234", "1 99 05 2b 123 000", "9x", ""]
)
def test_each_kind_of_identifier_is_told_alike_in_a_large_file(
    reads: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str
) -> None:
    """Corsica's letters, provisional numbers, gaps and what is no identifier have the same token and facts."""
    path = parquet(tmp_path, record=[record, None])
    small = rows_of(reads(path))
    monkeypatch.setattr(Opened, "is_small", lambda self, most_bytes: False)
    assert rows_of(reads(path)) == small


def test_a_large_file_of_identifiers_is_not_copied(
    reads: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokens are made when they are asked for, and numbers tell its records apart without them."""
    monkeypatch.setattr(Opened, "is_small", lambda self, most_bytes: False)
    forms = [NIR, "1 84 12 76 451 000 38", NIR[:13], "199012A300044", None, "9x"]
    many: dict[str, Any] = {"account": ["A"] * 6, "action": ["lookup"] * 6, "outcome": ["success"] * 6}
    stamps = pa.array([AT] * 6, pa.timestamp("us", "UTC"))
    events = reads(parquet(tmp_path, timestamp=stamps, record=forms, **many)).events
    assert scratch(tmp_path) == []
    rows = events.order_by("line").select("record", RECORD_CODE).to_pyarrow().to_pylist()
    codes = [row[RECORD_CODE] for row in rows]
    assert len({*codes[:3]}) == 1
    assert len({*codes}) == 4
    assert codes[4] is None
    assert [row["record"] for row in rows[:3]] == [token(NIR[:13], key=KEY)] * 3


def test_numbers_are_not_mixed_with_those_of_tokens(
    reads: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a file that was staged, records are told apart by their tokens, which are the same in both."""
    large, small = parquet(tmp_path, record=[NIR, None]), parquet(tmp_path, "few.parquet", record=[None, NIR])
    monkeypatch.setattr(
        "detector.reading.staging.direct.shape_of",
        lambda path, *given, **options: None if path == str(small) else shape_of(path, *given, **options),
    )
    monkeypatch.setattr(Opened, "is_small", lambda self, most_bytes: False)
    reading = reads(large, small)
    assert len(scratch(tmp_path)) == 1
    assert RECORD_CODE not in reading.events.columns
    assert [each for each in column(reading, "record") if each] == [token(NIR[:13], key=KEY)] * 2


def test_staged_rows_keep_their_number(reads: Read, tmp_path: Path) -> None:
    """A staged row of Parquet holds the number it has in its file, whatever the order in which rows were written."""
    reads(parquet(tmp_path, record=[NIR, NIR]))
    (staged,) = scratch(tmp_path)
    assert sorted(pq.read_table(staged)["_line"].to_pylist()) == [1, 2]


def test_more_records_than_a_number_holds_are_a_reject(reads: Read, tmp_path: Path) -> None:
    """A row that shows more than 2^31 records is told, and stops nothing."""
    path = parquet(tmp_path, n_records=pa.array([1, 2**31], pa.int64()))
    reading = reads(Input(path=str(path), mapping=TOKENS), max_reject_share=1)
    assert [row["line"] for row in reading.rejects.to_pylist()] == [2]
