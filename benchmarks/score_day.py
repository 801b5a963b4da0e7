"""Time and memory of scoring one large day without history, beside the limit: DuckDB hashing all its columns.

Both run in turn, each as a process of its own, so that a machine whose speed drifts is unfair to neither, and each run
is compared with its neighbour. Absolute times mean nothing beyond the machine; the ratios are the result: of the wall
clock's time, and of the processors', which other work on the machine hardly touches.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import duckdb
import typer

EVENTS, ACCOUNTS = 15_000_000, 250_000
HASH = "import duckdb, sys; duckdb.connect().execute('SELECT sum(hash(COLUMNS(*))) FROM read_parquet(?)', sys.argv[1:])"
MAPPING = '[records]\nkind = "token"\n'


class Run(NamedTuple):
    """One finished process: time by the wall clock and of all processors in seconds, and peak memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


DAY = """
    COPY (
        SELECT timestamptz '2026-03-02 00:00:00+01'
                   + to_microseconds((hash(i, 1) % 86400000000)::bigint) AS timestamp,
               format('A{:06d}', a) AS account,
               CASE WHEN i % 100 < 8 THEN 'login' WHEN i % 100 < 13 THEN 'write' ELSE 'lookup' END AS action,
               CASE WHEN hash(i, 2) % 100 < 3 THEN 'failure' ELSE 'success' END AS outcome,
               '10.' || a % 200 || '.' || (a // 200) % 250 || '.' || hash(i, 3) % 2 AS ip,
               CASE WHEN i % 100 >= 8 THEN md5((hash(i, 4) % getvariable('events'))::varchar) END AS record,
               'infopatient' AS service, 'portal' AS channel, 'password' AS auth_mode, 'typed' AS record_id_mode,
               's' || a || '-' || hash(i, 5) % 3 AS session,
               'Mozilla/5.0 (Windows NT 10.0; x64) Chrome/' || (120 + a % 10) || '.0 Safari/537.36' AS user_agent,
               ['pharmacist', 'doctor', 'nurse', 'physiotherapist'][1 + a % 4] AS profession
        FROM (
            SELECT i, floor(getvariable('accounts') * pow((hash(i, 6) % 1000000) / 1e6, 2))::bigint AS a
            FROM range(getvariable('events')) t(i)
        )
    ) TO 'day.parquet' (FORMAT parquet)
"""


def write_day(folder: Path, *, events: int, accounts: int) -> Path:
    """Write one day of events whose records are tokens; busy accounts do much more than the others."""
    con = duckdb.connect()
    con.execute("SET VARIABLE events = ?::bigint", [events])
    con.execute("SET VARIABLE accounts = ?::bigint", [accounts])
    before = Path.cwd()
    os.chdir(folder)
    try:
        con.execute(DAY)
    finally:
        os.chdir(before)
    return folder / "day.parquet"


def run(command: list[str]) -> Run:
    """Run a command to its end and tell what it took."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - this interpreter, and our own words
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return Run(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, _megabytes(usage))


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 1024


def _ratio(runs: list[Run], limits: list[Run], measure: str) -> float:
    """The median of how many times as long each run took as the one before it."""
    pairs = zip(runs, limits, strict=True)
    ratios: list[float] = [getattr(ours, measure) / getattr(limit, measure) for ours, limit in pairs]
    return round(statistics.median(ratios), 1)


def main(
    *,
    events: Annotated[int, typer.Option(help="Events of the day.")] = EVENTS,
    accounts: Annotated[int, typer.Option(help="Accounts of the portal.")] = ACCOUNTS,
    runs: Annotated[int, typer.Option(help="Runs of each, in turn.")] = 3,
) -> None:
    """Print the medians of the ratios, and the peak memory, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        day = write_day(Path(folder), events=events, accounts=accounts)
        mapping = Path(folder) / "mapping.toml"
        mapping.write_text(MAPPING, encoding="utf-8")
        score = ["-m", "detector", "score", str(day), "--mapping", str(mapping), "--complete", "--out", f"{folder}/out"]
        hashed, scored = [], []
        for _ in range(runs):
            hashed.append(run([sys.executable, "-c", HASH, str(day)]))
            scored.append(run([sys.executable, *score]))
    found = {
        "events": events,
        "accounts": accounts,
        "runs": runs,
        "ratio_to_hashing": _ratio(scored, hashed, "wall_s"),
        "ratio_of_cpu": _ratio(scored, hashed, "cpu_s"),
        "peak_mb": round(max(each.peak_mb for each in scored)),
        "hashing": [each._asdict() for each in hashed],
        "scoring": [each._asdict() for each in scored],
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
