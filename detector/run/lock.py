"""One run at a time on a history: a lock that dies with its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detector.errors import RunError

LOCK = "run.lock"


class AlreadyRunningError(RunError):
    """Another run is at work on the same history: no failure, its turn comes again."""


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Be the only run on a history folder, which is made if need be.

    Raises
    ------
    AlreadyRunningError
        If another process is.
    RunError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written ({error.strerror}); expected a history folder that this user may change"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise AlreadyRunningError(f"another run is at work on {folder}; nothing was done") from error
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether a process is at work on a history folder; not known to be, where the lock cannot be looked at.

    The look takes the lock for an instant, and shares it with others that look.
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(descriptor)
    return False
