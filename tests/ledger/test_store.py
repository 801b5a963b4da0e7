"""The ledger: alerts are raised once, grow, are judged, and excuse what was judged; on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select

from detector.errors import ConfigError, LedgerError
from detector.ledger import Ledger, Receiver, Robot, excuse, open_ledger
from detector.ledger.outbox import due, hand_over
from detector.ledger.tables import DELIVERIES, METADATA, UPDATES
from detector.ledger.told import whole_alert
from tests.ledger.made import DAY, NOON, row
from tests.ledger.servers import Postgres

MAIL, SIEM = Receiver("mail", least="high"), Receiver("siem")


def deliveries(ledger: Ledger) -> list[tuple[str, str, int]]:
    """What waits for whom: receiver, severity, and whether it is an update."""
    wanted = select(DELIVERIES.c.receiver, DELIVERIES.c.severity, DELIVERIES.c.is_update)
    with ledger.reading("testing") as connection:
        return sorted((one, two, three) for one, two, three in connection.execute(wanted))


def test_an_alert_is_raised_once(ledger: Ledger) -> None:
    """Recorded twice, an alert is there once, told once, and unchanged; all of it reads back as it was written."""
    assert ledger.record([row()], at=NOON, receivers=[SIEM]).raised == (row()["alert_id"],)
    again = ledger.record([row()], at=NOON + timedelta(minutes=5), receivers=[SIEM])
    assert (again.raised, again.grown, again.known) == ((), (), (row()["alert_id"],))
    (alert,) = ledger.alerts()
    assert {name: getattr(alert, name) for name in row()} == row()
    assert alert.raised_at == alert.changed_at == NOON
    assert deliveries(ledger) == [("siem", "medium", 0)]


def test_a_nul_in_a_name_holds_back_no_alert(ledger: Ledger) -> None:
    """PostgreSQL takes none, be it in a text or deep in the evidence."""
    odd = row("nul\0byte", evidence=[{"source": "a\0b", "first_line": 1}], reasons=["\0"])
    assert len(ledger.record([odd, row("b")], at=NOON).raised) == 2
    assert {each.account for each in ledger.alerts()} == {"b", "nul\ufffdbyte"}


def test_severity_and_records_grow_and_never_fall(ledger: Ledger) -> None:
    """An alert that grew is told again, as an update to whom knows it; a smaller finding later takes nothing back."""
    ledger.record([row()], at=NOON, receivers=[MAIL, SIEM])
    later = row(severity="high", records_exposed=2000, checks=["volume_tier"], alert_at=NOON, strangeness=60.0)
    assert ledger.record([later], at=NOON + timedelta(hours=1), receivers=[MAIL, SIEM]).grown == (row()["alert_id"],)
    ledger.record([row()], at=NOON + timedelta(hours=2), receivers=[MAIL, SIEM])
    (alert,) = ledger.alerts()
    assert (alert.severity, alert.records_exposed, alert.checks, alert.strangeness) == (
        "high",
        2000,
        ["volume_tier"],
        60.0,
    )
    assert alert.alert_at == row()["alert_at"]
    assert deliveries(ledger) == [("mail", "high", 0), ("siem", "high", 1), ("siem", "medium", 0)]
    with ledger.reading("testing") as connection:
        told = connection.execute(select(UPDATES.c.before, UPDATES.c.after).order_by(UPDATES.c.at)).all()
    assert [tuple(each) for each in told] == [(None, "medium"), ("medium", "high")]


def test_what_nobody_was_told_of_is_handed_over_once(ledger: Ledger) -> None:
    """Raised or grown without receivers, as by `detector score`; not what is old, or was judged benign."""
    team, night = Receiver("team"), Receiver("night", least="high")
    told, silent, benign = row("told"), row("silent"), row("benign")
    ledger.record([told], at=NOON, receivers=[team, night])
    ledger.record([silent, benign, {**told, "severity": "high"}], at=NOON)
    ledger.record([row("old")], at=NOON - timedelta(days=8))
    ledger.judge(benign["alert_id"], "benign", author="ana", note="a screening day", at=NOON)

    def handed() -> set[str]:
        return {*hand_over(ledger, receivers=[team, night], since=NOON - timedelta(days=7), at=NOON)}

    assert handed() == {told["alert_id"], silent["alert_id"]}
    assert handed() == set()
    waiting = {(each.alert_id, each.severity, each.is_update) for each in due(ledger, receiver="team", now=NOON)}
    assert waiting == {
        (told["alert_id"], "medium", False),
        (told["alert_id"], "high", True),
        (silent["alert_id"], "medium", False),
    }
    assert [(each.alert_id, each.is_update) for each in due(ledger, receiver="night", now=NOON)] == [
        (told["alert_id"], False)
    ]
    assert ledger.record([silent], at=NOON, receivers=[team]).known == (silent["alert_id"],)
    assert len(due(ledger, receiver="team", now=NOON)) == 3


def test_what_is_opened_again_is_handed_over_at_the_same_severity(ledger: Ledger) -> None:
    """`detector score` finds more than what was judged benign, and the job tells of it, once."""
    ledger.record([row()], at=NOON, receivers=[SIEM])
    ledger.judge(row()["alert_id"], "benign", author="ana", note="a screening day", at=NOON + timedelta(hours=1))
    later = NOON + timedelta(hours=2)
    assert len(ledger.record([row(records_exposed=600)], at=later).grown) == 1
    for expected in ((row()["alert_id"],), ()):
        assert hand_over(ledger, receivers=[SIEM], since=NOON - timedelta(days=7), at=later) == expected
    told = due(ledger, receiver="siem", now=later)
    assert [(each.severity, each.is_update) for each in told] == [("medium", False), ("medium", True)]


def test_a_check_that_fires_on_what_was_judged_benign_is_told(ledger: Ledger) -> None:
    """A listed address, found by a hunt on a day judged benign, at the same severity: open again, told once."""
    ledger.record([row(severity="high")], at=NOON)
    ledger.judge(row()["alert_id"], "benign", author="ana", note="a screening day", at=NOON)
    again = row(severity="high", checks=["known_address"])
    assert len(ledger.record([again], at=NOON + timedelta(hours=1), receivers=[SIEM]).grown) == 1
    (alert,) = ledger.alerts(verdict="open")
    assert (alert.checks, len(deliveries(ledger))) == (["known_address"], 1)
    assert ledger.record([again], at=NOON + timedelta(hours=2), receivers=[SIEM]).grown == ()
    ledger.judge(alert.alert_id, "benign", author="ana", note="our own proxy", at=NOON + timedelta(hours=3))
    assert ledger.record([again], at=NOON + timedelta(hours=4), receivers=[SIEM]).grown == ()
    assert len(deliveries(ledger)) == 1


def test_a_failure_in_the_middle_records_nothing(ledger: Ledger) -> None:
    """Alerts and what is to be told of them are one transaction: one that breaks off leaves neither."""
    with pytest.raises(LedgerError, match="recording alerts failed"):
        ledger.record([row("a"), row("b", title=None)], at=NOON, receivers=[SIEM])
    assert ledger.alerts() == []
    assert deliveries(ledger) == []


def test_the_latest_verdict_counts_and_the_earlier_ones_stay(ledger: Ledger) -> None:
    """A verdict names who and why; changing one's mind adds a verdict."""
    ledger.record([row()], at=NOON)
    ledger.judge(row()["alert_id"][:6], "benign", author="ana", note="a nursing home moved", at=NOON)
    found = ledger.judge(row()["alert_id"], "malicious", author="bo", note="it had not", at=NOON)
    assert (found.verdict, found.author, found.note) == ("malicious", "bo", "it had not")
    assert len(ledger.alerts(verdict="malicious")) == 1
    assert ledger.alerts(verdict="benign") == ledger.alerts(verdict="open") == []


