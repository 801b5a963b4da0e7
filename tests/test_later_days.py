"""From dumps to scores: what happens on later days changes nothing that is said of a day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import detector
from detector.output.rows import plain
from detector.simulate import simulate
from detector.simulate.presets import PRESETS

LATER = 2
"""Days that are learned after the day that is scored."""


def told(found: pd.DataFrame) -> list[Any]:
    """All that a table says, in an order that does not depend on how it came about."""
    return [plain(row) for row in found.sort_values("account").to_dict("records")]


@pytest.mark.long
def test_later_days_in_the_history_change_nothing(tmp_path: Path) -> None:
    """A day scored the next morning, and again when it and the days after it are learned: the same to the last bit."""
    simulate(PRESETS["small"], tmp_path / "portal", formats=["parquet"])
    events, mapping = sorted((tmp_path / "portal" / "events").glob("*.parquet")), tmp_path / "portal" / "mapping.toml"
    history, day = tmp_path / "history", events[-1 - LATER]
    detector.learn(events[: -1 - LATER], mapping=mapping, history=history)
    detector.train(history=history)
    before = detector.score(day, mapping=mapping, history=history, complete=True)
    detector.learn(events, mapping=mapping, history=history)
    after = detector.score(day, mapping=mapping, history=history)
    assert len(before.scores) > 100
    for table in ("scores", "early", "fired", "alerts"):
        assert told(getattr(after, table)) == told(getattr(before, table)), table
