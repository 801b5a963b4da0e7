"""Time and memory of learning, training and scoring large days, beside what they are compared with in the same run.

Each case and its rivals run in turn, each as a process of its own; absolute times mean nothing beyond the machine, the
ratios are the result. `python -m benchmarks.speed` writes `docs/performance.json`, and `docs/performance.md` from it.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import duckdb
import ibis
import typer

from benchmarks.measuring import Cost, cost
from benchmarks.page import write_page
from benchmarks.score_day import MAPPING, write_day
from detector.history import History, transaction
from detector.history.manifest import digest_of, past_digest
from detector.history.tables import TABLES
from detector.history.touched import keep_touched

DAY, PAST_DAYS = date(2026, 3, 2), 28
EVENTS_PER_ACCOUNT, MOST_ACCOUNTS = 60, 400_000
"""Events of a day for each account: 250,000 accounts have 15 million."""
NIR = """
    '1' || lpad((hash(record, 1) % 100)::varchar, 2, '0') || '0175' || lpad((hash(record, 2) % 1000)::varchar, 3, '0')
"""
HASHED, CSV, JSON = "score, Parquet, records hashed", "score, CSV", "score, gzip JSON lines"
RAW_MAPPING = "[records]\nkind = 'nir'\n"
ROOT = Path(__file__).resolve().parents[1]


def make(folder: Path, *, events: int, wanted: Callable[[str], bool]) -> None:
    """The day as Parquet, and in what other form the cases that are wanted need it, unless it is there."""
    parquet = folder / "day.parquet"
    if not parquet.exists():
        write_day(folder, events=events, accounts=min(max(events // EVENTS_PER_ACCOUNT, 1), MOST_ACCOUNTS))
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'; SET memory_limit = '3GB'")
    con.execute(f"SET temp_directory = '{folder / 'spill'}'")
    day = con.read_parquet(str(parquet))
    if wanted(CSV) and not (folder / "day.csv").exists():
        day.write_csv(str(folder / "day.csv"))
    if wanted(JSON) and not (folder / "day.jsonl.gz").exists():
        con.execute(f"COPY day TO '{folder / 'day.jsonl.gz'}' (FORMAT json, COMPRESSION gzip)")
    if wanted(HASHED) and not (folder / "raw.parquet").exists():
        # Serial 000 with any date: no living person has such a number.
        record = f"CASE WHEN record IS NOT NULL THEN {NIR} || '000' END"
        day.project(f"* REPLACE ({record} AS record)").write_parquet(str(folder / "raw.parquet"))
    (folder / "token.toml").write_text(MAPPING, encoding="utf-8")
    (folder / "nir.toml").write_text(RAW_MAPPING, encoding="utf-8")


def make_history(folder: Path, *, limit: str = "4GB") -> Path:
    """28 days before the day: the day itself learned once, then told again under other dates.

    Half of the records are others every day, else nothing would ever be new.
    """
    made = folder / "history"
    if (made / "manifest.json").exists():
        return made
    once = folder / "once"
    detector(["learn", str(folder / "day.parquet"), "--mapping", str(folder / "token.toml"), "--history", str(once)])
    source = History.open(once)
    con = ibis.duckdb.connect(memory_limit=limit, temp_directory=str(folder / "spill"))
    con.con.execute("SET TimeZone = 'UTC'")
    target = History.open(made, zone=source.manifest.zone, key_id="", create=True)
    (held,) = source.days
    for back in range(PAST_DAYS, 0, -1):
        day = DAY - timedelta(days=back)
        with transaction(target, con=con) as change:
            for name in ("account_sources", "account_records", "account_hours", "account_days"):
                columns = ", ".join(_dated(column, back) for column in TABLES[name].names)
                query = f"SELECT {columns} FROM read_parquet({source.paths(name, held, held)})"  # noqa: S608
                con.raw_sql(f"CREATE OR REPLACE TEMP VIEW told AS {query}").fetchall()
                change.put(day, name, con.table("told"))
            parts = (part for stored in change.manifest.days[day].tables.values() for part in stored.parts)
            change.set_day(day, state="closed", content=digest_of(part.sha256 for part in parts))
            change.set_day(day, past=past_digest(change.manifest, day))
        with target.writing():
            keep_touched(target, [day], con=con)
    shutil.rmtree(once)
    return made


def _dated(column: str, back: int) -> str:
    if column == "record":
        return f"CASE WHEN hash(record) % 2 = 0 THEN md5(record || {back}) ELSE record END AS record"
    if column == "day":
        return f"day - {back} AS day"
    if column in ("first_at", "last_at", "hour"):
        return f"{column} - INTERVAL {back} DAY AS {column}"
    return f"{PAST_DAYS}::int AS past_days" if column == "past_days" else column


def detector(arguments: list[str]) -> None:
    """Run the command line, as a process of its own."""
    cost([sys.executable, "-m", "detector", *arguments])


def cases(folder: Path, out: Path, *, with_history: bool) -> Iterator[tuple[str, str, list[str]]]:
    """Name, the file that the limit hashes, and what to run."""
    token, nir = (["--mapping", str(folder / name)] for name in ("token.toml", "nir.toml"))
    config = ["--config", str(out / "detector.toml")]
    parquet, csv, lines, raw = (folder / name for name in ("day.parquet", "day.csv", "day.jsonl.gz", "raw.parquet"))
    over = ["--complete"]
    done = [*over, "--out", str(out / "out"), *config]
    yield "score, Parquet", str(parquet), ["score", str(parquet), *token, *done]
    yield HASHED, str(raw), ["score", str(raw), *nir, *done]
    yield CSV, str(csv), ["score", str(csv), *token, *done]
    yield JSON, str(parquet), ["score", str(lines), *token, *done]
    yield (
        "learn, without novelty",
        str(parquet),
        ["learn", str(parquet), *token, *over, "--history", str(out / "new"), *config],
    )
    if with_history:
        past = ["--history", str(out / "past")]
        yield "learn, with novelty", str(parquet), ["learn", str(parquet), *token, *over, *past, *config]
        past = ["--history", str(folder / "history")]
        yield "train, 28 days", str(parquet), ["train", *past, "--model", str(out / "model"), *config]
        dry = ["--model", str(out / "model"), "--dry-run"]
        yield "score, Parquet, 28 days of history", str(parquet), ["score", str(parquet), *token, *past, *dry, *done]


def measure(folder: Path, *, runs: int, wanted: Callable[[str], bool], with_history: bool) -> list[dict[str, Any]]:
    """One entry a case and rival: its costs, those of the limit beside it, and the seconds of its stages."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=folder) as place:
        out = Path(place)
        (out / "temp").mkdir()
        (out / "detector.toml").write_text(f"[engine]\ntemp_folder = '{out / 'temp'}'\n", encoding="utf-8")
        rival = [sys.executable, "-m", "benchmarks.rivals"]
        day = str(folder / "day.parquet")
        todo = [
            (name, beside, [sys.executable, "-m", "benchmarks.stages", str(out / "stages.json"), *asked])
            for name, beside, asked in cases(folder, out, with_history=with_history)
        ]
        todo += [(name, day, [*rival, name, day]) for name in ("rule", "pandas", "polars")]
        for name, beside, command in todo:
            if not wanted(name):
                continue
            pairs: list[tuple[Cost, Cost]] = []
            for _ in range(runs):
                shutil.rmtree(out / "new", ignore_errors=True)
                shutil.rmtree(out / "past", ignore_errors=True)
                if name == "learn, with novelty":
                    shutil.copytree(folder / "history", out / "past", copy_function=_link)
                limit = cost([*rival, "hash", beside])
                pairs.append((cost(command, spill=out / "temp"), limit))
            stages = json.loads((out / "stages.json").read_text()) if "stages" in command[2] else {}
            found.append(_entry(name, pairs, stages))
            sys.stderr.write(json.dumps({k: v for k, v in found[-1].items() if k not in ("stages", "runs")}) + "\n")
    return found


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def _entry(name: str, pairs: list[tuple[Cost, Cost]], stages: dict[str, Any]) -> dict[str, Any]:
    """The best of the runs by processor time: other work on the machine only ever adds."""
    best = min((ours for ours, _ in pairs), key=lambda each: each.cpu_s)
    limit = min((limit for _, limit in pairs), key=lambda each: each.cpu_s)
    wall = statistics.median(ours.wall_s / limit.wall_s for ours, limit in pairs)
    return {
        "case": name,
        "ratio_wall": round(wall, 1),
        "ratio_cpu": round(best.cpu_s / limit.cpu_s, 1),
        "peak_mb": round(best.peak_mb),
        "read_mb": round(best.read_mb),
        "spilled_mb": round(max(ours.spilled_mb for ours, _ in pairs)),
        "cpu_s": round(best.cpu_s, 2),
        "limit_cpu_s": round(limit.cpu_s, 2),
        "stages": stages,
        "runs": [{"ours": ours._asdict(), "limit": limit._asdict()} for ours, limit in pairs],
    }