@pytest.mark.parametrize(
    ("alert", "verdict", "note", "message"),
    [
        ("nope", "benign", "why", "no alert begins with 'nope'"),
        (row()["alert_id"][:3], "benign", "why", "1 alerts begin with"),
        (row()["alert_id"], "fine", "why", "expected one of malicious, benign, unknown"),
        (row()["alert_id"], "benign", " ", "who gives it, and why"),
    ],
)
def test_a_verdict_that_says_too_little_is_refused(
    alert: str, verdict: str, note: str, message: str, tmp_path: Path
) -> None:
    """The alert must be one, the verdict known, the reason given."""
    ledger = open_ledger(history=tmp_path)
    ledger.record([row()], at=NOON)
    with pytest.raises(LedgerError, match=message):
        ledger.judge(alert, verdict, author="ana", note=note, at=NOON)


def test_what_alerted_is_set_aside_until_it_is_judged_benign(ledger: Ledger) -> None:
    """Open, unknown and malicious account-days are nobody's past, benign ones are; the portal's own do not count."""
    ledger.record([row("a"), row("b"), row("c"), row(None, alert_id="p" * 20)], at=NOON)  # type: ignore[arg-type]
    ledger.judge(row("b")["alert_id"], "benign", author="ana", note="a campaign", at=NOON)
    ledger.judge(row("c")["alert_id"], "unknown", author="ana", note="no answer yet", at=NOON)
    assert ledger.set_aside().to_dict("records") == [{"account": "a", "day": DAY}, {"account": "c", "day": DAY}]
    assert ledger.excused().to_dict("records") == [{"account": "b", "strangeness": 40.0, "records": 400}]


