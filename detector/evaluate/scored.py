"""The seam between the measures and what is measured: something that learns some days and scores later ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import pandas as pd


class Scored(NamedTuple):
    """What a detector says about some days.

    scores : one row per scored account-day: account, day, score, alert, queue, and any other column that orders
        account-days.
    early : one row per account-day that alerted inside the day: account, day, alert_at (UTC, the end of that minute).
    """

    scores: pd.DataFrame
    early: pd.DataFrame


class Detector(Protocol):
    """Learns the past into a folder, fits a model on it, then scores later days against both without changing them."""

    @property
    def learning(self) -> str:
        """The settings that learning depends on, as text: histories learned under others are of no use."""

    def learn(self, dumps: Sequence[Path], *, history: Path) -> None:
        """Learn these dumps into the folder `history`."""

    def train(self, *, history: Path, model: Path) -> None:
        """Fit what needs fitting on `history`, into the folder `model`."""

    def score(self, dumps: Sequence[Path], *, history: Path, model: Path) -> Scored:
        """Score every day of these dumps, oldest first, against `history` and the dumps' own earlier days."""


METHODS = ("score", "tail_sum", "forest", "accumulated", "largest_tail", "plain_sum")
"""Columns of the scores that order account-days; those that are present are measured, higher being stranger."""
