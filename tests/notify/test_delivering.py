"""The outbox: delivered at least once, retried, given up visibly, and no receiver holds up another."""

from __future__ import annotations

import json
import re
import socket
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from detector.ledger import Ledger, Receiver, open_ledger
from detector.ledger.outbox import backlogs, count_deliveries, retry_given_up
from detector.notify import Delivered, deliver
from detector.schedule import NotifySettings
from tests.ledger.made import DAY, NOON, row
from tests.notify.receivers import (
    mail_server,
    make_certificate,
    secured_syslog_server,
    silent_server,
    syslog_server,
    wait_for,
    web_server,
)

TOKEN = "a3f9" * 16
ZONE = "Europe/Paris"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger."""
    return open_ledger(history=tmp_path)


def settings(*receivers: dict[str, Any], **changes: Any) -> NotifySettings:
    """Settings with these receivers, which are not waited for long."""
    listed = [{"timeout_s": 2.0, **receiver} for receiver in receivers]
    return NotifySettings.model_validate({"receivers": listed, **changes})


def record(ledger: Ledger, chosen: NotifySettings, *rows: dict[str, Any]) -> None:
    """Record alerts for all receivers."""
    told = [Receiver(each.name, each.severity) for each in chosen.receivers]
    ledger.record(rows or [row()], at=NOON, receivers=told)


def send(ledger: Ledger, chosen: NotifySettings, *, now: datetime = NOON) -> Delivered:
    """Deliver what is due."""
    return deliver(ledger, chosen, now=now, zone=ZONE)


def test_a_mail_arrives(ledger: Ledger) -> None:
    """Through a real mail server: what, who, how much, what to do next, and the reference that stays the same."""
    with mail_server() as box:
        url = f"mailto://127.0.0.1:{box.port}?from=detector@example.org&to=oncall@example.org"
        chosen = settings({"name": "mail", "kind": "apprise", "url": url})
        record(ledger, chosen, row("anna", severity="high", records_exposed=2_000))
        assert send(ledger, chosen) == Delivered(delivered=1)
        assert send(ledger, chosen) == Delivered()
    (mail,) = box.mails
    assert "oncall@example.org" in mail
    assert "[high] Account anna" in mail
    assert f"mail:{row('anna')['alert_id']}:high" in mail.replace("=\r\n", "").replace("=\n", "")


def test_a_webhook_gets_the_idempotency_key(ledger: Ledger) -> None:
    """Through a real web server: as a header, so that a receiver can leave out what it knows."""
    with web_server() as hook:
        chosen = settings({"name": "hook", "kind": "apprise", "url": f"json://127.0.0.1:{hook.port}/alerts"})
        record(ledger, chosen)
        assert send(ledger, chosen).delivered == 1
    ((headers, body),) = hook.requests
    assert headers["Idempotency-Key"] == f"hook:{row()['alert_id']}:medium"
    assert "400 records that nobody around knows" in json.loads(body)["message"]


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_syslog_arrives(ledger: Ledger, scheme: str) -> None:
    """Through a real receiver, as RFC 5424 has it; on a stream each message begins with its length."""
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    with syslog_server(kind) as (port, got):
        chosen = settings({"name": "log", "kind": "syslog", "url": f"{scheme}://127.0.0.1:{port}"})
        record(ledger, chosen, row('an"na]\n', severity="critical"))
        assert send(ledger, chosen).delivered == 1
        wait_for(got, 1)
    text = got[0].decode()
    if scheme == "tcp":
        length, _, text = text.partition(" ")
        assert int(length) == len(text.encode())
    head = r"<106>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ detector \d+ ALERT \[detector@32473 "
    assert re.match(head, text)
    assert r'account="an\"na\]%0a"' in text
    assert text.endswith("] \ufeff400 records that nobody around knows")


@pytest.mark.parametrize("trust", ["SSL_CERT_FILE", "NOT_AT_ALL"])
def test_syslog_arrives_over_tls(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trust: str) -> None:
    """Through a real receiver whose certificate is trusted; to one whose is not, nothing is told, and it waits."""
    made = make_certificate(tmp_path)
    if made is None:
        pytest.skip("no openssl on this machine")
    monkeypatch.setenv(trust, str(made[0]))
    is_trusted = trust == "SSL_CERT_FILE"
    with secured_syslog_server(*made) as (port, got):
        chosen = settings({"name": "log", "kind": "syslog", "url": f"tls://127.0.0.1:{port}"})
        record(ledger, chosen, row("anna"), row("berta"))
        found = send(ledger, chosen)
        wait_for(got, int(is_trusted))
    if not is_trusted:
        assert (found.delivered, got) == (0, [])
        assert "certificate verify failed" in found.errors[0]
        return
    assert found.delivered == 2
    length, _, rest = got[0].decode().partition(" ")
    messages = (rest.encode()[: int(length)].decode(), rest.encode()[int(length) :].decode())
    told = [re.findall(r'account="(\w+)"', message) for message in messages]
    assert sorted(told) == [["anna"], ["berta"]]


@pytest.mark.parametrize("form", ["ocsf", "ecs"])
def test_lines_of_json_are_added(ledger: Ledger, tmp_path: Path, form: str) -> None:
    """One whole line an alert and update, with one identity; half a line that a kill left is closed first."""
    path = tmp_path / "alerts.jsonl"
    path.write_text('{"half')
    chosen = settings({"name": "siem", "kind": "jsonl", "path": str(path), "form": form})
    record(ledger, chosen)
    assert send(ledger, chosen).delivered == 1
    record(ledger, chosen, row(severity="critical"))
    assert send(ledger, chosen).delivered == 1
    half, *lines = path.read_text().splitlines()
    assert half == '{"half'
    first, second = map(json.loads, lines)
    if form == "ocsf":
        assert (first["class_uid"], first["activity_id"], second["activity_id"]) == (2004, 1, 2)
        assert first["finding_info"]["uid"] == second["finding_info"]["uid"] == row()["alert_id"]
    else:
        assert (first["event"]["kind"], first["user"]["name"], second["event"]["severity"]) == ("alert", "a", 99)
        assert first["rule"]["id"] == row()["alert_id"]


def test_a_flood_is_one_message_with_the_campaign_on_top(ledger: Ledger) -> None:
    """More alerts than the digest allows are told together, the severest first; machines get each."""
    with web_server() as hook, syslog_server() as (port, got):
        chosen = settings(
            {"name": "hook", "kind": "apprise", "url": f"json://127.0.0.1:{hook.port}", "digest": 3},
            {"name": "log", "kind": "syslog", "url": f"udp://127.0.0.1:{port}"},
        )
        rows = [row(f"a{n}", campaign="C-1" if n < 2 else None) for n in range(4)]
        record(ledger, chosen, *rows, row("worst", severity="critical"))
        assert send(ledger, chosen).delivered == 10
        wait_for(got, 5)
    assert len(got) == 5
    ((_, body),) = hook.requests
    message = json.loads(body)["message"].splitlines()
    assert message[0] == "[critical] 5 alerts, 2,000 records shown, summed over accounts"
    campaign = "campaign C-1: 2 accounts, 800 records shown, summed over accounts"
    assert message[2] in (f"{campaign}: a0, a1", f"{campaign}: a1, a0")
    assert "Account worst" in message[4]


def test_a_receiver_that_is_down_slow_or_broken_holds_up_no_other(ledger: Ledger, tmp_path: Path) -> None:
    """The others are told at once; theirs waits, with the reason, and is tried again after a pause that doubles."""
    with web_server(status=500) as broken, web_server(pause_s=30) as slow, socket.create_server(("127.0.0.1", 0)) as s:
        down = s.getsockname()[1]
        s.close()
        chosen = settings(
            {"name": "down", "kind": "apprise", "url": f"json://127.0.0.1:{down}"},
            {"name": "broken", "kind": "apprise", "url": f"json://127.0.0.1:{broken.port}"},
            {"name": "slow", "kind": "apprise", "url": f"json://127.0.0.1:{slow.port}", "timeout_s": 0.5},
            {"name": "nowhere", "kind": "syslog", "url": "tcp://no-such-host.invalid:601"},
            {"name": "full", "kind": "jsonl", "path": "/dev/full"},
            {"name": "siem", "kind": "jsonl", "path": str(tmp_path / "alerts.jsonl")},
        )
        record(ledger, chosen)
        started = time.monotonic()
        found = send(ledger, chosen)
        assert time.monotonic() - started < 15
        assert (found.delivered, found.failed) == (1, 5)
        assert [error.split()[1].rstrip(":") for error in found.errors] == ["down", "broken", "slow", "nowhere", "full"]
        assert send(ledger, chosen, now=NOON + timedelta(seconds=59)) == Delivered()
        assert send(ledger, chosen, now=NOON + timedelta(seconds=61)).failed == 5
        assert send(ledger, chosen, now=NOON + timedelta(seconds=61 + 119)) == Delivered()
        broken.status = 200
        assert send(ledger, chosen, now=NOON + timedelta(seconds=61 + 121)).delivered == 1
    counts = count_deliveries(ledger)
    assert counts["siem", "delivered"] == counts["broken", "delivered"] == counts["down", "waiting"] == 1


def test_a_receivers_error_is_its_own(ledger: Ledger) -> None:
    """Others that fail meanwhile are told of themselves, and no answer is called that."""
    with web_server(status=500) as broken, web_server(pause_s=30) as slow, silent_server() as silent:
        chosen = settings(
            {"name": "broken", "kind": "apprise", "url": f"json://127.0.0.1:{broken.port}"},
            {"name": "mail", "kind": "apprise", "url": "mailto://127.0.0.1:1?from=a@example.org&to=b@example.org"},
            {"name": "slow", "kind": "apprise", "url": f"json://127.0.0.1:{slow.port}", "timeout_s": 0.5},
            {"name": "mute", "kind": "syslog", "url": f"tcp://127.0.0.1:{silent}", "timeout_s": 0.5},
        )
        record(ledger, chosen)
        told = {error.split()[1].rstrip(":"): error for error in send(ledger, chosen).errors}
    assert "500" in told["broken"]
    assert "email" in told["mail"].lower()
    assert not re.search("JSON", told["mail"])
    assert not re.search("email", told["broken"], flags=re.IGNORECASE)
    assert told["slow"] == "receiver slow: no answer in 0.5 s"
    assert told["mute"] == "receiver mute: no answer in 0.5 s"


def test_what_never_arrives_is_given_up_visibly(ledger: Ledger) -> None:
    """After the last attempt it stays in the ledger as given up, and a person can have it tried again."""
    chosen = settings({"name": "gone", "kind": "jsonl", "path": "/no/such/folder/x"}, attempts=2)
    record(ledger, chosen)
    for hours in range(3):
        send(ledger, chosen, now=NOON + timedelta(hours=hours))
    assert count_deliveries(ledger) == {("gone", "given_up"): 1}
    later = NOON + timedelta(hours=9)
    assert retry_given_up(ledger, now=later) == 1
    assert count_deliveries(ledger) == {("gone", "waiting"): 1}
    # It waits to be tried since then, and not since it was stored.
    assert [each.due_since for each in backlogs(ledger)] == [later]


def test_a_slow_receiver_is_told_by_how_much_it_accepted(ledger: Ledger) -> None:
    """It did answer: message by message, and not all within the time that a run has for it."""
    with web_server(pause_s=0.6) as slow:
        url = f"json://127.0.0.1:{slow.port}"
        chosen = settings({"name": "slow", "kind": "apprise", "url": url, "timeout_s": 1.0, "digest": 20})
        record(ledger, chosen, *(row(f"a{n}") for n in range(12)))
        found = send(ledger, chosen)
    assert 0 < found.delivered < 12
    assert found.errors == (f"receiver slow: {found.delivered} of 12 accepted in 3 s",)


def test_after_an_outage_all_is_told_at_once_the_gravest_first(ledger: Ledger, tmp_path: Path) -> None:
    """What failed long ago waits for an hour or so; once the receiver accepts anything, nothing waits any more."""
    path = tmp_path / "later" / "alerts.jsonl"
    chosen = settings({"name": "siem", "kind": "jsonl", "path": str(path), "form": "ecs"})
    record(ledger, chosen, row("low", severity="low"), row("worst", severity="critical"))
    for hours in range(8):
        send(ledger, chosen, now=NOON + timedelta(hours=hours))
    path.parent.mkdir()
    now = NOON + timedelta(hours=7, minutes=5)
    ledger.record([row("new")], at=now, receivers=[Receiver("siem")])
    assert send(ledger, chosen, now=now) == Delivered(delivered=3)
    told = [json.loads(line)["user"]["name"] for line in path.read_text().splitlines()]
    assert told == ["new", "worst", "low"]


def test_no_message_holds_a_record_token_or_a_secret(ledger: Ledger, tmp_path: Path) -> None:
    """The ledger has no column for tokens, and evidence tells files, addresses and browsers only."""
    from detector.ledger.tables import ALERTS

    assert not [column.name for column in ALERTS.columns if column.name in ("record", "records", "token")]
    chosen = settings({"name": "siem", "kind": "jsonl", "path": str(tmp_path / "x"), "url": "json://u:hush@h"})
    assert "hush" not in chosen.model_dump_json()
    record(ledger, chosen, row(day=DAY))
    send(ledger, chosen)
    assert TOKEN not in (tmp_path / "x").read_text()
    assert not re.search(r"\b[0-9a-f]{64}\b", (tmp_path / "x").read_text())


def test_messages_are_told_in_french(ledger: Ledger) -> None:
    """Where the settings say so."""
    with web_server() as hook:
        chosen = settings({"name": "hook", "kind": "apprise", "url": f"json://127.0.0.1:{hook.port}"}, language="fr")
        record(ledger, chosen)
        send(ledger, chosen)
    assert "[moyenne] Compte a" in hook.requests[0][1]


def test_what_was_judged_benign_meanwhile_is_not_told(ledger: Ledger, tmp_path: Path) -> None:
    """It leaves the outbox, visibly; what it outgrows later is told."""
    path = tmp_path / "later" / "alerts.jsonl"
    chosen = settings({"name": "siem", "kind": "jsonl", "path": str(path), "form": "ecs"})
    record(ledger, chosen, row("a"), row("b"))
    assert send(ledger, chosen).failed == 2
    ledger.judge(row("a")["alert_id"], "benign", author="ana", note="a screening", at=NOON + timedelta(minutes=1))
    path.parent.mkdir()
    assert send(ledger, chosen, now=NOON + timedelta(hours=1)) == Delivered(delivered=1)
    assert count_deliveries(ledger) == {("siem", "withdrawn"): 1, ("siem", "delivered"): 1}
    later = NOON + timedelta(hours=2)
    ledger.record([row("a", records_exposed=900)], at=later, receivers=[Receiver("siem")])
    assert send(ledger, chosen, now=later) == Delivered(delivered=1)
    told = [json.loads(line)["user"]["name"] for line in path.read_text().splitlines()]
    assert told == ["b", "a"]
