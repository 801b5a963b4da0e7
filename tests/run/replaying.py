"""Simulated portals whose events arrive slice by slice, for the job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from detector.learning import learn as learn_inputs
from detector.settings import Settings, load_settings
from detector.simulate import World, simulate
from detector.verbs import learn, train
from detector.workspace import Workspace


@dataclass(frozen=True)
class Portal:
    """A simulated portal in a folder, and the job's settings for it."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, world: World, *, extra: str = "") -> Portal:
        """Simulate it, once."""
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "portal").exists():
            simulate(world, folder / "portal", workers=2, formats=["parquet"])
        (folder / "detector.toml").write_text(
            f'[history]\nfolder = "history"\n{extra}\n[[input]]\npath = "incoming/*"\nmapping = "portal/mapping.toml"\n'
        )
        return cls(folder)

    @property
    def settings(self) -> Settings:
        """Of the job."""
        return load_settings(self.folder / "detector.toml")

    @property
    def config(self) -> Path:
        """The settings' file."""
        return self.folder / "detector.toml"

    @property
    def days(self) -> list[Path]:
        """Files of events, one a day."""
        return sorted((self.folder / "portal" / "events").glob("*.parquet"))

    def learn(self, days: list[Path]) -> None:
        """Learn days at once, and fit a model."""
        learn([str(day) for day in days], mapping=self.folder / "portal" / "mapping.toml", settings=self.settings)
        train(settings=self.settings)

    def slices(self, day: Path, span: timedelta) -> Iterator[tuple[datetime, pa.Table]]:
        """A day's events in slices that are so long, with the end of each."""
        rows = pq.read_table(day)
        times = rows["timestamp"]
        start = pc.min(times).as_py().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        last = pc.max(times).as_py()
        while start <= last:
            end = start + span
            inside = pc.and_(
                pc.greater_equal(times, pa.scalar(start, times.type)), pc.less(times, pa.scalar(end, times.type))
            )
            if (part := rows.filter(inside)).num_rows:
                yield end, part
            start = end

    def put(self, end: datetime, rows: pa.Table) -> None:
        """Deliver a slice."""
        incoming = self.folder / "incoming"
        incoming.mkdir(exist_ok=True)
        draft = incoming / f".{end:%Y%m%dT%H%M}.parquet"
        pq.write_table(rows, draft)
        draft.replace(incoming / draft.name.removeprefix("."))

    def read(self, place: Workspace, now: datetime) -> None:
        """Learn what was delivered since the last time, as a run does before it judges."""
        history = place.history()
        assert history is not None
        learn_inputs(
            list(self.settings.input),
            history=history,
            con=place.con,
            scratch=place.scratch / f"learn-{now:%Y%m%dT%H%M}",
            key=place.loaded_key.key,
            now=now,
            settings=self.settings.learn.model_copy(update={"arriving": True}),
        )

    def malicious(self) -> pa.Table:
        """The truth: one row per malicious event."""
        return pq.read_table(self.folder / "portal" / "truth" / "events.parquet")


def day_of(path: Path) -> date:
    """The day of a file of events."""
    return date.fromisoformat(path.stem)
