"""Time and memory of one run of the job: 50,000 new events of a portal of 250,000 accounts with 28 days of history.

A small portal is simulated, learned and trained on; then its history, and the day that goes on, are copied a hundred
times over, each copy with accounts, records and addresses of its own. What is measured is a whole process, from its
start to its end: early in the day, and again with more and more slices done, which must not take longer. It does take
longer where accounts are looked at closely; how many were is told beside. So that this is known for each hour, every
second measured slice holds a theft: one account that reads records of many others.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from datetime import UTC, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import duckdb
import ibis
import typer

from benchmarks.score_day import Run, run
from detector.history import History, transaction
from detector.history.manifest import digest_of, past_digest
from detector.history.tables import TABLES
from detector.simulate import World, simulate
from detector.verbs import learn, train

ACCOUNTS, COPIES, DAYS, SLICE, STOLEN = 2_500, 100, 28, 50_000, 300
RUN = """
import sys
from datetime import datetime
from pathlib import Path
from detector.run import run_once
from detector.settings import load_settings
report = run_once(load_settings(Path(sys.argv[1])), now=datetime.fromisoformat(sys.argv[2]))
if report.faults:
    print(*report.faults, sep="\\n", file=sys.stderr)
Path(sys.argv[3]).write_text(str(report.n_looked))
"""
SMALL, LARGE = "small", "large"
CONFIG = """
[history]
folder = "history"
[engine]
memory_limit = "1GB"
[learn]
batch_bytes = 1
[[input]]
path = "incoming/*"
mapping = "mapping.toml"
"""
"""Each file is committed by itself, as if each had come in a run of its own."""
COPY = {
    "account": "account || '-' || copy",
    "record": "CASE WHEN record IS NOT NULL THEN sha256(record || copy) END",
    "ip": "CASE WHEN contains(ip, ':') THEN printf('%x', 8192 + copy) || substr(ip, strpos(ip, ':')) ELSE "
    "(1 + (try_cast(split_part(ip, '.', 1) AS int) + copy) % 223)::varchar || substr(ip, strpos(ip, '.')) END",
    "session": "session || '-' || copy",
}
"""How a copy of each column is made; the others are the same."""


def make_small(folder: Path, *, accounts: int) -> None:
    """A portal that is simulated day by day, its history, and its model."""
    simulate(World(accounts=accounts, days=DAYS + 1, attacks=()), folder / "portal", workers=2, formats=["parquet"])
    *before, _ = sorted((folder / "portal" / "events").glob("*.parquet"))
    mapping = folder / "portal" / "mapping.toml"
    learn([str(day) for day in before], mapping=mapping, history=folder / "history")
    train(history=folder / "history")


def copied(columns: tuple[str, ...]) -> str:
    """The columns, with what a copy changes."""
    return ", ".join(f"{COPY.get(name, name)} AS {name}" for name in columns)


def enlarge_history(small: Path, large: Path, *, copies: int) -> None:
    """The small portal's history, many times over."""
    source = History.open(small / "history")
    con = ibis.duckdb.connect(memory_limit="6GB")
    con.con.execute("SET TimeZone = 'UTC'")
    target = History.open(large / "history", zone=source.manifest.zone, key_id="", create=True)
    for day in source.days:
        with transaction(target, con=con) as change:
            for name in ("account_sources", "account_records", "account_hours", "account_days"):
                paths = source.paths(name, day, day)
                query = f"SELECT {copied(TABLES[name].names)} FROM read_parquet({paths}), range({copies}) t(copy)"  # noqa: S608
                con.raw_sql(f"CREATE OR REPLACE TEMP VIEW copied AS {query}").fetchall()
                change.put(day, name, con.table("copied"))
            parts = (part for stored in change.manifest.days[day].tables.values() for part in stored.parts)
            change.set_day(day, state="closed", content=digest_of(part.sha256 for part in parts))
            change.set_day(day, past=past_digest(change.manifest, day))
        sys.stderr.write(f"{day}: {sum(p.rows for s in target.manifest.days[day].tables.values() for p in s.parts)}\n")
    shutil.copytree(small / "history" / "model", large / "history" / "model", dirs_exist_ok=True)


def cut_day(small: Path, large: Path, *, copies: int) -> None:
    """The small portal's last day, as many times over, in slices of `SLICE` events each."""
    *_, day = sorted((small / "portal" / "events").glob("*.parquet"))
    scratch = small / "last"
    learn([str(day)], mapping=small / "portal" / "mapping.toml", history=_copy(small / "history", scratch))
    held = History.open(scratch)
    (path,) = held.paths("open_events", held.days[-1], held.days[-1])
    (large / "slices").mkdir(exist_ok=True)
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'; SET memory_limit = '6GB'")
    con.execute(f"SET temp_directory = '{large / 'spill'}'")
    # Copies of one moment are spread over a quarter of an hour.
    moment = "timestamp + to_seconds((hash(account, copy) % 900)::bigint)"
    names = ", ".join(
        f"{COPY.get(name, name)} AS {name}" for name in TABLES["open_events"].names if name != "timestamp"
    )
    con.execute(
        f"COPY (SELECT *, (row_number() OVER (ORDER BY timestamp) - 1) // {SLICE} AS slice FROM ("  # noqa: S608
        f"SELECT {moment} AS timestamp, {names} FROM read_parquet('{path}'), range({copies}) t(copy))) "
        f"TO '{large / 'slices'}' (FORMAT parquet, PARTITION_BY (slice), OVERWRITE)"
    )
    con.close()


