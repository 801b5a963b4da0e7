"""Scores for other programs."""

from __future__ import annotations

import csv
import io
import json

from detector.output.rows import COLUMNS, to_csv, to_json
from tests.output.made import early, reason, scores


def test_json_has_an_object_per_account_day_with_null_for_what_is_unknown() -> None:
    """No NaN, which JSON does not know; days in ISO 8601; reasons whole."""
    found = scores({"account": "a", "score": 0.5, "reasons": [reason("records", "many", usual=None)]}, {"account": "b"})
    rows = json.loads(to_json(found, early()))
    assert [row["account"] for row in rows] == ["a", "b"]
    assert set(rows[0]) == set(COLUMNS)
    assert (rows[0]["day"], rows[0]["p_value"], rows[0]["queue"], rows[0]["checks"]) == ("2026-02-12", None, None, None)
    assert rows[0]["reasons"][0]["sentence"] == "many"
    assert rows[0]["reasons"][0]["usual"] is None


def test_csv_reads_back_as_what_was_found() -> None:
    """A header and a row per account-day; sentences in one cell."""
    many = [reason("records", 'many, "very"'), reason("misses", "none")]
    rows = list(csv.DictReader(io.StringIO(to_csv(scores({"account": "a", "alert": True, "reasons": many}), early()))))
    assert rows[0]["reasons"] == 'many, "very"; none'
    assert (rows[0]["alert"], rows[0]["p_value"], rows[0]["day"]) == ("true", "", "2026-02-12")


def test_no_cell_of_the_csv_is_a_formula() -> None:
    """An account that calls itself a formula is text in a spreadsheet."""
    (row,) = csv.DictReader(
        io.StringIO(to_csv(scores({"account": '=HYPERLINK("http://x")', "profession": "@SUM(A1)"}), early()))
    )
    assert row["account"] == '\'=HYPERLINK("http://x")'
    assert row["profession"] == "'@SUM(A1)"


def test_line_breaks_in_names_add_no_row() -> None:
    """One account-day is one line."""
    assert len(to_csv(scores({"account": "a\nb\r\nc"}), early()).splitlines()) == 2


def test_who_was_warned_of_within_the_day_says_when() -> None:
    """The minute (UTC) and what was gone by then stand beside the account-day, and beside no other."""
    found, warned = scores({"account": "a"}, {"account": "b"}), early({"account": "b"})
    first, second = csv.DictReader(io.StringIO(to_csv(found, warned)))
    assert (first["early_at"], first["early_records"]) == ("", "")
    assert (second["early_at"], second["early_records"]) == ("2026-02-12T08:03:00+00:00", "10")
    assert [row["early_records"] for row in json.loads(to_json(found, warned))] == [None, 10]
