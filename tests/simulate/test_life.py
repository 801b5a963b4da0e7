"""Honest life: its rates, and each oddity that makes it hard."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from detector.simulate import Traits, World, simulate
from detector.simulate import events as ev
from detector.simulate.benign import benign_day
from detector.simulate.calendar import campaign_day, day_facts
from detector.simulate.marginals import marginals
from detector.simulate.scene import make_population

WORLD = World(accounts=1_300, days=33, seed=4, start=date(2026, 4, 10))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world without attacks, with holidays in it."""
    out = tmp_path_factory.mktemp("life")
    simulate(WORLD, out)
    return out


@pytest.fixture(scope="module")
def events(folder: Path) -> pa.Table:
    """All its events."""
    return pq.read_table(folder / "events")


@pytest.fixture(scope="module")
def frame(events: pa.Table) -> pd.DataFrame:
    """All its events with the portal's local time."""
    found = events.to_pandas()
    local = found["timestamp"].dt.tz_convert("Europe/Paris")
    return pd.DataFrame(found.assign(local=local, day=local.dt.date))


@pytest.fixture(scope="module")
def accounts(folder: Path) -> pa.Table:
    """Its accounts."""
    return pq.read_table(folder / "truth" / "accounts.parquet")


@pytest.fixture(scope="module")
def kinds(folder: Path) -> pd.DataFrame:
    """Which account-days are odd in which way."""
    return pd.DataFrame(pq.read_table(folder / "truth" / "benign_kinds.parquet").to_pandas())


def test_marginals(events: pa.Table, accounts: pa.Table) -> None:
    """Rates per profession, Mondays, typing errors, return visits, foreign records are as they should be."""
    found = marginals(events, accounts)
    # Five weeks are too short to see all of 90 days' return visits.
    judged = found[found["measure"] != "repeat_share"]
    assert judged["ok"].all(), judged[~judged["ok"]].to_string()
    assert float(found.loc[found["measure"] == "repeat_share", "value"].iloc[0]) > 0.22
    assert len(found) > 30


@pytest.mark.parametrize(
    ("twist", "measure"),
    [
        (lambda t: t.filter(pc.not_equal(pc.day_of_week(t["timestamp"]), 0)), "monday_share"),
        (lambda t: t.filter(pc.equal(t["outcome"], "success")), "not_found_share"),
        (lambda t: pa.concat_tables([t] * 4), "pharmacy median"),
        (lambda t: t.filter(pc.less(pc.minute(t["timestamp"]), 6)), "active_share"),
    ],
)
def test_marginals_notice(
    events: pa.Table, accounts: pa.Table, twist: Callable[[pa.Table], pa.Table], measure: str
) -> None:
    """Life that is out of range is noticed."""
    week = events.filter(pc.less(events["timestamp"], pa.scalar(datetime(2026, 4, 21, tzinfo=UTC))))
    found = marginals(twist(week), accounts).set_index("measure")
    assert not found.loc[measure, "ok"]


def test_days_are_whole(frame: pd.DataFrame, folder: Path) -> None:
    """Each file holds one calendar day of the portal's zone, in the order of time."""
    for path in sorted((folder / "events").iterdir()):
        times = pq.read_table(path, columns=["timestamp"])["timestamp"].to_pandas()
        assert times.is_monotonic_increasing
        assert set(times.dt.tz_convert("Europe/Paris").dt.date) == {date.fromisoformat(path.stem)}
    assert frame["day"].nunique() == WORLD.days


def test_clock_changes() -> None:
    """On the days of 23 and 25 hours nothing leaves the day, and the hour that is skipped is empty."""
    for start, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25)):
        world = World(accounts=400, days=1, start=start)
        events = benign_day(world, make_population(world), index=0)
        local = pd.Series(pd.to_datetime(events.time_us, unit="us", utc=True)).dt.tz_convert("Europe/Paris")
        assert set(local.dt.date) == {start}
        assert day_facts(world, 0).length_s == hours * 3600


