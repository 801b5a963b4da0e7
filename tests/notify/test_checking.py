"""Receivers' addresses are looked at before anybody is to be told, and can be tried."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import ConfigError
from detector.ledger import open_ledger
from detector.notify import check_receivers
from detector.run import run_once
from detector.settings import load_settings
from tests.notify.receivers import mail_server, syslog_server, wait_for, web_server
from tests.run.portal import configure

GOOD = {
    "apprise": ("json://127.0.0.1/x", "mailtos://user:hush@mail.example?to=oncall@example.org"),
    "syslog": ("udp://siem.example", "tcp://siem.example:601", "tls://[2001:db8::1]:6514"),
}
BAD = {
    "apprise": ("nosuch://user:hush@foo", "http:/foo", "json://", "mailtos://"),
    "syslog": ("http://user:hush@foo", "tcp://", "tcp://foo:port", "siem.example"),
}


def receiver(kind: str, url: str, name: str = "on-call") -> str:
    """A receiver in the settings."""
    return f'[[notify.receivers]]\nname = "{name}"\nkind = "{kind}"\nurl = "{url}"\n'


@pytest.mark.parametrize(("kind", "url"), [(kind, url) for kind, urls in BAD.items() for url in urls])
def test_an_address_that_can_never_work_is_an_error_at_once(tmp_path: Path, kind: str, url: str) -> None:
    """Before anything is read, by the receiver's name and without its password; nothing is written anywhere."""
    settings = configure(tmp_path, extra=receiver(kind, url))
    with pytest.raises(ConfigError, match="receiver on-call: ") as caught:
        run_once(settings, now=datetime(2026, 3, 12, tzinfo=UTC))
    assert "hush" not in str(caught.value)
    assert not (tmp_path / "history").exists()


@pytest.mark.parametrize(("kind", "url"), [(kind, url) for kind, urls in GOOD.items() for url in urls])
def test_an_address_that_may_work_is_none(tmp_path: Path, kind: str, url: str) -> None:
    """Whether somebody answers there is another question."""
    check_receivers(configure(tmp_path, extra=receiver(kind, url)).notify)


def test_all_wrong_addresses_are_told_and_the_exit_code_is_that_of_misuse(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`run --once`, `--every` and `--test-receivers` end at once; the status calls it trouble beside the others."""
    configure(tmp_path)
    path = tmp_path / "detector.toml"
    run_once(load_settings(path), now=datetime.now(UTC))
    wrong = receiver("apprise", "nosuch://user:hush@foo") + receiver("syslog", "http://foo", "log")
    path.write_text(path.read_text() + wrong)
    for words in (["--once"], ["--every", "5m"], ["--test-receivers"]):
        result = CliRunner().invoke(app, ["run", *words, "--config", str(path)])
        assert isinstance(result.exception, ConfigError)
        assert "receiver on-call: " in str(result.exception)
        assert "receiver log: expected a url such as udp://HOST" in str(result.exception)
    status = CliRunner().invoke(app, ["status", "--config", str(path)])
    assert status.exit_code == 1
    assert "TROUBLE: [[notify.receivers]]: receiver on-call" in status.stdout
    assert "hush" not in "".join([*capfd.readouterr(), status.output])


def test_a_list_of_addresses_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """Not only on the day on which somebody looks for them."""
    settings = configure(tmp_path, extra='[run]\naddresses_file = "known.txt"\n')
    with pytest.raises(ConfigError, match=r"\[run\] addresses_file: .*known.txt"):
        run_once(settings, now=datetime(2026, 3, 12, tzinfo=UTC))


def test_each_receiver_can_be_tried(tmp_path: Path) -> None:
    """Each gets a message that calls itself a test; what happened is told of each, and a failure is an exit code."""
    configure(tmp_path)
    path = tmp_path / "detector.toml"
    alone = path.read_text()
    with mail_server() as box, web_server() as hook, web_server(status=500) as broken, syslog_server() as (port, got):
        good = receiver("apprise", f"mailto://127.0.0.1:{box.port}?from=a@example.org&to=b@example.org", "mail")
        good += receiver("apprise", f"json://127.0.0.1:{hook.port}", "hook") + 'severity = "critical"\n'
        good += receiver("syslog", f"udp://127.0.0.1:{port}", "log")
        good += '[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "alerts.jsonl"\n'
        path.write_text(alone + good)
        done = CliRunner().invoke(app, ["run", "--test-receivers", "--config", str(path)])
        path.write_text(alone + good + receiver("apprise", f"json://127.0.0.1:{broken.port}", "broken"))
        failed = CliRunner().invoke(app, ["run", "--test-receivers", "--config", str(path)])
        wait_for(got, 2)
    names = ("mail", "hook", "log", "siem")
    assert done.stdout.splitlines() == [f"receiver {name}: the test message was delivered" for name in names]
    assert (done.exit_code, failed.exit_code) == (0, 1)
    assert failed.stdout.splitlines()[-1].startswith("receiver broken: ")
    assert "500" in failed.stdout
    assert len(box.mails) == 2
    texts = (box.mails[0], hook.requests[0][1], got[0].decode(), (tmp_path / "alerts.jsonl").read_text())
    assert all("Test message" in text.replace("=\n", "") for text in texts)
    json.loads(texts[-1].splitlines()[0])
    assert not (tmp_path / "history").exists()


def test_nothing_is_recorded_of_a_trial(tmp_path: Path) -> None:
    """The ledger knows no alert of it, and what waits goes on waiting."""
    configure(tmp_path, extra='[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "alerts.jsonl"\n')
    path = tmp_path / "detector.toml"
    run_once(load_settings(path), now=datetime.now(UTC))
    CliRunner().invoke(app, ["run", "--test-receivers", "--config", str(path)])
    assert open_ledger(history=tmp_path / "history").alerts() == []


def test_no_receiver_is_no_trial(tmp_path: Path) -> None:
    """Silence would read as if all were well."""
    configure(tmp_path)
    result = CliRunner().invoke(app, ["run", "--test-receivers", "--config", str(tmp_path / "detector.toml")])
    assert "there is no receiver" in str(result.exception)
