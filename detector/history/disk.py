"""The file operations of a history, one by one: a run may be killed, or the disk be full, between any two of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from detector.errors import EngineError, HistoryError, out_of_memory

Step = Callable[[str, Path], None]
"""Told the name and the path of each operation before it happens; one that raises stands for a fault at that place."""

_CHUNK_BYTES = 1 << 20


def _pass_by(operation: str, path: Path) -> None:
    """Let every operation happen."""


class Disk:
    """What a history does to files.

    Parameters
    ----------
    step
        Called before each operation; tests stop a run there.
    """

    def __init__(self, *, step: Step = _pass_by) -> None:
        self.step = step

    def make_folder(self, path: Path, *, mode: int = 0o777) -> None:
        """Make a folder, its parents included, unless it is there; `mode` is the folder's own, less the umask."""
        if not path.is_dir():
            self.step("make_folder", path)
            path.mkdir(mode=mode, parents=True, exist_ok=True)

    def write(self, path: Path, *, content: bytes) -> None:
        """Write a file and have it reach the disk."""
        self.step("write", path)
        path.write_bytes(content)
        self.sync(path)

    def append(self, path: Path, *, line: str) -> None:
        """Add one line to a log and have it reach the disk."""
        self.step("append", path)
        with path.open("a", encoding="utf-8", newline="\n") as log:
            log.write(line + "\n")
            log.flush()
            os.fsync(log.fileno())

    def sync(self, path: Path) -> None:
        """Have a file, or the names in a folder, reach the disk."""
        self.step("sync", path)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, path: Path, *, to: Path) -> None:
        """Move a file over another in one go."""
        self.step("rename", to)
        path.replace(to)

    def touch(self, path: Path) -> None:
        """Set a file's time to now, if it is there."""
        if path.exists():
            self.step("touch", path)
            os.utime(path)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        if path.exists():
            self.step("remove", path)
            path.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def explained(task: str) -> Iterator[None]:
    """Turn the faults of a disk into `HistoryError`, saying what was being done; the state before it still holds.

    Parameters
    ----------
    task
        What is being done, as in "adding days to /var/lib/detector".
    """
    try:
        yield
    except OSError as error:
        raise _failed(task, error) from error
    except Exception as error:
        if type(error).__name__ == OUT_OF_MEMORY:
            raise EngineError(f"{task} failed: {out_of_memory(error)}; what was committed before is intact") from error
        if type(error).__name__ not in _ENGINE_FAULTS:
            raise
        raise _failed(task, error) from error


_ENGINE_FAULTS = ("IOException", "FatalException")
"""DuckDB's errors for a disk that is full, read-only or broken."""
OUT_OF_MEMORY = "OutOfMemoryException"
"""DuckDB's error for what fits neither into memory nor, spilled, on the disk."""


def _failed(task: str, error: Exception) -> HistoryError:
    return HistoryError(
        f"{task} failed: {error}; what was committed before is intact; make room or mend the permissions, and run again"
    )
