"""A detector run on a bench: what it learned, trained and scored is kept until its code or its settings change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from detector.evaluate.bench import Bench, judged_files
from detector.evaluate.cache import content_of, fingerprint, kept_folder, stored_frame
from detector.evaluate.scored import Detector, Scored

LEARNING_CODE = (
    "account_days.py",
    "aggregates.py",
    "clock.py",
    "evaluate/judge.py",
    "features",
    "history",
    "joins.py",
    "learning.py",
    "neighbours.py",
    "novelty.py",
    "order.py",
    "reading",
    "schema.py",
)
"""What a learned history depends on: a history learned by other code is learned anew."""

DETECTING_CODE = (
    *LEARNING_CODE,
    "alerting.py",
    "baseline.py",
    "campaigns.py",
    "checks.py",
    "deviations.py",
    "early.py",
    "model",
    "news.py",
    "rolling.py",
    "scoring.py",
    "timeline.py",
    "training.py",
)
"""What scores depend on beside."""


def learn(bench: Bench, *, detector: Detector) -> Path:
    """Return the history of the days before the judged ones; worlds with the same past share it."""
    past = bench.split.before
    name = fingerprint(detector.learning, content_of(past), code=LEARNING_CODE)
    return kept_folder(bench.store / f"history-{name}", make=lambda out: detector.learn(past, history=out))


def train(bench: Bench, *, detector: Detector) -> Path:
    """Return the folder of a model fitted on that history."""
    history = learn(bench, detector=detector)
    name = fingerprint(history.name, repr(detector), code=DETECTING_CODE)
    make = partial(detector.train, history=history)
    return kept_folder(bench.store / f"model-{name}", make=lambda out: make(model=out))


def score(bench: Bench, *, detector: Detector, scenarios: Collection[str]) -> Scored:
    """Return the scores of the judged days with only these scenarios planted."""
    return score_files(bench, detector=detector, files=judged_files(bench, scenarios=scenarios))


def score_files(bench: Bench, *, detector: Detector, files: Sequence[Path]) -> Scored:
    """Return the scores of any version of the judged days."""
    history, model = learn(bench, detector=detector), train(bench, detector=detector)
    folder = kept_folder(
        bench.store / f"scored-{fingerprint(model.name, content_of(files))}",
        make=lambda out: _store(detector.score(files, history=history, model=model), out=out),
    )
    return Scored(*(stored_frame(folder / f"{table}.parquet") for table in Scored._fields))


def _store(scored: Scored, *, out: Path) -> None:
    for name, table in scored._asdict().items():
        table.to_parquet(out / f"{name}.parquet", index=False)
