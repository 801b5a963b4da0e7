"""One seed, measured wholly: its world with all attacks, without any, and with one scenario at a time."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from detector.evaluate.baselines import baseline_scores
from detector.evaluate.cache import fingerprint, kept_folder, kept_frame, stored_frame
from detector.evaluate.frames import ACCOUNT_DAY
from detector.evaluate.labels import is_hijack
from detector.evaluate.measures import (
    Case,
    build_case,
    measure_alerts,
    measure_benign,
    measure_gone,
    measure_order,
    ranking_scores,
)
from detector.evaluate.placing import place_attacks
from detector.evaluate.scored import Detector, Scored
from detector.evaluate.truth import read_truth
from detector.evaluate.worlds import Facts, Split, keep_scenarios, read_facts, split_days
from detector.simulate.settings import Attack, World

COUNTING_CODE = ("evaluate/counts.py", "evaluate/foreign.py", "evaluate/truth.py", "evaluate/worlds.py")
SCORING_CODE = (".",)
NOT_SCORING_CODE = ("simulate", "evaluate", "cli.py")
"""Changes there never change a score; `evaluate/judge.py`, which runs the detector, is named apart."""


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


class AlertStudy(NamedTuple):
    """What was measured of the alerts in one world of one seed; each frame has the columns seed and world.

    alerts : long table of what notifies.
    gone : one row per campaign and account: what was gone before the first alert.
    benign : one row per kind of benign oddity.
    """

    alerts: pd.DataFrame
    gone: pd.DataFrame
    benign: pd.DataFrame


class Bench(NamedTuple):
    """A seed's world on disk, its facts, and where its results are kept."""

    seed: int
    world: Path
    facts: Facts
    split: Split
    settings: World
    scratch: Path


def make_bench(seed: int, *, settings: StudySettings, scratch: Path) -> Bench:
    """Simulate the world of a seed and count what happened in it, unless `scratch` holds both."""
    attacks = place_attacks(settings.attacks, judged_days=settings.judged_days, seed=seed)
    world = World(seed=seed, accounts=settings.accounts, days=settings.days, attacks=attacks)
    name = f"{seed:03d}-{fingerprint(world.model_dump_json(), code=['simulate'])}"
    folder = kept_folder(scratch / "worlds" / name, make=lambda out: _simulate(world, out))
    kept = scratch / "studies" / f"{name}-{fingerprint(code=COUNTING_CODE)}"
    split = split_days(folder, judged_days=settings.judged_days)
    facts = read_facts(split.files, truth=read_truth(folder / "truth"), zone=world.zone, scratch=kept)
    return Bench(seed=seed, world=folder, facts=facts, split=split, settings=world, scratch=kept)


def _simulate(world: World, out: Path) -> None:
    from detector.simulate import simulate

    simulate(world, out, workers=1)


def study_order(bench: Bench, *, scored: Scored | None) -> pd.DataFrame:
    """Measure how well the baselines, and the detector if it has scored the world, order account-days."""
    tables = [baselines_of(bench)]
    if scored is not None:
        tables.append(ranking_scores(scored))
    return measure_order(case_of(bench, events=bench.facts.events, tables=tables)).assign(seed=bench.seed)


def baselines_of(bench: Bench) -> pd.DataFrame:
    """Return the baselines' scores of the judged days, once computed kept."""
    days, facts = bench.split.days, bench.facts
    name = fingerprint(str(len(days)), code=["evaluate/baselines.py"])
    return kept_frame(
        bench.scratch / f"baselines-{name}.parquet",
        make=lambda: baseline_scores(facts.counts, foreign=facts.foreign, days=days, seed=bench.seed),
    )


def case_of(bench: Bench, *, events: pd.DataFrame, tables: Collection[pd.DataFrame] = ()) -> Case:
    """Return the judged days of a world in which only these malicious events happened.

    An account-day that is active only through malicious events left out was never there.
    """
    counts = bench.facts.counts
    left_out = bench.facts.events.loc[bench.facts.events.index.difference(events.index)]
    missing = left_out[is_hijack(left_out)].groupby(ACCOUNT_DAY, as_index=False).agg(missing=("line", "size"))
    judged = counts[counts["day"].isin(bench.split.days)].merge(missing, on=ACCOUNT_DAY, how="left")
    active = judged.loc[judged["deeds"] > judged["missing"].fillna(0), ACCOUNT_DAY]
    return build_case(active, events=events, tables=tables, accounts=bench.settings.accounts, zone=bench.settings.zone)


def study_alerts(bench: Bench, *, detector: Detector, scenarios: Collection[str], world: str) -> AlertStudy:
    """Score the world with only these scenarios planted, and measure what notifies and what is gone before it does."""
    scored = score_with(bench, detector=detector, scenarios=scenarios)
    events = bench.facts.events
    case = case_of(bench, events=events[events["scenario"].isin(list(scenarios))])
    benign = measure_benign(case, scored=scored, kinds=bench.facts.truth.benign_kinds)
    return AlertStudy(
        alerts=measure_alerts(case, scored=scored).assign(seed=bench.seed, world=world),
        gone=measure_gone(case, scored=scored).assign(seed=bench.seed, world=world),
        benign=benign.assign(seed=bench.seed, world=world),
    )


def learned(bench: Bench, *, detector: Detector) -> Path:
    """Return the history of the days before the judged ones, once learned kept."""
    folder = bench.scratch / f"history-{scoring_code(detector)}-{len(bench.split.before)}"
    return kept_folder(folder, make=lambda out: detector.learn(bench.split.before, history=out))


def score_with(bench: Bench, *, detector: Detector, scenarios: Collection[str]) -> Scored:
    """Return the detector's scores of the judged days with only these scenarios planted, once scored kept."""
    history = learned(bench, detector=detector)
    name = fingerprint(history.name, str(len(bench.split.judged)), *sorted(scenarios))
    files = judged_files(bench, scenarios=scenarios)
    kept = bench.scratch / f"scored-{name}"
    kept_folder(kept, make=lambda out: _store(detector.score(files, history=history), out=out))
    return Scored(*(stored_frame(kept / f"{table}.parquet") for table in Scored._fields))


def judged_files(bench: Bench, *, scenarios: Collection[str]) -> list[Path]:
    """Return the dumps of the judged days with only these scenarios planted."""
    files, events = bench.split.judged, bench.facts.events
    if set(events["scenario"]) <= set(scenarios):
        return files
    out = bench.scratch / f"days-{fingerprint(*sorted(scenarios))}-{len(files)}"
    return keep_scenarios(files, malicious=events, scenarios=scenarios, out=out)


def _store(scored: Scored, *, out: Path) -> None:
    for name, table in scored._asdict().items():
        table.to_parquet(out / f"{name}.parquet", index=False)


def scoring_code(detector: Detector) -> str:
    """Return a name for the code and the settings that score: results under another name are stale."""
    return fingerprint(repr(detector), code=SCORING_CODE, without=NOT_SCORING_CODE)
