"""Elastic Common Schema."""

from __future__ import annotations

from detector.reading import token
from tests.reading.reads import KEY, NIR, Read, column
from tests.reading.samples import sample


def test_nested_and_flat_fields_are_read(reads: Read) -> None:
    """Category and type give the action where `event.action` is no word of ours; an unknown outcome is the status."""
    reading = reads(sample("ecs.jsonl"))
    assert column(reading, "action") == ["login", "lookup", "lookup", "account_change"]
    assert column(reading, "outcome") == ["success", "success", "failure", "success"]
    assert column(reading, "record")[1] == token(NIR[:13], key=KEY)
    assert column(reading, "n_records") == [None, 3, None, None]
    assert reading.files[0].ignored == {"action heartbeat": 1}


def test_who_acts_for_another_is_the_delegate(reads: Read) -> None:
    """With `user.effective` the account is the one acted for."""
    reading = reads(sample("ecs.jsonl"))
    assert column(reading, "account") == ["751234561"] * 4
    assert column(reading, "delegate") == [None, None, "17", None]
