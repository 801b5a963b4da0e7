"""Malicious events in the portal's own terms."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from detector.drill.injecting import Cells, make_cells, make_events
from detector.drill.victims import Habits
from detector.schema import EVENTS
from detector.simulate.settings import Attack, Pace

ZONE = "Europe/Paris"
DAYS = [date(2026, 3, 3), date(2026, 3, 4)]
VICTIMS = pd.DataFrame(
    {
        "account": ["anne", "bob"],
        "profession": ["nurse", None],
        "organisation": None,
        "ip": ["192.0.2.1", None],
        "user_agent": ["Own/1.0", "Own/2.0"],
        "auth_mode": "CPS",
    }
)
HABITS = Habits(signs_in=True, tokens=True, modes=True, sessions=True, addresses=True, browsers=("Browser/1",))
ATTACK = Attack(scenario="x", records=30, start_hour=9, hours=2, rotate=10)


def cells_of(attack: Attack = ATTACK, *, days: list[date] = DAYS, seed: int = 0) -> Cells:
    """The cells of an attack on both victims."""
    return make_cells(attack, victims=2, days=days, zone=ZONE, rng=np.random.default_rng(seed))


def events_of(attack: Attack = ATTACK, *, habits: Habits = HABITS, missing: bool = False) -> pd.DataFrame:
    """The attack's events on two days."""
    cells = cells_of(attack)
    records = pd.DataFrame({"record": [f"r{n}" for n in range(len(cells.place))], "missing": missing})
    records = records.assign(record_sex="1", record_decade=7, record_department="35", record_key_ok=True)
    table = make_events(
        attack, victims=VICTIMS, records=records, cells=cells, habits=habits, rng=np.random.default_rng(1)
    )
    assert table.schema.equals(EVENTS.arrow)
    found: pd.DataFrame = table.to_pandas()
    return found


def test_each_victim_loses_so_many_records_a_day_within_the_hours() -> None:
    """Every account-day has as many cells as the attack has records, between its first and its last hour."""
    cells = cells_of()
    local = cells.timestamp.dt.tz_convert(ZONE)
    frame = pd.DataFrame({"day": local.dt.date, "victim": cells.victim})
    assert frame.value_counts().to_dict() == {(day, victim): 30 for day in DAYS for victim in (0, 1)}
    assert local.dt.hour.between(9, 11).all()
    assert (local.dt.hour + local.dt.minute / 60 <= 11.25).all()


@pytest.mark.parametrize("pace", ["regular", "human", "bursts"])
def test_time_goes_on_within_an_account_day(pace: Pace) -> None:
    """Whatever the pace, records follow each other in time."""
    cells = cells_of(ATTACK.model_copy(update={"pace": pace}))
    seconds = cells.timestamp.astype("int64") / 1e6
    gaps = seconds.groupby([cells.day, cells.victim]).diff().dropna()
    assert (gaps >= 0).all()
    spread = gaps.std() / gaps.mean()
    assert (spread < 0.2) == (pace == "regular")


def test_nothing_crosses_midnight() -> None:
    """An attack that begins late is cut to its day."""
    cells = cells_of(ATTACK.model_copy(update={"start_hour": 23.9, "hours": 5}))
    assert set(cells.timestamp.dt.tz_convert(ZONE).dt.date) == set(DAYS)


def test_an_attack_signs_in_before_its_first_record() -> None:
    """One sign-in an account-day, before its look-ups, with the victim's way of signing in."""
    rows = events_of()
    sign_ins = rows[rows["action"] == "login"]
    assert len(sign_ins) == 4
    first = rows[rows["action"] == "lookup"].groupby("session")["timestamp"].min()
    assert (sign_ins.set_index("session")["timestamp"].sort_index() < first.sort_index()).all()
    assert set(rows["auth_mode"]) == {"CPS"}
    assert sign_ins["record"].isna().all()


def test_addresses_rotate_and_are_nobodys() -> None:
    """A new address every ten records, of a range that is not routed; those of two victims are apart."""
    rows = events_of()
    lookups = rows[rows["action"] == "lookup"]
    assert (lookups.groupby("session")["ip"].nunique() == 3).all()
    assert rows["ip"].str.startswith("198.18.").all()
    assert not set(rows.loc[rows["account"] == "anne", "ip"]) & set(rows.loc[rows["account"] == "bob", "ip"])


def test_an_attack_from_the_office_has_the_owners_address_and_agent() -> None:
    """Only a victim without an address gets a made-up one."""
    rows = events_of(ATTACK.model_copy(update={"sources": "office", "agents": "owner"}))
    assert set(rows.loc[rows["account"] == "anne", "ip"]) == {"192.0.2.1"}
    assert rows.loc[rows["account"] == "bob", "ip"].str.startswith("198.18.").all()
    assert set(rows["user_agent"]) == {"Own/1.0", "Own/2.0"}


def test_an_attack_holds_nothing_that_the_portal_does_not_log() -> None:
    """Without sign-ins, tokens, addresses, sessions and modes in the logs, the attack has none either."""
    bare = replace(HABITS, signs_in=False, tokens=False, modes=False, sessions=False, addresses=False, browsers=())
    rows = events_of(habits=bare)
    assert set(rows["action"]) == {"lookup"}
    assert rows[["ip", "record", "record_department", "session", "record_id_mode"]].isna().all(axis=None)
    assert set(rows["user_agent"]) == {"Own/1.0", "Own/2.0"}


def test_records_that_nobody_has_are_misses_and_writes_never_miss() -> None:
    """A look-up of a missing record fails and shows nothing; a write is not looked up first."""
    lookups = events_of(missing=True).query("action == 'lookup'")
    assert set(lookups["outcome"]) == {"failure"}
    assert set(lookups["n_records"]) == {0}
    writes = events_of(ATTACK.model_copy(update={"action": "write"}), missing=True).query("action == 'write'")
    assert set(writes["outcome"]) == {"success"}
    assert writes["n_records"].isna().all()


def test_the_same_chance_gives_the_same_events() -> None:
    """Two runs with one seed are equal, with another they are not."""
    assert pa.array(cells_of().timestamp).equals(pa.array(cells_of().timestamp))
    assert not pa.array(cells_of().timestamp).equals(pa.array(cells_of(seed=1).timestamp))
