"""JSON lines with a mapping or with the names of events."""

from __future__ import annotations

from pathlib import Path

from tests.reading.reads import CORSICAN_NIR, NIR, Read, balanced, column, mapping, rows_of
from tests.reading.samples import sample


def test_an_application_trace_is_read_by_its_mapping(reads: Read) -> None:
    """Actions, outcomes, channels and ways of identifying are translated; null stays null."""
    reading = reads(sample("trace.jsonl", mapping="trace"))
    assert column(reading, "action") == ["lookup", "lookup", "write", "export"]
    assert column(reading, "outcome") == ["success", "failure", "success", "failure"]
    assert column(reading, "channel") == ["portal", "software", "portal", "portal"]
    assert column(reading, "record_id_mode") == ["typed", "card", "card", "traits"]
    assert column(reading, "delegate") == [None, "d7", None, None]
    assert column(reading, "record_department") == ["76", "99", "2B", None]
    text = str(rows_of(reading))
    assert NIR[:13] not in text
    assert CORSICAN_NIR[:13] not in text


def test_what_is_no_object_is_a_reject(reads: Read, tmp_path: Path) -> None:
    """Broken JSON, lists and numbers are rejects; blank lines are counted."""
    path = tmp_path / "events.jsonl"
    good = '{"timestamp":"2026-03-01T09:00:00Z","account":"A","action":"logout","outcome":"success"}'
    path.write_text("\n".join([good, "", "[1]", '{"a":', "17", good, good, good]) + "\n")
    reading = reads(path, max_reject_share=1)
    assert reading.rejects.column("line").to_pylist() == [3, 4, 5]
    assert set(reading.rejects.column("reason").to_pylist()) == {"not a JSON object"}
    assert reading.files[0].ignored == {"blank": 1}
    assert balanced(reading)


def test_paths_are_nested_flat_or_into_lists(reads: Read, tmp_path: Path) -> None:
    """`a.b` is found as an object's member and as one key; a number is a place in a list."""
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"t":"2026-03-01T09:00:00Z","who":{"id":"A/1"},"seen":[{"id":"r1"}]}\n'
        '{"t":"2026-03-01T09:00:01Z","who.id":"B~2","seen":[]}\n'
    )
    columns = {"timestamp": "t", "account": "who.id", "record": "seen.0.id"}
    asked = mapping(columns=columns, constants={"action": "lookup", "outcome": "success"}, records={"kind": "token"})
    reading = reads(sample(str(path), mapping=asked))
    assert column(reading, "account") == ["A/1", "B~2"]
    assert column(reading, "record") == ["r1", None]
