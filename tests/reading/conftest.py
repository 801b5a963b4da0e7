"""A reader with a scratch folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from ibis.backends.duckdb import Backend

from detector.reading import Input, Reading, read
from tests.reading.reads import KEY, ZONE, Read


@pytest.fixture
def reads(con: Backend, tmp_path: Path) -> Read:
    """`read` with the tests' key and zone."""

    def call(*inputs: Input | str | Path, max_reject_share: float = 0.05) -> Reading:
        scratch = tmp_path / "scratch"
        return read(inputs, con=con, scratch=scratch, key=KEY, zone=ZONE, max_reject_share=max_reject_share)

    return call
