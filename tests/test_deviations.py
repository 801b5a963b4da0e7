from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from detector.account_days import ACCOUNT_DAYS
from detector.deviations import (
    DEVIATIONS,
    NAMES,
    SHARES,
    SIGNALS,
    deviations,
    peer_deviations,
    stabilise,
    unstabilise,
)
from detector.features import BY_NAME
from tests import naive_deviations as naive

DAY = date(2026, 5, 14)
OFF_DAYS = (date(2026, 5, 1), date(2026, 5, 8), DAY)
SEEDS = st.integers(0, 10**6)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def con() -> Iterator[Backend]:
    """One DuckDB for all examples."""
    backend = ibis.duckdb.connect(threads=1)
    yield backend
    backend.disconnect()


def portal(seed: int, *, n_days: int | None = None) -> tuple[list[Row], list[Row]]:
    """A day and its past (any number of days): a few accounts, some without a past, a profession or a signal."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    missing = chance.sample(SIGNALS[1:], chance.choice((0, 1, 4)))  # look-ups are always known
    habits = {
        f"a{n}": (chance.choice((None, "nurse", "nurse", "gp")), chance.choice(("portal", "portal", "software")), n % 4)
        for n in range(chance.randint(1, 7))
    }
    days = [DAY - timedelta(days=back) for back in range(n_days or chance.randint(7, 28), -1, -1)]
    rows = [
        row(account, channel, day, profession if chance.random() < 0.8 else None, chance, size=4**size)
        for account, (profession, channel, size) in habits.items()
        for day in days
        if chance.random() < (0.8 if size else 0.2) or day == DAY
    ]
    cut = [{**each, **dict.fromkeys(missing)} for each in rows]
    return [each for each in cut if each["day"] == DAY], [each for each in cut if each["day"] < DAY]


def row(account: str, channel: str, day: date, profession: str | None, chance: random.Random, *, size: int) -> Row:
    """An account-day with random signals, some null."""
    counts = {
        name: chance.choice((0, 0, None, chance.randint(0, size), chance.randint(0, 2 * size))) for name in SIGNALS
    }
    shares = {name: chance.choice((None, chance.random())) for name in SHARES}
    facts = {"account": account, "channel": channel, "day": day, "profession": profession, "past_days": 28}
    return {**facts, **counts, **shares, "lookups": chance.randint(0, size), "age_days": chance.choice((0, 5, 20, 28))}


def table(con: Backend, rows: list[Row]) -> ir.Table:
    """Account-days as a table of the backend."""
    data = pa.Table.from_pylist(rows, schema=ACCOUNT_DAYS.arrow)
    return con.create_table(ibis.util.gen_name("account_days"), data, temp=True)


def judged(found: ir.Table) -> dict[tuple[str, str], Row]:
    """The rows by account and channel, checked against the schema."""
    rows = DEVIATIONS.check(found.to_pyarrow()).to_pylist()
    return {(each["account"], each["channel"]): each for each in rows}


def compare(con: Backend, today: list[Row], past: list[Row]) -> dict[tuple[str, str], Row]:
    """The deviations of the day."""
    return judged(deviations(table(con, today), table(con, past), off_days=OFF_DAYS))


def is_close(one: Any, other: Any) -> bool:
    """Whether two values are the same up to rounding; null is only null."""
    if one is None or other is None or isinstance(one, str):
        return bool(one == other)
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


@settings(deadline=None, max_examples=15)  # the first example writes the queries
@given(seed=SEEDS)
def test_every_deviation_is_what_plain_loops_find(con: Backend, seed: int) -> None:
    """The expressions and the slow oracle agree on every account, signal and kind, nulls included."""
    today, past = portal(seed)
    found, expected = compare(con, today, past), naive.deviations(today, past, off_days=OFF_DAYS)
    assert found.keys() == expected.keys()
    assert not [
        f"{key} {name}: {found[key][name]}, expected {value}"
        for key, values in expected.items()
        for name, value in values.items()
        if not is_close(found[key][name], value)
    ]


@settings(deadline=None, max_examples=3)
@given(seed=SEEDS, more=st.integers(1, 500))
def test_more_foreign_look_ups_never_lower_a_deviation(con: Backend, seed: int, more: int) -> None:
    """Look-ups of records that nobody around knows only add to what is strange of volume and of whom."""
    today, past = portal(seed)
    victim = today[0]
    added = {
        name: victim[name] + more
        for name in ("lookups", "records", "new_records", "foreign_records", "busiest_hour")
        if victim[name] is not None
    }
    before, after = compare(con, today, past), compare(con, [{**victim, **added}, *today[1:]], past)
    key = (victim["account"], victim["channel"])
    lower = [
        name
        for name in NAMES
        if BY_NAME[name.split("__")[0]].family in {"volume", "who"}
        and before[key][name] is not None
        and after[key][name] < before[key][name] - 1e-9
    ]
    assert not lower


@settings(deadline=None, max_examples=3)
@given(seed=SEEDS)
def test_the_order_of_rows_changes_nothing(con: Backend, seed: int) -> None:
    """Account-days may come in any order."""
    today, past = portal(seed)
    one, other = compare(con, today, past), compare(con, today[::-1], past[::-1])
    assert one.keys() == other.keys()
    assert all(is_close(one[key][name], other[key][name]) for key in one for name in NAMES)


def test_a_signal_that_is_null_deviates_in_nothing(con: Backend) -> None:
    """Null says nothing: neither zero, nor part of any reference."""
    today, past = portal(3)
    without = [{**each, "records": None} for each in today]
    found = compare(con, without, past)
    assert {each[name] for each in found.values() for name in NAMES if name.startswith("records__")} == {None}


def test_without_a_past_of_its_own_an_account_is_judged_by_its_peers(con: Backend) -> None:
    """A newcomer far above its peers stands out; its largest day is not known."""
    chance = random.Random(1)  # noqa: S311 - no secret
    past = [
        {**row(f"a{n}", "portal", DAY - timedelta(days=back), "nurse", chance, size=4), "lookups": 10 + n}
        for n in range(10)
        for back in range(1, 15)
    ]
    today = [
        {**row(name, "portal", DAY, "nurse", chance, size=4), "lookups": lookups, "age_days": 0}
        for name, lookups in (("new", 500), ("a1", 11))
    ]
    found = compare(con, today, past)
    new, known = found["new", "portal"], found["a1", "portal"]
    assert new["known_days"] == 0
    assert new["records__largest"] is None
    assert new["lookups__own"] > 5 > 1 > known["lookups__own"]
    assert new["lookups__peers"] > 5


def test_people_from_all_over_show_on_a_large_account_as_on_a_small_one(con: Backend) -> None:
    """In spreads a busy account hides 300 more of them, by their number it does not."""
    chance = random.Random(6)  # noqa: S311 - no secret
    usual = {f"a{n}": 1 for n in range(10)} | {"large": 60}
    past = [
        {**row(name, "portal", DAY - timedelta(days=back), "nurse", chance, size=4), "scattered_records": n + back % 3}
        for name, n in usual.items()
        for back in range(1, 29)
    ]
    today = [
        {**row(name, "portal", DAY, "nurse", chance, size=4), "scattered_records": n + more}
        for name, n in usual.items()
        for more in [300 if name in {"a1", "large"} else 0]
    ]
    found = compare(con, today, past)
    small, large, honest = (found[name, "portal"] for name in ("a1", "large", "a2"))
    assert small["scattered_records__own"] > 2 * large["scattered_records__own"]
    assert large["scattered_records__absolute"] == pytest.approx(math.log(300), abs=0.2)
    assert small["scattered_records__absolute"] == pytest.approx(math.log(300), abs=0.2)
    assert honest["scattered_records__absolute"] < 1


def test_an_empty_day_has_no_deviations(con: Backend) -> None:
    """Nothing to compare is no error, with a past or without."""
    _, past = portal(4)
    assert compare(con, [], past) == {}
    assert judged(peer_deviations(table(con, []))) == {}


def test_an_empty_past_leaves_everything_null(con: Backend) -> None:
    """Without any reference there is no deviation."""
    today, _ = portal(5)
    found = compare(con, today, [])
    assert {each[name] for each in found.values() for name in NAMES} == {None}


def test_peers_alone_give_the_distance_from_their_median(con: Backend) -> None:
    """Without history an account is compared with its peers of the day, and with nothing else."""
    chance = random.Random(2)  # noqa: S311 - no secret
    today = [
        {**row(f"a{n}", "portal", DAY, "nurse", chance, size=4), "lookups": lookups}
        for n, lookups in enumerate((*[10] * 12, 1000))
    ]
    found = judged(peer_deviations(table(con, today)))
    assert found["a0", "portal"]["lookups__peers"] == 0
    assert found["a12", "portal"]["lookups__peers"] > 10
    assert {each["lookups__own"] for each in found.values()} == {None}


def test_the_only_one_of_its_profession_is_compared_with_everyone(con: Backend) -> None:
    """It would be its own measure otherwise: 2,200 look-ups in a night, and nothing unusual."""
    chance = random.Random(2)  # noqa: S311 - no secret
    today = [
        {**row(f"a{n}", "portal", DAY, profession, chance, size=4), "lookups": lookups}
        for n, (profession, lookups) in enumerate((*[("nurse", 10)] * 12, ("astrologer", 2_200)))
    ]
    found = judged(peer_deviations(table(con, today)))
    assert found["a12", "portal"]["lookups__peers"] > 10


@pytest.mark.parametrize("count", [0.0, 1.0, 7.0, 26_800.0])
def test_the_scale_leads_back_to_the_count(count: float) -> None:
    """Half of what is compared is told in counts again."""
    assert unstabilise(stabilise(ibis.literal(count))).to_pyarrow().as_py() == pytest.approx(count)
