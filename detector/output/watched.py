"""What can alert by now, in words: which channels early warning watches, and whether whole days do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from detector.alerting import KNOWN, AlertSettings, busiest_day, too_few
from detector.model.kept import Model


def say_watched(watched: pd.DataFrame) -> list[str]:
    """One line per channel of what `detector.verbs.watched` found."""
    lines = [f"early warning on the channel {row['channel']}: {_state(row)}" for row in watched.to_dict("records")]
    return lines or ["early warning: none without a trained model (detector train)"]


def say_calibrated(model: Model, settings: AlertSettings) -> list[str]:
    """A line where the model knows too few account-days for whole days to alert; none where it knows enough."""
    known = model.calibration[model.calibration["kind"] == KNOWN] if len(model.calibration) else model.calibration
    text = too_few(known, accounts=busiest_day(known), settings=settings)
    return [f"whole days: {text}"] if text else []


def _state(row: Mapping[Any, Any]) -> str:
    held, needed = row["account_days"], row["needed"]
    if held >= needed:
        return f"limits from {held:,} account-days"
    return f"none yet, {held:,} of the {needed:,} account-days that its limits need"