def test_holidays(frame: pd.DataFrame) -> None:
    """Hardly anybody works on a holiday, and the day after catches up."""
    portal = frame[(frame["action"] == "lookup") & (frame["channel"] == "portal")]
    per_day = portal.groupby("day").size()
    easter, after, usual = date(2026, 4, 13 - 7), date(2026, 5, 4), date(2026, 4, 20)
    assert easter not in per_day.index
    assert per_day[date(2026, 5, 1)] < 0.3 * per_day[usual]
    assert per_day[after] > 1.15 * per_day[usual]


def test_campaign(frame: pd.DataFrame) -> None:
    """On the day of the campaign every profession rises."""
    day = WORLD.day(campaign_day(WORLD))
    portal = frame[(frame["action"] == "lookup") & (frame["channel"] == "portal")]
    counts = portal.groupby(["profession", "day"]).size().unstack(fill_value=0)
    weekdays = [d for d in map(WORLD.day, range(WORLD.days)) if d.weekday() == day.weekday() and d != day]
    ratio = counts[day] / counts[weekdays].median(axis=1)
    assert (ratio[["pharmacy", "nurse", "general_practitioner", "dentist", "physiotherapist"]] > 1.5).all()


def test_overseas(frame: pd.DataFrame, accounts: pa.Table) -> None:
    """Accounts overseas work by their own clocks: their night work is no more than others'."""
    zones = accounts.to_pandas().set_index("account")["zone"]
    lookups = frame[(frame["action"] == "lookup") & (frame["channel"] == "portal")]
    away = lookups[lookups["account"].map(zones) == "Indian/Reunion"]
    assert len(away) > 100
    paris = away["local"].dt.hour
    own = away["timestamp"].dt.tz_convert("Indian/Reunion").dt.hour
    assert ((own < 7) | (own > 20)).mean() < 0.12 < ((paris < 7) | (paris > 20)).mean()


def test_shared_addresses(frame: pd.DataFrame, accounts: pa.Table) -> None:
    """Hospital proxies and carriers' addresses are shared by many, homes by hardly anybody."""
    users = frame.groupby("ip")["account"].nunique()
    network = accounts.to_pandas().set_index("account")["network"]
    home = frame[(frame["account"].map(network) == "home") & frame["ip"].str.startswith(("240.", "241."))]
    assert users[users.index.str.startswith("243.")].median() >= 8
    assert users[users.index.str.startswith("244.")].max() >= 3
    assert users.reindex(home["ip"].unique()).median() == 1
    assert frame["ip"].str.contains(":").any()


def test_addresses_belong_to_nobody(frame: pd.DataFrame) -> None:
    """All addresses are of reserved or documentation ranges."""
    from ipaddress import ip_address, ip_network

    ranges = ip_network("240.0.0.0/4"), ip_network("2001:db8::/32")
    found = [ip_address(text) for text in frame["ip"].unique()]
    assert all(any(address in network for network in ranges) for address in found)


def test_sessions(frame: pd.DataFrame) -> None:
    """Sessions of people begin with a sign-in and last at most four hours."""
    portal = frame[(frame["channel"] == "portal") & frame["session"].notna()]
    grouped = portal.groupby("session")["timestamp"].agg(["min", "max"])
    assert (grouped["max"] - grouped["min"]).max() <= pd.Timedelta(hours=4)
    opened = set(portal.loc[(portal["action"] == "login"), "session"])
    assert set(portal["session"]) == opened
    assert portal.groupby("session")["account"].nunique().max() == 1


def test_odd_days(kinds: pd.DataFrame, frame: pd.DataFrame, accounts: pa.Table) -> None:
    """All kinds of honest oddity occur, and show in the events."""
    wanted = {"duty_night", "screening_day", "new_account", "locum", "takeover", "first_robot", "dormant_return"}
    assert wanted | {"vaccination_day", "catch_up_day", "forced_reset", "browser_update"} == set(kinds["kind"])
    per_day = frame[frame["action"] == "lookup"].groupby(["account", "day"])["record"].nunique()
    screened = kinds[kinds["kind"] == "screening_day"].set_index(["account", "day"]).index
    assert per_day.reindex(screened).median() > 100
    about = accounts.to_pandas().set_index("account")
    created = about["created"].dropna()
    active = frame[~((frame["action"] == "login") & (frame["outcome"] == "failure"))]
    first = active.groupby("account")["day"].min()
    new = first.reindex(created.index).dropna()
    assert len(new) > 5
    assert (new >= pd.to_datetime(created[new.index]).dt.date).all()


