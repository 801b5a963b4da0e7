"""What people and machines are told of: from where, when by the portal's clock, how much, and no token."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from detector.ledger import Alert, Ledger, Receiver, Robot, open_ledger
from detector.ledger.background import backgrounds_of
from detector.ledger.outbox import Delivery, due
from detector.ledger.told import whole_alert
from detector.notify.machines import to_ecs, to_json_line, to_ocsf, to_syslog
from detector.notify.messages import Language, compose
from detector.output.alert import render_whole
from tests.ledger.made import DAY, NOON, row

ZONE = "Europe/Paris"
LANGUAGES: tuple[Language, ...] = ("en", "fr")


def seen(ip: str | None, lookups: int, hour: int, *, minutes: int = 30, **more: Any) -> dict[str, Any]:
    """Evidence of an open day: an address, and look-ups from a full hour on, in UTC."""
    times = [datetime(DAY.year, DAY.month, DAY.day, hour, minute, tzinfo=UTC) for minute in (0, minutes)]
    instants = {"first_at": times[0].isoformat(), "last_at": times[1].isoformat()}
    return {"ip": ip, "user_agent": "Firefox", "lookups": lookups, "writes": 0, **instants, **more}


FOREIGN = "203.0.113.7"
EVIDENCE = [
    seen("192.0.2.1", 3, 6),
    seen(FOREIGN, 500, 8),
    seen(FOREIGN, 200, 9, user_agent="curl"),
    seen("198.51.100.4", 9, 7, writes=2),
    seen("192.0.2.2", 0, 5),
    seen("192.0.2.3", 1, 7),
]


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[Delivery, Alert]]:
    """Two alerts of a campaign, one without records' tokens, and one that grew."""
    ledger = open_ledger(history=tmp_path)
    told = [Receiver("log")]
    first = [
        row("anna", records_exposed=1_700, evidence=EVIDENCE, campaign="C-1"),
        row("berta", records_exposed=None, campaign="C-1", evidence=[seen(None, 3, 8)]),
    ]
    ledger.record(first, at=NOON, receivers=told)
    ledger.record([row("anna", severity="high", evidence=EVIDENCE, campaign="C-1")], at=NOON, receivers=told)
    found = [(each, ledger.alert(each.alert_id)) for each in due(ledger, receiver="log", now=NOON)]
    return sorted(found, key=lambda pair: (str(pair[1].account), pair[0].is_update))


def test_a_message_tells_from_where_and_when(pairs: list[tuple[Delivery, Alert]]) -> None:
    """The addresses with most look-ups first, three at most; times in the portal's zone; the campaign."""
    first, grown, other = (each.body.splitlines() for each in compose(pairs, digest=5, zone=ZONE))
    more = "198.51.100.4 (9 look-ups, 2 writes, 08:00 to 08:30), 192.0.2.1 (3 look-ups, 07:00 to 07:30), and 2 more"
    assert first[2:7] == [
        "Day: 2026-03-12 (Europe/Paris), active between 07:00 and 10:30",
        "1,700 records shown so far, 2 writes",
        f"From {FOREIGN} (700 look-ups, 09:00 to 10:30), {more}",
        "Part of campaign C-1, and as severe as all that its accounts got",
        "Beyond the limit of early warning since 10:00",
    ]
    assert grown[0] == "[high] Account anna, grown since you were told: 400 records that nobody around knows"
    assert not [line for line in other if line.startswith("From") or "records shown" in line]


def test_a_digest_tells_sums_and_addresses(pairs: list[tuple[Delivery, Alert]]) -> None:
    """Of all and of the campaign; where one account's records are not known, it is at least so many."""
    (message,) = compose([pairs[0], pairs[2]], digest=1, zone=ZONE)
    lines = message.body.splitlines()
    assert lines[0] == "[high] 2 alerts, at least 1,700 records shown, summed over accounts, 2 writes"
    assert lines[2].startswith("campaign C-1: 2 accounts, at least 1,700 records shown, summed over accounts: ")
    (anna,) = [line for line in lines if "Account anna" in line]
    assert anna.endswith(f"; from {FOREIGN}, 198.51.100.4, 192.0.2.1, and 2 more, active between 07:00 and 10:30")


