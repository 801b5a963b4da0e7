"""Retro-hunt: addresses that became known are looked for on past days, and old alerts are not raised twice."""

from __future__ import annotations

import fcntl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import ConfigError, HistoryError
from detector.ledger import open_ledger
from detector.run import run_once
from detector.run.addresses import KNOWN_ADDRESS, load_addresses
from detector.run.hunting import EXPIRED, GOES_ON, NOT_HELD, hunt
from tests.run.portal import START, configure, ledger_rows
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
    """Beside `--since` only; it names the days it judged, the newest that is over included, and those it left out.

    What is new is told by the next run of the job, which it says.
    """
    told = tmp_path / "told.jsonl"
    receiver = f'[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "{told}"\n'
    settings = configure(tmp_path, extra=receiver)
    run_once(settings, now=deliver(tmp_path, START, TUESDAY))
    now = deliver(tmp_path, TUESDAY + timedelta(days=1))
    run_once(settings, now=now)
    before = len(told.read_text().splitlines())
    listed = tmp_path / "known.txt"
    listed.write_text("192.0.2.0/31\n")
    config = ["--config", str(tmp_path / "detector.toml"), "--addresses", str(listed)]
    since = str(START - timedelta(days=1))
    result = CliRunner().invoke(app, ["run", "--since", since, *config], catch_exceptions=False)
    judged, untold, left_out = result.stdout.splitlines()
    assert judged == "judged 3 days anew, 2026-03-02 to 2026-03-04: 5 new alerts, 0 grown"
    assert untold.startswith("receivers are told of them by the next run of the job")
    assert len(told.read_text().splitlines()) == before
    assert run_once(settings, now=datetime.now(UTC)).delivered.delivered == 5
    assert left_out.startswith("left out 2026-03-01, 2026-03-05 to ")
    assert left_out.endswith(": nothing is held")
    with pytest.raises(ConfigError, match="--addresses goes with --since"):
        CliRunner().invoke(app, ["run", "--once", *config], catch_exceptions=False)


def test_a_day_that_is_over_is_judged_from_its_events(tmp_path: Path) -> None:
    """While it goes on it is left out; over and not closed, it alerts as the job has it do, with its evidence, once."""
    settings = configure(tmp_path)
    run_once(settings, now=deliver(tmp_path, START))
    deliver(tmp_path, TUESDAY)
    night = datetime(2026, 3, 4, 3, tzinfo=UTC)
    run_once(settings, now=night)
    by_the_job = ledger_rows(settings)["alerts"]
    (tmp_path / "history" / "ledger.sqlite").unlink()
    goes_on = hunt(settings, since=START, now=night - timedelta(hours=12))
    assert (goes_on.days, goes_on.left_out) == ((START,), {GOES_ON: (TUESDAY,)})
    found = hunt(settings, since=START, now=night)
    assert (found.days, found.left_out) == ((START, TUESDAY), {NOT_HELD: (TUESDAY + timedelta(days=1),)})
    assert len(found.recorded.raised) == 1
    assert ledger_rows(settings)["alerts"] == by_the_job


def test_days_that_cannot_be_judged_are_named(tmp_path: Path) -> None:
    """Past their retention, or without any left to judge; addresses are looked for where sources are still held."""
    settings = configure(
        tmp_path, extra='[learn.retention]\nbrief_days = 57\nlong_days = 100\n[run]\naddresses_file = "known.txt"\n'
    )
    (tmp_path / "known.txt").write_text("192.0.2.1\n")
    days = [START + timedelta(days=n) for n in (0, 40, 109, 110)]
    for day in days:
        now = deliver(tmp_path, day)
        run_once(settings, now=now)
    found = hunt(settings, since=START, now=now)
    assert found.days == (days[1], days[2])
    assert found.unsearched == (days[1],)
    assert (found.left_out[EXPIRED], found.left_out[GOES_ON]) == ((days[0],), (days[3],))
    with pytest.raises(HistoryError, match=r"no day since 2026-06-20 .*to judge anew; 2026-06-20: not over"):
        hunt(settings, since=days[3], now=now)


def test_beside_a_run_a_hunt_says_so_and_ends_well(tmp_path: Path) -> None:
    """As a second run does."""
    configure(tmp_path)
    (tmp_path / "history").mkdir()
    with (tmp_path / "history" / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = CliRunner().invoke(app, ["run", "--since", str(START), "--config", str(tmp_path / "detector.toml")])
    assert result.exit_code == 0
    assert "another run is at work" in result.stderr


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
