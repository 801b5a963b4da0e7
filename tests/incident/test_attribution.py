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
        "everywhere": 0.03,
        "channel": "portal",
        "is_new_network": True,
        "first_at": START,
        "last_at": START + pd.Timedelta(hours=2),
    }
    return pd.DataFrame([unit | changes])


def _tied(units: pd.DataFrame) -> bool:
    return bool(attribute(units).units["tied"].iloc[0])


@pytest.mark.parametrize(
    ("changes", "tied"),
    [
        ({}, True),
        ({"is_new_network": False}, False),
        ({"foreign": 20.0}, False),
        ({"local": 48}, False),
        ({"local": 9}, False),
        ({"local": 3}, True),
        ({"local": 47, "everywhere": 0.75}, True),
        ({"local": 48, "everywhere": 0.75}, False),
        ({"local": 48, "everywhere": 0.75, "last_at": START + pd.Timedelta(minutes=50)}, True),
        ({"local": 47, "everywhere": float("nan")}, True),
        ({"local": 60, "last_at": START + pd.Timedelta(minutes=50)}, False),
        ({"local": 60, "last_at": START + pd.Timedelta(minutes=5)}, True),
        ({"local": 60, "last_at": START + pd.Timedelta(minutes=5), "channel": "software"}, False),
        ({"local": 60, "foreign": float("nan")}, False),
    ],
    ids=[
        "a list",
        "own network",
        "own patients",
        "new owner",
        "more of the place than a list holds",
        "as many as a list holds",
        "a place as large as the country",
        "four fifths of it",
        "four fifths of it, hurried",
        "departments unknown",
        "busy new owner",
        "a robot on people of the place",
        "software is always fast",
        "nothing known",
    ],
)
def test_strangers_of_the_place_are_a_new_owners(changes: dict[str, Any], *, tied: bool) -> None:
    """From a new network, a list of the country is tied; a practice that was taken over, or a locum, is not."""
    assert _tied(_units(**changes)) is tied


def test_two_accounts_behind_a_carrier_are_not_driven_together() -> None:
    """An address new to two accounts ties both, unless many others come from its network."""
    two = [
        {"account": name, "unit": name, "session": name, "records": 9, "foreign": 5.0, "lookups": 9} for name in "ab"
    ]
    units = pd.concat([_units(**each) for each in two], ignore_index=True)
    assert attribute(units).units["tied"].all()
    carrier = frozenset({"198.51.100"})
    assert not attribute(units, shared_networks=carrier).units["tied"].any()
