"""A seed's world on disk, what happened in it, and the same world with less in it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from detector.evaluate.cache import fingerprint, kept_folder
from detector.evaluate.counts import connect
from detector.evaluate.frames import ACCOUNT_DAY
from detector.evaluate.labels import is_hijack
from detector.evaluate.measures import Case, build_case
from detector.evaluate.placing import contaminate, place_attacks, place_occasions
from detector.evaluate.truth import read_truth
from detector.evaluate.worlds import Facts, Split, keep_scenarios, read_facts, split_days
from detector.simulate.settings import Attack, World

COUNTING_CODE = ("evaluate/counts.py", "evaluate/foreign.py", "evaluate/truth.py", "evaluate/worlds.py")

ACCOUNTS_PER_DESK = 500
"""Of so many accounts one looks up some 900 people a day, from all over the country: a large hospital's desk."""

ACTIVE_SHARE = 0.4
"""Accounts active on a day, weekends included, as the simulated portal has it: to plan how many attacks to plant."""


class StudySettings(BaseModel):
    """What a seed's world is like, and which of its days are judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accounts: int = Field(default=3_000, ge=100)
    """The size on which new false accounts a day are stated."""
    days: int = Field(default=49, ge=8)
    """Six weeks of past (28 days that novelty needs, two more weeks to calibrate on), and the judged days."""
    judged_days: int = Field(default=7, ge=1)
    """One of each day of the week."""
    attacks: tuple[Attack, ...] = ()
    """Planted all together, each on judged days drawn by seed."""
    attacked_past: float = Field(default=0.0, ge=0, le=0.1)
    """Share of the active account-days before the judged ones that are attacked too, unknown to anybody."""


class Bench(NamedTuple):
    """A seed's world on disk, its facts, and where all that is made from it is kept."""

    seed: int
    facts: Facts
    split: Split
    world: World
    scratch: Path
    store: Path

    @property
    def scenarios(self) -> set[str]:
        """The scenarios planted in the judged days."""
        events = self.facts.events
        return set(events.loc[events["day"].isin(self.split.days), "scenario"])


def make_bench(seed: int, *, settings: StudySettings, scratch: Path) -> Bench:
    """Simulate the world of a seed and count what happened in it, unless `scratch` holds both."""
    return bench_of(_world(seed, settings=settings), judged_days=settings.judged_days, scratch=scratch)


def bench_of(world: World, *, judged_days: int, scratch: Path) -> Bench:
    """The same of a world of one's own, whose last days are judged."""
    name = f"{world.seed:03d}-{fingerprint(world.model_dump_json(), code=['simulate'])}"
    folder = kept_folder(scratch / "worlds" / name, make=lambda out: _simulate(world, out))
    kept = scratch / "studies" / f"{name}-{fingerprint(code=COUNTING_CODE)}"
    split = split_days(folder, judged_days=judged_days)
    facts = read_facts(split.files, truth=read_truth(folder / "truth"), zone=world.zone, scratch=kept)
    store = scratch / "runs"
    store.mkdir(exist_ok=True)
    return Bench(seed=world.seed, facts=facts, split=split, world=world, scratch=kept, store=store)


def _world(seed: int, *, settings: StudySettings) -> World:
    judged, past = settings.judged_days, settings.days - settings.judged_days
    attacks = place_attacks(settings.attacks, judged_days=judged, seed=seed)
    earlier = contaminate(
        settings.attacks,
        share=settings.attacked_past,
        active_per_day=ACTIVE_SHARE * settings.accounts,
        days=past,
        seed=seed,
    )
    # The earlier ones come last: victims are chosen in this order, so the judged attacks keep theirs.
    occasions = place_occasions(days=settings.days, judged_days=judged, seed=seed)
    return World(
        seed=seed,
        accounts=settings.accounts,
        days=settings.days,
        large_desks=settings.accounts // ACCOUNTS_PER_DESK,
        attacks=(*attacks, *earlier),
        **occasions,
    )


def _simulate(world: World, out: Path) -> None:
    from detector.simulate import simulate

    simulate(world, out, workers=1)


def case_of(bench: Bench, *, scenarios: Collection[str], tables: Collection[pd.DataFrame] = ()) -> Case:
    """Return the judged days of the world in which only these scenarios happened on judged days.

    An account-day that is active only through malicious events left out was never there.
    """
    counts, events = bench.facts.counts, bench.facts.events
    out = bench.facts.events["day"].isin(bench.split.days) & ~events["scenario"].isin(list(scenarios))
    missing = events[out & is_hijack(events)].groupby(ACCOUNT_DAY, as_index=False).agg(missing=("line", "size"))
    judged = counts[counts["day"].isin(bench.split.days)].merge(missing, on=ACCOUNT_DAY, how="left")
    active = judged.loc[judged["deeds"] > judged["missing"].fillna(0), ACCOUNT_DAY]
    return build_case(active, events=events[~out], tables=tables, accounts=bench.world.accounts, zone=bench.world.zone)


def judged_files(bench: Bench, *, scenarios: Collection[str]) -> list[Path]:
    """Return the dumps of the judged days with only these scenarios planted."""
    if bench.scenarios <= set(scenarios):
        return bench.split.judged
    out = bench.scratch / f"days-{fingerprint(*sorted(scenarios))}"
    return keep_scenarios(bench.split.judged, malicious=bench.facts.events, scenarios=scenarios, out=out)


def without_column(bench: Bench, *, column: str) -> Bench:
    """Return the same world with one column of its dumps empty, as on a portal that does not log it."""
    kept = bench.scratch / f"without-{column}"
    kept_folder(kept / "events", make=lambda out: _empty_column(bench.split.files, column=column, out=out))
    return bench._replace(split=split_days(kept, judged_days=len(bench.split.judged)), scratch=kept)


def _empty_column(files: Collection[Path], *, column: str, out: Path) -> None:
    with connect() as con:
        for path in files:
            con.read_parquet(str(path)).select(f"* REPLACE (NULL::VARCHAR AS {column})").write_parquet(
                str(out / path.name)
            )
