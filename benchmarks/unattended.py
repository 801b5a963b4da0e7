"""A month of the scheduled job on a simulated portal without attacks, by a compressed clock: what an operator gets.

Every run is a process of its own; what is measured of it is its own. Prints the table of `docs/operations.md`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from detector.ledger import open_ledger
from detector.run.versions import list_versions
from detector.simulate import World
from tests.run.replaying import Portal

RUN = """
import json, resource, sys, time
from datetime import datetime
from pathlib import Path
from detector.run import run_once
from detector.settings import load_settings
started = time.monotonic()
report = run_once(load_settings(Path(sys.argv[1])), now=datetime.fromisoformat(sys.argv[2]))
print(json.dumps({
    "wall_s": time.monotonic() - started,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "raised": len(report.recorded.raised),
    "faults": len(report.faults),
    "trained": report.retrained is not None and bool(report.retrained.version),
    "in_use": report.retrained is not None and report.retrained.in_use,
    "why": report.retrained.why if report.retrained else None,
}))
"""


class Ran(NamedTuple):
    """One finished run."""

    now: datetime
    found: dict[str, object]


def run_job(portal: Portal, now: datetime) -> Ran:
    """Run the job in a process of its own."""
    command = [sys.executable, "-c", RUN, str(portal.config), now.isoformat()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this very program
    return Ran(now, json.loads(done.stdout))


def measure(folder: Path, *, accounts: int, days: int, first_days: int, slices_a_day: int) -> list[Ran]:
    """Feed the portal's days, the first ones in one go each, the month after in slices; run after each."""
    extra = f"[retrain]\nfirst_days = {first_days - 1}\n"
    portal = Portal.make(folder, World(accounts=accounts, days=days, attacks=()), extra=extra)
    ran = []
    for number, day in enumerate(portal.days):
        span = timedelta(hours=24 if number < first_days else 24 / slices_a_day)
        for end, rows in portal.slices(day, span):
            portal.put(end, rows)
            ran.append(run_job(portal, end + timedelta(hours=2, minutes=30) if number < first_days else end))
            sys.stderr.write(f"{end:%Y-%m-%d %H:%M}: {ran[-1].found}\n")
    return ran


def main(
    *,
    accounts: Annotated[int, typer.Option(help="Accounts of the portal.")] = 400,
    first_days: Annotated[int, typer.Option(help="Days in learning mode.")] = 22,
    days: Annotated[int, typer.Option(help="Days after them.")] = 30,
    slices_a_day: Annotated[int, typer.Option(help="Runs a day.")] = 24,
) -> None:
    """Measure, and print the table."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ran = measure(
            folder, accounts=accounts, days=first_days + days, first_days=first_days, slices_a_day=slices_a_day
        )
        month = ran[first_days:]
        history = folder / "history"
        alerts = open_ledger(history=history).alerts()
        since = month[0].now
        told = [each for each in alerts if each.raised_at >= since]
        size = sum(path.stat().st_size for path in history.rglob("*") if path.is_file())
        rows = {
            "accounts, days, runs": f"{accounts}, {days}, {len(month)}",
            "false alerts of accounts, a day": f"{sum(each.kind == 'extraction' for each in told) / days:.2f}",
            "operator's alerts in the month": str(sum(each.kind == "operator" for each in told)),
            "models fitted / taken into use": f"{sum(bool(r.found['trained']) for r in ran)} / "
            f"{sum(bool(r.found['in_use']) for r in ran)}",
            "models kept": str(len(list_versions(history, model_folder=history / "model"))),
            "history on disk, MB": f"{size / 1e6:.1f}",
            "peak memory of a run, MB": f"{max(float(str(r.found['peak_mb'])) for r in month):.0f}",
            "median run, s": f"{sorted(float(str(r.found['wall_s'])) for r in month)[len(month) // 2]:.1f}",
            "longest run, s": f"{max(float(str(r.found['wall_s'])) for r in month):.1f}",
        }
    sys.stdout.write("| what | measured |\n|---|---|\n")
    sys.stdout.writelines(f"| {what} | {value} |\n" for what, value in rows.items())
    whys = [str(r.found["why"]) for r in ran if r.found["why"]]
    sys.stderr.write("\n".join([*whys, f"{time.monotonic() - started:.0f} s\n"]))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    typer.run(main)
