"""One process measured from its start to its end: time, memory, bytes read, and the most that lay spilled."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_EVERY_S = 0.05


class Cost(NamedTuple):
    """What a process took; bytes read count reads from the system's cache, spilled bytes are the most at one time."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    read_mb: float
    spilled_mb: float


def cost(command: list[str], *, spill: Path | None = None) -> Cost:
    """Run a command to its end.

    Parameters
    ----------
    command
        Its output is dropped.
    spill
        The folder that it spills to.

    Raises
    ------
    SystemExit
        If it fails.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own words
    most = [0, 0, 0]
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            most[0] = max(most[0], _told(process.pid, "io", "rchar:"))
            most[1] = max(most[1], _bytes_below(spill) if spill else 0)
            # What the system tells of a process that has ended holds the memory of the one that started it.
            most[2] = max(most[2], _told(process.pid, "status", "VmHWM:"))
            over.wait(_EVERY_S)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        _pid, status, usage = os.wait4(process.pid, 0)
    finally:
        over.set()
        watcher.join()
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, most[2] / 1024, most[0] / 1e6, most[1] / 1e6)


def _told(pid: int, file: str, name: str) -> int:
    """A number that the system tells of a process; none of one that has ended."""
    try:
        words = Path(f"/proc/{pid}/{file}").read_text(encoding="ascii", errors="replace").split()
        return int(words[words.index(name) + 1])
    except (OSError, ValueError):
        return 0


def _bytes_below(folder: Path) -> int:
    """Of files in folders named `spill`; what vanishes meanwhile counts nothing."""
    found = 0
    for place, _folders, names in os.walk(folder):
        for name in names if Path(place).name == "spill" else ():
            with suppress(OSError):
                found += (Path(place) / name).stat().st_size
    return found