def test_what_grew_since_it_was_judged_benign_is_not_excused_and_told_again(ledger: Ledger) -> None:
    """The level stays that of the verdict; a quarter more opens the alert again, once, until it is judged anew."""
    ledger.record([row()], at=NOON, receivers=[SIEM])
    ledger.judge(row()["alert_id"], "benign", author="ana", note="a screening day", at=NOON)
    levels = [{"account": "a", "strangeness": 40.0, "records": 400}]
    hour = timedelta(hours=1)
    for records in (300, 499):
        found = ledger.record([row(records_exposed=records, strangeness=50.0)], at=NOON + hour, receivers=[SIEM])
        assert (found.known, found.grown) == ((row()["alert_id"],), ())
        assert ledger.excused().to_dict("records") == levels
    grown = row(records_exposed=500)
    assert ledger.record([grown], at=NOON + 2 * hour, receivers=[SIEM]).grown == (row()["alert_id"],)
    assert ledger.record([grown], at=NOON + 2 * hour, receivers=[SIEM]).known == (row()["alert_id"],)
    (alert,) = ledger.alerts(verdict="open")
    assert (alert.verdict, alert.note, alert.records_exposed) == (None, None, 500)
    assert [each[2] for each in deliveries(ledger)] == [0, 1]
    assert ledger.excused().empty
    assert len(ledger.set_aside()) == 1
    told = whole_alert(ledger, alert.alert_id)
    assert [(each.verdict, each.author) for each in told.verdicts] == [("benign", "ana"), ("reopened", "detector")]
    assert [(each.before, each.after) for each in told.updates] == [(None, "medium"), ("medium", "medium")]
    ledger.judge(alert.alert_id, "benign", author="ana", note="all of the ward", at=NOON + 3 * hour)
    assert ledger.excused()["records"].tolist() == [500]
    ledger.record([row(severity="high", records_exposed=510)], at=NOON + 4 * hour, receivers=[SIEM])
    assert [each.severity for each in ledger.alerts(verdict="open")] == ["high"]
    assert len(deliveries(ledger)) == 3


def test_what_has_no_tokens_outgrows_a_verdict_by_how_strange_it_is(ledger: Ledger) -> None:
    """Nobody knows how many records that were."""
    nameless = row(records_exposed=None)
    ledger.record([nameless], at=NOON)
    ledger.judge(row()["alert_id"], "benign", author="ana", note="a screening day", at=NOON)
    assert ledger.record([{**nameless, "strangeness": 49.0}], at=NOON).grown == ()
    assert ledger.record([{**nameless, "strangeness": 50.0}], at=NOON).grown == (row()["alert_id"],)


def test_alerts_are_filtered_and_sorted(ledger: Ledger) -> None:
    """The newest day first, then the severest; filters are all to be met."""
    rows = [row("a"), row("b", severity="critical"), row("a", day=DAY + timedelta(days=1), severity="low")]
    ledger.record(rows, at=NOON)
    assert [(each.account, each.severity) for each in ledger.alerts()] == [
        ("a", "low"),
        ("b", "critical"),
        ("a", "medium"),
    ]
    assert [each.severity for each in ledger.alerts(account="a", until=DAY)] == ["medium"]
    assert [each.account for each in ledger.alerts(severity="high", since=DAY)] == ["b"]


