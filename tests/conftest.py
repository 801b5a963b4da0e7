"""What all tests share: where the real logs are, a DuckDB to work in, and how Hypothesis searches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import hypothesis
import ibis
import pytest
from ibis.backends.duckdb import Backend

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"

# CI must give the same answer twice; a person's run explores, and prints how to reproduce what it found. The deadline
# bounds one example, generously: the machine may be busy with something else.
_DEADLINE = timedelta(seconds=5)
_SLOW_MACHINE = (hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large)
hypothesis.settings.register_profile(
    "person", deadline=_DEADLINE, max_examples=25, print_blob=True, suppress_health_check=_SLOW_MACHINE
)
hypothesis.settings.register_profile("ci", hypothesis.settings.get_profile("person"), derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "person")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real logs beside the repository; a test that needs it skips, and says so, where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real logs: {SHARED_DATA} does not exist")
    return SHARED_DATA


@pytest.fixture
def con() -> Iterator[Backend]:
    """An empty DuckDB in memory, as an Ibis backend, closed afterwards."""
    backend = ibis.duckdb.connect(threads=2)
    yield backend
    backend.disconnect()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: every worker must collect the same names, and a packed file holds the time."""
    return argname if isinstance(val, bytes) else None
