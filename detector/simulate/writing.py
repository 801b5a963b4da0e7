"""From a world to its folder: events by day, mapping, settings, and the truth apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from joblib import Parallel, delayed

from detector.errors import ConfigError
from detector.simulate import truth
from detector.simulate.attacks import attack_day
from detector.simulate.benign import benign_day
from detector.simulate.events import Events, join_in_time, pick
from detector.simulate.logs import LOGS, append_lines, log_path, write_mappings
from detector.simulate.scene import Population, make_population
from detector.simulate.settings import World
from detector.simulate.text import Names, event_table, make_names
from detector.simulate.victims import Plan, plan_attacks

ROWS_AT_ONCE = 500_000
"""Rows turned into text at once: bounds memory."""

FORMAT_VERSION = 1
HONEST = -1
Progress = Callable[[str, int, int], None]
FOLDERS = ("events", "csv", "logs", "truth")
FILES = ("mapping.toml", "world.json")
"""What a world's folder holds; world.json is written last, when all else is there."""


class AttackedDay(NamedTuple):
    """All events of one day, in order of time, and which campaign each belongs to (or HONEST)."""

    events: Events
    campaign: npt.NDArray[np.int32]


class Story(NamedTuple):
    """All that the days of a world are made from."""

    world: World
    population: Population
    plans: list[Plan]
    names: Names


def tell_story(world: World) -> Story:
    """Return the people, places and plans of a world.

    Raises
    ------
    ConfigError
        When an attack does not fit the world.
    """
    population = make_population(world)
    return Story(world, population, plan_attacks(world, population), make_names(population))


def attacked_day(story: Story, *, index: int) -> AttackedDay:
    """Return a day with its attacks; without the rows of a campaign it is the honest day, in the same order."""
    benign = benign_day(story.world, story.population, index=index)
    added = [attack_day(story.world, story.population, plan, index=index, benign=benign) for plan in story.plans]
    if not any(part.rows for part in added):
        return AttackedDay(benign, np.full(benign.rows, HONEST, np.int32))
    events, part = join_in_time([benign, *added])
    return AttackedDay(events, np.array([HONEST, *[plan.number for plan in story.plans]], np.int32)[part])


def simulate(
    world: World,
    out: Path,
    *,
    workers: int = 1,
    formats: Sequence[str] = ("parquet",),
    progress: Progress | None = None,
) -> None:
    """Write a simulated portal to the folder `out`, one file a day and format, and the truth apart.

    Parameters
    ----------
    world
        What to simulate.
    out
        The folder; a world that it holds is replaced.
    workers
        Days made at the same time; the bytes do not depend on it.
    formats
        `parquet`, `csv`, `logs`, or several. The truth's lines are rows of the Parquet files, and so, one header line
        further, of the CSV files.
    progress
        Called after each day with its date, how many days are written, and how many there are.

    Raises
    ------
    ConfigError
        When a format is unknown, an attack does not fit the world, or the folder holds something else than a world.
    """
    unknown = [name for name in formats if name not in WRITERS]
    if unknown or not formats:
        raise ConfigError(f"formats: found {', '.join(unknown) or 'none'}, expected some of {', '.join(WRITERS)}")
    story = tell_story(world)
    _make_room(out)
    jobs = (delayed(_write_day)(story, index, out, tuple(formats)) for index in range(world.days))
    days = Parallel(n_jobs=workers, return_as="generator")(jobs)
    truths = [_told(day, world, index=index, progress=progress) for index, day in enumerate(days)]
    if "logs" in formats:
        write_mappings(out, records=world.records)
    _write_about(story, out, truths)


def _told(truth_of_day: pa.Table, world: World, *, index: int, progress: Progress | None) -> pa.Table:
    if progress is not None:
        progress(world.day(index).isoformat(), index + 1, world.days)
    return truth_of_day


def _make_room(out: Path) -> None:
    """Remove an earlier world, so that no day of it stays among the new ones; leave anything else alone."""
    found = sorted(path.name for path in out.iterdir()) if out.exists() else []
    strange = [name for name in found if name not in (*FOLDERS, *FILES)]
    if strange:
        raise ConfigError(f"{out}: holds {strange[0]!r}, which is no part of a simulated world; choose an empty folder")
    for name in found:
        shutil.rmtree(out / name) if name in FOLDERS else (out / name).unlink()


def _write_day(story: Story, index: int, out: Path, formats: tuple[str, ...]) -> pa.Table:
    """Write one day in all formats, and return the truth about it."""
    day = attacked_day(story, index=index)
    stem = story.world.day(index).isoformat()
    for name in formats:
        WRITERS[name](_tables(story, day.events), out, stem)
    return truth.event_truth(
        story.world, story.population, story.plans, story.names, events=day.events, campaign=day.campaign, index=index
    )


def _tables(story: Story, events: Events) -> Iterator[pa.Table]:
    """Yield the events as canonical tables of some rows each; one without rows for a day without events."""
    for start in range(0, max(events.rows, 1), ROWS_AT_ONCE):
        some = pick(events, slice(start, start + ROWS_AT_ONCE))
        yield event_table(story.world, story.population, story.names, events=some)


def write_parquet(tables: Iterator[pa.Table], out: Path, stem: str) -> None:
    """Write a day as Parquet: plain text columns, so that any reader sees the canonical types."""
    path = out / "events" / f"{stem}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, store_schema=False, compression="zstd", compression_level=1) as writer:
        for table in (first, *tables):
            writer.write_table(table, row_group_size=ROWS_AT_ONCE)


def write_csv(tables: Iterator[pa.Table], out: Path, stem: str) -> None:
    """Write a day as CSV with a header."""
    path = out / "csv" / f"{stem}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = next(tables)
    with pyarrow.csv.CSVWriter(path, first.schema) as writer:
        for table in (first, *tables):
            writer.write_table(table)


def write_logs(tables: Iterator[pa.Table], out: Path, stem: str) -> None:
    """Write a day as access log, console and trace."""
    for number, table in enumerate(tables):
        for log in LOGS:
            append_lines(log_path(out, log, stem=stem), log.lines(table), first=number == 0)


WRITERS: dict[str, Callable[[Iterator[pa.Table], Path, str], None]] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "logs": write_logs,
}


def _write_about(story: Story, out: Path, truths: Sequence[pa.Table]) -> None:
    """Write the truth, the mapping and the settings."""
    folder = out / "truth"
    folder.mkdir(parents=True, exist_ok=True)
    world, population, plans, names = story
    events = pa.concat_tables(truths)
    tables = {
        "events": events,
        "campaigns": truth.campaign_truth(plans, names, events),
        "accounts": truth.account_truth(world, population, names),
        "benign_kinds": truth.benign_kinds(world, population, names),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd", store_schema=False)
    (out / "mapping.toml").write_text(f'[records]\nkind = "{world.records}"\n', encoding="utf-8")
    settings = json.loads(world.model_dump_json())
    about = {"format": FORMAT_VERSION, "world": settings, "calendar": truth.calendar_facts(world)}
    (out / "world.json").write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8")
