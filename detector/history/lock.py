"""One writer at a time, by a lock that the kernel drops when its process dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detector.errors import BusyHistoryError, HistoryError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`, made if need be and never removed (its removal would let two in).

    Raises
    ------
    BusyHistoryError
        If another process, or another part of this one, holds it.
    HistoryError
        If the folder cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HistoryError(
            f"{path.parent} cannot be written ({error.strerror}); expected a history folder that this user may change"
        ) from error
    try:
        _seize(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _seize(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BusyHistoryError(
            f"another run is writing to {path.parent}; run again when it has ended (its lock ends with its process)"
        ) from error