def test_a_digest_lists_what_exposed_most_first(tmp_path: Path) -> None:
    """Of one severity: of sixty, twenty have a line."""
    ledger, told = open_ledger(history=tmp_path), [Receiver("log")]
    ledger.record([row(f"a{n:02}", records_exposed=10 + n) for n in range(60)], at=NOON, receivers=told)
    found = [(each, ledger.alert(each.alert_id)) for each in due(ledger, receiver="log", now=NOON)]
    (message,) = compose(found, digest=5, zone=ZONE)
    listed = [line.split("Account ")[1][:3] for line in message.body.splitlines() if "Account " in line]
    assert listed == [f"a{n}" for n in range(59, 39, -1)]


def test_messages_in_french_tell_the_same(pairs: list[tuple[Delivery, Alert]]) -> None:
    """With its own words and thousands."""
    text = compose(pairs, digest=5, zone=ZONE, language="fr")[0].body
    assert "1\u202f700 dossiers affichés à ce stade" in text
    assert f"Depuis {FOREIGN} (700 consultations, 09:00 à 10:30)" in text
    assert "actif entre 07:00 et 10:30" in text
    assert "et 2 de plus" in text


def test_a_message_of_a_campaign_names_its_sum_and_its_accounts(tmp_path: Path) -> None:
    """Three accounts by name, those with most records first, and how many more; the sum of all, in both languages."""
    ledger, told = open_ledger(history=tmp_path), [Receiver("log")]
    rows = [row(f"a{n}", campaign="C-1", records_exposed=500 + n) for n in range(5)]
    ledger.record([*rows, row("z", campaign="C-2"), row("other")], at=NOON, receivers=told)
    found = [(each, ledger.alert(each.alert_id)) for each in due(ledger, receiver="log", now=NOON)]
    backgrounds = backgrounds_of(ledger, [alert for _, alert in found])
    bodies = {
        language: {
            str(alert.account): message.body
            for (_, alert), message in zip(
                found, compose(found, digest=9, zone=ZONE, language=language, backgrounds=backgrounds), strict=True
            )
        }
        for language in LANGUAGES
    }
    told_en = "campaign C-1: 5 accounts, 2,510 records shown, summed over accounts: a4, a3, a2, and 2 more"
    told_fr = "campagne C-1 : 5 comptes, 2\u202f510 dossiers affichés, somme des comptes: a4, a3, a2, et 2 de plus"
    assert (told_en in bodies["en"]["a0"].splitlines(), told_fr in bodies["fr"]["a4"].splitlines()) == (True, True)
    assert not [name for name in ("z", "other") if "summed over" in bodies["en"][name]]


def test_what_was_judged_benign_says_by_whom_and_which_check_is_new(tmp_path: Path) -> None:
    """Not before it is open again, and no longer once somebody judged it anew."""
    ledger, told = open_ledger(history=tmp_path), [Receiver("log")]
    ledger.record([row(checks=["tool_agent"])], at=NOON, receivers=told)
    ledger.judge(row()["alert_id"], "benign", author="ana", note="a screening day", at=NOON)
    assert "ana" not in newest_message(ledger)
    hour = timedelta(hours=1)
    ledger.record([row(checks=["canary_record", "tool_agent"])], at=NOON + hour, receivers=told)
    told_en = "Judged benign by ana on 2026-03-12 13:00, and open again: this check has fired since: canary_record"
    assert told_en in newest_message(ledger).splitlines()
    assert "Jugée bénigne par ana le 2026-03-12 13:00" in newest_message(ledger, language="fr")
    ledger.judge(row()["alert_id"], "benign", author="berta", note="a drill", at=NOON + 2 * hour)
    ledger.record(
        [row(checks=["canary_record", "tool_agent"], records_exposed=900)], at=NOON + 3 * hour, receivers=told
    )
    assert newest_message(ledger).count("Judged benign by berta on 2026-03-12 15:00, and open again: it outgrew") == 1
    ledger.judge(row()["alert_id"], "malicious", author="carla", note="a theft", at=NOON + 4 * hour)
    assert "Judged benign" not in newest_message(ledger)


