"""The detector of this project, as the measures drive it: learn, train and score, as a user would call them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from detector.errors import ReadError
from detector.evaluate.frames import ACCOUNT_DAY, DAY_TYPE
from detector.evaluate.scored import METHODS, Scored
from detector.reading import Mapping
from detector.settings import Settings
from detector.verbs import learn, score, train

SIMULATED_KEY = hashlib.sha256(b"simulated identifiers are nobody's").digest()
"""Tokens of simulated records need no secret, and a known key makes every run the same."""

FITTED = "fitted"
"""The model's own folder in the one given: it is put in place whole, so it must not be there before."""

EARLY_COLUMNS = ["alert_at", "records_so_far", "signal"]


@dataclass(frozen=True)
class ProjectDetector:
    """The detector with these settings and this mapping of the dumps; all it knows lies in the folders it is given."""

    settings: Settings = field(default_factory=Settings)
    mapping: Mapping = field(default_factory=Mapping)

    @property
    def learning(self) -> str:
        """What a learned history depends on, beside code."""
        return f"{self.settings.portal!r} {self.settings.learn!r} {self.mapping!r}"

    def reseeded(self, seed: int) -> ProjectDetector:
        """Return the same detector with another random state."""
        train = self.settings.train.model_copy(update={"seed": seed})
        return replace(self, settings=self.settings.model_copy(update={"train": train}))

    def learn(self, dumps: Sequence[Path], *, history: Path) -> None:
        """Learn these dumps, all of whose days are over, into `history`.

        Raises
        ------
        ReadError
            When they are too few to train a model on.
        """
        needed = self.settings.train.min_past_days
        if len(dumps) <= needed:
            raise ReadError(
                f"dumps to evaluate: {len(dumps)} days before the judged ones, training needs more than {needed}; give "
                "dumps of more days, or a history"
            )
        last = max(path.stem for path in dumps)
        after = datetime.fromisoformat(last).replace(tzinfo=UTC) + timedelta(days=2)
        keyed = self._keyed(history)
        complete = keyed.model_copy(update={"learn": keyed.learn.model_copy(update={"complete": True})})
        learn(list(dumps), history=history, mapping=self.mapping, now=after, settings=complete)

    def train(self, *, history: Path, model: Path) -> None:
        """Fit the model on the history."""
        train(history=history, model=model / FITTED, settings=self._keyed(history))

    def score(self, dumps: Sequence[Path], *, history: Path, model: Path) -> Scored:
        """Score every day of these dumps, oldest first; reasons, which no measure reads, only for queues."""
        keyed = self._keyed(history)
        brief = keyed.model_copy(update={"score": keyed.score.model_copy(update={"explained": 0})})
        found = score(
            list(dumps),
            history=history,
            model=model / FITTED,
            mapping=self.mapping,
            complete=True,
            settings=brief,
        )
        scores = found.scores[[*ACCOUNT_DAY, "alert", "queue", "p_value", "campaign", *METHODS]]
        early = found.early[[*ACCOUNT_DAY, *EARLY_COLUMNS]]
        return Scored(scores.astype({"day": DAY_TYPE}), early.astype({"day": DAY_TYPE}))

    def _keyed(self, history: Path) -> Settings:
        """The settings with a key; without one named, the key of simulated worlds, put beside the history."""
        if self.settings.history.key_file is not None:
            return self.settings
        key_file = history.parent / "simulated.key"
        if not key_file.exists():
            key_file.touch(mode=0o600)
            key_file.write_text(SIMULATED_KEY.hex(), encoding="ascii")
        return self.settings.model_copy(
            update={"history": self.settings.history.model_copy(update={"key_file": key_file})}
        )
