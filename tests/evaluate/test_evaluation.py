"""Dumps and truth in, measures out."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detector.errors import ReadError
from detector.evaluate import EvaluateSettings, Evaluation, Scored, evaluate, render
from detector.evaluate.counts import connect, count_days, read_events
from detector.evaluate.judge import ProjectDetector
from detector.evaluate.truth import BENIGN_KINDS, CAMPAIGNS, TRUTH_ACCOUNTS, TRUTH_EVENTS
from tests.evaluate.portal import write_day

ZONE = "UTC"
DAYS = [f"2026-03-{day:02d}" for day in range(2, 14)]
LAST = DAYS[-1]


class MostLookups:
    """Scores by look-ups, alerts from 50 on; remembers what it was shown."""

    def __init__(self) -> None:
        """Nothing learned yet."""
        self.learned: list[str] = []
        self.scored: list[str] = []

    def learn(self, dumps: Sequence[Path], *, history: Path) -> None:
        """Note the names."""
        self.learned = [path.name for path in dumps]
        (history / "learned").touch()

    @property
    def learning(self) -> str:
        """It has no settings."""
        return ""

    def train(self, *, history: Path, model: Path) -> None:
        """Leave a file to show that it was fitted."""
        assert (history / "learned").exists()
        model.mkdir(exist_ok=True)
        (model / "fitted").touch()

    def score(self, dumps: Sequence[Path], *, history: Path, model: Path) -> Scored:
        """Count look-ups."""
        assert (history / "learned").exists()
        assert (model / "fitted").exists()
        self.scored = [path.name for path in dumps]
        with connect() as con:
            read_events(con, files=[str(path) for path in dumps])
            counts = count_days(con, zone=ZONE)
        scores = counts[["account", "day"]].assign(score=counts["lookups"].astype(float), alert=counts["lookups"] >= 50)
        early = pd.DataFrame(
            {"account": ["thief"], "day": scores["day"].max(), "alert_at": pd.Timestamp(f"{LAST}T02:00Z")}
        )
        return Scored(scores.assign(queue=None), early.astype({"alert_at": "datetime64[us, UTC]"}))


def portal(folder: Path) -> list[Path]:
    """Ten accounts with one to three look-ups a day; on the last night one of them reads 100 records, one a minute."""
    files = []
    for number, day in enumerate(DAYS):
        rows: list[dict[str, object]] = [
            {"at": f"{day}T09:{i:02d}:00", "account": f"a{i}", "action": "lookup", "record": f"r{i}-{j}"}
            for i in range(9)
            for j in range(1 + (i + number) % 3)
        ]
        if day == LAST:
            rows += [
                {
                    "at": f"{day}T0{1 + i // 60}:{i % 60:02d}:00",
                    "account": "thief",
                    "action": "lookup",
                    "record": f"s{i}",
                }
                for i in range(100)
            ]
        files.append(write_day(folder / "events", day, rows))
    return files


def truth(folder: Path, *, first_line: int) -> Path:
    """The last file's rows from `first_line` on are malicious."""
    events = [
        {
            "source": f"{LAST}.parquet",
            "line": first_line + i,
            "timestamp": pd.Timestamp(f"{LAST}T0{1 + i // 60}:{i % 60:02d}Z"),
            "day": pd.Timestamp(LAST).date(),
            "scenario": "S1",
            "campaign": "1-S1",
            "account": "thief",
            "record": f"s{i}",
            "action": "lookup",
        }
        for i in range(100)
    ]
    accounts = [{"account": name, "profession": None, "zone": None} for name in [*(f"a{i}" for i in range(9)), "thief"]]
    kinds = [{"account": "a1", "day": pd.Timestamp(LAST).date(), "kind": "duty_night"}]
    span = [{"campaign": "1-S1", "scenario": "S1", "accounts": ["thief"], "start": events[0]["timestamp"]}]
    out = folder / "truth"
    out.mkdir()
    for table, rows in (
        (TRUTH_EVENTS, events),
        (CAMPAIGNS, [{**span[0], "end": events[-1]["timestamp"]}]),
        (TRUTH_ACCOUNTS, accounts),
        (BENIGN_KINDS, kinds),
    ):
        name = table.name.removeprefix("truth_")
        pq.write_table(pa.Table.from_pylist(rows, schema=table.arrow), out / f"{name}.parquet")
    return out


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, MostLookups]:
    """The tiny portal, evaluated."""
    folder = tmp_path_factory.mktemp("portal")
    files = portal(folder)
    benign = pq.ParquetFile(files[-1]).metadata.num_rows - 100
    detector = MostLookups()
    found = evaluate(
        files,
        truth=truth(folder, first_line=benign + 1),
        detector=detector,
        scratch=folder / "scratch",
        settings=EvaluateSettings(zone=ZONE, judged_days=2),
    )
    return found, detector


def test_days_before_the_judged_ones_are_learned(evaluated: tuple[Evaluation, MostLookups]) -> None:
    """Of twelve days the last two are scored and the ten before learned."""
    _, detector = evaluated
    assert detector.learned == [f"{day}.parquet" for day in DAYS[:-2]]
    assert detector.scored == [f"{day}.parquet" for day in DAYS[-2:]]


def test_the_detector_stands_beside_the_simple_ones(evaluated: tuple[Evaluation, MostLookups]) -> None:
    """Every method has a recall per limit; look-ups find this thief."""
    found, _ = evaluated
    recall = found.order[(found.order["measure"] == "recall_share") & (found.order["level"] == 0.003)]
    methods = {"score", "forest_counts", "profession_lookups", "own_lookups_z", "foreign_excess"}
    assert set(recall["method"]) == methods
    assert recall.set_index("method")["value"]["score"] == 1.0


