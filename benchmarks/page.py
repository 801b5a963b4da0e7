"""The page of time and memory, `docs/performance.md`, made from what was measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from benchmarks.rivals import CORE
from detector.evaluate.plots import save

TARGETS = {
    "score, Parquet": 10,
    "score, Parquet, records hashed": 15,
    "score, Parquet, 28 days of history": 18,
    "score, CSV": 5,
    "learn, without novelty": 12,
    "learn, with novelty": 20,
}
"""Case → at most so many times as long as the limit, on a day of `TARGET_EVENTS`."""
TARGET_EVENTS = 15_000_000
MEMORY_TARGETS = {15_000_000: 2_000, 150_000_000: 4_000}
"""Events of a day → MB that `score` and `learn` take at most."""
RIVALS = {
    "rule": "look-ups over a threshold, DuckDB",
    "pandas": "the core features in pandas, PyOD's IForest",
    "polars": "the core features in Polars, PyOD's IForest",
}
OWN = "score, Parquet"
N_CORE = len(CORE)
IMAGE = "performance.svg"

_HEAD = """\
# Time and memory

Written by `make bench` (`python -m benchmarks.speed`) from `performance.json`. Every case ran in turn with its limit:
a plain DuckDB that reads the same file and hashes all of its columns (for JSON lines: the same day as Parquet). Ratios
are the result, seconds mean nothing beyond the machine they were measured on. It was busy with other work, which the
wall clock's ratio suffers from (median of the runs) more than the processors' (best of the runs).
A case with a single run says so in `performance.json`; other work made two runs of `score` on the largest day differ
by a quarter.

