"""Theft that hides in a large account."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from detector.evaluate.counts import COUNTED
from detector.evaluate.enlarge import ADDED, VICTIMS, Enlarged, busy_days, enlarge
from detector.evaluate.frames import as_days
from tests.evaluate.portal import write_day

DAY = "2026-03-03"
STRANGERS = [f"s{i}" for i in range(1000)]


def counts(*lookups: int) -> pd.DataFrame:
    """One account a number, on one day."""
    rows = pd.DataFrame(0, index=range(len(lookups)), columns=list(COUNTED))
    return rows.assign(account=[f"a{i}" for i in range(len(lookups))], day=as_days([DAY])[0], lookups=lookups)


def test_the_days_nearest_to_nine_hundred_are_taken() -> None:
    """Too small and too large ones are left, and no more than six are taken, the nearest first."""
    found = busy_days(counts(10, 2000, 800, 890, 1110, 500, 700, 1200, 950), days=as_days([DAY]))
    assert found["lookups"].tolist() == [890, 950, 800, 700, 1110, 1200]
    assert len(found) == VICTIMS


def test_other_days_are_not_taken() -> None:
    """A large day that is not judged is left."""
    assert busy_days(counts(900), days=as_days(["2026-03-04"])).empty


@pytest.fixture
def enlarged(tmp_path: Path) -> tuple[list[Path], Enlarged]:
    """Account a works from nine to ten on the second of two days and gets look-ups added; b is left alone."""
    files = [
        write_day(
            tmp_path / "events",
            day,
            [
                {
                    "at": f"{day}T{hour}:00:00",
                    "account": account,
                    "action": "lookup",
                    "record": f"{account}{hour}",
                    "ip": account,
                }
                for hour in ("09", "10")
                for account in ("a", "b")
            ],
        )
        for day in ("2026-03-02", DAY)
    ]
    busy = pd.DataFrame({"account": ["a"], "day": as_days([DAY])})
    return files, enlarge(files, busy=busy, strangers=STRANGERS, seed=3, out=tmp_path / "out")


def test_only_the_chosen_day_grows(enlarged: tuple[list[Path], Enlarged]) -> None:
    """The first day is as it was; the second has exactly the added rows more, in order of time."""
    before, after = ([pd.read_parquet(path) for path in paths] for paths in (enlarged[0], enlarged[1].files))
    pd.testing.assert_frame_equal(after[0], before[0])
    assert len(after[1]) == len(before[1]) + ADDED
    assert after[1]["timestamp"].is_monotonic_increasing
    assert (after[1]["account"] == "b").sum() == 2


def test_added_look_ups_are_the_owners_in_all_but_the_record(enlarged: tuple[list[Path], Enlarged]) -> None:
    """Same address, within the owner's hours, each another stranger."""
    day = pd.read_parquet(enlarged[1].files[1])
    added = day[day["record"].isin(STRANGERS)]
    assert len(added) == added["record"].nunique() == ADDED
    assert set(added["ip"]) == {"a"}
    assert added["timestamp"].dt.hour.isin([9, 10]).all()


def test_added_look_ups_are_the_truth(enlarged: tuple[list[Path], Enlarged]) -> None:
    """Each is a malicious event of the account on that day."""
    events = enlarged[1].events
    assert len(events) == ADDED
    assert set(events["account"]) == {"a"}
    assert set(events["day"]) == {pd.Timestamp(DAY)}
