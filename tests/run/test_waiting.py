"""More accounts come near a limit at once than a run looks at: the next ones go on, and nobody is left out."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from detector.run import run_once
from tests.run.portal import CANARY, START, Line, configure, write_slice

AT = datetime.combine(START, time(8), UTC)


def test_who_waits_is_looked_at_by_the_next_runs_though_nothing_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three accounts touch a canary in one slice; each run looks at one, and each alert is raised once."""
    monkeypatch.setattr("detector.run.judging.MOST_LOOKS", 1)
    settings = configure(tmp_path)
    lines = [Line(AT, f"{AT.isoformat()},{account},lookup,success,{CANARY},192.0.2.1,Firefox\n") for account in "abc"]
    write_slice(tmp_path / "incoming", AT, lines)
    found = [run_once(settings, now=AT + timedelta(minutes=5 * n)) for n in range(1, 5)]
    assert [report.n_waiting for report in found] == [2, 1, 0, 0]
    assert [len(report.recorded.raised) for report in found] == [1, 1, 1, 0]