A day has 60 events an account, the largest more. Bytes read count reads from the system's cache; what spilled is the
most that lay in the temporary folder at one time. History: 28 days, half of whose records change every day.
"""


def write_page(found: dict[str, Any], path: Path) -> None:
    """Write the page and its picture.

    Parameters
    ----------
    found
        What `benchmarks.speed` measured.
    path
        The page; the picture goes into `img` beside it.
    """
    parts = [_HEAD]
    for size, entries in sorted(found["sizes"].items(), key=lambda item: int(item[0])):
        accounts = found.get("accounts", {}).get(size, int(size) // 60)
        parts.append(f"## {int(size):,} events, {accounts:,} accounts\n")
        parts.append(_table(entries))
        if stages := _stages(entries):
            parts.append(stages)
    parts += [_beside(found), _growth(found), _limits(found)]
    path.write_text("\n".join(parts), encoding="utf-8")
    _draw(found, path.parent / "img" / IMAGE)


def _table(entries: list[dict[str, Any]]) -> str:
    lines = [
        "| case | times the limit, by the clock | of the processors | target | peak, MB | read, MB | spilled, MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in entries:
        name = RIVALS.get(each["case"], each["case"])
        target = TARGETS.get(each["case"], "")
        values = (f"{each[k]:,}" for k in ("ratio_wall", "ratio_cpu"))
        sizes = (f"{each[k]:,}" for k in ("peak_mb", "read_mb", "spilled_mb"))
        lines.append(f"| {' | '.join((name, *values, str(target), *sizes))} |")
    return "\n".join(lines) + "\n"


def _stages(entries: list[dict[str, Any]]) -> str:
    """Share of the processors' time in each stage, of the cases that have stages."""
    staged = [each for each in entries if each["stages"]]
    names = list(dict.fromkeys(name for each in staged for name in each["stages"]))
    if not staged:
        return ""
    lines = [
        "Seconds of the processors, by stage:\n",
        f"| case | {' | '.join(names)} |",
        "| --- " * (len(names) + 1) + "|",
    ]
    for each in staged:
        cells = [f"{each['stages'][name][1]:.1f}" if name in each["stages"] else "" for name in names]
        lines.append(f"| {each['case']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _by_case(found: dict[str, Any], size: str) -> dict[str, dict[str, Any]]:
    return {each["case"]: each for each in found["sizes"][size]}


def _sizes(found: dict[str, Any], *cases: str, most: float = math.inf) -> list[str]:
    """The sizes at which cases were measured, ascending."""
    sizes = [size for size in found["sizes"] if int(size) <= most and {*cases} <= _by_case(found, size).keys()]
    return sorted(sizes, key=int)


def _beside(found: dict[str, Any]) -> str:
    """Scoring beside what people build, each at the largest size at which both were measured."""
    lines = ["## Beside what people build\n"]
    for rival in ("pandas", "polars"):
        if sizes := _sizes(found, rival, OWN):
            cases = _by_case(found, sizes[-1])
            ours, theirs = cases[OWN], cases[rival]
            time, memory = theirs["cpu_s"] / ours["cpu_s"], theirs["peak_mb"] / ours["peak_mb"]
            lines.append(
                f"- {RIVALS[rival]}, {N_CORE} features of some 50, {int(sizes[-1]):,} events: {time:.2g} times the "
                f"processors' time of `score`, {memory:.2g} times the memory; by the clock {theirs['ratio_wall']:g} "
                f"times the limit, `score` {ours['ratio_wall']:g} times."
            )
    lines.append("- Aimed at is six times the time, and three times the memory, of pandas.")
    told = f"- `detector --help` takes {found['help_ratio']:g} times as long as that of an empty Typer application"
    lines.append(f"{told} (at most 1.5).")
    return "\n".join(lines) + "\n"


def growth(found: dict[str, Any], case: str, measure: str) -> float | None:
    """The exponent with which a measure of a case grows between its two largest sizes; None with one size."""
    sizes = _sizes(found, case)
    if len(sizes) < 2:
        return None
    first, last = (_by_case(found, size)[case][measure] for size in sizes[-2:])
    return math.log(last / first) / math.log(int(sizes[-1]) / int(sizes[-2]))


def _growth(found: dict[str, Any]) -> str:
    lines = [f"![Growth of time and memory](img/{IMAGE})\n", "Exponents between the two largest days of a case:\n"]
    lines += ["| case | processors' time | peak memory |", "| --- | --- | --- |"]
    for case in dict.fromkeys(each["case"] for entries in found["sizes"].values() for each in entries):
        time, memory = growth(found, case, "cpu_s"), growth(found, case, "peak_mb")
        if time is not None and memory is not None:
            lines.append(f"| {RIVALS.get(case, case)} | {time:.2f} | {memory:.2f} |")
    return "\n".join(lines) + "\n"


def _limits(found: dict[str, Any]) -> str:
    """Which targets are missed, in numbers, each at the largest size that they are for and that was measured."""
    missed = []
    for name, target in TARGETS.items():
        sizes = _sizes(found, name, most=TARGET_EVENTS)
        if not sizes:
            missed.append(f"- {name}: not measured; {target} times the limit are aimed at.")
        elif (ratio := _by_case(found, sizes[-1])[name]["ratio_cpu"]) > target:
            told = f"- {name}: {ratio:g} times the limit's processors' time at {int(sizes[-1]):,} events"
            missed.append(f"{told}, {target} times are aimed at.")
    for events, most in MEMORY_TARGETS.items():
        cases = _by_case(found, str(events)) if str(events) in found["sizes"] else {}
        missed += [
            f"- {name}: {cases[name]['peak_mb']:,} MB at {events:,} events, {most:,} MB are aimed at."
            for name in TARGETS
            if name in cases and cases[name]["peak_mb"] > most
        ]
    return "## What is not reached\n\n" + ("\n".join(missed) or "- Nothing.") + "\n" + _WHY


_WHY = """
What limits it:

- Hashing all columns reads each value once. Scoring reads the file five times, with other columns each time (the check,
  numbers, names, checks of all accounts, evidence). What needs the order of events, and the different records of a day
  without a past, is sorted as one number an event, which hardly counts beside it.
- With a past, sums by account and record are nearly as many as events: grouping gains nothing there, and takes as long
  as sorting. Learning sorts events on records once, by their texts, and adds up while it writes them, compressed: that
  is half of its time.
- With a past, who touched which record in 28 days is read twice, in numbers: once for the day's records, once to put
  each account's beside the others' (some 25 times as many as the day's own). That is a third of the processors' time.
- Text (CSV, JSON) becomes Parquet in the temporary folder first, CSV in one thread; then that is scored. A CSV file
  with the columns of events and values as they are kept is not taken apart line by line; any other takes a third more.
- Records that are identifiers in Parquet are checked, and told apart without their tokens where there is no past: those
  who are looked at closely get one. Elsewhere each takes a microsecond (four blocks of SHA-256 in DuckDB, nearly all of
  them different from record to record on a real day).
- Starting Python with scikit-learn, pandas and Ibis takes two seconds of one processor, and to write the queries
  another one or two: a small day feels that most.
- DuckDB takes what `[engine] memory_limit` allows (1 GB) before it spills; Python takes as much: half of it libraries
  and the model, the rest the frame of all accounts. With 0.7 GB the day of 15 million events takes half as long again.
  The day of 150 million is from when DuckDB took 4 GB, and all took longer, so that the exponent to it is too large.
  With 1 GB it took 2.7 GB and 522 s of the processors, and spilled 16 GB (one run, without a limit beside it).
- Other work kept both processors busy when most cases were measured last, and adds up to a third to their time; days of
  100,000 events are from when starting took a second more.
- The targets are for a day of 15 million events; what was measured on smaller days only is mostly that starting.
- The day of 150 million events needs 20 GB of disk (`--events 150000000 --only "score, Parquet" --runs 1`). A history
  of 250,000 accounts has not been measured: `--history-events 15000000` builds one of 28 days, which needs as much.
"""


def _draw(found: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.6))
    for place, (measure, label) in enumerate(
        (("cpu_s", "processors' time, s"), ("peak_mb", "peak memory, MB")), start=1
    ):
        axes = figure.add_subplot(1, 2, place)
        for case in (OWN, "score, CSV", "rule", "pandas", "polars"):
            points = [
                (int(size), _by_case(found, size)[case][measure])
                for size in sorted(found["sizes"], key=int)
                if case in _by_case(found, size)
            ]
            axes.plot(*zip(*points, strict=True), marker="o", label=case) if points else None
        axes.set(xscale="log", yscale="log", xlabel="events", ylabel=label)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize="small")
    figure.tight_layout()
    save(figure, path=path)
