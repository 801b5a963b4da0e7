"""Ledgers to test on: SQLite, and a real PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.ledger import Ledger, open_ledger
from tests.ledger.servers import Postgres, postgres


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL for the session; in a folder that its user may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="detector-pg-") as name:
        Path(name).chmod(0o755)
        with postgres(Path(name)) as started:
            yield started


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    if request.param == "sqlite":
        yield open_ledger(history=tmp_path)
        return
    found = open_ledger(url=request.getfixturevalue("server").url)
    yield found
    with found.writing("emptying") as connection:
        for table in ("deliveries", "updates", "verdicts", "alerts", "robots", "runs", "alembic_version"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
