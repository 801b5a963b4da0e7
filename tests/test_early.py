"""Early warning: counts that grow from minute to minute, limits from the past, and the first minute beyond one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest
from ibis.backends.duckdb import Backend

from detector import early
from detector.alerting import AlertSettings
from detector.early import (
    AS_COUNTED,
    CONTRASTS,
    EARLY,
    MIN_LIMIT,
    MIN_LONE,
    NAMELESS,
    PARTS,
    WATCHED,
    compared_days,
    count_watched,
    early_alerts,
    find_limits,
    find_thefts,
    with_contrasts,
)
from detector.timeline import Timeline
from tests import naive
from tests.portal_events import DAY, ZONE, event, portal, table

GROUPS = pd.MultiIndex.from_product([["portal", "software"], [False, True]], names=["channel", "is_newcomer"])
NEVER = pd.DataFrame(np.inf, index=GROUPS, columns=list(WATCHED))
COUNTED = (*AS_COUNTED, *PARTS[:-1])
USES = ("busiest_hour", "new_source_uses", "new_agent_uses", "writes")
"""Counts of account-days that `NAMELESS` is made of."""
KEYS = ["account", "channel"]


def timeline(con: Backend, events: list[naive.Event]) -> Timeline:
    """A timeline of the events alone."""
    return Timeline(con, events=table(con, events), history=None, zone=ZONE)


@pytest.mark.parametrize("seed", [3, 11, 12])
def test_counts_only_grow_and_end_at_what_the_day_has(con: Backend, seed: int) -> None:
    """No count falls from minute to minute; the last is the day's, or below it where sources overlap."""
    days = timeline(con, portal(seed, 90))
    whole = days.account_days(DAY).to_pandas().set_index(KEYS)[list(COUNTED)].fillna(0)
    events = days.events_of(DAY)
    assert events is not None
    running = early._running(days, DAY, events, accounts=list(whole.index.get_level_values(0)))
    grow = [*COUNTED, *CONTRASTS]
    steps = running.sort_values([*KEYS, "minute"]).groupby(KEYS)[grow].diff().fillna(0)
    assert len(running) > 3
    assert (steps >= 0).all(axis=None)
    last = running.sort_values("minute").groupby(KEYS)[list(COUNTED)].last()
    whole = whole.reindex(last.index)
    exact = ["misses", "foreign_records", "foreign_writes"]
    # So few look-ups bring less than one foreign write.
    assert (np.ceil(last[exact]) == whole[exact]).all(axis=None)
    assert (last <= whole).all(axis=None)


def robbed(*, known: int = 0) -> list[naive.Event]:
    """Two weeks of quiet mornings of one account, then a night in which another source reads forty strangers.

    Before them, that source reads some of the account's own records.
    """
    morning = datetime(DAY.year, DAY.month, DAY.day, 8, tzinfo=UTC)
    quiet = [
        event(morning - timedelta(days=back), "a", "lookup", record=f"own{n}", ip="10.1.1.1", record_department="75")
        for back in range(14)
        for n in range(20)
    ]
    night = morning - timedelta(hours=6)
    own = [
        event(
            night - timedelta(minutes=30 - n),
            "a",
            "lookup",
            record=f"own{n}",
            ip="203.0.113.9",
            record_department="75",
        )
        for n in range(known)
    ]
    stolen = [
        event(
            night + timedelta(minutes=n), "a", "lookup", record=f"s{n}", ip="203.0.113.9", record_department=f"{n:02}"
        )
        for n in range(40)
    ]
    return quiet + own + stolen


