"""Days in turn: sums that days are added to and taken from give what each day's whole past gives."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from ibis.backends.duckdb import Backend

from detector.account_days import ACCOUNT_DAYS
from detector.deviations import DEVIATIONS, peer_deviations
from detector.joins import to_frame
from detector.rolling import Rolling
from tests import naive_deviations as naive
from tests.test_deviations import DAY, OFF_DAYS, SEEDS, Row, is_close, portal, table

MADE_UP = 36
"""Days before the last: more than any day's past holds."""


@pytest.fixture(scope="module")
def con() -> Iterator[Backend]:
    """One DuckDB for all examples."""
    backend = ibis.duckdb.connect(threads=1)
    yield backend
    backend.disconnect()


class Held:
    """Account-days as a history holds them."""

    def __init__(self, con: Backend, rows: list[Row]) -> None:
        self.con, self.rows = con, rows
        self.set_aside = pd.DataFrame({"account": pd.Series([], dtype="str"), "day": []})
        self.read: list[date] = []

    def told(self, day: date, columns: Sequence[str]) -> pa.Table:
        """Of one day."""
        self.read.append(day)
        return pa.Table.from_pylist(self.of(day), schema=ACCOUNT_DAYS.arrow).select(columns)

    def of(self, day: date) -> list[Row]:
        """The same, as rows."""
        return [row for row in self.rows if row["day"] == day]

    def past(self, day: date) -> list[Row]:
        """Rows of the 28 days before, without what is set aside."""
        aside = set(zip(self.set_aside["account"], self.set_aside["day"], strict=True))
        return [
            row
            for row in self.rows
            if timedelta() < day - row["day"] <= timedelta(days=28) and (row["account"], row["day"]) not in aside
        ]

    def days_before(self, day: date) -> list[date]:
        """Days that have rows among the 28 before."""
        return sorted({row["day"] for row in self.rows if timedelta() < day - row["day"] <= timedelta(days=28)})

    def holidays(self, _day: date) -> tuple[date, ...]:
        """The same for all days."""
        return OFF_DAYS

    def deviations(self, day: date, *, accounts: Sequence[str] | None = None) -> ir.Table:
        """From peers alone."""
        assert accounts is None
        return peer_deviations(table(self.con, self.of(day)), off_days=OFF_DAYS)


def differences(found: pd.DataFrame, expected: dict[tuple[str, str], Row]) -> list[str]:
    """What the two do not agree on."""
    rows = found.astype(object).where(found.notna(), None).to_dict("records")
    by_key = {(row["account"], row["channel"]): row for row in rows}
    assert by_key.keys() == expected.keys()
    return [
        f"{key} {name}: {by_key[key][name]}, expected {value}"
        for key, values in expected.items()
        for name, value in values.items()
        if not is_close(by_key[key][name], value)
    ]


@settings(deadline=None, max_examples=3)
@given(seed=SEEDS)
def test_days_in_turn_are_what_plain_loops_find(con: Backend, seed: int) -> None:
    """Whatever days are asked for and set aside on the way, every deviation is that from the 28 days before alone."""
    today, past = portal(seed, n_days=MADE_UP)
    days, chance = Held(con, [*past, *today]), random.Random(seed)  # noqa: S311 - no secret
    rolling = Rolling(days)
    for back in sorted(chance.sample(range(MADE_UP - 7), 2), reverse=True):
        day = DAY - timedelta(days=back)
        if len(days.days_before(day)) < 7:
            continue
        assert not differences(
            rolling.deviations(day), naive.deviations(days.of(day), days.past(day), off_days=OFF_DAYS)
        )
        told = [(row["account"], day) for row in days.of(day) if chance.random() < 0.2]
        more = pd.DataFrame(told, columns=["account", "day"])
        days.set_aside = pd.concat([days.set_aside, more], ignore_index=True)


def test_some_accounts_are_compared_as_if_alone(con: Backend) -> None:
    """The day's effect on peers is that of the accounts asked for, and the table is the usual one; nobody, no row."""
    today, past = portal(5, n_days=MADE_UP)
    days = Held(con, [*past, *today])
    rolling, asked = Rolling(days), [row for row in today if row["account"] == "a0"]
    found = rolling.deviations(DAY, accounts=["a0"])
    assert asked
    assert not differences(found, naive.deviations(asked, days.past(DAY), off_days=OFF_DAYS))
    assert list(found.columns) == list(DEVIATIONS.names)
    assert rolling.deviations(DAY, accounts=["nobody"]).empty


def test_a_short_past_leaves_the_peers(con: Backend) -> None:
    """Under seven days of past, a day is compared with the peers of the day."""
    today, past = portal(5, n_days=MADE_UP)
    days = Held(con, [*past, *today])
    early = days.days_before(DAY - timedelta(days=MADE_UP - 7))[6]
    expected = to_frame(days.deviations(early)).sort_values(["account", "channel"], ignore_index=True)
    found = Rolling(days).deviations(early).sort_values(["account", "channel"], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected)


def test_a_day_is_read_twice_at_most(con: Backend) -> None:
    """Going through days, each is read when it comes and when it falls out of the past."""
    today, past = portal(5, n_days=MADE_UP)
    days = Held(con, [*past, *today])
    rolling = Rolling(days)
    for back in range(10, -1, -1):
        rolling.deviations(DAY - timedelta(days=back))
    assert max(days.read.count(day) for day in days.read) == 2
