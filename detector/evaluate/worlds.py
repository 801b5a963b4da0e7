"""Simulated worlds on disk: counted, split into days before and judged days, with only some attacks kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from detector.evaluate.cache import kept_folder, kept_frame
from detector.evaluate.counts import connect, count_days, read_events, with_outcome
from detector.evaluate.foreign import count_foreign
from detector.evaluate.frames import as_days
from detector.evaluate.truth import Truth


class Facts(NamedTuple):
    """What the measures and the baselines need to know of a world.

    counts : one row per account and day with an event, as `count_days` returns it.
    foreign : one row per account and day with a new record, as `count_foreign` returns it.
    events : one row per malicious event, with its outcome.
    truth : the truth as it was written.
    """

    counts: pd.DataFrame
    foreign: pd.DataFrame
    events: pd.DataFrame
    truth: Truth


class Split(NamedTuple):
    """The daily files of a world: those learned from, and those judged."""

    before: list[Path]
    judged: list[Path]

    @property
    def files(self) -> list[Path]:
        """All of them, in order."""
        return [*self.before, *self.judged]

    @property
    def days(self) -> pd.Series[pd.Timestamp]:
        """The judged days."""
        return as_days([path.stem for path in self.judged])


def split_days(world: Path, *, judged_days: int) -> Split:
    """Split a world's daily files, named after their day: the last `judged_days` are judged."""
    files = sorted((world / "events").glob("*.parquet"))
    return Split(before=files[:-judged_days], judged=files[-judged_days:])


def read_facts(files: Sequence[Path], *, truth: Truth, zone: str, scratch: Path) -> Facts:
    """Count what happened in daily files, named after their day, once; later calls read the counts from `scratch`."""
    days = as_days([path.stem for path in files])
    with connect() as con:
        read_events(con, files=[str(path) for path in files])
        return Facts(
            counts=kept_frame(scratch / "counts.parquet", make=lambda: count_days(con, zone=zone)),
            foreign=kept_frame(
                scratch / "foreign.parquet", make=lambda: count_foreign(con, days=list(days), zone=zone)
            ),
            events=kept_frame(scratch / "malicious.parquet", make=lambda: with_outcome(con, malicious=truth.events)),
            truth=truth,
        )


def keep_scenarios(files: list[Path], *, malicious: pd.DataFrame, scenarios: Collection[str], out: Path) -> list[Path]:
    """Write the same days with the malicious rows of all other scenarios left out, in the same order.

    Since the attacks of a world never change its benign rows, this is the world in which only these attacks happened.
    """
    dropped = malicious.loc[~malicious["scenario"].isin(list(scenarios)), ["source", "line"]]
    kept_folder(out, make=lambda folder: _copy_without(files, dropped=dropped, folder=folder))
    return sorted(out.glob("*.parquet"))


def _copy_without(files: list[Path], *, dropped: pd.DataFrame, folder: Path) -> None:
    with connect() as con:
        con.register("dropped", dropped)
        for path in files:
            read_events(con, files=[str(path)])
            kept = con.sql("SELECT * FROM events ANTI JOIN dropped USING (source, line) ORDER BY line")
            kept.select("* EXCLUDE (source, line)").write_parquet(str(folder / path.name))
