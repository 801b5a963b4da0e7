"""Whom an attack is about."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend

from detector.drill.targets import draw, make_up, pool

VICTIMS = pd.DataFrame({"account": ["victim"]})
TOUCHED = [
    ("victim", "own"),
    ("victim", "shared"),
    ("neighbour", "shared"),
    ("neighbour", "next door"),
    ("stranger", "far away"),
    ("stranger", "farther"),
]


def found(con: Backend, *, local: bool, count: int = 10, seed: int = 0) -> list[str]:
    """The pool of the victim, in its order."""
    rows = pa.table({"account": [a for a, _ in TOUCHED], "record": [r for _, r in TOUCHED]})
    facts = {"record_sex": "1", "record_decade": 7, "record_department": "35", "record_key_ok": True}
    for name, value in facts.items():
        rows = rows.append_column(name, pa.array([value] * len(rows)))
    known = con.create_table("known", rows, overwrite=True)
    records = pool(known, VICTIMS, local=local, count=count, seed=seed)
    assert (records["record_department"] == "35").all()
    return list(records["record"])


def test_a_national_list_holds_records_of_all_others_and_none_of_the_victims(con: Backend) -> None:
    """Whatever another account knows and the victim does not may be asked for."""
    assert sorted(found(con, local=False)) == ["far away", "farther", "next door"]


def test_a_local_list_holds_records_of_accounts_that_share_one_with_the_victim(con: Backend) -> None:
    """A stranger's records are not in it."""
    assert found(con, local=True) == ["next door"]


def test_the_order_of_a_list_follows_from_the_seed_and_its_length_from_the_need(con: Backend) -> None:
    """At most twice as many as needed; the same seed gives the same list, some other seed another."""
    assert found(con, local=False, count=1) == found(con, local=False, count=1)
    assert len(found(con, local=False, count=1)) == 2
    assert len({tuple(found(con, local=False, seed=seed)) for seed in range(6)}) > 1


def test_no_record_is_drawn_twice_and_made_up_ones_fill_the_gap() -> None:
    """Two known records and three tokens that nobody has, with facts of the known."""
    known = pd.DataFrame({"record": ["a", "b"], "record_department": ["35", "35"]})
    drawn = draw(known, count=5, fresh="x", rng=np.random.default_rng(0))
    assert drawn["record"].is_unique
    assert {"a", "b"} < set(drawn["record"])
    assert len(drawn) == 5
    assert set(drawn["record_department"]) == {"35"}


def test_without_any_known_record_all_are_made_up_and_have_no_facts() -> None:
    """Tokens have 64 hexadecimal digits, as the project's own have, so none can be an identifier."""
    nothing = pd.DataFrame({"record": pd.Series([], dtype="str"), "record_department": pd.Series([], dtype="str")})
    made = make_up(nothing, count=3, fresh="x", rng=np.random.default_rng(0))
    assert made["record"].str.fullmatch("[0-9a-f]{64}").all()
    assert made["record_department"].isna().all()
