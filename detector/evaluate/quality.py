"""`python -m detector.evaluate.quality`: measure the detector on simulated portals, and write docs/quality.md."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NamedTuple

import pandas as pd
import typer
from joblib import Parallel, delayed

from detector.evaluate.hardness import SHARE, check_hardness
from detector.evaluate.markup import markdown_table
from detector.evaluate.scored import Detector
from detector.evaluate.study import (
    AlertStudy,
    Bench,
    StudySettings,
    make_bench,
    score_with,
    study_alerts,
    study_order,
)
from detector.evaluate.summary import mean_account_recall, over_seeds, pivot
from detector.simulate.scenarios import SCENARIOS

DEVELOPMENT_SEEDS = tuple(range(1, 13))
"""Seeds to look at while building."""

REPORT_SEEDS = tuple(range(101, 111))
"""Seeds that the page reports; nothing is ever chosen by looking at them."""

EVERYTHING, NOTHING = "all", "none"
"""Names of the worlds with all attacks and with none; the others are named after the one scenario planted."""


class Quality(NamedTuple):
    """All that was measured, over all seeds."""

    order: pd.DataFrame
    alerts: AlertStudy | None


def measure_quality(
    seeds: list[int],
    *,
    settings: StudySettings,
    scratch: Path,
    detector: Detector | None,
    alone: bool = True,
    jobs: int = 1,
) -> Quality:
    """Measure these seeds, several at the same time.

    Parameters
    ----------
    seeds : each makes one world.
    scratch : where worlds, counts, histories and scores are kept between runs.
    detector : what is measured; without one, only the baselines are.
    alone : also plant one scenario at a time, which takes as many scorings more.
    jobs : seeds measured at the same time; the result does not depend on it.
    """
    work = delayed(_measure_seed)
    found = Parallel(n_jobs=jobs)(
        work(seed, settings=settings, scratch=scratch, detector=detector, alone=alone) for seed in seeds
    )
    order = pd.concat([each.order for each in found], ignore_index=True)
    alerts = [each.alerts for each in found if each.alerts is not None]
    return Quality(order=order, alerts=_stack(alerts) if alerts else None)


def _measure_seed(
    seed: int, *, settings: StudySettings, scratch: Path, detector: Detector | None, alone: bool
) -> Quality:
    bench = make_bench(seed, settings=settings, scratch=scratch)
    if detector is None:
        return Quality(order=study_order(bench, scored=None), alerts=None)
    every = {attack.scenario for attack in settings.attacks}
    order = study_order(bench, scored=score_with(bench, detector=detector, scenarios=every))
    return Quality(order=order, alerts=_study_worlds(bench, detector=detector, every=every, alone=alone))


def _study_worlds(bench: Bench, *, detector: Detector, every: set[str], alone: bool) -> AlertStudy:
    worlds: dict[str, set[str]] = {EVERYTHING: every, NOTHING: set()}
    worlds |= {name: {name} for name in sorted(every)} if alone else {}
    studies = [study_alerts(bench, detector=detector, scenarios=kept, world=name) for name, kept in worlds.items()]
    return _stack(studies)


def _stack(studies: list[AlertStudy]) -> AlertStudy:
    return AlertStudy(*(pd.concat(tables, ignore_index=True) for tables in zip(*studies, strict=True)))


def show_order(order: pd.DataFrame) -> str:
    """Return the tables that a developer looks at: recall per scenario and method, and how hard the portal is."""
    means = mean_account_recall(order)
    summary = over_seeds(pd.concat([order, means], ignore_index=True))
    parts = [
        ("Recall at 0.3 % false account-days", pivot(summary, measure="recall_share", level=SHARE)),
        ("Recall at 1 new false account a day per 3,000", pivot(summary, measure="recall_accounts", level=1.0)),
        ("Average precision", pivot(summary, measure="average_precision")),
        ("Hardness of the portal", check_hardness(means)),
    ]
    return "\n".join(f"## {title}\n\n{markdown_table(table)}" for title, table in parts)


def main(
    *,
    dev: Annotated[bool, typer.Option(help="Measure development seeds and print; nothing is written to docs.")] = False,
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas; development seeds only.")] = "",
    accounts: Annotated[int, typer.Option(help="Accounts of each world.")] = 3_000,
    scratch: Annotated[Path, typer.Option(help="Where worlds and scores are kept between runs.")] = Path(
        "build/quality"
    ),
    jobs: Annotated[int, typer.Option(help="Seeds measured at the same time.")] = 1,
    alone: Annotated[bool, typer.Option(help="Also plant one scenario at a time.")] = True,
) -> None:
    """Measure the detector on simulated portals."""
    chosen = [int(seed) for seed in seeds.split(",") if seed] or list(DEVELOPMENT_SEEDS if dev else REPORT_SEEDS)
    settings = StudySettings(accounts=accounts, attacks=tuple(scenario.attack for scenario in SCENARIOS))
    quality = measure_quality(chosen, settings=settings, scratch=scratch, detector=None, alone=alone, jobs=jobs)
    sys.stdout.write(show_order(quality.order))


if __name__ == "__main__":
    typer.run(main)
