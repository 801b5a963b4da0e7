"""The files in `--out`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from detector.alerting import AlertSettings
from detector.alerts import build_alerts
from detector.early import EARLY
from detector.errors import ConfigError
from detector.model.forest import ExtractionForest
from detector.model.kept import CALIBRATION, SET_ASIDE, Model
from detector.output.files import write_results
from detector.schema import REJECTS
from detector.scoring import SCORES
from detector.verbs import Scored
from tests.output.made import at, fired, reason, scored, scores

NOW = datetime(2026, 2, 13, 8, tzinfo=UTC)
FOUND = scores(
    {"account": "a", "alert": True, "queue": "main", "reasons": [reason("records", "many")], "checks": ["volume_tier"]},
    {"account": "b"},
)


@pytest.fixture(scope="module")
def model() -> Model:
    """A small model."""
    estimator = ExtractionForest(n_estimators=5, random_state=0).fit(np.random.default_rng(0).random((50, 2)))
    return Model(
        estimator=estimator,
        columns=("records__own", "misses__own"),
        calibration=CALIBRATION.empty().to_pandas(),
        set_aside=SET_ASIDE.empty().to_pandas(),
        cold=False,
        card={"days": 20},
    )


def result(model: Model, found: pd.DataFrame = FOUND) -> Scored:
    """What `score` returns."""
    return scored(found, build_alerts(found, fired(), pd.DataFrame()), model=model)


def test_each_table_is_what_its_schema_says(model: Model, tmp_path: Path) -> None:
    """Scores, early alerts and rejects have the columns and types that are promised, also without a row."""
    write_results(result(model), tmp_path / "out", now=NOW)
    for name, table in (("scores", SCORES), ("early", EARLY), ("rejects", REJECTS)):
        stored = pq.read_table(tmp_path / "out" / f"{name}.parquet")
        assert stored.schema.equals(table.arrow), name
    rows = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    assert rows[0]["reasons"][0]["sentence"] == "many"
    assert [row["checks"] for row in rows] == [["volume_tier"], None]


def test_a_day_without_any_reason_or_check_is_written_too(model: Model, tmp_path: Path) -> None:
    """Columns of lists in which nothing stands keep their type."""
    write_results(result(model, scores({"account": "a"})), tmp_path / "out", now=NOW)
    assert pq.read_table(tmp_path / "out" / "scores.parquet").schema.equals(SCORES.arrow)
    assert (tmp_path / "out" / "alerts.jsonl").read_bytes() == b""


def test_the_same_result_gives_the_same_bytes_but_for_when(model: Model, tmp_path: Path) -> None:
    """Only `run.json` knows the clock."""
    write_results(result(model), tmp_path / "one", now=NOW)
    write_results(result(model), tmp_path / "two", now=NOW.replace(hour=9), started_with=["score"])
    one, two = at(tmp_path / "one"), at(tmp_path / "two")
    assert {name for name in one if one[name] != two[name]} == {"run.json"}


def test_the_report_tells_how_the_run_came_about(model: Model, tmp_path: Path) -> None:
    """Settings, versions, days with their counts, warnings, the model and its card."""
    write_results(result(model), tmp_path / "out", now=NOW, started_with=["score", "x"])
    report = json.loads((tmp_path / "out" / "run.json").read_text())
    assert report["written_at"] == "2026-02-13T08:00:00+00:00"
    assert report["arguments"] == ["score", "x"]
    assert report["days"] == [
        {
            "day": "2026-02-12",
            "complete": True,
            "last_event_at": "2026-02-12T22:00:00+00:00",
            "accounts": 2,
            "alerts": 1,
            "early": 0,
            "queues": {"main": 1},
        }
    ]
    assert report["warnings"] == ["a warning"]
    assert report["model"] == {"version": model.version, "cold": False, "card": {"days": 20}}
    assert report["settings"]["score"]["alerts"]["false_discovery_rate"] == AlertSettings().false_discovery_rate
    assert {"detector", "duckdb", "pandas"} <= set(report["versions"])


def test_nothing_is_written_where_other_things_are(model: Model, tmp_path: Path) -> None:
    """A folder that no run of ours made is left as it is."""
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError, match=r"found other things, and no run\.json of an earlier run"):
        write_results(result(model), tmp_path, now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
