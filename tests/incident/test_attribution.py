"""What ties a unit of activity to an attack, and what does not."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from detector.incident.attribution import attribute

START = pd.Timestamp("2026-03-11T09:00", tz="UTC")


def _units(**changes: Any) -> pd.DataFrame:
    """Sixty strangers of sixty records within two hours, from a network new to the account."""
    unit = {
        "unit": "u",
        "account": "a",
        "session": "s",
        "ip": "198.51.100.9",
        "network": "198.51.100",
        "lookups": 60,
        "records": 60,
        "foreign": 60.0,
        "local": 0,
        "home": 0.9,
        "everywhere": 0.03,
        "known": 400,
        "burst": 5,
        "day": START.date(),
        "channel": "portal",
        "is_new_network": True,
        "first_at": START,
        "last_at": START + pd.Timedelta(hours=2),
    }
    return pd.DataFrame([unit | changes])


def _tied(units: pd.DataFrame) -> bool:
    return bool(attribute(units).units["tied"].iloc[0])


NO_PAST: dict[str, Any] = {"known": 0, "home": 0.0, "everywhere": 0.0}
CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "a list": ({}, True),
    "own network": ({"is_new_network": False}, False),
    "own patients": ({"foreign": 20.0}, False),
    "new owner": ({"local": 48}, False),
    "half of the place": ({"local": 24}, False),
    "as many as a list holds": ({"local": 3}, True),
    "more than a list holds, and far from what an owner's work holds": ({"local": 9}, True),
    "a place as large as the country": ({"local": 60, "home": 1.0, "everywhere": 0.988}, True),
    "no place in particular": ({"home": 0.0, "everywhere": 0.0}, True),
    "busy new owner": ({"local": 60, "burst": 30}, False),
    "a robot on people of the place": ({"local": 60, "burst": 60}, True),
    "software is always fast": ({"local": 60, "burst": 60, "channel": "software"}, False),
    "nothing known": ({"foreign": float("nan")}, False),
    "no past": (NO_PAST | {"records": 49, "foreign": 49.0}, False),
    "no past, and many strangers a day": (NO_PAST, True),
    "no past, no network known": (NO_PAST | {"is_new_network": None}, False),
    "no past, no network known, a robot": (NO_PAST | {"is_new_network": None, "burst": 50}, True),
}


@pytest.mark.parametrize(("changes", "tied"), CASES.values(), ids=CASES)
def test_strangers_of_the_place_are_a_new_owners(changes: dict[str, Any], *, tied: bool) -> None:
    """From a new network, a list of the country is tied; a practice that was taken over, or a locum, is not."""
    assert _tied(_units(**changes)) is tied


def test_who_is_left_untied_for_want_of_a_past_is_named() -> None:
    """Of an account without a past nobody can tell which people are its own; one with a past is judged by it."""
    assert attribute(_units(**NO_PAST, foreign=49.0)).unsure == ("a",)
    assert attribute(_units(**NO_PAST)).unsure == ()
    assert attribute(_units(local=48)).unsure == ()


def test_two_accounts_behind_a_carrier_are_not_driven_together() -> None:
    """An address new to two accounts ties both, unless many others come from its network."""
    two = [
        {"account": name, "unit": name, "session": name, "records": 9, "foreign": 5.0, "lookups": 9} for name in "ab"
    ]
    units = pd.concat([_units(**each) for each in two], ignore_index=True)
    assert attribute(units).units["tied"].all()
    carrier = frozenset({"198.51.100"})
    assert not attribute(units, shared_networks=carrier).units["tied"].any()


@pytest.mark.parametrize(("ip", "network", "tied"), [("proxy-7", None, False), ("10.0.0.7", "10.0.0", True)])
def test_what_is_no_address_ties_nobody(ip: str, network: str | None, *, tied: bool) -> None:
    """A robot's address ties what else comes from there; a proxy's name, or `unknown`, may stand for anybody."""
    place = NO_PAST | {"ip": ip, "network": network, "is_new_network": None}
    robot = _units(**place, burst=50)
    beside = _units(**place, unit="v", session="t", records=4, lookups=4, foreign=2.0)
    units = attribute(pd.concat([robot, beside], ignore_index=True)).units
    assert units["tied"].tolist() == [True, tied]
