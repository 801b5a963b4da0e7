"""Run the job in processes that can be killed: everything is imported once, and each run is a fork.

Each line on standard input is `CONFIG NOW SECONDS`; the run is killed after so many seconds (`-`: not at all). The
answer is a line: `done SECONDS`, `killed`, or `failed`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


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

    def run(self, config: Path, *, now: datetime, kill_after_s: float | None = None) -> str:
        """Run the job once; kill it after so many seconds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{config} {now.isoformat()} {'-' if kill_after_s is None else kill_after_s}\n")
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


def _fork(config: Path, now: datetime, kill_after_s: float | None) -> str:
    started = time.monotonic()
    child = os.fork()
    if not child:
        _run(config, now)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        return "killed"
    return f"done {time.monotonic() - started:.3f}" if os.WEXITSTATUS(ended) == 0 else "failed"


def _run(config: Path, now: datetime) -> None:
    """Never returns: a fork must not go on with what its parent was doing."""
    from detector.run import run_once
    from detector.settings import load_settings

    code = 1
    try:
        run_once(load_settings(config), now=now)
        code = 0
    finally:
        if code:
            import traceback

            traceback.print_exc()
        os._exit(code)


if __name__ == "__main__":
    serve()
