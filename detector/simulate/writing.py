"""From a world to its folder: events by day, mapping, settings, and the truth apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from joblib import Parallel, delayed

from detector.simulate import truth
from detector.simulate.attacks import Plan, attack_day, plan_attacks
from detector.simulate.benign import benign_day
from detector.simulate.events import Events, join_in_time, pick
from detector.simulate.scene import Population, make_population
from detector.simulate.settings import World
from detector.simulate.text import Names, event_table, make_names

FORMATS = ("parquet", "csv", "logs")
ROWS_AT_ONCE = 500_000
"""Rows turned into text at once: bounds memory."""

FORMAT_VERSION = 1
HONEST = -1


class AttackedDay(NamedTuple):
    """All events of one day, in order of time, and which campaign each belongs to (or HONEST)."""

    events: Events
    campaign: npt.NDArray[np.int32]


def attacked_day(world: World, population: Population, plans: Sequence[Plan], *, index: int) -> AttackedDay:
    """Return a day with its attacks; without the rows of a campaign it is the honest day, in the same order."""
    benign = benign_day(world, population, index=index)
    added = [attack_day(world, population, plan, index=index, benign=benign) for plan in plans]
    if not any(part.rows for part in added):
        return AttackedDay(benign, np.full(benign.rows, HONEST, np.int32))
    events, part = join_in_time([benign, *added])
    return AttackedDay(events, np.array([HONEST, *[plan.number for plan in plans]], np.int32)[part])


def simulate(world: World, out: Path, *, workers: int = 1, formats: Sequence[str] = ("parquet",)) -> None:
    """Write a simulated portal to the folder `out`, one file a day and format, and the truth apart.

    Parameters
    ----------
    world
        What to simulate.
    out
        The folder; files of the same name are replaced.
    workers
        Days made at the same time; the bytes do not depend on it.
    formats
        `parquet`, `csv`, `logs`, or several.
    """
    population = make_population(world)
    plans = plan_attacks(world, population)
    names = make_names(population)
    jobs = (
        delayed(_write_day)(world, population, plans, names, index, out, tuple(formats)) for index in range(world.days)
    )
    truths = Parallel(n_jobs=workers)(jobs)
    _write_about(world, population, plans, names, out, truths)


def _write_day(
    world: World,
    population: Population,
    plans: list[Plan],
    names: Names,
    index: int,
    out: Path,
    formats: tuple[str, ...],
) -> pa.Table:
    day = attacked_day(world, population, plans, index=index)
    stem = world.day(index).isoformat()
    if "parquet" in formats:
        write_parquet(world, population, names, events=day.events, path=out / "events" / f"{stem}.parquet")
    return truth.event_truth(world, population, plans, names, day=day, index=index)


def write_parquet(world: World, population: Population, names: Names, *, events: Events, path: Path) -> None:
    """Write events as one Parquet file of the canonical columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    empty = event_table(world, population, names, events=pick(events, slice(0, 0)))
    with pq.ParquetWriter(path, empty.schema, store_schema=False, compression="zstd", compression_level=1) as writer:
        for start in range(0, max(events.rows, 1), ROWS_AT_ONCE):
            part = pick(events, slice(start, start + ROWS_AT_ONCE))
            writer.write_table(event_table(world, population, names, events=part), row_group_size=ROWS_AT_ONCE)


def _write_about(
    world: World, population: Population, plans: list[Plan], names: Names, out: Path, truths: Sequence[pa.Table]
) -> None:
    folder = out / "truth"
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "events": pa.concat_tables(truths),
        "campaigns": truth.campaign_truth(plans, names, pa.concat_tables(truths)),
        "accounts": truth.account_truth(world, population, names),
        "benign_kinds": truth.benign_kinds(world, population, names),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd", store_schema=False)
    (out / "mapping.toml").write_text(f'[records]\nkind = "{world.records}"\n', encoding="utf-8")
    about = {
        "format": FORMAT_VERSION,
        "world": json.loads(world.model_dump_json()),
        "calendar": truth.calendar_facts(world),
    }
    (out / "world.json").write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8")
