"""Which accounts share a record."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import permutations

import ibis
import ibis.expr.types as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

import detector.neighbours
from detector.neighbours import ENOUGH_RECORDS, HUB_SHARE, HUB_TIMES, MAX_READERS, find_hubs, find_neighbours

Pair = tuple[int, int]


def _table(con: Backend, names: tuple[str, str], rows: Iterable[Pair]) -> ir.Table:
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    held = ibis.memtable(columns, schema=dict.fromkeys(names, "uint64"))
    return con.create_table(ibis.util.gen_name("given"), held, temp=True)


def _found(con: Backend, met: Iterable[Pair], touched: Iterable[Pair]) -> list[Pair]:
    found = find_neighbours(_table(con, ("reader", "neighbour"), met), _table(con, ("reader", "code"), touched))
    return sorted((row["reader"], row["neighbour"]) for row in found.to_pyarrow().to_pylist())


def _plainly(met: Iterable[Pair], touched: Iterable[Pair]) -> list[Pair]:
    """The same by plain loops."""
    readers: dict[int, set[int]] = {}
    for reader, code in touched:
        readers.setdefault(code, set()).add(reader)
    links = {pair for several in readers.values() if len(several) <= MAX_READERS for pair in permutations(several, 2)}
    return sorted(links & set(met))


def _numbers(seed: int, n: int) -> list[int]:
    """Numbers over all of 64 bits, the least and the largest included."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return [0, 2**64 - 1, *(chance.getrandbits(64) for _ in range(n))]


@pytest.mark.parametrize(("few", "range_rows"), [(1_000, 1_000), (0, 1_000), (0, 40)])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=8)
def test_neighbours_are_those_of_plain_loops(seed: int, few: int, range_rows: int) -> None:
    """However much is looked at at once, whoever comes again and again, and however many read a record."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    accounts, codes = _numbers(seed, 40), _numbers(seed + 1, chance.choice((5, 80)))
    touched = [(chance.choice(accounts), chance.choice(codes)) for _ in range(300)]
    met = [
        pair for pair in zip(chance.sample(accounts, 30), chance.sample(accounts, 30), strict=True) if len({*pair}) > 1
    ]
    con = ibis.duckdb.connect(threads=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector.neighbours, "FEW", few)
        patch.setattr(detector.neighbours, "RANGE_ROWS", range_rows)
        assert _found(con, met, touched) == _plainly(met, touched)
    con.disconnect()


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("n_readers", [MAX_READERS, MAX_READERS + 1])
def test_a_record_that_too_many_read_makes_nobody_neighbours(
    con: Backend, monkeypatch: pytest.MonkeyPatch, few: int, n_readers: int
) -> None:
    """Also those count whom nobody met, and each once, however often they came."""
    monkeypatch.setattr(detector.neighbours, "FEW", few)
    touched = [(reader, 7) for reader in range(n_readers)] * 2
    assert _found(con, [(1, 2)], touched) == ([(1, 2)] if n_readers == MAX_READERS else [])


def test_where_nobody_met_nobody_is_a_neighbour(con: Backend) -> None:
    """Without pairs, nothing is asked of the past."""
    assert _found(con, [], [(1, 7), (2, 7)]) == []


def test_where_nothing_is_past_nobody_is_a_neighbour(con: Backend) -> None:
    """Accounts that met are no neighbours for that."""
    assert _found(con, [(1, 2)], []) == []


def _hubs_of(con: Backend, touched: Iterable[Pair]) -> set[int]:
    rows = find_hubs(_table(con, ("reader", "code"), touched)).to_pyarrow().to_pylist()
    return {row["reader"] for row in rows}


def _portal(*, large: int, practices: int, records: int) -> list[Pair]:
    """Account 0 touches so many records; the practices after it, records of their own, each of the first a hub's."""
    codes = _numbers(1, large + practices * records)
    own = [(1 + n // records, code) for n, code in enumerate(codes[large : large + practices * records])]
    return [(0, code) for code in codes[:large]] + own


@pytest.mark.parametrize(("large", "is_hub"), [(140, True), (90, False)])
def test_a_hub_touched_many_records_and_far_more_than_others(con: Backend, large: int, *, is_hub: bool) -> None:
    """Of 200 practices with 20 records each; touched again, a record counts once."""
    touched = _portal(large=large, practices=200, records=20)
    share, times = large / (large + 4_000), large / 20
    assert (share > HUB_SHARE and times > HUB_TIMES) is is_hub
    assert _hubs_of(con, touched * 2) == ({0} if is_hub else set())


def test_of_few_accounts_nobody_is_a_hub(con: Backend) -> None:
    """Where five accounts share a portal, each has a large share of its records."""
    assert _hubs_of(con, _portal(large=400, practices=4, records=50)) == set()
    assert _hubs_of(con, []) == set()


def test_of_many_records_a_part_tells_the_hubs(con: Backend) -> None:
    """Those read are one in 64; the rest is looked at where these are few."""
    touched = _portal(large=50, practices=200, records=20)
    low = [(0, code) for code in range(ENOUGH_RECORDS)]
    assert _hubs_of(con, touched + low) == {0}
    # What the part holds decides: 100 accounts that share it evenly are none, whatever account 0 does elsewhere.
    even = [(1 + code % 100, code) for code in range(ENOUGH_RECORDS)]
    assert _hubs_of(con, even + [(0, code) for code in _numbers(2, 9_000)]) == set()