def newest_message(ledger: Ledger, *, language: Language = "en") -> str:
    """What a receiver is told last."""
    found = [(each, ledger.alert(each.alert_id)) for each in due(ledger, receiver="log", now=NOON + timedelta(days=1))]
    backgrounds = backgrounds_of(ledger, [alert for _, alert in found])
    return compose(found, digest=9, zone=ZONE, language=language, backgrounds=backgrounds)[-1].body


def test_syslog_tells_from_where_and_when(pairs: list[tuple[Delivery, Alert]]) -> None:
    """As parameters that a machine can read, with the offset of the portal's zone."""
    text = to_syslog(*pairs[0], now=NOON, zone=ZONE).decode()
    assert f'addresses="{FOREIGN} 198.51.100.4 192.0.2.1" more_addresses="2"' in text
    assert 'first="2026-03-12T07:00:00+01:00" last="2026-03-12T10:30:00+01:00"' in text


def closed(pair: tuple[Delivery, Alert]) -> tuple[Delivery, Alert]:
    """The same of a day whose dumps were read again."""
    return pair[0], replace(pair[1], evidence=[{"source": "portal.csv", "first_line": 7, "last_line": 900}])


def test_evidence_of_an_open_day_names_no_file(pairs: list[tuple[Delivery, Alert]]) -> None:
    """Neither file nor line is kept of it; what a closed day's dumps tell is named."""
    found = to_ocsf(*pairs[0], zone=ZONE)["evidences"]
    assert [each["src_endpoint"]["ip"] for each in found] == [each["ip"] for each in EVIDENCE]
    assert not [each for each in found if "name" in each]
    (told,) = to_ocsf(*closed(pairs[0]), zone=ZONE)["evidences"]
    assert told["name"] == "portal.csv, lines 7 to 900"


@pytest.mark.parametrize(("severity", "risk"), [("medium", 47), ("critical", 99)])
def test_risk_follows_severity_and_machines_are_told_how_many_records(
    pairs: list[tuple[Delivery, Alert]], severity: str, risk: int
) -> None:
    """Of what a check found as of a model's alert, whose score stands beside it; what nobody counted is null."""
    delivery, alert = pairs[0]
    check = replace(alert, severity=severity, queue="check", checks=["canary"], score=0.0)
    ecs, ocsf = (form(delivery, check, zone=ZONE) for form in (to_ecs, to_ocsf))
    assert (ecs["event"]["risk_score"], ocsf["risk_score"]) == (risk, risk)
    assert ecs["detector"] == {"severity": severity, "records_exposed": 1_700, "score": 0.0}
    assert (ocsf["unmapped"]["records_exposed"], ocsf["unmapped"]["score"]) == (1_700, 0.0)
    unknown = to_json_line("ecs", delivery, replace(check, records_exposed=None, score=None), zone=ZONE)
    assert json.loads(unknown)["detector"] == {"severity": severity, "records_exposed": None, "score": None}


