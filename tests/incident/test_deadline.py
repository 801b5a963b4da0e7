"""The hours of the notice are hours, also over the night on which the clock is changed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.incident.case import deadline_of
from tests.incident.logs import LAST, honest, theft, write_log


@pytest.mark.parametrize(
    ("aware", "deadline"),
    [
        ("2026-10-23T09:00", "2026-10-26T08:00+01:00"),
        ("2026-03-27T09:00", "2026-03-30T10:00+02:00"),
        ("2026-03-12T09:00", "2026-03-15T09:00+01:00"),
    ],
)
def test_72_hours_are_72_hours(aware: str, deadline: str) -> None:
    """In autumn the clock shows an hour less, in spring one more."""
    zone = ZoneInfo("Europe/Paris")
    found = deadline_of(datetime.fromisoformat(aware).replace(tzinfo=zone), hours=72)
    assert found.astimezone(zone).isoformat(timespec="minutes") == deadline


def test_the_deadline_is_told_by_the_portals_clock_and_stays(tmp_path: Path) -> None:
    """Over the change of the clock; once more on the same folder, it is the same."""
    log = write_log(tmp_path / "log.csv", honest(), theft())
    (tmp_path / "mapping.toml").write_text('[records]\nkind = "token"\n')
    given = ["incident", str(tmp_path / "out"), str(log), "--mapping", str(tmp_path / "mapping.toml")]
    about = ["--account", "h9", "--since", str(LAST), "--until", str(LAST)]
    for more in (["--aware-at", "2026-10-23T09:00"], []):
        done = CliRunner().invoke(app, [*given, *about, *more])
        assert done.exit_code == 0, done.output
        assert "2026-10-26 08:00 (Europe/Paris)" in done.output
        for name in ("summary", "notices/notice-initial"):
            assert "26 octobre 2026 à 08:00 (Europe/Paris)" in (tmp_path / "out" / f"{name}.fr.html").read_text()