def help_ratio(*, runs: int = 5) -> float:
    """Processor time of `detector --help` against that of an empty Typer application, the best of several runs each."""
    empty = "import typer\napp = typer.Typer()\n@app.command()\ndef main() -> None:\n    'Nothing.'\napp()"
    ours, plain = [], []
    for _ in range(runs):
        plain.append(cost([sys.executable, "-c", empty, "--help"]).cpu_s)
        ours.append(cost([sys.executable, "-m", "detector", "--help"]).cpu_s)
    return round(min(ours) / min(plain), 2)


def main(
    *,
    folder: Annotated[Path, typer.Option(help="Where to keep the days.")] = ROOT / "build" / "bench",
    events: Annotated[str, typer.Option(help="Events of a day, several separated by commas.")] = "1500000,15000000",
    history_events: Annotated[int, typer.Option(help="Larger days are measured without a history.")] = 1_500_000,
    only: Annotated[str, typer.Option(help="Only these cases and rivals, separated by semicolons.")] = "",
    runs: Annotated[int, typer.Option(help="Runs of each, in turn.")] = 2,
    results: Annotated[Path, typer.Option(help="What was measured; sizes measured now replace those there.")] = (
        ROOT / "docs" / "performance.json"
    ),
) -> None:
    """Measure, and write the results and the page made of them."""
    found = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {"sizes": {}}

    def wanted(name: str) -> bool:
        return not only or name in only.split(";")

    for n in map(int, events.split(",")):
        place = folder / str(n)
        place.mkdir(parents=True, exist_ok=True)
        make(place, events=n, wanted=wanted)
        with_history = n <= history_events
        if with_history:
            make_history(place)
        entries = measure(place, runs=runs, wanted=wanted, with_history=with_history)
        kept = {each["case"]: each for each in found["sizes"].get(str(n), [])}
        accounts = duckdb.read_parquet(str(place / "day.parquet")).unique("account")
        found.setdefault("accounts", {})[str(n)] = len(accounts)
        found["sizes"][str(n)] = list((kept | {each["case"]: each for each in entries}).values())
    found["help_ratio"] = help_ratio()
    found["duckdb"] = duckdb.__version__
    results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_page(found, results.with_suffix(".md"))


if __name__ == "__main__":
    typer.run(main)
