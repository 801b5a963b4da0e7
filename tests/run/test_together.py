"""Accounts driven together: each alert is as severe as the campaign, within the day and after it, for every verb."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from detector import verbs
from detector.ledger import Receiver, open_ledger
from detector.ledger.outbox import due
from detector.run import run_once
from detector.run.hunting import hunt
from detector.run.together import share_severity
from tests.ledger.made import row
from tests.run.portal import START, Line, configure, lines_of, slices, write_slice

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NINE = datetime.combine(START, time(9), UTC)
SIEM = '[[notify.receivers]]\nname = "siem"\nkind = "jsonl"\npath = "told.jsonl"\n'


def test_a_campaign_that_grows_raises_its_earlier_alerts_once(tmp_path: Path) -> None:
    """Seven hundred records each: with the second account both are high; told once more, and never anew."""
    ledger = open_ledger(history=tmp_path)
    day, receivers = date(2026, 3, 12), [Receiver("siem")]
    ledger.record([row("first", records_exposed=700)], at=NOW, receivers=receivers)
    first = row("first", records_exposed=700, campaign="C-1")
    second = row("second", records_exposed=700, campaign="C-1")
    for outcome in (("high", 1, 1), ("high", 0, 0)):
        rows = share_severity([second], [first], ledger.alerts(since=day, until=day))
        found = ledger.record(rows, at=NOW, receivers=receivers)
        assert ({each["severity"] for each in rows}, len(found.raised), len(found.grown)) == (
            {outcome[0]},
            *outcome[1:],
        )
    assert [each["account"] for each in rows] == ["second"], "the earlier one is as the ledger has it"
    told = sorted((each.alert_id, each.severity, each.is_update) for each in due(ledger, receiver="siem", now=NOW))
    assert told == sorted(
        [(first["alert_id"], "medium", False), (first["alert_id"], "high", True), (second["alert_id"], "high", False)]
    )
    quiet = share_severity([], [first, second], ledger.alerts(since=day, until=day))
    assert quiet == []


def put_theft(folder: Path, account: str, *, begin: datetime) -> datetime:
    """A slice in which an account looks up 700 records from an address abroad; return its end."""
    times = [begin + timedelta(seconds=n / 4) for n in range(700)]
    lines = [
        Line(at, f"{at.isoformat()},{account},lookup,success,{account}-{n},203.0.113.9,python-requests/2.32\n")
        for n, at in enumerate(times)
    ]
    write_slice(folder / "incoming", begin + timedelta(minutes=5), lines)
    return begin + timedelta(minutes=5)


def severities(folder: Path) -> dict[str | None, tuple[str, int | None]]:
    """Of each account's alert in the ledger, with its own records."""
    return {each.account: (each.severity, each.records_exposed) for each in open_ledger(history=folder).alerts()}


def test_two_accounts_of_700_records_each_are_high_within_the_day_and_after_it(tmp_path: Path) -> None:
    """The second account raises the first, which is told once more; a whole day, `score` and a hunt say the same."""
    settings = configure(tmp_path, extra=SIEM)
    for end, lines in slices([line for line in lines_of(START, accounts=6) if line.at < NINE]):
        write_slice(tmp_path / "incoming", end, lines)
    run_once(settings, now=put_theft(tmp_path, "b1", begin=NINE))
    assert severities(tmp_path / "history") == {"b1": ("medium", 700)}
    second = put_theft(tmp_path, "b2", begin=NINE + timedelta(minutes=5))
    report = run_once(settings, now=second)
    assert (len(report.recorded.raised), len(report.recorded.grown)) == (1, 1)
    high = dict.fromkeys(("b1", "b2"), ("high", 700))
    assert severities(tmp_path / "history") == high
    assert run_once(settings, now=second + timedelta(minutes=5)).recorded.grown == ()
    assert len((tmp_path / "told.jsonl").read_text().splitlines()) == 3
    scored = verbs.score(str(tmp_path / "incoming"), mapping=tmp_path / "mapping.toml", complete=True)
    assert scored.alerts.set_index("account")["severity"].to_dict() == dict.fromkeys(high, "high")
    after = lines_of(START + timedelta(days=2), accounts=2)
    for end, lines in slices(after):
        write_slice(tmp_path / "incoming", end, lines)
    closed = run_once(settings, now=after[-1].at + timedelta(minutes=6))
    assert closed.closed == (START,)
    assert closed.recorded.grown == ()
    assert severities(tmp_path / "history") == high
    assert hunt(settings, since=START, now=NOW).recorded.grown == ()
