"""Which channels early warning watches, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def say_watched(watched: pd.DataFrame) -> list[str]:
    """One line per channel of what `detector.verbs.watched` found."""
    lines = [f"early warning on the channel {row['channel']}: {_state(row)}" for row in watched.to_dict("records")]
    return lines or ["early warning: none without a trained model (detector train)"]


def _state(row: Mapping[Any, Any]) -> str:
    held, needed = row["account_days"], row["needed"]
    if held >= needed:
        return f"limits from {held:,} account-days"
    return f"none yet, {held:,} of the {needed:,} account-days that its limits need"
