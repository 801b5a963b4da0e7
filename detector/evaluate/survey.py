"""Many seeds, measured: what the page of quality is made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from joblib import Parallel, delayed

from detector.evaluate.bench import Bench, StudySettings, make_bench
from detector.evaluate.runs import score
from detector.evaluate.scored import Detector
from detector.evaluate.study import (
    AlertStudy,
    study_added,
    study_alerts,
    study_columns,
    study_local,
    study_order,
    study_overlap,
)

EVERYTHING, NOTHING = "all", "none"
"""Names of the worlds with all attacks and with none; the others are named after the one scenario planted."""

ATTACKED_PAST = 0.002
"""Attacked account-days in a history that is not clean."""


class Plan(NamedTuple):
    """What is measured beside the order of account-days, and on what.

    settings : of every seed's world.
    detector : what is measured; without one, only the baselines are.
    alone : seeds on which one scenario is planted at a time, each scored apart.
    parts : measures the order by parts of the detector, on the same seeds.
    other : the detector with another random state.
    extra : measure local targets, large accounts and the other random state.
    past : seeds on which an attacked past is measured.
    dear : seeds on which absent columns are measured.
    """

    settings: StudySettings
    detector: Detector | None = None
    alone: Sequence[int] = ()
    parts: Callable[[Bench], pd.DataFrame] | None = None
    other: Detector | None = None
    extra: bool = False
    past: Sequence[int] = ()
    dear: Sequence[int] = ()


class Quality(NamedTuple):
    """All that was measured, over all seeds; a frame is empty where the plan leaves it out.

    order : long table, all attacks together.
    alerts, gone, benign : as `AlertStudy` has them, for the worlds `all`, `none` and each scenario alone.
    local : order, what notifies and what is gone before, where attackers read people of the victim's own area.
    past : alerts in the world `all`, after an attacked past.
    added : order, where look-ups of strangers are added to a day of a large account.
    columns : order and alerts without one column of the logs.
    parts : order by parts of the detector.
    overlap : one row per seed: share of the strangest account-days that another random state agrees on.
    """

    order: pd.DataFrame
    alerts: pd.DataFrame
    gone: pd.DataFrame
    benign: pd.DataFrame
    local: pd.DataFrame
    past: pd.DataFrame
    added: pd.DataFrame
    columns: pd.DataFrame
    parts: pd.DataFrame
    overlap: pd.DataFrame


def measure_quality(seeds: Sequence[int], *, plan: Plan, scratch: Path, jobs: int = 1) -> Quality:
    """Measure these seeds, several at the same time.

    Parameters
    ----------
    seeds : each makes one world.
    scratch : where worlds, counts, histories and scores are kept between runs.
    jobs : seeds measured at the same time; the result does not depend on it.
    """
    found = Parallel(n_jobs=jobs)(delayed(_measure_seed)(seed, plan=plan, scratch=scratch) for seed in seeds)
    return Quality(*(pd.concat(tables, ignore_index=True) for tables in zip(*found, strict=True)))


def _measure_seed(seed: int, *, plan: Plan, scratch: Path) -> Quality:
    bench = make_bench(seed, settings=plan.settings, scratch=scratch)
    nothing = dict.fromkeys(Quality._fields, pd.DataFrame())
    if plan.detector is None:
        return Quality(**{**nothing, "order": study_order(bench, scored=None)})
    scored = score(bench, detector=plan.detector, scenarios=bench.scenarios)
    alerts = _study_worlds(bench, detector=plan.detector, alone=seed in plan.alone)._asdict()
    parts = {"parts": plan.parts(bench)} if plan.parts and seed in plan.alone else {}
    extra = _study_extra(bench, detector=plan.detector, plan=plan, scratch=scratch) if plan.extra else {}
    past = _study_past(bench, detector=plan.detector, plan=plan, scratch=scratch) if seed in plan.past else {}
    dear = {"columns": study_columns(bench, detector=plan.detector)} if seed in plan.dear else {}
    return Quality(
        **{**nothing, "order": study_order(bench, scored=scored), **alerts, **parts, **extra, **past, **dear}
    )


def _study_worlds(bench: Bench, *, detector: Detector, alone: bool) -> AlertStudy:
    worlds: dict[str, set[str]] = {EVERYTHING: bench.scenarios, NOTHING: set()}
    worlds |= {name: {name} for name in sorted(bench.scenarios)} if alone else {}
    studies = [study_alerts(bench, detector=detector, scenarios=kept, world=name) for name, kept in worlds.items()]
    return AlertStudy(*(pd.concat(tables, ignore_index=True) for tables in zip(*studies, strict=True)))


def _study_extra(bench: Bench, *, detector: Detector, plan: Plan, scratch: Path) -> dict[str, pd.DataFrame]:
    near = tuple(attack.model_copy(update={"targets": "local"}) for attack in plan.settings.attacks)
    local = make_bench(bench.seed, settings=plan.settings.model_copy(update={"attacks": near}), scratch=scratch)
    return {
        "local": study_local(local, detector=detector),
        "added": study_added(bench, detector=detector),
        "overlap": study_overlap(bench, detector=detector, other=plan.other) if plan.other else pd.DataFrame(),
    }


def _study_past(bench: Bench, *, detector: Detector, plan: Plan, scratch: Path) -> dict[str, pd.DataFrame]:
    dirty = plan.settings.model_copy(update={"attacked_past": ATTACKED_PAST})
    past = make_bench(bench.seed, settings=dirty, scratch=scratch)
    return {"past": study_alerts(past, detector=detector, scenarios=past.scenarios, world=EVERYTHING).alerts}
