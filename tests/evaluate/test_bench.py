"""A small simulated world, studied with a detector that counts records."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from detector.evaluate.bench import Bench, StudySettings, case_of, judged_files, make_bench, without_column
from detector.evaluate.labels import ATTACKED
from detector.evaluate.runs import learn, score
from detector.evaluate.study import study_overlap, study_scores
from detector.evaluate.survey import EVERYTHING, NOTHING, Plan, Quality, measure_quality
from detector.simulate import Attack
from tests.evaluate.detectors import MostRecords

ATTACKS = (
    Attack(scenario="S1", accounts=2, records=600),
    Attack(scenario="S2", accounts=2, records=450, days=2, first_day=-2),
)
SETTINGS = StudySettings(accounts=120, days=9, judged_days=2, attacks=ATTACKS)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the module: worlds are made once."""
    return tmp_path_factory.mktemp("quality")


@pytest.fixture(scope="module")
def bench(scratch: Path) -> Bench:
    """The world of seed 1."""
    return make_bench(1, settings=SETTINGS, scratch=scratch)


@pytest.fixture(scope="module")
def quality(scratch: Path) -> Quality:
    """One seed, its worlds with all attacks, with none and with each scenario alone."""
    return measure_quality([1], plan=Plan(settings=SETTINGS, detector=MostRecords(), alone=[1]), scratch=scratch)


@pytest.fixture(scope="module")
def survey(scratch: Path) -> Quality:
    """The same with local targets, an attacked past, absent columns, parts and another random state."""
    parts = partial(study_scores, detector=MostRecords(sign=-1), methods={"score": "reversed"})
    plan = Plan(
        settings=SETTINGS,
        detector=MostRecords(),
        parts=parts,
        alone=[1],
        other=MostRecords(),
        extra=True,
        past=[1],
        dear=[1],
    )
    return measure_quality([1], plan=plan, scratch=scratch)


def rows_of(files: list[Path]) -> int:
    """Rows of these Parquet files together."""
    return sum(pq.ParquetFile(path).metadata.num_rows for path in files)


def test_a_world_is_made_once(bench: Bench, scratch: Path) -> None:
    """Asking again for the same seed and settings touches no file."""
    before = {path: path.stat().st_mtime_ns for path in scratch.rglob("*.parquet")}
    again = make_bench(1, settings=SETTINGS, scratch=scratch)
    assert again.split == bench.split
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_every_malicious_row_is_found_in_the_dumps(bench: Bench) -> None:
    """The truth points at rows that exist: each has an outcome."""
    assert len(bench.facts.events) > 1500
    assert bench.facts.events["outcome"].notna().all()


def test_a_world_with_one_scenario_lacks_the_rows_of_the_others(bench: Bench) -> None:
    """The days with S1 alone are shorter by exactly the malicious rows of S2; without any, by all of them."""
    events = bench.facts.events
    whole = rows_of(bench.split.judged)
    assert rows_of(judged_files(bench, scenarios={"S1"})) == whole - int((events["scenario"] == "S2").sum())
    assert rows_of(judged_files(bench, scenarios=set())) == whole - len(events)


def test_victims_of_other_scenarios_are_honest_in_a_world_without_them(bench: Bench) -> None:
    """With S1 alone the accounts of S2 are honest on all their days, and only S1's days are attacked."""
    judged = case_of(bench, scenarios={"S1"}).judged
    victims = bench.facts.events.groupby("scenario")["account"].unique()
    assert set(judged.loc[judged["label"] == ATTACKED, "account"]) == set(victims["S1"])
    assert set(judged.loc[judged["account"].isin(victims["S2"]), "label"]) <= {"honest"}


def test_days_that_only_the_attack_made_active_vanish_with_it(bench: Bench) -> None:
    """The active account-days of the world without attack are those that a count of its own dumps gives."""
    files = judged_files(bench, scenarios=set())
    scored = MostRecords().score(files, history=learn(bench, detector=MostRecords()), model=_fitted(bench))
    keys = ["account", "day"]
    expected = scored.scores[keys].sort_values(keys, ignore_index=True)
    found = case_of(bench, scenarios=set()).judged[keys].sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(found, expected)


