"""The benchmarks measure what they say, and `detector --help` costs little more than an empty application's."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.page import growth, write_page
from benchmarks.rivals import THRESHOLD, hash_columns, rule
from benchmarks.run_slice import STOLEN, add_theft
from benchmarks.speed import help_ratio, make, make_history, measure
from detector.history import History

OWN = "score, Parquet"
MOST_FOR_HELP = 1.5


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of 6,000 events of 100 accounts, as Parquet."""
    folder = tmp_path_factory.mktemp("bench")
    make(folder, events=6_000, wanted=lambda name: False)
    return folder


def test_help_costs_little_more_than_an_empty_applications() -> None:
    """Processor time, the best of several runs each, asked again on a busy machine, whose caches are not ours."""
    assert any(help_ratio(runs=4) <= MOST_FOR_HELP for _attempt in range(4))


def test_a_case_is_measured_beside_its_limit_and_by_stage(day: Path) -> None:
    """One entry: ratios, memory, bytes read (the file at least, more than once), and stages that sum to its time."""
    (entry,) = measure(day, runs=1, wanted=lambda name: name == OWN, with_history=False)
    assert entry["case"] == OWN
    assert entry["ratio_cpu"] == pytest.approx(entry["cpu_s"] / entry["limit_cpu_s"], rel=0.1)
    assert entry["read_mb"] >= 2 * (day / "day.parquet").stat().st_size / 1e6
    assert {"imports", "reading", "aggregates", "deviations", "model", "output"} <= entry["stages"].keys()
    (run,) = entry["runs"]
    assert 0.5 * run["ours"]["wall_s"] <= sum(wall for wall, _ in entry["stages"].values()) <= run["ours"]["wall_s"]


def test_the_history_of_a_benchmark_is_28_days_half_of_them_new(day: Path) -> None:
    """Each day holds the day's account-records under its own date, and half of the records of the day before."""
    history = History.open(make_history(day))
    assert len(history.days) == 28
    first, second = (history.paths("account_records", each, each) for each in history.days[:2])
    one, two = (duckdb.read_parquet(paths).project("account, record").distinct() for paths in (first, second))
    assert len(one) == len(two) > 1_000
    assert len(one.intersect(two)) == pytest.approx(len(one) / 2, rel=0.1)


def test_the_limit_and_the_rule_read_the_file(day: Path) -> None:
    """The limit runs; the rule finds whoever looked up more than the threshold, and nobody else."""
    path = str(day / "day.parquet")
    assert hash_columns(path) == 0
    counts = duckdb.read_parquet(path).filter("action = 'lookup'").aggregate("account, count(*)").fetchall()
    above = [n for _account, n in counts if n > THRESHOLD]
    assert rule(path) == len(above) > 0


def entry(case: str, cpu_s: float, peak_mb: float) -> dict[str, Any]:
    """What a case might have taken."""
    sizes = {"peak_mb": peak_mb, "read_mb": 1, "spilled_mb": 0}
    return {"case": case, "ratio_wall": 12.0, "ratio_cpu": cpu_s, "cpu_s": cpu_s, "stages": {"reading": [1, 2]}} | sizes


def test_the_page_tells_ratios_growth_and_what_is_missed(tmp_path: Path) -> None:
    """Growth is the exponent between sizes; a target is missed by what is above it, at the size it is for."""
    sizes = {"1000": [entry(OWN, 2, 100)], "10000": [entry(OWN, 20, 200), entry("pandas", 80, 800)]}
    sizes["150000000"] = [entry("score, CSV", 999, 5000)]
    found = {"sizes": sizes, "help_ratio": 1.2}
    assert growth(found, OWN, "cpu_s") == pytest.approx(1)
    assert growth(found, OWN, "peak_mb") == pytest.approx(math.log10(2))
    assert growth(found, "pandas", "cpu_s") is None
    write_page(json.loads(json.dumps(found)), tmp_path / "performance.md")
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert "9 features of some 50, 10,000 events: 4 times the processors' time of `score`, 4 times the memory" in page
    assert "- score, Parquet: 20 times the limit's processors' time at 10,000 events, 10 times are aimed at." in page
    assert "- score, CSV: not measured; 5 times the limit are aimed at." in page
    assert "- score, CSV: 5,000 MB at 150,000,000 events, 4,000 MB are aimed at." in page
    assert (tmp_path / "img" / "performance.svg").stat().st_size > 1_000


def test_the_theft_of_a_slice_is_one_account_that_reads_what_others_read(day: Path, tmp_path: Path) -> None:
    """All else in the slice stays as it is."""
    path = tmp_path / "slice.parquet"
    names = "timestamp, account, action, outcome, ip, record, session, user_agent, channel"
    duckdb.read_parquet(str(day / "day.parquet")).project(names).write_parquet(str(path))
    add_theft(path, tmp_path / "with.parquet")
    before, after = (duckdb.read_parquet(str(tmp_path / name)) for name in ("slice.parquet", "with.parquet"))
    stolen = after.filter("session = 'theft'")
    assert len(after) - len(before) == len(stolen) == STOLEN
    assert len(stolen.project("account").distinct()) == 1
    assert len(stolen.project("record").except_(before.project("record"))) == 0
