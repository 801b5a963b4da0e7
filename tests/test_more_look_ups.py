"""From events to the score: whoever looks up more people whom nobody around knows is never taken for less strange."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import detector
from detector.settings import Settings, load_settings
from detector.simulate import simulate
from detector.simulate.presets import PRESETS

ACCOUNTS, ADDED = 8, (1, 5, 25, 125)
MOST_LOST = 0.005
"""Of the score: the same rhythm told by more pauses may look a little less like a machine's."""


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small portal, learned and trained but for its last day."""
    folder = tmp_path_factory.mktemp("portal")
    simulate(PRESETS["small"], folder / "portal", formats=["parquet"])
    events = sorted((folder / "portal" / "events").glob("*.parquet"))
    mapping = folder / "portal" / "mapping.toml"
    detector.learn(events[:-1], mapping=mapping, history=folder / "history")
    detector.train(history=folder / "history")
    return folder


def more(events: pd.DataFrame, account: str, added: int) -> pd.DataFrame:
    """The events with so many more look-ups of an account, at its own moments and from its own places."""
    own = events[(events["account"] == account) & (events["action"] == "lookup") & (events["outcome"] == "success")]
    drawn = own.sample(added, replace=True, random_state=added)
    after = pd.to_timedelta(np.random.default_rng(added).integers(1, 20, added), unit="s")
    tokens = [f"{number:032x}" for number in range(added)]
    new = drawn.assign(timestamp=drawn["timestamp"] + after, record=tokens, n_records=1)
    return pd.concat([events, new], ignore_index=True)


@pytest.mark.long
def test_foreign_look_ups_in_the_usual_rhythm_are_never_less_strange(portal: Path) -> None:
    """They never lower the tail sum, and lower the score by at most 0.005, however few or many they are."""
    history = portal / "history"
    settings: Settings = load_settings(over={"history": {"folder": str(history)}})
    last = max((portal / "portal" / "events").glob("*.parquet"))
    events = detector.read(last, mapping=portal / "portal" / "mapping.toml", settings=settings).events
    before = detector.score(events, history=history, complete=True).scores.set_index("account")
    looked = before[before["records"] >= 3].sort_index()
    for place, account in enumerate(looked.sample(ACCOUNTS, random_state=3).index):
        added = ADDED[place % len(ADDED)]
        after = detector.score(more(events, account, added), history=history, complete=True).scores.set_index("account")
        assert after["tail_sum"][account] >= before["tail_sum"][account] - 1e-9, (account, added)
        assert after["score"][account] >= before["score"][account] - MOST_LOST, (account, added)
        assert after["records"][account] > before["records"][account], (account, added)