def test_an_account_is_told_of_in_the_first_minute_beyond_a_limit(
    con: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit of twelve, a robot that reads a record a minute is told of after its fourteenth."""
    monkeypatch.setattr(early, "find_limits", lambda past, **settings: NEVER.assign(far_excess=12))
    found = early_alerts(timeline(con, robbed()), DAY, n_accounts=1, settings=AlertSettings())
    assert EARLY.names == tuple(found.columns)
    # Of fourteen strangers from fourteen departments, one is of the commonest: thirteen are far, and one is near.
    assert found["alert_at"].tolist() == [pd.Timestamp(datetime(2026, 3, 12, 2, 14, tzinfo=UTC))]
    assert found["records_so_far"].tolist() == [14]
    assert found["signal"].tolist() == ["far_excess"]


def test_known_patients_vouch_for_strangers(con: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new machine that has read five known patients reads ten strangers more before anybody is told."""
    monkeypatch.setattr(early, "find_limits", lambda past, **settings: NEVER.assign(far_excess=12))
    found = early_alerts(timeline(con, robbed(known=5)), DAY, n_accounts=1, settings=AlertSettings())
    assert found["records_so_far"].tolist() == [5 + 14 + 10]


def test_strangers_within_a_session_opened_elsewhere_are_told_apart(
    con: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner signed in at the practice: whoever reads from another network without a sign-in took the session.

    Who signed in there, or of whom no sign-in is logged at all, did not.
    """
    monkeypatch.setattr(early, "find_limits", lambda past, **settings: NEVER.assign(lone_odd_strangers=6))
    morning = datetime(DAY.year, DAY.month, DAY.day, 1, tzinfo=UTC)
    at_work, there = (event(morning, "a", "login", ip=ip) for ip in ("10.1.1.1", "203.0.113.9"))
    found = early_alerts(timeline(con, [*robbed(), at_work]), DAY, n_accounts=1, settings=AlertSettings())
    assert (found["records_so_far"].tolist(), found["signal"].tolist()) == ([6], ["lone_odd_strangers"])
    for sign_ins in ([], [at_work, there]):
        told = early_alerts(timeline(con, [*robbed(), *sign_ins]), DAY, n_accounts=1, settings=AlertSettings())
        assert told.empty


def test_strangers_written_to_from_a_new_source_have_a_limit_of_their_own(
    con: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the owner writes on strangers from the practice counts for none of it."""
    monkeypatch.setattr(early, "find_limits", lambda past, **settings: NEVER.assign(lone_writes=6))
    written = [{**each, "action": "write"} for each in robbed()]
    found = early_alerts(timeline(con, written), DAY, n_accounts=1, settings=AlertSettings())
    assert (found["records_so_far"].tolist(), found["signal"].tolist()) == ([6], ["lone_writes"])
    at_home = [{**each, "ip": "10.1.1.1"} for each in written]
    assert early_alerts(timeline(con, at_home), DAY, n_accounts=1, settings=AlertSettings()).empty


def test_counts_that_hardly_ever_exceed_two_have_no_heavy_tail() -> None:
    """Of 1,300 days with a look-up in vain and 90 with two, five are rarer than one in fifty days."""
    rng = np.random.default_rng(3)
    misses = rng.choice([0, 1, 2, 3], size=20_000, p=[0.9275, 0.068, 0.0042, 0.0003])
    found = limits_of(past_days([0.0] * 20_000).assign(misses=misses, lookups=misses + rng.integers(0, 9, 20_000)))
    assert limit(found, "vain_lookups") == MIN_LIMIT


def test_without_a_past_nobody_is_told_of(con: Backend) -> None:
    """A fortnight of one account gives no limit, and so no warning."""
    assert early_alerts(timeline(con, robbed()), DAY, n_accounts=1, settings=AlertSettings()).empty


def past_days(far: list[float], *, past_days: int = 28, active_days: int = 20) -> pd.DataFrame:
    """Past account-days that differ in how many strangers from all over the country they read."""
    rows = pd.DataFrame(0.0, index=range(len(far)), columns=["lookups", *PARTS, *AS_COUNTED, *USES])
    return rows.assign(
        far_strangers=far, stranger_records=far, channel="portal", past_days=past_days, active_days=active_days
    )


def limits_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The limits that these account-days give."""
    return find_limits(ibis.memtable(rows), n_accounts=1_000, settings=AlertSettings())


def limit(found: pd.DataFrame, signal: str, *, newcomer: bool = False, channel: str = "portal") -> float:
    """One of them."""
    return float(dict(zip(found.index, found[signal].tolist(), strict=True))[channel, newcomer])


TAIL = [*np.arange(40.0), *([0.0] * 3_000)]


def test_limits_lie_beyond_the_past() -> None:
    """A past that never moved gives a low limit; one with a tail, a limit beyond it; one that cannot tell, none."""
    found = limits_of(past_days(TAIL))
    assert MIN_LIMIT <= limit(found, "vain_lookups") < 20
    assert limit(found, "far_excess") > 39
    unknown = past_days(TAIL).assign(far_strangers=None).astype({"far_strangers": "float64"})
    assert limits_of(unknown)["far_excess"].item() == np.inf


def test_only_a_sharp_count_is_rare_for_never_having_been_seen() -> None:
    """Where nobody ever had any, a few far strangers are told of; of strangers in general as many as screenings see."""
    found = limits_of(past_days([0.0] * 3_000))
    assert MIN_LIMIT <= limit(found, "far_excess") < 9 < limit(found, "lone_strangers") == MIN_LONE
    loud = limits_of(past_days([*np.arange(0.0, 400, 10), *([0.0] * 3_000)]))
    assert limit(loud, "lone_strangers") > 390


def test_one_large_day_that_was_judged_benign_hides_nobody() -> None:
    """Limits are drawn from what is usual, which a single account-day is not."""
    usual = past_days([0.0] * 1_400)
    excused = past_days([0.0] * 1_400 + [300.0])
    assert limits_of(excused)["far_excess"].item() == limits_of(usual)["far_excess"].item() < 12


def test_newcomers_have_limits_of_their_own() -> None:
    """That all is new to a new account raises no limit of the others; a few new ones are held to everybody's."""
    settled, new = past_days([0.0] * 3_000), past_days(TAIL, active_days=2)
    found = limits_of(pd.concat([settled, new], ignore_index=True))
    assert limit(found, "far_excess") < 20 < 39 < limit(found, "far_excess", newcomer=True)
    few = limits_of(pd.concat([settled, new.iloc[:50]], ignore_index=True))
    assert 39 < limit(few, "far_excess", newcomer=True) < np.inf


def nameless(events: list[naive.Event]) -> list[naive.Event]:
    """The same events without record tokens."""
    return [{name: value for name, value in each.items() if name != "record"} for each in events]


def test_without_tokens_all_that_a_new_source_does_is_watched(con: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a limit of twelve, the twelfth look-up from a network new to the account; with tokens, none of these."""
    monkeypatch.setattr(early, "find_limits", lambda past, **settings: NEVER.assign(new_source_uses=12))
    found = early_alerts(timeline(con, nameless(robbed())), DAY, n_accounts=1, settings=AlertSettings())
    assert found["records_so_far"].tolist() == [12]
    assert found["signal"].tolist() == ["new_source_uses"]
    assert early_alerts(timeline(con, robbed()), DAY, n_accounts=1, settings=AlertSettings()).empty


def test_without_tokens_the_busiest_hour_is_watched_from_any_source(
    con: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit of thirty, forty look-ups from 2 o'clock on: the thirtieth of the hour; not the twenty at eight."""
    monkeypatch.setattr(early, "find_limits", lambda past, **settings: NEVER.assign(busiest_hour=30))
    at_home = [{**each, "ip": "10.1.1.1"} for each in nameless(robbed())]
    found = early_alerts(timeline(con, at_home), DAY, n_accounts=1, settings=AlertSettings())
    assert found["records_so_far"].tolist() == [30]
    assert found["alert_at"].tolist() == [pd.Timestamp(datetime(2026, 3, 12, 2, 30, tzinfo=UTC))]
    late = [{**each, "timestamp": each["timestamp"] + timedelta(minutes=35)} for each in at_home]
    assert early_alerts(timeline(con, late), DAY, n_accounts=1, settings=AlertSettings()).empty
    assert early_alerts(timeline(con, robbed()), DAY, n_accounts=1, settings=AlertSettings()).empty


def test_without_tokens_writes_count_as_far_as_a_new_source_may_have_made_them(
    con: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes from the owner's own network are none of a new source's, however many."""
    monkeypatch.setattr(early, "find_limits", lambda past, **settings: NEVER.assign(new_writes=12))
    written = [{**each, "action": "write"} for each in nameless(robbed())]
    found = early_alerts(timeline(con, written), DAY, n_accounts=1, settings=AlertSettings())
    assert (found["records_so_far"].tolist(), found["signal"].tolist()) == ([12], ["new_writes"])
    at_home = [{**each, "ip": "10.1.1.1"} for each in written]
    assert early_alerts(timeline(con, at_home), DAY, n_accounts=1, settings=AlertSettings()).empty


def test_limits_without_tokens_are_drawn_from_days_without_tokens() -> None:
    """Where records are told apart, sharper counts stand for what a new source does."""
    uses = past_days([0.0] * 3_000).assign(new_source_uses=TAIL[:3_000], new_agent_uses=TAIL[:3_000], writes=2.0)
    assert np.isinf(limits_of(uses)[list(NAMELESS)]).all(axis=None)
    found = limits_of(uses.assign(foreign_records=np.nan))
    assert 39 < limit(found, "new_source_uses") < np.inf
    assert MIN_LIMIT <= limit(found, "new_writes") < 39
    assert np.isinf(found["foreign_records"]).all(axis=None)


def test_a_screening_from_a_new_machine_has_no_far_excess() -> None:
    """A dozen far strangers among a hundred near ones are none too many; nor are those with known patients."""
    counts = pd.DataFrame(
        {"far_strangers": [12, 12, 12, None], "stranger_records": [112, 13, 13, 4], "met_records": [9, 0, 5, 0]}
    ).assign(
        stranger_writes=[19, 4, 12, np.nan], odd_strangers=[20, 3, 12, np.nan], misses=0, found=0, foreign_writes=0
    )
    found = with_contrasts(counts)
    assert found["lone_writes"].fillna(-1).tolist() == [1, 4, 2, -1]
    assert found["lone_odd_strangers"].fillna(-1).tolist() == [2, 3, 2, -1]
    assert found["far_excess"].fillna(-1).tolist() == [0, 11, 1, -1]
    assert found["lone_strangers"].tolist() == [49, 13, 0, 4]


NOBODY = dict.fromkeys(("stranger_records", "far_strangers", "stranger_writes", "odd_strangers", "met_records"))


def test_mistyped_numbers_are_not_look_ups_in_vain() -> None:
    """One in ten is a bad day for typing; one in three is a list of numbers that somebody made up."""
    counts = pd.DataFrame({"misses": [12, 60], "found": [120, 120]}).assign(foreign_writes=0, **NOBODY)
    assert with_contrasts(counts)["vain_lookups"].tolist() == [0, 48]


def test_a_large_desk_writes_to_some_whom_nobody_knows() -> None:
    """One in a hundred look-ups brings one; a practice that writes to as many is none of a desk."""
    counts = pd.DataFrame({"foreign_writes": [14, 14, None], "found": [2_500, 30, 30]}).assign(misses=0, **NOBODY)
    found = with_contrasts(counts)["foreign_writes"]
    assert found.fillna(-1).tolist() == [0, pytest.approx(13.7), -1]


def test_a_robots_first_batches_are_watched_for_the_whole_country_alone() -> None:
    """An account new on the software channel reads strangers by the thousand; that is no theft yet."""
    rows = past_days([0.0] * 3_000, active_days=2).assign(channel="software")
    found = limits_of(rows)
    watched = {name for name in WATCHED if np.isfinite(limit(found, name, channel="software", newcomer=True))}
    assert watched == {"far_excess", "foreign_writes"}


def test_a_robots_batches_have_no_limit_by_the_hour() -> None:
    """Of people on the portal an hour of five hundred look-ups is told; of software, every night that is."""
    rows = past_days([0.0] * 3_000).assign(busiest_hour=TAIL[:3_000], foreign_records=np.nan)
    found = limits_of(pd.concat([rows, rows.assign(channel="software")], ignore_index=True))
    assert np.isfinite(limit(found, "busiest_hour"))
    assert np.isinf(limit(found, "busiest_hour", channel="software"))


def test_newcomers_are_not_told_of_for_lone_strangers() -> None:
    """On a first day nobody is known: that all are strangers is no sign; that they are of the whole country is one."""
    found = limits_of(pd.concat([past_days([0.0] * 3_000, active_days=n) for n in (2, 20)], ignore_index=True))
    assert np.isinf(limit(found, "lone_strangers", newcomer=True))
    assert np.isfinite([limit(found, "lone_strangers"), limit(found, "far_excess", newcomer=True)]).all()


def test_days_with_too_little_past_are_no_measure() -> None:
    """What was new only because the history was short is left out of the limits."""
    assert limits_of(past_days([500.0] * 2_000, past_days=7)).empty


@pytest.mark.parametrize("held", [999, 1_000])
def test_a_channel_has_limits_from_a_thousand_account_days_on(held: int) -> None:
    """What is told of a channel agrees with its limits; one in use without any past is told of as well."""
    rows = pd.concat([past_days([0.0] * 3_000), past_days([0.0] * held).assign(channel="software")], ignore_index=True)
    found = compared_days(ibis.memtable(rows))
    told = count_watched(found, channels=["software", "portal", "kiosk"]).to_dict("records")
    counts = [(row["channel"], row["account_days"]) for row in told]
    assert counts == [("kiosk", 0), ("portal", 3_000), ("software", held)]
    limits = limits_of(rows)
    assert {row["channel"]: row["account_days"] >= row["needed"] for row in told} == {
        "kiosk": False,
        "portal": bool(np.isfinite(limits.xs("portal")).any(axis=None)),
        "software": bool(np.isfinite(limits.xs("software")).any(axis=None)),
    }


def test_each_channel_takes_its_own_whole_pasts_once_it_has_enough() -> None:
    """Of one that has not, shorter pasts count: a few whole ones on another channel silence nobody."""
    software = pd.concat([past_days([0.0] * 900, past_days=28), past_days([0.0] * 1_500, past_days=14)])
    rows = pd.concat([past_days([0.0] * 1_000, past_days=28), past_days([0.0] * 70, past_days=14)])
    both = pd.concat([rows, software.assign(channel="software")], ignore_index=True)
    told = count_watched(compared_days(ibis.memtable(both)), channels=["portal", "software"])
    assert told["account_days"].tolist() == [1_000, 2_400]


def test_account_days_that_tell_nothing_count_for_no_limit() -> None:
    """Without tokens, without outcomes: nothing that is watched is known of these."""
    blind = past_days([0.0] * 2_000).assign(**dict.fromkeys((*PARTS, *AS_COUNTED, *USES), np.nan))
    assert count_watched(compared_days(ibis.memtable(blind)), channels=["portal"])["account_days"].tolist() == [0]


def test_a_day_without_tokens_has_no_limits_from_a_past_that_has_them() -> None:
    """Its channel is told of; the other one, whose records are known, is not."""
    rows = past_days([0.0] * 2_000).assign(**dict.fromkeys(USES, np.nan))
    both = compared_days(ibis.memtable(pd.concat([rows, rows.assign(channel="software")], ignore_index=True)))
    told = count_watched(both, channels=["portal", "software"], nameless=["portal"])
    assert told["account_days"].tolist() == [0, 2_000]


def past_with(thefts: dict[str, float], *, signal: str) -> pd.DataFrame:
    """Forty thousand quiet account-days, one in eight with a stranger or a miss, and a few that a thief had."""
    n = 40_000
    rng = np.random.default_rng(7)
    rows = pd.DataFrame(dict.fromkeys((*PARTS, *AS_COUNTED), 0.0), index=range(n)).drop(columns="found")
    rows = rows.assign(
        account=[f"a{i % 2000}" for i in range(n)],
        day=[DAY - timedelta(days=1 + i // 2000) for i in range(n)],
        channel="portal",
        past_days=28,
        active_days=20,
        lookups=60.0,
        stranger_records=rng.binomial(1, 0.125, n).astype(float),
        foreign_writes=rng.binomial(2, 0.02, n).astype(float),
        foreign_records=rng.geometric(0.05, n).astype(float),
    )
    robbed = list(range(len(thefts)))
    rows.loc[robbed, "account"] = list(thefts)
    rows.loc[robbed, signal] = list(thefts.values())
    return rows.assign(stranger_records=rows[["stranger_records", "far_strangers"]].max(axis=1))


@pytest.mark.parametrize("signal", ["far_strangers", "misses", "foreign_writes"])
def test_thefts_in_the_past_do_not_hide_each_other(signal: str) -> None:
    """One account-day in five hundred was robbed: all of them are found, and nobody else; of a quiet past, nobody."""
    robbed = {f"robbed{i}": 20.0 + 3 * i for i in range(80)}
    assert set(find_thefts(past_with(robbed, signal=signal))["account"]) == set(robbed)
    assert find_thefts(past_with({}, signal=signal)).empty


def test_a_newcomers_theft_is_found_by_what_everybody_does() -> None:
    """Too few newcomers to say what is usual among them hide nobody."""
    rows = past_with({"robbed": 60.0, "robbed too": 90.0}, signal="far_strangers")
    assert set(find_thefts(rows.assign(active_days=np.where(rows["account"] == "robbed", 1, 20)))["account"]) == {
        "robbed",
        "robbed too",
    }


def test_thefts_by_newcomers_do_not_hide_each_other() -> None:
    """More of the newcomers' account-days are thefts than the largest that are left out to tell what is usual."""
    robbed = {f"robbed{i}": 10.0 * 1.2**i for i in range(16)}
    rows = past_with(robbed, signal="far_strangers")
    is_new = rows["account"].isin([*robbed, *(f"a{i}" for i in range(100))])
    found = find_thefts(rows.assign(active_days=np.where(is_new, 1, 20)))
    assert set(found["account"]) == set(robbed)


def test_a_long_tail_of_honest_days_stays() -> None:
    """Where one account-day in a hundred has strangers by the dozen, most of these are what is usual there."""
    rows = past_with({f"traveller{i}": value for i, value in enumerate(TAIL[1:40])}, signal="far_strangers").iloc[
        :3_000
    ]
    assert len(find_thefts(rows)) < 25


def test_what_was_never_seen_is_rare_all_the_same() -> None:
    """Of three thousand account-days none had a stranger: a dozen are no usual day, nor is there need for a dozen."""
    rows = past_with({"robbed": 9.0}, signal="far_strangers").assign(stranger_records=0.0)
    assert find_thefts(rows.assign(stranger_records=rows["far_strangers"]))["account"].tolist() == ["robbed"]
    assert limit(limits_of(past_days([0.0] * 3_000)), "far_excess") < 9


def test_honest_bulk_work_is_no_theft() -> None:
    """A screening reads strangers by the hundred, all of its own area."""
    screened = {f"screening{i}": 300.0 + i for i in range(40)}
    for signal in ("foreign_records", "stranger_records"):
        assert find_thefts(past_with(screened, signal=signal)).empty


def test_without_counts_nothing_is_a_theft() -> None:
    """Portals without record tokens tell none of them; a short past none either."""
    robbed = past_with({"robbed": 90.0}, signal="far_strangers")
    unknown = robbed.assign(**dict.fromkeys(("far_strangers", "stranger_records", *AS_COUNTED)))
    assert find_thefts(unknown).empty
    assert find_thefts(robbed.head(500)).empty
    assert find_thefts(robbed.assign(past_days=7)).empty
