"""Judging within a day: few accounts are looked at closely, and nobody is told of less for that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ibis.backends.duckdb import Backend

from detector.campaigns import CampaignSettings
from detector.checks import CHECKS
from detector.early import WATCHED
from detector.ledger import open_ledger
from detector.run.judging import Judge
from detector.run.narrowing import own_touches
from detector.run.screening import BOUNDED_CHECKS, BOUNDED_SIGNALS, Screen
from detector.run.sums import NOTHING, SUMS, Sums, load_sums, save_sums
from detector.run.together import name_campaigns
from detector.scoring import EVENT_CHECKS
from detector.simulate import World, make_attack
from detector.timeline import Timeline
from detector.workspace import workspace
from tests.ledger.made import row
from tests.run.replaying import Portal

ATTACK = make_attack("S1", accounts=5, records=600, spread=0, hours=1, first_day=-1)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Portal:
    """A portal with three weeks of history, and of its last day all that came; nobody has judged it."""
    made = Portal.make(tmp_path_factory.mktemp("portal"), World(accounts=200, days=20, attacks=(ATTACK,)))
    *before, last = made.days
    made.learn(before)
    made.put(NOW, pq.read_table(last))
    with workspace(made.settings) as place:
        made.read(place, NOW)
    return made


@pytest.fixture
def judge(portal: Portal) -> Iterator[Judge]:
    """What judges it."""
    with workspace(portal.settings) as place:
        history, ledger = place.history(), place.ledger(create=True)
        assert history is not None
        assert ledger is not None
        yield Judge(place, history, ledger, place.model())


def made_sums(rows: list[dict[str, Any]]) -> pa.Table:
    """Sums of accounts on the portal from one source, with nothing done where nothing is said."""
    zeros = {name: 0 for name in SUMS.names if SUMS.field(name).type == pa.int64()}
    return pa.Table.from_pylist([{"channel": "portal", "ip": "192.0.2.1", **zeros, **row} for row in rows], SUMS)


KNOWN = pd.MultiIndex.from_tuples([("portal", False)], names=["channel", "is_newcomer"])


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the ledger, by account."""
    return sorted(rows, key=lambda row: str(row["account"]))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_closer_look_at_everybody_finds_the_same(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts, reasons, evidence and minutes of the few are those of all accounts against the whole past."""
    day = judge.history.days[-1]
    found = judge.judge_slice(day).rows
    asked: list[int] = []

    def everybody(
        _self: Judge, past: Timeline, day: date, screen: Screen, _fired: pd.DataFrame
    ) -> tuple[list[str], ir.Table]:
        accounts = sorted(screen.sums["account"].unique())
        asked.append(len(accounts))
        return accounts, own_touches(past, day, accounts=accounts)

    monkeypatch.setattr(Judge, "_asked", everybody)
    monkeypatch.setattr("detector.run.judging.narrow", lambda past, day, **_: past.past(day))
    assert plain(judge.judge_slice(day)[0]) == plain(found)
    assert asked[0] > 50
    assert len(found) >= ATTACK.accounts


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_few_accounts_are_looked_at_closely(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than a third of those that did something on the day, the attacked ones among them."""
    seen: list[tuple[list[str], int]] = []
    real = Judge._asked

    def watched(self: Judge, past: Timeline, day: date, screen: Screen, fired: pd.DataFrame) -> Any:
        found = real(self, past, day, screen, fired)
        seen.append((found[0], screen.sums["account"].nunique()))
        return found

    monkeypatch.setattr(Judge, "_asked", watched)
    rows = judge.judge_slice(judge.history.days[-1]).rows
    ((asked, active),) = seen
    assert {row["account"] for row in rows if row["account"]} <= set(asked)
    assert len(asked) < active / 3


def test_alerts_within_the_day_name_the_campaign(con: Backend, tmp_path: Path) -> None:
    """Accounts that alert now, and one that alerted before them, are told as driven together; its neighbour is not."""
    day = date(2026, 3, 12)
    ledger = open_ledger(history=tmp_path)
    ledger.record([row("first", day=day), row("apart", day=day)], at=NOW)
    used = [
        ("first", "192.0.2.7"),
        ("b", "192.0.2.7"),
        ("c", "192.0.2.7"),
        ("d", "192.0.2.7"),
        ("apart", "198.51.100.1"),
        *((f"honest {n}", f"10.0.{n}.1") for n in range(40)),
    ]
    sums = made_sums([{"account": account, "ip": ip, "lookups": 9} for account, ip in used])
    scores = pd.DataFrame({"account": ["b", "c", "d"], "alert": True, "campaign": None})
    together = name_campaigns(
        scores,
        ledger.alerts(),
        sums=sums,
        past=Timeline(con, events=None, history=None, zone="Europe/Paris"),
        day=day,
        settings=CampaignSettings(),
    )
    (campaign,) = set(together.scores["campaign"])
    assert campaign.startswith("C-")
    assert [each["account"] for each in together.earlier] == ["first"]
    ledger.record(together.earlier, at=NOW)
    assert {each.account: each.campaign for each in ledger.alerts()} == {"first": campaign, "apart": None}


def test_every_check_and_signal_is_bounded() -> None:
    """What the screen does not know would make every run look at everybody: give it a bound."""
    assert {check.name for check in CHECKS} == {*BOUNDED_CHECKS, *EVENT_CHECKS}
    assert set(WATCHED) <= set(BOUNDED_SIGNALS)


def test_the_lower_limit_of_newcomers_and_known_accounts_bounds_both() -> None:
    """Whoever reaches either is asked for; whoever stays below both is not."""
    sums = made_sums([{"account": name, "misses": n, "lookups": n} for name, n in (("a", 40), ("b", 39))]).to_pandas()
    keys = pd.MultiIndex.from_tuples([("portal", False), ("portal", True)], names=["channel", "is_newcomer"])
    limits = pd.DataFrame({"vain_lookups": [40.0, 90.0]}, index=keys)
    assert Screen(sums, limits, checks=[]).certain() == ["a"]


@pytest.mark.parametrize(
    ("more", "records", "expected"), [(0, 40, True), (20, 40, True), (25, 40, False), (20, 85, False), (20, 120, True)]
)
def test_whoever_was_told_of_is_looked_at_again_for_a_quarter_more_or_a_tier(
    more: int, records: int, *, expected: bool
) -> None:
    """A hundred deeds were looked at: twenty more are hardly more, unless the records may be a hundred by them."""
    rows = [{"account": "a", "lookups": 60}, {"account": "a", "lookups": 40, "ip": "192.0.2.9"}]
    screen = Screen(made_sums(rows).to_pandas(), pd.DataFrame(), checks=[])
    assert screen.settled({"a": records}) == set()
    screen.note_looked(["a"])
    later = screen.sums.assign(lookups=screen.sums["lookups"] + [more, 0])
    again = Screen(later, pd.DataFrame(), checks=[])
    assert again.settled({"a": records}) == ({"a"} if expected else set())
    assert again.settled({"other": 5}) == set()


def test_an_unknown_check_is_bounded_by_nothing() -> None:
    """Then everybody is asked for, rather than nobody."""
    sums = made_sums([{"account": "a"}]).to_pandas()
    assert Screen(sums, pd.DataFrame(), checks=["volume_tier"]).certain() == []
    assert Screen(sums, pd.DataFrame(), checks=["volume_tier", "other"]).certain() == ["a"]


def test_sums_of_files_that_are_gone_count_for_nothing(tmp_path: Path) -> None:
    """A day that was rebuilt is judged anew, and so is one whose sums are damaged or absent."""
    path = tmp_path / "judged" / "day.parquet"
    sums = Sums(made_sums([{"account": "a", "lookups": 3, "is_strange": True}]), ("one", "two"))
    save_sums(sums, path)
    assert load_sums(path, files=["one", "two", "three"]) == sums
    assert load_sums(path, files=["one", "three"]) == NOTHING
    path.write_bytes(b"PAR1")
    assert load_sums(path, files=["one", "two"]) == NOTHING
    assert load_sums(tmp_path / "none", files=[]) == NOTHING


def grown(screen: Screen, **counts: int) -> Screen:
    """The same limits and looks, once the account did more from its first source."""
    sums = screen.sums.copy()
    for name, more in counts.items():
        sums[name] += [more] + [0] * (len(sums) - 1)
    return Screen(sums, pd.DataFrame({"foreign_records": [30.0], "lone_strangers": [8.0]}, index=KNOWN), checks=[])


def test_whoever_was_looked_at_is_asked_for_again_once_a_limit_may_be_reached() -> None:
    """Forty look-ups might all be foreign; ten were new, so that nineteen more cannot exceed thirty, and twenty may."""
    screen = grown(Screen(made_sums([{"account": "a", "lookups": 40}]).to_pandas(), pd.DataFrame(), checks=[]))
    assert screen.doubtful() == ["a"]
    screen.spare_known(
        ["a"], pd.DataFrame({"account": ["a"], "channel": "portal", "shown": 10, "written": 0, "touched": 10})
    )
    assert screen.doubtful() == []
    assert grown(screen, lookups=19).doubtful() == []
    assert grown(screen, lookups=20).doubtful() == ["a"]
    screen.spare(pd.DataFrame({"account": ["a"], "channel": "portal", "foreign_records": [4]}))
    assert grown(screen, lookups=20).doubtful() == []
    assert grown(screen, lookups=26).doubtful() == ["a"]


def test_what_a_look_cannot_tell_spares_nobody() -> None:
    """A count that is null, or larger than its bound, leaves the bound as it is."""
    screen = grown(Screen(made_sums([{"account": "a", "lookups": 40}]).to_pandas(), pd.DataFrame(), checks=[]))
    screen.spare(pd.DataFrame({"account": ["a"], "channel": "portal", "foreign_records": [float("nan")]}))
    screen.spare(pd.DataFrame({"account": ["a"], "channel": "portal", "foreign_records": [None]}, dtype=object))
    screen.spare(pd.DataFrame({"account": ["a"], "channel": "portal", "foreign_records": [50]}))
    assert screen.doubtful() == ["a"]
    assert screen.sums["foreign_records"].tolist() == [0]


def test_of_strangers_only_what_came_from_a_source_new_to_the_account_counts() -> None:
    """What a known source looks up makes no strangers, whatever was looked up from a new one before."""
    rows = [
        {"account": "a", "lookups": 20, "is_strange": False},
        {"account": "a", "lookups": 9, "is_strange": True, "ip": "203.0.113.9"},
    ]
    screen = grown(Screen(made_sums(rows).to_pandas(), pd.DataFrame(), checks=[]))
    assert screen.doubtful() == ["a"]
    screen.spare(pd.DataFrame({"account": ["a"], "channel": "portal", "foreign_records": [0], "lone_strangers": [3]}))
    assert grown(screen, lookups=20).doubtful() == []
    screen.sums["lookups"] += [0, 5]
    assert grown(screen).doubtful() == ["a"]


def test_whoever_a_check_told_of_is_looked_at_first_and_then_who_is_furthest_beyond() -> None:
    """The others wait, those that do nothing more as well, and nobody is left out."""
    limits = pd.DataFrame({"vain_lookups": [40.0]}, index=KNOWN)
    deeds = {"near": 41, "far": 400, "checked": 2}
    sums = made_sums([{"account": name, "misses": n, "lookups": n} for name, n in deeds.items()]).to_pandas()
    screen = Screen(sums, limits, checks=[])
    asked = [(deeds, "checked"), (["far", "near"], "elsewhere"), (["near"], "elsewhere")]
    found = [(screen.most_urgent(those, first=[first], most=1), list(screen.waiting)) for those, first in asked]
    assert found == [(["checked"], ["far", "near"]), (["far"], ["near"]), (["near"], [])]


def test_who_waits_for_a_look_is_kept(tmp_path: Path) -> None:
    """Whatever the past: a verdict meanwhile makes nobody forgotten."""
    path = tmp_path / "day.parquet"
    save_sums(Sums(made_sums([{"account": "a"}]), ("one",), "before", ("a",)), path)
    assert load_sums(path, files=["one"], past="after").waiting == ("a",)


def test_looks_at_another_past_count_for_nothing(tmp_path: Path) -> None:
    """A verdict or a late line changes what is foreign: the counts stay, and what was found is forgotten."""
    path = tmp_path / "day.parquet"
    row = {"account": "a", "lookups": 40, "is_strange": True, "foreign_records": 30}
    save_sums(Sums(made_sums([row]), ("one",), "before"), path)
    assert load_sums(path, files=["one"], past="before").rows.to_pylist()[0]["foreign_records"] == 30
    (found,) = load_sums(path, files=["one"], past="after").rows.to_pylist()
    assert (found["lookups"], found["foreign_records"], found["is_strange"]) == (40, 0, None)