def test_a_past_day_is_told_of_without_so_far(pairs: list[tuple[Delivery, Alert]]) -> None:
    """What is told the day after, in both languages."""
    delivery, alert = pairs[0]
    later = [(replace(delivery, stored_at=NOON + timedelta(days=1)), alert)]
    bodies = [compose(later, digest=5, zone=ZONE, language=each)[0].body.splitlines() for each in LANGUAGES]
    assert [body[3] for body in bodies] == [
        "1,700 records shown, 2 writes",
        "1\u202f700 dossiers affichés, 2 écritures",
    ]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("2 canary records looked up", "2 dossiers témoins consultés"),
        (
            "first batch of new software, to be reviewed: 250 dossiers inconnus",
            "premier lot d'un logiciel nouveau, à examiner : 250 dossiers inconnus",
        ),
        ("250 dossiers inconnus", "250 dossiers inconnus"),
    ],
)
def test_what_a_check_saw_is_told_in_french(pairs: list[tuple[Delivery, Alert]], title: str, expected: str) -> None:
    """Reasons are in the language of the job already."""
    delivery, alert = pairs[0]
    titles = [compose([(delivery, replace(alert, title=title))], digest=5, zone=ZONE, language="fr")[0].title]
    both = [(delivery, replace(alert, title=title, alert_id=name)) for name in ("first", "second")]
    (digest,) = compose(both, digest=1, zone=ZONE, language="fr")
    assert titles[0].endswith(f": {expected}")
    assert expected in digest.body


def test_an_alert_of_a_known_robot_tells_its_entry(tmp_path: Path) -> None:
    """Its end is past, or it looked up more than its ceiling: whoever reads the message knows which."""
    ledger, told = open_ledger(history=tmp_path), [Receiver("log")]
    ledger.allow(Robot("a", "nightly import", 5_000, DAY - timedelta(days=1), "ana", NOON))
    ledger.record([row()], at=NOON, receivers=told)
    entry = "Known robot until 2026-03-11, up to 5,000 look-ups a day, says ana: nightly import"
    assert entry in newest_message(ledger).splitlines()
    page = io.StringIO()
    Console(file=page, width=200).print(render_whole(whole_alert(ledger, row()["alert_id"]), zone=ZONE))
    assert "up to 5,000 look-ups a day until 2026-03-11, says ana: nightly import" in page.getvalue()


def test_writes_are_told_beside_the_records(tmp_path: Path) -> None:
    """In a message and in a digest's sum, one in the singular; days and the largest campaign first."""
    ledger, told = open_ledger(history=tmp_path), [Receiver("log")]
    wrote = [{"ip": "192.0.2.1", "lookups": 1, "writes": 3_000}]
    rows = [
        row("a", records_exposed=291, evidence=wrote, campaign="C-1"),
        row("b", records_exposed=2_810, campaign="C-2", evidence=[{"ip": "192.0.2.2", "lookups": 2, "writes": 1}]),
    ]
    ledger.record(rows, at=NOON, receivers=told)
    found = [(each, ledger.alert(each.alert_id)) for each in due(ledger, receiver="log", now=NOON)]
    bodies = {str(alert.account): compose([(each, alert)], digest=9, zone=ZONE)[0].body for each, alert in found}
    assert "291 records shown so far, 3,000 writes" in bodies["a"].splitlines()
    assert "From 192.0.2.1 (1 look-up, 3,000 writes)" in bodies["a"].splitlines()
    assert "2,810 records shown so far, 1 write" in bodies["b"].splitlines()
    (digest,) = compose(found, digest=1, zone=ZONE, language="fr")
    lines = digest.body.splitlines()
    assert lines[0].endswith("3\u202f101 dossiers affichés, somme des comptes, 3\u202f001 écritures")
    assert [line.split()[1] for line in lines[2:4]] == ["C-2", "C-1"]
    assert all(f" {DAY} [" in line for line in lines[5:7])


def test_a_digest_counts_what_grew_before_it_could_be_told_once(pairs: list[tuple[Delivery, Alert]]) -> None:
    """After an outage an alert waits as it was raised and as it grew: one line, and its records once in the sum."""
    assert [alert.account for _, alert in pairs] == ["anna", "anna", "berta"]
    (message,) = compose(pairs, digest=1, zone=ZONE)
    assert message.title.startswith("[high] 2 alerts, at least 1,700 records shown")
    assert message.body.count("Account anna") == 1
    assert len(message.deliveries) == 3
    assert len(compose(pairs, digest=2, zone=ZONE)) == 3