def test_alerts_go_when_they_are_old_unless_an_incident_holds_them(ledger: Ledger) -> None:
    """With all that belongs to them; of days that are kept, or held for their account, they stay."""
    days = [DAY - timedelta(days=back) for back in (0, 9, 10, 10)]
    alerts = [row(account, day=day) for account, day in zip("abcd", days, strict=True)]
    ledger.record(alerts, at=NOON, receivers=[SIEM])
    ledger.judge(alerts[2]["alert_id"], "benign", author="ana", note="a screening", at=NOON)
    held = [(DAY - timedelta(days=12), DAY - timedelta(days=10), ["d"])]
    assert ledger.expire(DAY - timedelta(days=9), held=held) == 1
    assert sorted(str(each.account) for each in ledger.alerts()) == ["a", "b", "d"]
    assert ledger.expire(DAY - timedelta(days=9), held=[(DAY - timedelta(days=12), DAY, ())]) == 0
    assert ledger.expire(DAY - timedelta(days=9)) == 1
    assert len(deliveries(ledger)) == 2


def test_an_account_is_forgotten(ledger: Ledger) -> None:
    """Alerts, verdicts, updates, deliveries and the robot's entry go; others' stay."""
    ledger.record([row("a"), row("b")], at=NOON, receivers=[SIEM])
    ledger.judge(row("a")["alert_id"], "benign", author="ana", note="why", at=NOON)
    ledger.allow(Robot("a", "nightly batch", 500, DAY, "ana", NOON))
    assert ledger.forget("a") == 1
    assert [each.account for each in ledger.alerts()] == ["b"]
    assert len(deliveries(ledger)) == 1
    assert ledger.robots() == []


def scores(**changes: object) -> pd.DataFrame:
    """A scored account-day that alerts."""
    values = {"account": "a", "day": DAY, "alert": True, "queue": "main", "checks": None, "campaign": None}
    values |= {"strangeness": 40.0, "records": 400, "lookups": 500, "reasons": []}
    return pd.DataFrame([values | changes])


LEVEL = pd.DataFrame([("a", 40.0, 400)], columns=["account", "strangeness", "records"])
NO_LEVEL = LEVEL.iloc[:0]


@pytest.mark.parametrize(
    ("changes", "alerts"),
    [
        ({}, False),
        ({"strangeness": 40.1}, True),
        ({"records": 401}, True),
        ({"account": "b"}, True),
        ({"checks": ["canary_record"], "queue": "check"}, True),
        ({"checks": ["canary_record"]}, True),
    ],
)
def test_a_benign_verdict_excuses_up_to_the_level_seen(changes: dict[str, object], *, alerts: bool) -> None:
    """Not stranger and not larger than what was judged; another account or a check that fired is told all the same."""
    found = excuse(scores(**changes), levels=LEVEL, robots=[])
    assert found["alert"].tolist() == [alerts]
    assert found["queue"].notna().tolist() == [alerts]


@pytest.mark.parametrize(
    ("changes", "alerts"),
    [
        ({}, False),
        ({"lookups": 501}, True),
        ({"day": DAY + timedelta(days=1)}, True),
        ({"checks": ["volume_tier"]}, True),
        ({"account": "b"}, True),
        ({"reasons": None}, False),
        ({"reasons": [{"signal": "lookups"}]}, False),
        ({"reasons": [{"signal": "lookups"}, {"signal": "foreign_writes"}]}, True),
    ],
)
def test_a_known_robot_is_excused_up_to_its_ceiling_until_its_end(changes: dict[str, object], *, alerts: bool) -> None:
    """Within the ceiling and the dates; checks are never silenced, nor are writes that stand out."""
    robot = Robot("a", "nightly batch", 500, DAY, "ana", NOON)
    assert excuse(scores(**changes), levels=NO_LEVEL, robots=[robot])["alert"].tolist() == [alerts]


