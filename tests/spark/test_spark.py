"""Spark computes what DuckDB computes: the same table, the same alerts, in local mode and on a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import detector
from detector.errors import ConfigError, ReadError, SchemaError
from detector.scoring import SCORES
from tests.spark.cluster import cluster
from tests.spark.conftest import Portal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("needs_spark")]
LISTS = ("reasons", "contributions", "unremarkable_without", "checks")
TOLERANCE = 1e-9


def assert_same_scores(expected: pd.DataFrame, folder: Path) -> None:
    """Every column of every account is the same: counts and texts equal, floats within 1e-9."""
    found = SCORES.check(pq.read_table(folder / "scores.parquet")).to_pandas()
    rows = [frame.sort_values(["day", "rank"], ignore_index=True) for frame in (expected, found)]
    assert len(rows[0]) == len(rows[1]) > 0
    assert rows[0]["account"].tolist() == rows[1]["account"].tolist()
    for column in SCORES.columns:
        pair = [frame[column.name] for frame in rows]
        if column.name in LISTS:
            assert [_plain(value) for value in pair[0]] == [_plain(value) for value in pair[1]], column.name
        elif pa.types.is_floating(column.type):
            wanted, got = (values.to_numpy(dtype=np.float64) for values in pair)
            np.testing.assert_allclose(got, wanted, rtol=TOLERANCE, atol=TOLERANCE, err_msg=column.name)
        else:
            texts = [values.astype("str").where(values.notna(), "-").tolist() for values in pair]
            assert texts[0] == texts[1], column.name


def _plain(value: Any) -> Any:
    """Lists and numbers of any library as Python's own; numbers to six decimals."""
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list() | np.ndarray():
            return [_plain(each) for each in value]
        case float() | np.floating():
            return None if np.isnan(value) else round(float(value), 6)
        case str():
            return str(value)
    return value


def alerts_in(folder: Path) -> list[dict[str, Any]]:
    """The alerts that were written."""
    return [json.loads(line) for line in (folder / "alerts.jsonl").read_text().splitlines()]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("history", [False, True], ids=["cold", "with a past"])
def test_a_day_is_scored_as_on_one_machine(
    history: bool,  # noqa: FBT001 - a parameter of the test
    portal: Portal,
    session: SparkSession,
    tmp_path: Path,
) -> None:
    """Without a past and with one, Spark writes DuckDB's table and alerts."""
    from detector.spark.verb import score_on_spark

    settings = portal.settings(history=history)
    expected = detector.score(portal.table, complete=True, settings=settings)
    found = score_on_spark([str(portal.events)], session=session, out=tmp_path / "out", settings=settings)
    assert_same_scores(expected.scores, tmp_path / "out")
    detector.write_results(expected, tmp_path / "expected")
    assert alerts_in(tmp_path / "out") == alerts_in(tmp_path / "expected")
    assert bool(alerts_in(tmp_path / "out")) is history
    early = [pq.read_table(tmp_path / name / "early.parquet") for name in ("out", "expected")]
    assert early[0].sort_by("account").equals(early[1].sort_by("account"))
    assert found.fired.shape == expected.fired.shape
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["days"][0]["accounts"] == len(expected.scores)


@pytest.mark.timeout(1200)
def test_a_cluster_of_two_workers_scores_as_one_machine(portal: Portal, tmp_path: Path) -> None:
    """The command scores a day on a standalone master; both workers take part."""
    settings = portal.settings(history=False)
    expected = detector.score(portal.table, complete=True, settings=settings)
    with cluster(tmp_path, workers=2) as found:
        command = [sys.executable, "-m", "detector", "score", str(portal.events), "--engine", "spark"]
        command += ["--master", found.master, "--out", str(tmp_path / "out"), "--format", "json"]
        done = subprocess.run(command, env=found.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        assert all(list(worker.glob("app-*/*")) for worker in found.workers)
    assert_same_scores(expected.scores, tmp_path / "out")
    assert "no details.parquet" in " ".join(done.stderr.split())
    assert {row["account"] for row in json.loads(done.stdout)} <= set(expected.scores["account"])


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda rows: rows.drop_columns(["outcome"]), SchemaError, "missing column 'outcome'"),
        (lambda rows: _replaced(rows, "timestamp", pa.int64()), SchemaError, "column 'timestamp' is bigint, not"),
        (lambda rows: _set(rows, "action", "dance"), SchemaError, "column 'action' has .* not allowed"),
        (lambda rows: _set(rows, "record", "1 84 12 2A 451 089"), ReadError, "look like identifiers"),
        (lambda rows: rows.slice(0, 0), ReadError, "no event"),
    ],
    ids=["missing", "type", "value", "identifier", "empty"],
)
def test_events_that_are_not_canonical_are_refused(
    change: Any, error: type[Exception], message: str, portal: Portal, session: SparkSession, tmp_path: Path
) -> None:
    """Columns that are missing or of another type, values that may not stand there, and identifiers end the run."""
    from detector.spark.verb import score_on_spark

    pq.write_table(change(portal.table.slice(0, 50)), tmp_path / "events.parquet")
    with pytest.raises(error, match=message):
        score_on_spark([str(tmp_path / "events.parquet")], session=session, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _replaced(rows: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(kind))


def _set(rows: pa.Table, name: str, value: str) -> pa.Table:
    values = pc.if_else(pa.array([n == 0 for n in range(rows.num_rows)]), value, rows[name])
    return rows.set_column(rows.schema.get_field_index(name), name, values)


@pytest.mark.timeout(600)
def test_a_file_that_is_not_there_is_told(session: SparkSession, tmp_path: Path) -> None:
    """A path without files is a read error with the path."""
    from detector.spark.verb import score_on_spark

    with pytest.raises(ReadError, match=r"nowhere.*cannot read"):
        score_on_spark([str(tmp_path / "nowhere")], session=session, out=tmp_path / "out")


def test_options_that_spark_cannot_use_are_refused(tmp_path: Path) -> None:
    """A mapping, or no folder for the results, is misuse, told before anything starts."""
    base = [sys.executable, "-m", "detector", "score", "x.parquet"]
    mapping = tmp_path / "mapping.toml"
    mapping.write_text("")
    for more, message in (
        (["--engine", "spark"], "needs the events (Parquet) and --out"),
        (["--engine", "spark", "--out", "o", "--mapping", str(mapping)], "--mapping cannot be used"),
        (["--master", "local[1]"], "say --engine spark as well"),
    ):
        done = subprocess.run(base + more, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr


def test_a_day_that_is_not_in_the_events_is_refused() -> None:
    """`--day` must name a day of the events."""
    from datetime import date
    from types import SimpleNamespace

    from detector.spark.verb import _chosen

    with pytest.raises(ConfigError, match=r"--day 2026-03-02: .*; there are 2026-03-01"):
        _chosen(SimpleNamespace(input_days=[date(2026, 3, 1)]), [date(2026, 3, 2)])  # type: ignore[arg-type]
