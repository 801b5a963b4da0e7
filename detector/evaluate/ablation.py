"""What each part of the tail sum is worth: the order of the same account-days without it, or by it alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detector.deviations import EXCESSES
from detector.errors import HistoryError
from detector.evaluate.bench import Bench, case_of
from detector.evaluate.cache import fingerprint, kept_frame
from detector.evaluate.frames import ACCOUNT_DAY, DAY_TYPE
from detector.evaluate.judge import FITTED, ProjectDetector
from detector.evaluate.measures import measure_order
from detector.evaluate.runs import DETECTING_CODE, learn, score, train
from detector.features import BY_NAME
from detector.model.kept import Model, load_model
from detector.model.tails import Floats, surprise
from detector.training import EVIDENCE, to_matrix
from detector.verbs import learn as learn_dumps
from detector.workspace import workspace

WHOLE, PLAIN = "tail sum", "taken and manner"
PLACED = ("where", "stranger")
"""Kinds of evidence that need to know where records are from, or whose they are: many portals cannot tell."""
KEY_FILE = "simulated.key"
"""Where the detector keeps the key of simulated worlds, beside their histories."""


def study_parts(bench: Bench, *, detector: ProjectDetector) -> pd.DataFrame:
    """Measure the order of account-days by parts of the tail sum, all attacks planted; `method` names the part.

    The tails are those of the model, none is fitted anew: a part is left out, or left alone, of the same evidence.
    """
    model = load_model(train(bench, detector=detector) / FITTED)
    name = fingerprint(repr(detector), model.version, code=DETECTING_CODE)
    path = bench.scratch / f"deviations-{name}.parquet"
    rows = kept_frame(path, make=lambda: judged_deviations(bench, detector=detector, model=model))
    beyond = np.maximum(surprise(model.estimator.tails_, to_matrix(rows, model.columns)) - model.estimator.allowance, 0)
    parts = pd.DataFrame({part: _sum_of(beyond, groups) for part, groups in parts_of(model)})
    by_account = parts.groupby([rows[key] for key in ACCOUNT_DAY], sort=False).max().reset_index()
    case = case_of(bench, scenarios=bench.scenarios, tables=[by_account])
    return measure_order(case).assign(seed=bench.seed)


def parts_of(model: Model) -> Iterator[tuple[str, NDArray[np.str_]]]:
    """Every part by its name: the group of each column, of which the largest counts; no group, no part of the sum."""
    evidence = np.asarray(model.estimator.families, dtype=str)
    compared = np.asarray([name.split("__")[1] for name in model.columns], dtype=str)
    yield WHOLE, evidence
    yield "each signal by itself", np.asarray(model.columns, dtype=str)
    for kind in dict.fromkeys(EVIDENCE.values()):
        yield f"without {kind}", np.where(evidence == kind, "", evidence)
        yield f"{kind} alone", np.where(evidence == kind, evidence, "")
    families = np.asarray([BY_NAME[name.split("__")[0]].family for name in model.columns], dtype=str)
    # A family that is a kind of evidence of its own was told of.
    for family in (each for each, kind in EVIDENCE.items() if each != kind):
        yield f"without the family {family}", np.where(families == family, "", evidence)
        yield f"the family {family} alone", np.where(families == family, evidence, "")
    for start, left in ((WHOLE, evidence), (PLAIN, np.where(np.isin(evidence, PLACED), "", evidence))):
        if start != WHOLE:
            yield start, left
        for kind in EXCESSES:
            yield f"{start} without {kind}", np.where(compared == kind, "", left)


def _sum_of(beyond: Floats, groups: NDArray[np.str_]) -> Floats:
    parts = [beyond[:, groups == group].max(axis=1) for group in np.unique(groups[groups != ""])]
    return np.asarray(sum(parts, start=np.zeros(len(beyond))))


def judged_deviations(bench: Bench, *, detector: ProjectDetector, model: Model) -> pd.DataFrame:
    """The judged days' deviations, one row per account, channel and day, as scoring has them.

    Whoever the detector tells of is left out of the later days' past.
    """
    found = score(bench, detector=detector, scenarios=bench.scenarios)
    told = pd.concat([table[ACCOUNT_DAY] for table in (found.scores[found.scores["alert"]], found.early)])
    history = learn(bench, detector=detector)
    with TemporaryDirectory(dir=bench.scratch) as scratch:
        copy = Path(scratch) / "history"
        shutil.copytree(history, copy)
        key = detector.settings.history.key_file or history.parent / KEY_FILE
        kept = detector.settings.history.model_copy(update={"folder": copy, "key_file": key})
        settings = detector.settings.model_copy(update={"history": kept})
        after = (max(bench.split.days) + pd.Timedelta(days=2)).tz_localize("UTC").to_pydatetime()
        learn_dumps(bench.split.judged, mapping=detector.mapping, now=after, settings=settings)
        with workspace(settings) as place:
            held = place.history()
            if held is None:
                raise HistoryError(f"{copy} holds no history")
            timeline = place.timeline(held, model=model)
            parts = []
            for day in sorted(bench.split.days):
                parts.append(timeline.deviations(day.date()).to_pandas())
                timeline.leave_out(told[told["day"] == day])
    deviations: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return deviations.astype({"day": DAY_TYPE})