def test_new_company_is_news() -> None:
    """A benign account in a campaign with one that is not explained alerts with it."""
    rows = pd.concat([scores(campaign="C-1"), scores(account="b", campaign="C-1")], ignore_index=True)
    assert excuse(rows, levels=LEVEL, robots=[])["alert"].tolist() == [True, True]
    both = pd.concat([LEVEL, LEVEL.assign(account="b")])
    assert excuse(rows, levels=both, robots=[])["alert"].tolist() == [False, False]


def test_a_ledger_of_before_levels_keeps_its_verdicts(tmp_path: Path) -> None:
    """Each excuses what its alert is when the ledger is brought up to date."""
    ledger = open_ledger(history=tmp_path)
    ledger.record([row()], at=NOON)
    ledger.judge(row()["alert_id"], "benign", author="ana", note="a screening day", at=NOON)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        for name in ("records_exposed", "strangeness"):
            connection.execute(f"ALTER TABLE verdicts DROP COLUMN {name}")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    again = open_ledger(history=tmp_path)
    assert again.excused().to_dict("records") == [{"account": "a", "strangeness": 40.0, "records": 400}]


def test_the_migrations_make_the_tables_that_the_code_uses(ledger: Ledger) -> None:
    """Every column, with its nullability, and no other; opening again changes nothing."""
    from sqlalchemy import inspect

    found = inspect(ledger.engine)
    for table in METADATA.tables.values():
        columns = {each["name"]: each["nullable"] for each in found.get_columns(table.name)}
        assert columns == {each.name: bool(each.nullable) for each in table.columns}, table.name
    open_ledger(url=ledger.engine.url.render_as_string(hide_password=False).replace("+psycopg", ""))


def test_a_ledger_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    """It is told so, and left as it is."""
    open_ledger(history=tmp_path)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(LedgerError, match="a newer program made it"):
        open_ledger(history=tmp_path)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "nonsense"])
def test_an_address_that_is_no_ledger_is_refused_without_its_password(url: str) -> None:
    """Only SQLite and PostgreSQL; a password is not repeated."""
    with pytest.raises(ConfigError, match="expected sqlite:///PATH or postgresql") as refused:
        open_ledger(url=url)
    assert "secret" not in str(refused.value)


def test_a_locked_ledger_is_waited_for(tmp_path: Path) -> None:
    """Another writer, such as a backup, delays a run; readers are not delayed at all."""
    ledger = open_ledger(history=tmp_path)
    other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    assert ledger.alerts() == []
    import threading

    release = threading.Timer(0.5, other.execute, ["ROLLBACK"])
    release.start()
    ledger.record([row()], at=NOON)
    release.join()
    other.close()
    assert len(ledger.alerts()) == 1


def test_a_ledger_that_stays_locked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that a transaction may take, it fails and says why; nothing is half done."""
    monkeypatch.setattr("detector.ledger.opening.BUSY_S", 0)
    ledger = open_ledger(history=tmp_path)
    other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match=r"recording alerts failed \(database is locked\)"):
        ledger.record([row()], at=NOON)
    other.close()
    assert ledger.alerts() == []


@pytest.mark.postgres
def test_postgresql_restarted_in_the_middle_loses_nothing(server: Postgres) -> None:
    """A transaction that the restart cuts fails whole; the next one, on the same ledger, works."""
    ledger = open_ledger(url=server.url)

    def cut() -> None:
        with ledger.writing("testing") as connection:
            connection.exec_driver_sql("CREATE TABLE half (done integer)")
            server.control("restart", "-m", "immediate")
            connection.exec_driver_sql("INSERT INTO half VALUES (1)")

    with pytest.raises(LedgerError, match="testing failed"):
        cut()
    assert ledger.record([row("restarted")], at=NOON).raised
    with ledger.reading("testing") as connection:
        found = connection.exec_driver_sql("SELECT to_regclass('half')").scalar()
    assert found is None
    ledger.forget("restarted")


def test_days_are_dates_wherever_the_process_runs(ledger: Ledger) -> None:
    """A day comes back as the same day."""
    ledger.record([row(day=date(2026, 3, 29))], at=NOON)
    assert ledger.alerts()[0].day == date(2026, 3, 29)
