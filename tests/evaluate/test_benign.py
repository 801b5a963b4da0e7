"""Honest but odd days."""

from __future__ import annotations

from detector.evaluate.benign import benign_kinds_notified
from tests.evaluate.tables import D1, D2, days, pairs


def test_shares_are_of_honest_active_days_of_the_kind() -> None:
    """Of two honest duty nights one notifies; a compromised account's and an inactive one are not counted."""
    judged = days(
        ("h", D1, "honest", 0.0), ("i", D1, "honest", 0.0), ("a", D1, "attacked", 0.0), ("a", D2, "set_aside", 0.0)
    )
    kinds = pairs(("h", D1), ("i", D1), ("a", D1), ("a", D2), ("gone", D1)).assign(kind="duty_night")
    found = benign_kinds_notified(judged, kinds=kinds, notified=pairs(("h", D1), ("a", D1), ("a", D2)))
    assert found.to_dict("records") == [{"kind": "duty_night", "days": 2, "notified": 1, "share": 0.5}]


def test_a_day_of_two_kinds_counts_in_both() -> None:
    """A new account's first screening day is in both rows, and a silent kind has share 0."""
    judged = days(("h", D1, "honest", 0.0), ("i", D1, "honest", 0.0))
    both = pairs(("h", D1), ("h", D1), ("i", D1)).assign(kind=["new_account", "screening_day", "new_account"])
    found = benign_kinds_notified(judged, kinds=both, notified=pairs(("i", D1))).set_index("kind")
    assert found["days"].to_dict() == {"new_account": 2, "screening_day": 1}
    assert found["share"].to_dict() == {"new_account": 0.5, "screening_day": 0.0}
