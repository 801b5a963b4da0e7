"""Targets and the page, from measures written by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from detector.evaluate.bench import StudySettings
from detector.evaluate.hardness import check_hardness
from detector.evaluate.markup import markdown_table
from detector.evaluate.page import Provenance, write_page
from detector.evaluate.summary import mean_account_recall, over_seeds, scenario_order
from detector.evaluate.survey import EVERYTHING, NOTHING, Quality
from detector.evaluate.targets import compare, false_discoveries

METHODS = ("score", "forest_counts", "own_lookups_z", "profession_lookups", "foreign_excess")
RECALLS = {"S1": 1.0, "S2": 0.8, "S10": 0.0}
"""S10 has no floor: it is in no mean."""


def order() -> pd.DataFrame:
    """Every measure of order, the same for all methods, on two seeds."""
    rows = [
        {"measure": measure, "method": method, "level": level, "scenario": scenario, "value": value, "seed": seed}
        for measure, levels in {
            "recall_share": (0.001, 0.003, 0.01),
            "recall_curve": (0.001, 0.01),
            "recall_accounts": (0.5, 1.0, 3.0),
            "recall_accounts_fixed": (10.0,),
        }.items()
        for level in levels
        for method in METHODS
        for scenario, value in RECALLS.items()
        for seed in (101, 102)
    ]
    precision = [
        {"measure": "average_precision", "method": m, "level": 0.0, "scenario": "all", "value": 0.97, "seed": s}
        for m in METHODS
        for s in (101, 102)
    ]
    return pd.DataFrame([*rows, *precision])


def alerts() -> pd.DataFrame:
    """S1 alone: 9 true, 1 false on one seed, 1 and 1 on the other; nothing false without attack."""
    found = [
        (world, seed, measure, scenario, value)
        for world, seed, true, false in (
            ("S1", 101, 9, 1),
            ("S1", 102, 1, 1),
            (NOTHING, 101, 0, 0),
            (EVERYTHING, 101, 9, 0),
        )
        for measure, scenario, value in (
            ("notified_true", "all", true),
            ("notified_false", "all", false),
            ("false_days", "all", 0.0),
            *([("own_recall", "S1", 1.0)] if true else []),
        )
    ]
    columns = ["world", "seed", "measure", "scenario", "value"]
    return pd.DataFrame(found, columns=columns).assign(method="", level=0.0).astype({"value": float})


def gone() -> pd.DataFrame:
    """Two accounts of S1 and one of S2, each scenario alone."""
    return pd.DataFrame(
        {
            "scenario": ["S1", "S1", "S2"],
            "campaign": ["1-S1", "1-S1", "2-S2"],
            "account": ["a", "b", "c"],
            "taken": [100, 100, 50],
            "gone_by_day": [1.0, 1.0, 0.5],
            "gone_by_minute": [0.01, 0.02, 0.2],
            "hours_by_day": [20.0, 20.0, 30.0],
            "hours_by_minute": [0.1, 0.2, 1.0],
            "seed": 101,
            "world": ["S1", "S1", "S2"],
        }
    )


@pytest.fixture
def quality() -> Quality:
    """Order, alerts, gone and benign days; everything else left out."""
    benign = pd.DataFrame({"kind": ["duty_night"], "days": [200], "notified": [1], "share": [0.005]})
    nothing = dict.fromkeys(Quality._fields, pd.DataFrame())
    own = {"order": order(), "alerts": alerts(), "gone": gone(), "benign": benign.assign(seed=101, world=NOTHING)}
    return Quality(**{**nothing, **own})


def test_people_of_the_area_have_a_table_of_what_notifies(quality: Quality, tmp_path: Path) -> None:
    """What is found by rank is one thing, who is told of another, and when a third."""
    rows = [("recall_share", 0.003, 1.0), ("own_recall", 0.0, 0.75), ("gone", 0.0, 0.125)]
    columns = ["measure", "level", "value", "scenario", "method", "seed"]
    local = pd.DataFrame([(*row, "S9", "score", 101) for row in rows], columns=columns)
    provenance = Provenance(seeds=[101, 102], settings=StudySettings(), simulator="abc1234", commit="def5678")
    page = write_page(quality._replace(local=local), provenance=provenance, docs=tmp_path).read_text(encoding="utf-8")
    told = page[page.index("### People of the victim's own area") :]
    (row,) = (line for line in told.splitlines() if line.startswith("| S9 "))
    assert [cell.strip() for cell in row.split("|")[2:5]] == ["1.000", "0.750", "0.125"]


def test_scenarios_without_floor_are_in_no_mean() -> None:
    """The mean of 1.0 and 0.8 is 0.9; S10 with 0 is left out."""
    means = mean_account_recall(order())
    assert means["value"].unique().tolist() == [pytest.approx(0.9)]


def test_targets_are_compared_with_what_was_measured(quality: Quality) -> None:
    """Each target has its value, whether it is met, and null where the plan left it out."""
    found = compare(quality).set_index("measure")
    values = found["measured"]
    assert values["mean account recall at 0.3 % false account-days"] == pytest.approx(0.9)
    assert values["the same, worst scenario"] == pytest.approx(0.8)
    assert values["average precision"] == pytest.approx(0.97)
    assert values["gone before the first alert, median, worst smash-and-grab"] == pytest.approx(0.015)
    assert values["gone before the first alert, median, worst other scenario"] == pytest.approx(0.2)
    assert values["notifying share of the loudest benign kind"] == pytest.approx(0.005)
    met = found["met"]
    assert met["mean account recall at 0.3 % false account-days"] is False
    assert met["the same, worst scenario"] is True
    assert met["the same, attackers reading people of the victim's own area"] is None
    assert found["seeds"]["average precision"] == quality.order["seed"].nunique() > 0
    assert found["seeds"]["the same, attackers reading people of the victim's own area"] == 0


def test_false_discoveries_pool_the_days_of_all_seeds(quality: Quality) -> None:
    """2 false among 12 is a sixth, not the mean of a tenth and a half."""
    found = false_discoveries(quality)
    assert found["scenario"].tolist() == ["S1"]
    assert found["false_discovery_rate"].tolist() == [pytest.approx(2 / 12)]


def test_hardness_compares_with_the_limits() -> None:
    """A mean of 0.9 is above every limit; one below is hard enough."""
    means = mean_account_recall(order())
    assert not check_hardness(means)["hard"].any()
    assert check_hardness(means.assign(value=0.2))["hard"].all()


def test_logs_without_a_column_stand_beside_the_same_seeds_with_all(quality: Quality, tmp_path: Path) -> None:
    """The row of all columns is of those seeds alone, and of the detector, not of what it is compared with."""
    one = order()[lambda rows: (rows["seed"] == 102) & (rows["method"] == "score")]
    better = order().assign(value=lambda rows: rows["value"].where(rows["seed"] == 102, 0.2))
    given = quality._replace(order=better, columns=one.assign(method="without_ip", value=0.5))
    provenance = Provenance(seeds=[101, 102], settings=StudySettings(), simulator="a", commit="d")
    text = write_page(given, provenance=provenance, docs=tmp_path).read_text().partition("### Logs without")[2]
    assert "On seeds 102; *all_columns* is" in text
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith(("| all_columns", "| without_ip"))]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["all_columns", "0.90 ± 0.00"],
        ["without_ip", "0.50 ± 0.00"],
    ]


def test_the_page_has_tables_pictures_and_notes(quality: Quality, tmp_path: Path) -> None:
    """Seeds, commit, targets, every method and the person's notes are on the page, and its pictures exist."""
    settings = StudySettings()
    provenance = Provenance(seeds=[101, 102], settings=settings, simulator="abc1234", commit="def5678")
    path = write_page(quality, provenance=provenance, docs=tmp_path, notes="What limits it: nothing known.\n")
    text = path.read_text(encoding="utf-8")
    for word in ("Seeds 101, 102", "`abc1234`", "≥ 0.95", "own lookups z", "What limits it", "| S1 "):
        assert word in text
    pictures = [line.split("(")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(pictures) == 3
    assert all((tmp_path / picture).read_text(encoding="utf-8").startswith("<?xml") for picture in pictures)


def test_an_unchanged_page_has_the_same_bytes(quality: Quality, tmp_path: Path) -> None:
    """Writing the same measures twice gives equal files, pictures included."""
    provenance = Provenance(seeds=[101], settings=StudySettings(), simulator="a", commit="b")
    for name in ("first", "second"):
        write_page(quality, provenance=provenance, docs=tmp_path / name)
    files = [sorted((tmp_path / name).rglob("*.*")) for name in ("first", "second")]
    assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]