def test_locums(kinds: pd.DataFrame, frame: pd.DataFrame) -> None:
    """A locum acts as somebody else, from another address."""
    days = kinds.loc[kinds["kind"] == "locum", ["account", "day"]]
    worked = frame[(frame["channel"] == "portal") & (frame["service"] != "payments")].merge(days, on=["account", "day"])
    sessions = worked[worked["session"].notna()]
    assert len(sessions) > 50
    assert sessions["delegate"].str.endswith("-L99").all()


def test_forced_resets(frame: pd.DataFrame, folder: Path) -> None:
    """After the wave many reset their password, before it few."""
    import json

    wave = json.loads((folder / "world.json").read_text())["calendar"]["forced_reset_day"][0]
    resets = frame[frame["action"] == "password_reset"].groupby("day").size()
    after = resets[resets.index >= date.fromisoformat(wave)].head(5).mean()
    before = resets[resets.index < date.fromisoformat(wave)].mean()
    assert after > 5 * before


def test_software(frame: pd.DataFrame) -> None:
    """Practice software has its own channel and agents; a nightly batch starts at the same minute every day."""
    software = frame[frame["channel"] == "software"]
    assert set(software["action"]) == {"lookup"}
    assert not set(software["user_agent"]) & set(frame.loc[frame["channel"] == "portal", "user_agent"])
    starts = software.groupby(["account", "day"])["local"].min()
    minute = starts.dt.hour * 60 + starts.dt.minute
    spread = minute.groupby(level=0).agg(lambda m: m.max() - m.min())
    assert (spread <= 1).sum() > 50


def test_accountants_robots(frame: pd.DataFrame, accounts: pa.Table) -> None:
    """An accountant's robot signs in and looks up hardly anybody."""
    robots = frame[frame["user_agent"].str.contains("Releve-Connect|ComptaSync", na=False)]
    about = accounts.to_pandas().set_index("account")["payments_robot"]
    assert about[robots["account"].unique()].all()
    assert (robots["action"] == "login").sum() > 50
    assert (robots["action"] == "lookup").sum() < (robots["action"] == "login").sum()


def test_traits_can_be_left_out() -> None:
    """A world without typing errors, screenings, resets and failed sign-ins has none."""
    none = Traits(not_found=0, screening_day=0, reset=0, forced_reset=0, failed_sign_in=0, export=0, second_device=0)
    world = World(accounts=300, days=3, traits=none)
    events = benign_day(world, make_population(world), index=1)
    people = events.channel == ev.PORTAL
    assert not ((events.action == ev.LOOKUP) & (events.outcome == ev.FAILURE) & people).any()
    assert not np.isin(events.action, (ev.RESET, ev.EXPORT)).any()


def test_weeks_persist(frame: pd.DataFrame) -> None:
    """An account that is busy in one half of the window is busy in the other: volumes last."""
    portal = frame[(frame["action"] == "lookup") & (frame["channel"] == "portal")]
    half = portal["day"] > WORLD.day(16)
    counts = portal.groupby(["account", half]).size().unstack(fill_value=0)
    assert counts.corr(method="spearman").to_numpy()[0, 1] > 0.6


def test_large_desks_change_nobody_else() -> None:
    """They look up hundreds of people a day, many of them from far away; everybody else is who he was."""
    with_desks = make_population(WORLD.model_copy(update={"large_desks": 3})).accounts
    without = make_population(WORLD).accounts
    is_other = with_desks.lookups != without.lookups
    assert is_other.sum() == 3
    assert (with_desks.lookups[is_other] > 400).all()
    assert (with_desks.turnover[~is_other] == without.turnover[~is_other]).all()