def _copy(folder: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    if (key := folder.with_name(folder.name + ".key")).exists():
        shutil.copy(key, target.with_name(target.name + ".key"))
    return target


def make(folder: Path, *, accounts: int, copies: int) -> Path:
    """All that is measured on, unless it is there."""
    small, large = folder / SMALL, folder / LARGE
    if not (small / "history" / "model").exists():
        make_small(small, accounts=accounts)
    if not (large / "history" / "model").exists():
        large.mkdir(exist_ok=True)
        enlarge_history(small, large, copies=copies)
    if not (large / "slices").exists():
        cut_day(small, large, copies=copies)
    return large


class Slice(NamedTuple):
    """One run: how many slices were done before, whether the last one held a theft, and what the run took.

    `n_looked` is how many accounts it looked at closely.
    """

    done: int
    theft: bool
    n_looked: int
    took: Run


class Job:
    """The job on a copy of the large portal's history, whose slices are delivered one after another."""

    def __init__(self, large: Path, folder: Path) -> None:
        # Files of a history never change: links to them will do.
        shutil.copytree(large / "history", folder / "history", copy_function=os.link)
        (folder / "incoming").mkdir()
        (folder / "mapping.toml").write_text('[records]\nkind = "token"\n')
        (folder / "detector.toml").write_text(CONFIG)
        self.folder = folder
        self.slices = sorted((large / "slices").glob("slice=*/*.parquet"), key=lambda path: int(path.parent.name[6:]))
        self.delivered = 0

    def run(self, *, upto: int, theft: bool = False) -> Slice:
        """Deliver slices, the last one with a theft or without, and run once."""
        done, told = self.delivered, self.folder / "looked"
        for number, path in enumerate(self.slices[done:upto], start=done):
            target = self.folder / "incoming" / f"{number:04}.parquet"
            if theft and number == upto - 1:
                add_theft(path, target)
            else:
                shutil.copy(path, target)
        self.delivered = upto
        rows = duckdb.connect().read_parquet(str(self.slices[upto - 1])).max("timestamp").fetchall()
        last = rows[0][0]
        now = (last.astimezone(UTC) + timedelta(seconds=30)).isoformat()
        took = run([sys.executable, "-c", RUN, str(self.folder / "detector.toml"), now, str(told)])
        return Slice(done, theft, int(told.read_text()), took)


def add_theft(path: Path, target: Path) -> None:
    """Write a slice in which one of its accounts, from elsewhere, reads records that others read."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute(
        "COPY (WITH slice AS (FROM read_parquet($path)), read AS (FROM slice WHERE action = 'lookup' AND "
        "outcome = 'success' AND record IS NOT NULL), thief AS (SELECT min(account) AS account FROM read), "
        "stolen AS (SELECT read.* REPLACE (thief.account AS account, '192.0.2.7' AS ip, "
        "'Mozilla/5.0 (X11; Linux x86_64)' AS user_agent, 'theft' AS session, 'portal' AS channel) "
        "FROM read, thief WHERE read.account <> thief.account LIMIT $stolen) "
        "FROM slice UNION ALL BY NAME FROM stolen) TO $target (FORMAT parquet)",
        {"path": str(path), "target": str(target), "stolen": STOLEN},
    )
    con.close()


def main(
    *,
    folder: Annotated[Path, typer.Argument(help="Where to keep what is measured on; 6 GB.")],
    accounts: Annotated[int, typer.Option(help="Of the portal that is copied.")] = ACCOUNTS,
    copies: Annotated[int, typer.Option(help="How many times.")] = COPIES,
    done: Annotated[str, typer.Option(help="Slices done before each measurement.")] = "8,20,40,55",
    runs: Annotated[int, typer.Option(help="Runs of each, without a theft and with one.")] = 2,
) -> None:
    """Print time and memory of runs with so many slices of the day done, of one new slice each, as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    large = make(folder, accounts=accounts, copies=copies)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        job = Job(large, Path(place))
        for upto in (int(each) for each in done.split(",")):
            if upto > job.delivered:
                tell(job.run(upto=upto))
            for number in range(2 * runs):
                tell(job.run(upto=job.delivered + 1, theft=number % 2 == 1))


def tell(found: Slice) -> None:
    """Print one line of JSON."""
    line = {"slices_done": found.done, "theft": found.theft, "looked_at_closely": found.n_looked}
    line |= found.took._asdict()
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
