"""`detector alerts`, `verdict` and `robots`, as a person types them."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import ConfigError, HistoryError, LedgerError
from detector.history import History, subject_of
from detector.ledger import Receiver, Robot, open_ledger
from detector.reading import key_path
from detector.run import run_once
from detector.run.lock import only_run
from tests.ledger.made import NOON, row
from tests.run.portal import configure

KEY = bytes(range(32))


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A history with a ledger that holds two alerts; the second account's name is hostile."""
    History.open(tmp_path, zone="Europe/Paris", key_id="", create=True)
    ledger = open_ledger(history=tmp_path)
    ledger.record([row("anna"), row("=cmd()\x1b[2J", severity="critical", records_exposed=12_000)], at=NOON)
    return tmp_path


def run(history: Path, *arguments: str) -> str:
    """What the command prints; its error is raised."""
    result = CliRunner().invoke(app, [*arguments, "--history", str(history)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_alerts_are_listed(history: Path) -> None:
    """The severest first, in full as JSON; what an attacker wrote is harmless in the table and in CSV."""
    table = run(history, "alerts")
    assert table.index("critical") < table.index("medium")
    assert r"=cmd()\x1b[2J" in table
    assert "2 alerts, 2 of them open" in table
    assert [each["account"] for each in json.loads(run(history, "alerts", "--format", "json"))][1] == "anna"
    assert ",'=cmd()" in run(history, "alerts", "--format", "csv")
    assert "no alert" in run(history, "alerts", "--verdict", "benign")
    assert "1 alert, " in run(history, "alerts", "--severity", "high")


def test_an_alert_is_judged(history: Path) -> None:
    """By the beginning of its id; who and why is in the ledger and in the history's log, without the account."""
    found = row("anna")["alert_id"]
    shown = run(history, "verdict", found[:8], "benign", "--note", "a nursing home moved", "--by", "ana")
    assert shown == f"{found}: benign, says ana\n"
    assert "benign" in run(history, "alerts", found[:8])
    (line,) = (history / "actions.jsonl").read_text().splitlines()
    logged = json.loads(line)
    assert (logged["verb"], logged["by"], logged["why"], logged["alert"]) == (
        "verdict",
        "ana",
        "a nursing home moved",
        found,
    )
    assert "anna" not in line


def test_a_campaign_is_judged_as_a_whole(history: Path) -> None:
    """By its name, each of its open alerts and no other; each verdict is logged, and what was judged before stays."""
    rows = [row(name, campaign=campaign) for name, campaign in (("c1", "C-1"), ("c2", "C-1"), ("d", "C-2"))]
    thief = row("thief", campaign="C-1")
    ledger = open_ledger(history=history)
    ledger.record([*rows, thief], at=NOON)
    ledger.judge(thief["alert_id"], "malicious", author="ana", note="it was", at=NOON)
    assert "3 alerts, 2 of them open" in run(history, "alerts", "--campaign", "C-1")
    shown = run(history, "verdict", "C-1", "benign", "--note", "a new browser for all", "--by", "ana")
    assert shown == "2 open alerts of C-1: benign, says ana\n"
    assert ledger.alert(thief["alert_id"]).verdict == "malicious"
    judged = json.loads(run(history, "alerts", "--verdict", "benign", "--format", "json"))
    assert sorted(each["account"] for each in judged) == ["c1", "c2"]
    logged = [json.loads(line)["alert"] for line in (history / "actions.jsonl").read_text().splitlines()]
    assert sorted(logged) == sorted(each["alert_id"] for each in rows[:2])


def test_a_check_that_fired_is_judged_by_itself(history: Path) -> None:
    """A script among those whom a new browser joined: its alert stays open, and is named, at a second try too."""
    ledger = open_ledger(history=history)
    script = row("script", campaign="C-1", checks=["tool_agent"])
    ledger.record([row("c1", campaign="C-1"), script], at=NOON)
    benign = ("verdict", "C-1", "benign", "--note", "a new browser for all", "--by", "ana")
    stays = f"{script['alert_id']} stays open: tool_agent fired for script; judge it by itself\n"
    assert run(history, *benign) == f"1 open alert of C-1: benign, says ana\n{stays}"
    assert run(history, *benign) == f"C-1: nothing open was judged\n{stays}"
    assert run(history, "verdict", "C-1", "malicious", "--note", "a theft", "--by", "ana").startswith("1 open alert")


def test_a_verdict_on_nothing_judges_nothing(history: Path) -> None:
    """An id that a script left empty is no name of a campaign, and not the beginning of every id."""
    with pytest.raises(LedgerError, match="alerts begin with ''"):
        run(history, "verdict", "", "benign", "--note", "all of them")
    assert "no alert" in run(history, "alerts", "--campaign", "")
    assert "2 alerts, 2 of them open" in run(history, "alerts")


def test_of_a_severity_what_exposed_most_comes_first(history: Path) -> None:
    """Among sixty alerts of a campaign the thief is not to be looked for."""
    rows = [row(f"e{n}", records_exposed=20 * n) for n in range(1, 9)]
    open_ledger(history=history).record(rows, at=NOON)
    listed = json.loads(run(history, "alerts", "--severity", "medium", "--format", "json"))
    shown = [each["records_exposed"] for each in listed if each["severity"] == "medium"]
    assert shown == sorted(shown, reverse=True)


def test_what_a_check_told_within_the_day_has_no_score_yet(history: Path) -> None:
    """A score of nought beside a critical alert reads as an all-clear."""
    unscored = row("early", day=date(2026, 3, 13), score=0.0, p_value=None, queue="check", checks=["canary_record"])
    open_ledger(history=history).record([unscored], at=NOON)
    lines = run(history, "alerts", unscored["alert_id"]).splitlines()
    (score,) = (line.split() for line in lines if line.startswith("score"))
    assert score == ["score", "–"]


def test_an_alert_is_told_in_full(history: Path) -> None:
    """What somebody needs at three in the morning: from where, when, why, with whom, and who knows; nothing acts."""
    ledger = open_ledger(history=history)
    place = {"source": None, "ip": "203.0.113.9", "user_agent": "curl\x1b[2J", "lookups": 400, "writes": 7}
    place |= {"first_at": "2026-03-12T02:10:00+00:00", "last_at": "2026-03-12T11:00:00+00:00"}
    told = row("berta", campaign="C-1", evidence=[place], reasons=["first\x1b[2J", "second"])
    ledger.record([told, row("carla", campaign="C-1")], at=NOON, receivers=[Receiver("night\x1b")])
    ledger.record([told | {"severity": "high", "records_exposed": 1200}], at=NOON)
    for verdict in ("unknown", "malicious"):
        ledger.judge(told["alert_id"], verdict, author="ana", note="asked the practice", at=NOON)
    page = run(history, "alerts", told["alert_id"][:8])
    for text in (
        told["alert_id"],
        "berta",
        "Thursday 2026-03-12",
        "HIGH",
        "1,200",
        "2026-03-12 09:00:00 CET",
        "203.0.113.9",
        r"curl\x1b[2J",
        "03:10:00",
        r"first\x1b[2J",
        "second",
        "campaign C-1",
        "C-1, 2 accounts, 1,600 records shown, summed over accounts",
        "carla, medium, 400 records",
        "raised as medium",
        "from medium to high",
        "unknown, says ana: asked the practice",
        "malicious, says ana",
        r"night\x1b: medium, waiting",
    ):
        assert text in page, text
    assert "\x1b" not in page
    (whole,) = json.loads(run(history, "alerts", told["alert_id"], "--format", "json"))
    assert (whole["account"], len(whole["updates"]), len(whole["verdicts"])) == ("berta", 2, 2)
    assert (whole["deliveries"][0]["receiver"], whole["members"][0]["account"]) == ("night\x1b", "carla")
    table = run(history, "alerts")
    assert "C-1" in table
    assert max(map(len, table.splitlines())) <= 100


def test_a_robot_is_added_and_removed(history: Path) -> None:
    """With reason, ceiling and end; each change is told, and logged with the account's name under the key alone."""
    key_path(history).write_bytes(KEY)
    with pytest.raises(ConfigError, match="--ceiling, --until and --note"):
        run(history, "robots", "batch", "--ceiling", "500")
    entry = ("--ceiling", "500", "--note", "nightly rights check", "--by", "ana")
    with pytest.raises(ConfigError, match="that day is over"):
        run(history, "robots", "batch", *entry, "--until", "2020-12-31")
    said = run(history, "robots", "batch", *entry, "--until", "2999-12-31")
    assert said == "batch: excused up to 500 look-ups a day until 2999-12-31, says ana\n"
    assert "2999-12-31" in run(history, "robots")
    assert "expired" not in run(history, "robots")
    with pytest.raises(ConfigError, match="--remove needs --note"):
        run(history, "robots", "batch", "--remove")
    assert "no known robot any more, says ana" in run(
        history, "robots", "batch", "--remove", "--note", "switched off", "--by", "ana"
    )
    assert run(history, "robots") == "no known robot\n"
    with pytest.raises(LedgerError, match="no known robot"):
        run(history, "robots", "batch", "--remove", "--note", "again")
    text = (history / "actions.jsonl").read_text()
    added, removed = map(json.loads, text.splitlines())
    assert (added["verb"], added["by"], added["why"], added["ceiling"], added["until"]) == (
        "robot",
        "ana",
        "nightly rights check",
        500,
        "2999-12-31",
    )
    assert (removed["verb"], removed["by"], removed["why"]) == ("robot_removed", "ana", "switched off")
    assert added["subject"] == removed["subject"] == subject_of("batch", key=KEY)["subject"]
    assert "batch" not in text


def test_a_robot_that_was_never_seen_is_warned_of_and_an_expired_one_is_marked(history: Path) -> None:
    """A name written otherwise than in the dumps would excuse nobody."""
    entry = ["robots", "bacth", "--ceiling", "5", "--until", "2999-12-31", "--note", "x", "--history", str(history)]
    assert "'bacth' has no day in the history" in CliRunner().invoke(app, entry, catch_exceptions=False).stderr
    robot = Robot("old", "x", 5, date(2020, 1, 1), "ana", NOON)
    open_ledger(history=history).allow(robot)
    (line,) = (line for line in run(history, "robots").splitlines() if line.startswith("old"))
    assert "expired" in line


def test_what_is_made_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask: by hand and from cron it is usually 022."""
    before = os.umask(0o022)
    try:
        History.open(tmp_path / "history", zone="Europe/Paris", key_id="", create=True)
        open_ledger(history=tmp_path / "history")
        with only_run(tmp_path / "other"):
            pass
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("history", "other", "history/ledger.sqlite")]
    assert modes == [0o700, 0o700, 0o600]


def test_without_a_ledger_the_next_step_is_told(tmp_path: Path) -> None:
    """No ledger is no empty ledger."""
    for verb in (
        ["alerts"],
        ["robots"],
        ["robots", "probe", "--ceiling", "5", "--until", "2099-01-01", "--note", "it"],
    ):
        with pytest.raises(ConfigError, match=r"no run yet: .*detector score --history DIR"):
            run(tmp_path, *verb)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="no ledger: name the history"):
        CliRunner().invoke(app, ["alerts"], catch_exceptions=False)


def test_the_jobs_verbs_find_its_settings_as_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `detector.toml` lies, unless a history is named."""
    configure(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HistoryError, match="history holds no history"):
        CliRunner().invoke(app, ["status"], catch_exceptions=False)
    with pytest.raises(ConfigError, match="no run yet"):
        CliRunner().invoke(app, ["alerts"], catch_exceptions=False)
    with pytest.raises(ConfigError, match="elsewhere"):
        CliRunner().invoke(app, ["alerts", "--history", "elsewhere"], catch_exceptions=False)


def test_a_robot_is_excused_before_the_first_run(tmp_path: Path) -> None:
    """The history and its log are made as the run would make them, which then goes on with them."""
    settings = configure(tmp_path)
    config = ["--config", str(tmp_path / "detector.toml")]
    added = ["robots", "a1", "--ceiling", "500", "--until", "2099-01-01", "--note", "monitoring"]
    result = CliRunner().invoke(app, [*added, *config], catch_exceptions=False)
    assert "excused up to 500 look-ups" in result.stdout
    assert "no run yet: the history" in result.stderr
    (line,) = (tmp_path / "history" / "actions.jsonl").read_text().splitlines()
    assert json.loads(line)["verb"] == "robot"
    run_once(settings, now=NOON)
    assert [each.account for each in open_ledger(history=tmp_path / "history").robots()] == ["a1"]
