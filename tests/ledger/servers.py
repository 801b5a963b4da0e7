"""A PostgreSQL that the tests start for themselves."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


def programs() -> Path:
    """The folder of PostgreSQL's programs; without them the test skips, and says so."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").is_file():
            return folder
    found = shutil.which("initdb")
    if found is None:
        pytest.skip("no PostgreSQL: initdb is neither in /usr/lib/postgresql nor on the PATH")
    return Path(found).parent


@dataclass(frozen=True)
class Postgres:
    """A server of its own, on a port of its own, whose data is gone afterwards."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """For the ledger."""
        return f"postgresql://detector@127.0.0.1:{self.port}/postgres"

    def control(self, action: str, *options: str) -> None:
        """Have `pg_ctl` start, stop or restart it."""
        data = self.folder / "data"
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        command: list[str | Path] = [
            programs() / "pg_ctl",
            action,
            "-w",
            "-D",
            data,
            "-l",
            self.folder / "log",
            "-o",
            settings,
            *options,
        ]
        _as_somebody(command, self.folder)


def _as_somebody(command: list[str | Path], folder: Path) -> None:
    """Run it as the user `postgres` where this is root, whom PostgreSQL refuses to serve."""
    words = list(map(str, command))
    if os.geteuid() == 0:
        words = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *words]
    subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=60)


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Start a server in `folder`, which others must be able to enter, and stop it."""
    bin_folder = programs()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Postgres(folder, free.getsockname()[1])
    _as_somebody([bin_folder / "initdb", "-D", folder / "data", "-U", "detector", "-A", "trust", "-N"], folder)
    server.control("start")
    try:
        yield server
    finally:
        server.control("stop", "-m", "immediate")
