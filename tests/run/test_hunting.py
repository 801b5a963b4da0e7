"""Retro-hunt: addresses that became known are looked for on past days, and old alerts are not raised twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import ConfigError
from detector.ledger import open_ledger
from detector.run import run_once
from detector.run.addresses import KNOWN_ADDRESS, load_addresses
from detector.run.hunting import hunt
from tests.run.portal import START, configure
from tests.run.test_job import TUESDAY, deliver


def test_a_listed_address_alerts_on_past_days_once(tmp_path: Path) -> None:
    """Whoever used it is told of, on each day; where an alert stood already it is none anew, and nobody else alerts."""
    settings = configure(tmp_path, extra='[run]\naddresses_file = "known.txt"\n')
    (tmp_path / "known.txt").write_text("203.0.113.77\n")
    run_once(settings, now=deliver(tmp_path, START, TUESDAY))
    now = deliver(tmp_path, TUESDAY + timedelta(days=1))
    run_once(settings, now=now)
    before = {(each.account, each.day) for each in open_ledger(history=tmp_path / "history").alerts()}
    (tmp_path / "known.txt").write_text("# of the provider\n192.0.2.1/32  # the robot\n\n2001:db8::/32\n")
    found = hunt(settings, since=START, now=now)
    alerts = {(each.account, each.day): each for each in open_ledger(history=tmp_path / "history").alerts()}
    new = {key for key in alerts if key not in before}
    assert before == {("a1", TUESDAY)}
    assert new == {("a1", START)}
    assert len(found.recorded.raised) == 1
    (alert,) = (alerts[key] for key in new)
    assert alert.checks == [KNOWN_ADDRESS]
    assert alert.severity == "high"
    assert "look-ups, 0 writes and 1 sign-ins from listed 192.0.2.1" in alert.title
    assert hunt(settings, since=START, now=now).recorded.raised == ()


def test_the_command_takes_a_list(tmp_path: Path) -> None:
    """Beside `--since` only; it says how many days and alerts there were."""
    settings = configure(tmp_path)
    run_once(settings, now=deliver(tmp_path, START, TUESDAY))
    run_once(settings, now=deliver(tmp_path, TUESDAY + timedelta(days=1)))
    listed = tmp_path / "known.txt"
    listed.write_text("192.0.2.0/31\n")
    config = ["--config", str(tmp_path / "detector.toml"), "--addresses", str(listed)]
    result = CliRunner().invoke(app, ["run", "--since", str(START), *config])
    assert result.stdout == "judged 2 days anew: 3 new alerts\n"
    with pytest.raises(ConfigError, match="--addresses goes with --since"):
        CliRunner().invoke(app, ["run", "--once", *config], catch_exceptions=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [("192.0.2.1\nexample.org\n", "line 2: expected an address"), ("# none\n", "names no address")],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """With the line, before anything is judged."""
    (tmp_path / "known.txt").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_addresses(tmp_path / "known.txt")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.7", True),
        ("203.0.114.7", False),
        ("::ffff:203.0.113.7", True),
        ("2001:DB8:0:1::5", True),
        ("2001:db9::5", False),
        ("198.51.100.1", True),
        ("unknown", False),
        (None, False),
    ],
)
def test_addresses_are_compared_as_numbers(tmp_path: Path, address: str | None, expected: object) -> None:
    """However they are written; what is no address is not listed."""
    (tmp_path / "known.txt").write_text("203.0.113.0/24\n2001:db8::/32\n198.51.100.1\n")
    assert load_addresses(tmp_path / "known.txt").has(address) is expected