def test_half_is_gone_when_the_alert_comes_half_way(evaluated: tuple[Evaluation, MostLookups]) -> None:
    """One a minute from one o'clock, alert at two: the 61 until then are gone, by the day all are."""
    gone = evaluated[0].gone
    assert gone[["taken", "gone_by_day", "gone_by_minute"]].to_numpy().tolist() == [[100.0, 1.0, 0.61]]


def test_all_that_notifies_is_the_thief(evaluated: tuple[Evaluation, MostLookups]) -> None:
    """One attacked account-day notifies, no honest one, and the duty night stays silent."""
    values = evaluated[0].alerts.set_index("measure")["value"]
    assert (values["notified_true"], values["notified_false"], values["false_days"]) == (1.0, 0.0, 0.0)
    assert evaluated[0].benign["share"].tolist() == [0.0]


def test_it_prints_as_tables_and_as_json(evaluated: tuple[Evaluation, MostLookups]) -> None:
    """The tables name the scenario and the methods; the JSON document has the four parts."""
    text = render(evaluated[0])
    assert "| S1 " in text
    assert "own lookups z" in text
    assert set(json.loads(render(evaluated[0], form="json"))) == {"order", "alerts", "gone", "benign"}


def test_files_must_be_named_after_their_day(tmp_path: Path) -> None:
    """A file of another name is refused with what was found and what is expected."""
    log = tmp_path / "access.log"
    log.touch()
    with pytest.raises(ReadError, match=r"found access\.log, expected one Parquet file a day"):
        evaluate([log], truth=tmp_path / "truth", detector=MostLookups(), scratch=tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The user's own path stands in the message."""
    with pytest.raises(ReadError, match=r"2026-03-01\.parquet: no such file"):
        evaluate([tmp_path / "2026-03-01.parquet"], truth=tmp_path, detector=MostLookups(), scratch=tmp_path)


def test_two_files_of_one_day_are_refused(tmp_path: Path) -> None:
    """The truth names files without their folder, so it could not tell them apart."""
    files = portal(tmp_path)
    other = tmp_path / "again" / files[3].name
    other.parent.mkdir()
    shutil.copy(files[3], other)
    with pytest.raises(ReadError, match=r"2026-03-05\.parquet: another file has this name"):
        evaluate([*files, other], truth=tmp_path / "truth", detector=MostLookups(), scratch=tmp_path / "scratch")


def test_a_folder_with_the_truth_in_it_is_the_files_in_it(tmp_path: Path) -> None:
    """The folder that holds dumps and truth, as `simulate` writes them: the days are read, the truth is no dump."""
    files = portal(tmp_path)
    lies = truth(tmp_path, first_line=pq.ParquetFile(files[-1]).metadata.num_rows - 99)
    settings = EvaluateSettings(zone=ZONE, judged_days=2)
    found = [
        evaluate(dumps, truth=lies, detector=MostLookups(), scratch=tmp_path.with_name(name), settings=settings)
        for name, dumps in (("one", [tmp_path]), ("two", files))
    ]
    assert render(found[0]) == render(found[1])


def test_too_few_days_before_the_judged_ones_are_told_of_the_users_files(tmp_path: Path) -> None:
    """Five days cannot train a model; the message speaks of the dumps, not of a scratch folder."""
    files = portal(tmp_path)
    lies = truth(tmp_path, first_line=pq.ParquetFile(files[-1]).metadata.num_rows - 99)
    with pytest.raises(ReadError, match=r"^dumps to evaluate: 5 days before the judged ones, training needs more than"):
        evaluate(files, truth=lies, detector=ProjectDetector(), scratch=tmp_path / "scratch")


def test_scenarios_stand_in_their_natural_order() -> None:
    """S2 comes before S10 in every table, whatever order the measures have."""
    names = ["S10", "S2", "all", "S1-local", "S1"]
    order = pd.DataFrame(
        {"measure": "recall_share", "method": "score", "level": 0.003, "scenario": names, "value": 1.0}
    )
    alerts = pd.DataFrame({"measure": "own_recall", "method": "alerts", "level": 0.0, "scenario": names, "value": 1.0})
    gone = pd.DataFrame({"scenario": names, "campaign": names, "account": names, "taken": 1.0})
    gone = gone.assign(gone_by_day=1.0, gone_by_minute=1.0, hours_by_day=None, hours_by_minute=1.0)
    benign = pd.DataFrame(columns=["kind", "days", "notified", "share"])
    text = render(Evaluation(order=order, alerts=alerts, gone=gone, benign=benign))
    for title in ("Recall at 0.3 %", "What notifies", "Gone before the first alert"):
        rows = text.split(title)[1].split("\n\n")[1].splitlines()
        told = [cell for row in rows for cell in re.split(r"[ |]+", row) if cell in names]
        assert told == ["S1", "S1-local", "S2", "S10", "all"]
    told = [row["scenario"] for row in json.loads(render(Evaluation(order, alerts, gone, benign), form="json"))["gone"]]
    assert told == ["S1", "S1-local", "S2", "S10", "all"]


def test_a_day_must_be_left_to_learn_from(tmp_path: Path) -> None:
    """Two days of which seven would be judged leave nothing to learn."""
    files = portal(tmp_path)[:2]
    with pytest.raises(ReadError, match="no day is left to learn from"):
        evaluate(files, truth=tmp_path, detector=MostLookups(), scratch=tmp_path)
