"""Alerts: who they are about, how severe, and where to look it up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from detector.alerts import ALERTS, alert_id, build_alerts, find_evidence
from detector.schema import EVENTS
from tests.output.made import DAY, fired, reason, scores

START = datetime(2026, 2, 12, 1, tzinfo=UTC)
ALERTED = {"account": "a", "alert": True, "queue": "main"}
NOTHING = pd.DataFrame()


def events(*rows: dict[str, Any]) -> ibis.Table:
    """Look-ups of account a, one a second."""
    usual = {"account": "a", "action": "lookup", "outcome": "success", "source": "f.csv", "ip": "192.0.2.1"}
    made = [
        usual | {"timestamp": START + timedelta(seconds=n), "line": n + 1, "record": f"r{n}"} | row
        for n, row in enumerate(rows)
    ]
    return ibis.memtable(pa.Table.from_pylist(made, schema=EVENTS.arrow))


def test_an_alert_is_made_for_each_account_day_that_alerts_and_for_no_other() -> None:
    """Account-days that wait for review are no alerts."""
    found = build_alerts(scores(ALERTED, {"account": "b", "queue": "robot"}, {"account": "c"}), fired(), NOTHING)
    assert found["account"].tolist() == ["a"]
    ALERTS.check(pa.Table.from_pandas(found, schema=ALERTS.arrow, preserve_index=False))


def test_the_identity_is_that_of_what_is_alerted() -> None:
    """The same account and day have the same identity whatever the score; another day or account has another."""
    first, second = (build_alerts(scores(ALERTED | {"score": s}), fired(), NOTHING)["alert_id"][0] for s in (0.5, 0.9))
    assert first == second == alert_id("a", DAY)
    assert len({alert_id("a", DAY), alert_id("b", DAY), alert_id("a", date(2026, 2, 13)), alert_id(None, DAY)}) == 4


@pytest.mark.parametrize(
    ("records", "severity"),
    [
        (99, "low"),
        (100, "medium"),
        (999, "medium"),
        (1_000, "high"),
        (9_999, "high"),
        (10_000, "critical"),
        (None, "low"),
    ],
)
def test_severity_follows_the_records_exposed(records: int | None, severity: str) -> None:
    """The tiers are those stated, ends included."""
    found = build_alerts(scores(ALERTED | {"records": records}), fired(), NOTHING)
    assert found["severity"][0] == severity
    assert pd.isna(found["records_exposed"][0]) == (records is None)


@pytest.mark.parametrize(("writes", "severity"), [(99, "low"), (100, "medium"), (1_000, "high")])
def test_severity_follows_what_was_written_too(writes: int, severity: str) -> None:
    """A night of forged writes shows no record, and is no small matter for that; from all sources together."""
    made = [{"action": "write", "ip": f"192.0.2.{n % 2}", "user_agent": f"agent {n % 2}"} for n in range(writes)]
    evidence = find_evidence(events(*made), ["a"]).assign(day=DAY)
    found = build_alerts(scores(ALERTED | {"records": 0}), fired(), evidence)
    assert len(evidence) == 2
    assert (found["severity"][0], found["records_exposed"][0]) == (severity, 0)


def test_without_tokens_look_ups_stand_for_records() -> None:
    """What nobody could count clears nobody: a log without records has a column of nothing."""
    made = scores(ALERTED | {"lookups": 1_500}).assign(records=None)
    found = build_alerts(made, fired(), NOTHING)
    assert found["severity"].tolist() == ["high"]
    assert found["records_exposed"].isna().all()


@pytest.mark.parametrize(("each", "severity"), [((700, 700), "high"), ((499, 500), "medium"), ((9_999, 1), "critical")])
def test_a_campaign_is_as_severe_as_the_sum_of_its_accounts(each: tuple[int, int], severity: str) -> None:
    """Each of its alerts; what each account got stays its own. Neither another campaign nor another day counts."""
    together, other = ALERTED | {"campaign": "C-1"}, ALERTED | {"campaign": "C-2", "records": 100}
    first, second = each
    made = scores(
        together | {"records": first},
        together | {"account": "b", "records": second},
        other | {"account": "c"},
        ALERTED | {"account": "d", "records": 5_000},
        together | {"account": "e", "records": 150, "day": date(2026, 2, 13)},
        together | {"account": "f", "records": 50_000, "alert": False},
    )
    found = build_alerts(made, fired(), NOTHING)
    assert found["severity"].tolist() == [severity, severity, "medium", "high", "medium"]
    assert found["records_exposed"].tolist() == [first, second, 100, 5_000, 150]


def test_what_a_campaign_wrote_is_summed_up_too_and_look_ups_stand_for_records() -> None:
    """Sixty forged writes by each of two accounts, or sixty look-ups without tokens, are a hundred and twenty."""
    together = [ALERTED | {"account": account, "campaign": "C-1", "records": 0, "lookups": 60} for account in "ab"]
    made = [{"action": "write", "account": account} for account in "ab" for _ in range(60)]
    evidence = find_evidence(events(*made), ["a", "b"]).assign(day=DAY)
    assert build_alerts(scores(*together), fired(), evidence)["severity"].tolist() == ["medium", "medium"]
    unknown = scores(*together).assign(records=None)
    assert build_alerts(unknown, fired(), NOTHING)["severity"].tolist() == ["medium", "medium"]


def test_a_check_can_only_raise_the_severity() -> None:
    """Few records looked up after a reset are as severe as the check says; many stay what they are."""
    found = build_alerts(
        scores(ALERTED | {"records": 9}, ALERTED | {"account": "b", "records": 10_000}),
        fired({"account": "a"}, {"account": "b"}),
        NOTHING,
    )
    assert found["severity"].tolist() == ["high", "critical"]


def test_the_title_is_what_a_check_saw_or_the_weightiest_reason() -> None:
    """A person reads the title first."""
    why = {"reasons": [reason("records", "many"), reason("misses", "none")]}
    found = build_alerts(scores(ALERTED | why, ALERTED | why | {"account": "b"}), fired({"account": "b"}), NOTHING)
    assert found["title"].tolist() == ["many", "seen"]


def test_a_check_on_the_portal_as_a_whole_is_an_alert_without_account() -> None:
    """Nobody is accused of a spraying."""
    found = build_alerts(scores(), fired({"account": None, "check": "spray", "severity": "medium"}), NOTHING)
    assert found[["queue", "severity", "title"]].values.tolist() == [["check", "medium", "seen"]]
    assert found["account"].isna().all()
    assert found["alert_id"][0] == alert_id(None, DAY, check="spray")


def test_no_alert_gives_an_empty_table() -> None:
    """A quiet day has the columns and no row."""
    found = build_alerts(scores({"account": "a"}), fired(), NOTHING)
    assert found.empty
    assert list(found) == list(ALERTS.names)


def test_evidence_counts_each_event_once_by_file_address_and_browser() -> None:
    """What was looked up, missed and written is summed up where it can be found again; others' events are not."""
    rows: list[dict[str, Any]] = [
        {},
        {"record": "r0"},
        {"outcome": "failure"},
        {"action": "write"},
        {"ip": None},
        {"source": "g.csv"},
    ]
    found = find_evidence(events(*rows, {"account": "b"}), ["a"])
    main = found[(found["source"] == "f.csv") & found["ip"].notna()].iloc[0]
    assert (main["lookups"], main["writes"], main["records"], main["first_line"], main["last_line"]) == (3, 1, 1, 1, 4)
    assert found["lookups"].sum() == 5
    assert len(found) == 3


def test_evidence_stands_in_the_alert_with_its_first_and_last_event() -> None:
    """Null addresses stay null; the times are the account's first and last of the day."""
    found = find_evidence(events({}, {"ip": None}), ["a"]).assign(day=pd.Timestamp(DAY))
    (alert,) = build_alerts(scores(ALERTED), fired(), found).to_dict("records")
    assert [row["ip"] for row in alert["evidence"]] == ["192.0.2.1", None]
    assert (alert["first_at"], alert["last_at"]) == (START, START + timedelta(seconds=1))
