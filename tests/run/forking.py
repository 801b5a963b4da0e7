"""Run the job in processes that can be killed: everything is imported once, and each run is a fork.

Each line on standard input is `CONFIG NOW SECONDS`; the run is killed once it has used so many seconds of processor
time (`-`: not at all), so that a busy machine kills it where an idle one would. The answer is a line: `done SECONDS
FOUND`, where FOUND is a JSON object of what the run cost and did, `killed`, or `failed`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detector.run import Report

ROOT = Path(__file__).resolve().parents[2]
POLL_S = 0.001


@dataclass
class Forker:
    """A process that runs the job on demand, in forks of its own."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls) -> Forker:
        """Start it; it has imported everything when it answers first."""
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.run.forking"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return cls(process)

    def run(self, config: Path, *, now: datetime, kill_at_s: float | None = None) -> str:
        """Run the job once; kill it once it has used so many seconds of processor time."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{config} {now.isoformat()} {'-' if kill_at_s is None else kill_at_s}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def stop(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=30)


def serve() -> None:
    """Answer until standard input ends."""
    import detector.alerts
    import detector.run.job
    import detector.scoring  # noqa: F401 - imported once for all forks

    for line in sys.stdin:
        config, now, seconds = line.split()
        answer = _fork(Path(config), datetime.fromisoformat(now), None if seconds == "-" else float(seconds))
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _fork(config: Path, now: datetime, kill_at_s: float | None) -> str:
    started = time.monotonic()
    found, told = os.pipe()
    child = os.fork()
    if not child:
        os.close(found)
        _run(config, now, told=told)
    os.close(told)
    if kill_at_s is not None:
        while not _has_ended(child) and _used_s(child) < kill_at_s:
            time.sleep(POLL_S)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(found) as stream:
        text = stream.read()
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        return "killed"
    return f"done {time.monotonic() - started:.3f} {text}" if os.WEXITSTATUS(ended) == 0 else "failed"


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _used_s(child: int) -> float:
    """Processor time of all its threads so far, in steps of a hundredth."""
    fields = Path(f"/proc/{child}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _run(config: Path, now: datetime, *, told: int) -> None:
    """Never returns: a fork must not go on with what its parent was doing."""
    from detector.run import run_once
    from detector.settings import load_settings

    code = 1
    try:
        os.write(told, json.dumps(found_by(run_once(load_settings(config), now=now))).encode())
        code = 0
    finally:
        if code:
            import traceback

            traceback.print_exc()
        os._exit(code)


def found_by(report: Report) -> dict[str, Any]:
    """What a run cost, and what it did."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    model = report.retrained
    return {
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": used.ru_maxrss >> 10,
        "events": sum(span.events for span in report.learned.spans),
        "raised": len(report.recorded.raised),
        "faults": list(report.faults),
        "trained": bool(model and model.version),
        "in_use": bool(model and model.in_use),
        "why": model.why if model else "",
        "drift": list(model.drift) if model else [],
    }


if __name__ == "__main__":
    serve()
