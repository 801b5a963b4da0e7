"""`python -m detector.evaluate.quality`: measure the detector on simulated portals, and write docs/quality.md."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from detector.evaluate.ablation import study_parts
from detector.evaluate.bench import StudySettings
from detector.evaluate.hardness import SHARE, check_hardness
from detector.evaluate.judge import ProjectDetector
from detector.evaluate.markup import markdown_table
from detector.evaluate.measures import ALL
from detector.evaluate.page import Provenance, write_page
from detector.evaluate.summary import mean_account_recall, over_seeds, pivot
from detector.evaluate.survey import NOTHING, Plan, Quality, measure_quality
from detector.evaluate.targets import gone_of
from detector.simulate.scenarios import SCENARIOS

DEVELOPMENT_SEEDS = tuple(range(1, 13))
"""Seeds to look at while building."""

REPORT_SEEDS = tuple(range(149, 157))
"""Seeds that the page reports; nothing is chosen by looking at them. What 101 to 148 showed was mended; then these."""

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOTES = "quality_notes.md"
"""Beside the page: what a person has to say about the numbers."""


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


def show_alerts(quality: Quality) -> str:
    """Return what notifies, what is gone before, and which honest days notify, world by world."""
    measured = quality.alerts.drop(columns=["method", "level"])
    sums = measured.groupby(["world", "measure", "scenario"], as_index=False)["value"].mean()
    wholes = sums[sums["scenario"] == ALL].pivot_table(index="world", columns="measure", values="value")
    calm = quality.benign[quality.benign["world"] == NOTHING]
    kinds = calm.groupby("kind")[["days", "notified"]].sum()
    own = sums[sums["measure"] == "own_recall"].pivot_table(index="scenario", columns="world", values="value")
    parts = [
        ("What notifies, mean over seeds", wholes),
        ("Recall of what notifies, by scenario and world", own),
        ("Gone before the first alert", gone_of(quality)),
        ("Honest but odd days, without attack", kinds.assign(share=kinds["notified"] / kinds["days"])),
    ]
    return "\n".join(f"## {title}\n\n{markdown_table(table)}" for title, table in parts)


def plan_of(settings: StudySettings, *, alone: list[int], past: list[int], dear: list[int], extra: bool) -> Plan:
    """Return the plan for this project's detector, with what each of its parts is compared with."""
    detector = ProjectDetector()
    other = detector.reseeded(detector.settings.train.seed + 1)
    parts = partial(study_parts, detector=detector)
    return Plan(
        settings=settings,
        detector=detector,
        alone=alone,
        parts=parts,
        other=other,
        extra=extra,
        past=past,
        dear=dear,
    )


def provenance_of(seeds: list[int], *, settings: StudySettings) -> Provenance:
    """Return where the numbers come from, as far as the working copy knows."""
    simulator = _last_commit("detector/simulate", "detector/evaluate/placing.py")
    return Provenance(seeds=seeds, settings=settings, simulator=simulator, commit=_last_commit("detector"))


def _last_commit(*paths: str) -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    command = [git, "-C", str(ROOT), "log", "-1", "--format=%h", "--", *paths]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    return found.stdout.strip() or "unknown"


def main(
    *,
    dev: Annotated[bool, typer.Option(help="Measure development seeds; the page goes to the scratch folder.")] = False,
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "",
    accounts: Annotated[int, typer.Option(help="Accounts of each world.")] = 3_000,
    scratch: Annotated[Path, typer.Option(help="Where worlds and scores are kept.")] = Path("build/quality"),
    jobs: Annotated[int, typer.Option(help="Seeds measured at the same time.")] = 1,
    alone: Annotated[
        int, typer.Option(help="Of these seeds, how many are scored with one scenario at a time too.")
    ] = 2,
    past: Annotated[
        int, typer.Option(help="Of these seeds, how many are learned anew with attacks in their past.")
    ] = 4,
    dear: Annotated[int, typer.Option(help="Of these seeds, how many are learned anew without each column.")] = 1,
    baselines: Annotated[bool, typer.Option(help="Only the simple detectors, and how hard the portal is.")] = False,
) -> None:
    """Measure the detector on simulated portals."""
    chosen = [int(seed) for seed in seeds.split(",") if seed] or list(DEVELOPMENT_SEEDS if dev else REPORT_SEEDS)
    if not dev and set(chosen) & set(DEVELOPMENT_SEEDS):
        raise typer.BadParameter(
            "development seeds are not for the page; give --dev, or other seeds", param_hint="--seeds"
        )
    settings = StudySettings(accounts=accounts, attacks=tuple(scenario.attack for scenario in SCENARIOS))
    plan = (
        Plan(settings=settings)
        if baselines
        else plan_of(settings, alone=chosen[:alone], past=chosen[:past], dear=chosen[:dear], extra=not dev)
    )
    quality = measure_quality(chosen, plan=plan, scratch=scratch, jobs=jobs)
    sys.stdout.write(show_order(quality.order))
    if len(quality.alerts):
        sys.stdout.write("\n" + show_alerts(quality))
    if not baselines:
        notes = (DOCS / NOTES).read_text(encoding="utf-8") if (DOCS / NOTES).exists() else ""
        provenance = provenance_of(chosen, settings=settings)
        path = write_page(quality, provenance=provenance, docs=scratch if dev else DOCS, notes=notes)
        sys.stderr.write(f"wrote {path}\n")


if __name__ == "__main__":
    typer.run(main)
