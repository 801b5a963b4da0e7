"""What each part of the tail sum is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from detector.evaluate.ablation import WHOLE, parts_of, study_parts
from detector.evaluate.bench import StudySettings, case_of, make_bench
from detector.evaluate.judge import ProjectDetector
from detector.evaluate.measures import measure_order, ranking_scores
from detector.evaluate.runs import score
from detector.model.forest import ExtractionForest
from detector.model.kept import Model
from detector.simulate.settings import Attack

COLUMNS = ("records__own", "lookups__peers", "n_networks__own", "writes__absolute")
FAMILIES = ["taken", "taken", "manner", "taken"]


def test_each_kind_is_left_out_and_left_alone() -> None:
    """Each part keeps the columns that its name says, grouped by evidence; the whole keeps all."""
    estimator = ExtractionForest(families=FAMILIES, forest_weight=0.0).fit(np.eye(4).repeat(5, axis=0))
    empty = pd.DataFrame()
    model = Model(estimator=estimator, columns=COLUMNS, calibration=empty, set_aside=empty, cold=False, card={})
    found = {name: groups.tolist() for name, groups in parts_of(model)}
    assert found[WHOLE] == FAMILIES
    assert found["without taken"] == ["", "", "manner", ""]
    assert found["taken alone"] == ["taken", "taken", "", "taken"]
    assert found["without the family writes"] == ["taken", "taken", "manner", ""]
    assert found["the family volume alone"] == ["taken", "taken", "", ""]
    assert "the family stranger alone" not in found
    assert found["tail sum without own"] == ["", "taken", "", "taken"]
    assert found["taken and manner without peers"] == ["taken", "", "manner", "taken"]


@pytest.mark.long
def test_the_whole_is_what_scoring_calls_the_tail_sum(tmp_path: Path) -> None:
    """The parts are of the very deviations that were scored: the whole orders account-days as the tail sum does."""
    attack = Attack(scenario="S1", accounts=2, records=400)
    bench = make_bench(
        1, settings=StudySettings(accounts=300, days=36, judged_days=2, attacks=(attack,)), scratch=tmp_path
    )
    found = study_parts(bench, detector=ProjectDetector())
    scored = ranking_scores(score(bench, detector=ProjectDetector(), scenarios=bench.scenarios))
    asked = scored.rename(columns={"tail_sum": WHOLE})[["account", "day", WHOLE]]
    whole = measure_order(case_of(bench, scenarios=bench.scenarios, tables=[asked]))
    columns = ["measure", "level", "scenario", "value"]
    pd.testing.assert_frame_equal(
        found.loc[found["method"] == WHOLE, columns].reset_index(drop=True), whole[columns], check_exact=True
    )
    assert found["method"].nunique() > len(COLUMNS)