def _fitted(bench: Bench) -> Path:
    model = bench.scratch / "fitted-by-hand"
    MostRecords().train(history=learn(bench, detector=MostRecords()), model=model)
    return model


def test_only_days_before_the_judged_ones_are_learned(bench: Bench) -> None:
    """Of nine days the first seven are learned."""
    names = (learn(bench, detector=MostRecords()) / "learned").read_text().split()
    assert names == [path.name for path in bench.split.before]
    assert len(names) == 7


def test_scores_are_kept_until_settings_change(bench: Bench) -> None:
    """The same detector is not run again; one with another limit alerts otherwise."""
    first = score(bench, detector=MostRecords(), scenarios=bench.scenarios)
    folders = sorted(bench.store.glob("scored-*"))
    again = score(bench, detector=MostRecords(), scenarios=bench.scenarios)
    assert sorted(bench.store.glob("scored-*")) == folders
    pd.testing.assert_frame_equal(first.scores, again.scores)
    strict = score(bench, detector=MostRecords(limit=1), scenarios=bench.scenarios)
    assert strict.scores["alert"].sum() > first.scores["alert"].sum()


def test_a_column_is_empty_and_nothing_else_changes(bench: Bench) -> None:
    """Without addresses the dumps have as many rows and no address."""
    poorer = without_column(bench, column="ip")
    assert rows_of(poorer.split.judged) == rows_of(bench.split.judged)
    table = pq.ParquetFile(poorer.split.judged[-1]).read(columns=["ip", "account"])
    assert table["ip"].null_count == table.num_rows
    assert table["account"].null_count < table.num_rows


def test_two_equal_detectors_overlap_wholly(bench: Bench) -> None:
    """A detector and itself agree on all of the strangest days, and not with one that turns the order around."""
    assert study_overlap(bench, detector=MostRecords(), other=MostRecords())["overlap"].tolist() == [1.0]
    assert study_overlap(bench, detector=MostRecords(), other=MostRecords(sign=-1))["overlap"].tolist() == [0.0]


def test_worlds_are_measured_together_alone_and_without_attack(quality: Quality) -> None:
    """The worlds are all, none and each scenario alone; what the plan leaves out is empty."""
    assert set(quality.alerts["world"]) == {EVERYTHING, NOTHING, "S1", "S2"}
    assert set(quality.order["seed"]) == {1}
    assert quality.local.empty


@pytest.mark.long
def test_the_whole_plan_is_measured(survey: Quality) -> None:
    """Each table names the seed, but for large accounts, of which there are none; parts are those asked for."""
    for name, table in survey._asdict().items():
        assert table.empty if name == "added" else set(table["seed"]) == {1}
    assert set(survey.parts["method"]) == {"reversed"}


def test_a_counter_of_records_finds_robots_at_the_end_of_the_day(quality: Quality) -> None:
    """Recall of own alerts is one for 600 records a day; by the minute as much is gone as by the day."""
    alerts = quality.alerts
    own = alerts[(alerts["measure"] == "own_recall") & (alerts["world"] == "S1")]
    assert own["value"].tolist() == [1.0]
    gone = quality.gone[quality.gone["scenario"] == "S1"]
    assert (gone["gone_by_day"] == 1.0).all()
    assert (gone["gone_by_minute"] == 1.0).all()


@pytest.mark.long
def test_without_records_this_detector_is_blind(survey: Quality) -> None:
    """Without the records nothing is found at 0.3 %."""
    columns = survey.columns
    blind = columns[(columns["method"] == "without_record") & (columns["measure"] == "recall_share")]
    assert (blind["value"] == 0.0).all()


def test_worlds_with_the_same_past_share_what_was_learned(bench: Bench, scratch: Path) -> None:
    """Other attacks on the judged days leave the days before as they are: nothing is learned anew."""
    near = tuple(attack.model_copy(update={"targets": "local"}) for attack in ATTACKS)
    other = make_bench(1, settings=SETTINGS.model_copy(update={"attacks": near}), scratch=scratch)
    assert other.scratch != bench.scratch
    assert learn(other, detector=MostRecords()) == learn(bench, detector=MostRecords())