def test_parts_are_told_with_and_without_a_floor(quality: Quality, tmp_path: Path) -> None:
    """Means over scenarios with a floor (1.0 and 0.8) and without (0.0) stand apart, beside average precision."""
    parts = order().query("method == 'score'").assign(method="without where")
    provenance = Provenance(seeds=[1], settings=StudySettings(), simulator="a", commit="b")
    page = write_page(quality._replace(parts=parts), provenance=provenance, docs=tmp_path).read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith("| without where"))
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["0.900", "0.900", "0.000", "0.000", "0.970"]


def test_spread_over_one_seed_is_nought() -> None:
    """One seed has no spread, and a scenario that a seed does not have is left out."""
    one = order().query("seed == 101")
    found = over_seeds(pd.concat([one, one.head(1).assign(value=float("nan"), seed=102)]))
    assert (found["sd"] == 0.0).all()
    assert found["seeds"].max() == 1


def test_scenarios_sort_by_number() -> None:
    """S2 comes before S10, and the mean last."""
    assert sorted(["S10", "mean", "S2"], key=scenario_order) == ["S2", "S10", "mean"]


def test_cells_cannot_break_the_table() -> None:
    """A bar is escaped, nothing is a dash, truth is a word, numbers are rounded."""
    frame = pd.DataFrame({"a_b": ["x|y"], "c": [None], "d": [True], "e": [0.126]}).astype({"c": object, "d": object})
    assert markdown_table(frame).splitlines()[2].replace(" ", "") == "|x\\|y|–|yes|0.13|"


def test_a_page_without_scenarios_alone_is_whole(quality: Quality, tmp_path: Path) -> None:
    """Where no scenario was planted alone, what was gone is that of all together, and the rate is left open."""
    together = quality._replace(
        gone=quality.gone.assign(world=EVERYTHING),
        alerts=quality.alerts[quality.alerts["world"].isin([EVERYTHING, NOTHING])],
    )
    found = compare(together).set_index("measure")
    assert found["met"]["false-discovery rate of what notifies, worst scenario planted alone"] is None
    assert found["measured"]["gone before the first alert, median, worst other scenario"] == pytest.approx(0.2)
    provenance = Provenance(seeds=[1], settings=StudySettings(), simulator="a", commit="b")
    assert "| S1 " in write_page(together, provenance=provenance, docs=tmp_path).read_text(encoding="utf-8")
