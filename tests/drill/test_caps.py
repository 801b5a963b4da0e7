"""What a limit of records a day would do."""

from __future__ import annotations

import pandas as pd

from detector.drill.caps import cap_honest

DAYS = pd.to_datetime(["2026-03-03", "2026-03-03", "2026-03-03", "2026-03-04"])
HONEST = pd.DataFrame({"account": ["a", "b", "c", "a"], "day": DAYS, "used": [10, 11, 300, 10]})


def test_a_cap_hits_those_who_used_more_and_spares_those_who_used_as_many() -> None:
    """Of three accounts on the first day two used more than ten, on the second nobody did."""
    found = cap_honest(HONEST, cap=10)
    assert found["hit"].tolist() == [2, 0]
    assert found["accounts"].tolist() == [3, 1]
    assert found["share"].tolist() == [2 / 3, 0.0]


def test_without_a_cap_there_is_nothing_to_tell() -> None:
    """The table is there, and empty."""
    assert cap_honest(HONEST, cap=None).empty
