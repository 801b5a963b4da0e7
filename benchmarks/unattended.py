"""A month of the scheduled job on a simulated portal without attacks, by a compressed clock: what an operator gets.

All runs are one process's, as with `detector run --every`. Prints the table of `docs/operations.md`; what each run did
is added to a file of JSON lines.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from detector.ledger import Alert, open_ledger
from detector.ledger.store import EXTRACTION, OPERATOR, REVIEW
from detector.run import run_once
from detector.run.versions import list_versions
from detector.simulate import World
from tests.run.forking import found_by
from tests.run.replaying import Portal

CLOSING = timedelta(hours=2, minutes=30)
"""After midnight: a run then closes the day before."""


def measure(folder: Path, world: World, *, first_days: int, slices_a_day: int, drill_days: int) -> list[dict[str, Any]]:
    """Feed the portal's days, the first ones in one go each, the month after in slices; run after each.

    What the runs cost and did, one a row, is added to `runs.jsonl` as they end.
    """
    extra = f"[retrain]\nfirst_days = {first_days - 1}\ndrill_days = {drill_days}\n"
    portal, ran = Portal.make(folder, world, extra=extra), []
    with (folder / "runs.jsonl").open("w") as kept:
        for number, day in enumerate(portal.days):
            learning = number < first_days
            span = timedelta(hours=24 if learning else 24 / slices_a_day)
            for end, rows in portal.slices(day, span):
                portal.put(end, rows)
                ran.append({"learning": learning, **run(portal, end + CLOSING if learning else end)})
                kept.write(json.dumps(ran[-1]) + "\n")
                kept.flush()
    return ran


def run(portal: Portal, now: datetime) -> dict[str, Any]:
    """Run the job once."""
    started, used = time.monotonic(), time.process_time()
    found = found_by(run_once(portal.settings, now=now))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    held = int(status.partition("VmRSS:")[2].split()[0]) >> 10
    costs = {"wall_s": round(time.monotonic() - started, 1), "cpu_s": round(time.process_time() - used, 2)}
    return {"now": now.isoformat(), **found, **costs, "held_mb": held}


def summarise(ran: Sequence[dict[str, Any]], alerts: Sequence[Alert], *, kept: int, size: int) -> dict[str, str]:
    """The table: what was measured in the month, and how much of it."""
    month = [each for each in ran if not each["learning"]]
    days = len({each["now"][:10] for each in month})
    told = [each for each in alerts if each.raised_at.isoformat() >= month[0]["now"]]
    accounts, reviews, faults = (
        [each for each in told if each.kind == kind] for kind in (EXTRACTION, REVIEW, OPERATOR)
    )
    loud = len({each.raised_at.date() for each in accounts})
    return {
        "days, runs, events read": f"{days}, {len(month):,}, {sum(each['events'] for each in month):,}",
        "false alerts of accounts a day": f"{len(accounts) / days:.2f} ({len(accounts)} on {loud} days)",
        "first batches and new accounts to be reviewed": str(len(reviews)),
        "operator's alerts": str(len(faults)),
        "models fitted / taken into use": f"{sum(each['trained'] for each in ran)} / "
        f"{sum(each['in_use'] for each in ran)}",
        "models kept": str(kept),
        "history on disk, MB": f"{size / 1e6:.0f}",
        "memory held, MB: at the month's begin, at its end, at its peak": ", ".join(
            str(value) for value in (month[0]["held_mb"], month[-1]["held_mb"], month[-1]["peak_mb"])
        ),
        "processor time of a run, s: median, longest without training, longest": ", ".join(
            f"{value:.1f}"
            for value in (
                sorted(each["cpu_s"] for each in month)[len(month) // 2],
                max(each["cpu_s"] for each in month if not each["trained"]),
                max(each["cpu_s"] for each in month),
            )
        ),
    }


def main(
    *,
    folder: Annotated[Path | None, typer.Option(help="Where to work; none: a folder that is removed.")] = None,
    accounts: Annotated[int, typer.Option(help="Accounts of the portal.")] = 400,
    first_days: Annotated[int, typer.Option(help="Days in learning mode.")] = 22,
    days: Annotated[int, typer.Option(help="Days after them.")] = 30,
    slices_a_day: Annotated[int, typer.Option(help="Runs a day.")] = 24,
    drill_days: Annotated[int, typer.Option(help="Days into which a challenger's drill injects.")] = 3,
) -> None:
    """Measure, and print the table; what each training and each alert says goes to standard error."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        place = folder or Path(name)
        world = World(accounts=accounts, days=first_days + days, attacks=())
        ran = measure(place, world, first_days=first_days, slices_a_day=slices_a_day, drill_days=drill_days)
        history = place / "history"
        alerts = open_ledger(history=history).alerts()
        size = sum(path.stat().st_size for path in history.rglob("*") if path.is_file())
        kept = len(list_versions(history, model_folder=history / "model"))
        rows = summarise(ran, alerts, kept=kept, size=size)
    sys.stdout.write("| what | measured |\n|---|---|\n")
    sys.stdout.writelines(f"| {what} | {value} |\n" for what, value in rows.items())
    told = [*(each["why"] for each in ran if each["why"]), *(f"{each.day} {each.title}" for each in alerts)]
    sys.stderr.write("\n".join([*told, f"{time.monotonic() - started:.0f} s\n"]))


if __name__ == "__main__":
    typer.run(main)
