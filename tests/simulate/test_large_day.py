"""The largest portal: time and memory of one day."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EVENTS = 15_000_000
MOST_TIME = 20
"""Times what DuckDB takes to copy the same events to a new Parquet file."""

MOST_BYTES = 6e9

_SIMULATE = """
import resource, sys, time
from pathlib import Path
from detector.simulate import World, simulate
start = time.perf_counter()
simulate(World(accounts=400_000, days=1, seed=1, volume=1.32), Path(sys.argv[1]))
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
_COPY = """
import sys, time
import duckdb
duckdb.sql("SET enable_progress_bar = false")  # it would be among the numbers
start = time.perf_counter()
(rows,), = duckdb.sql(f"COPY (FROM '{sys.argv[1]}') TO '{sys.argv[2]}' (FORMAT parquet)").fetchall()
print(time.perf_counter() - start, rows)
"""


def measured(code: str, *arguments: Path) -> tuple[float, float]:
    """Run code in a process of its own, and return the two numbers that it prints."""
    call = [sys.executable, "-c", code, *map(str, arguments)]
    first, second = subprocess.run(call, check=True, capture_output=True, text=True).stdout.split()
    return float(first), float(second)


@pytest.mark.long
def test_large_day(tmp_path: Path) -> None:
    """A day of 15 million events takes at most 20 times as long as copying it, and 6 GB."""
    taken_s, most_bytes = measured(_SIMULATE, tmp_path / "world")
    (day,) = (tmp_path / "world" / "events").iterdir()
    copied_s, rows = measured(_COPY, day, tmp_path / "copy.parquet")
    print(f"{rows:,.0f} events: {taken_s:.0f} s, copy {copied_s:.0f} s, {most_bytes / 1e9:.1f} GB")  # noqa: T201
    assert rows >= EVENTS
    assert taken_s <= MOST_TIME * copied_s
    assert most_bytes <= MOST_BYTES
