"""Checks at the edge of what they say; each one's witness and twin are in `tests/drill/test_liveness.py`."""

from __future__ import annotations

import ibis
import pandas as pd
import pytest

from detector.checks import RESET_USES, VOUCHED_USES, run_checks


@pytest.mark.parametrize(
    ("uses", "lone_strangers", "fires"),
    [
        (RESET_USES, 1.0, True),
        (RESET_USES - 1, 1.0, False),
        (RESET_USES, 0.0, False),
        (RESET_USES, None, True),
        (VOUCHED_USES - 1, 0.0, False),
        (VOUCHED_USES, 0.0, True),
    ],
)
def test_known_patients_vouch_for_who_moved_and_reset_a_password(
    uses: int, lone_strangers: float | None, *, fires: bool
) -> None:
    """Where nobody can tell whose records they were, the look-ups count."""
    day = {"account": ["a"], "day": [pd.Timestamp("2026-03-03")], "reset_then_new_source": [uses]}
    rows = pd.DataFrame(day).assign(lone_strangers=pd.Series([lone_strangers], dtype="float64"))
    found = run_checks(ibis.memtable(rows), None, names=["reset_then_bulk"])
    assert found["account"].tolist() == ["a"] * fires
