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
from detector.neighbours import MAX_READERS, find_neighbours

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
