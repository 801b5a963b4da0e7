"""A detector simple enough to foresee what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from detector.evaluate import Scored
from detector.evaluate.counts import connect, count_days, read_events


@dataclass(frozen=True)
class MostRecords:
    """Scores by distinct records looked up; alerts from `limit` on, at the end of the day. Notes what it was shown."""

    limit: int = 400
    zone: str = "Europe/Paris"
    sign: int = 1

    @property
    def learning(self) -> str:
        """Learning has no settings."""
        return ""

    def learn(self, dumps: Sequence[Path], *, history: Path) -> None:
        """Note the names."""
        (history / "learned").write_text("\n".join(path.name for path in dumps))

    def train(self, *, history: Path, model: Path) -> None:
        """Note that it was fitted."""
        assert (history / "learned").exists()
        model.mkdir(exist_ok=True)
        (model / "fitted").touch()

    def score(self, dumps: Sequence[Path], *, history: Path, model: Path) -> Scored:
        """Count records."""
        assert (history / "learned").exists()
        assert (model / "fitted").exists()
        with connect() as con:
            read_events(con, files=[str(path) for path in dumps])
            counts = count_days(con, zone=self.zone)
        counts = counts[counts["active"]]
        found = counts[["account", "day"]].assign(score=self.sign * counts["records"].astype(float), queue=None)
        scores = found.assign(alert=counts["records"] >= self.limit)
        nothing = found[["account", "day"]].head(0)
        return Scored(scores, nothing.assign(alert_at=pd.Series([], dtype="datetime64[us, UTC]")))
