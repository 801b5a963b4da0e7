"""Whom an attack is about: records that others of the portal know, those of the neighbours, or made-up ones."""

from __future__ import annotations

import hashlib
from datetime import date

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from detector.aggregates import FACTS
from detector.drill.ground import Ground, join
from detector.neighbours import MAX_READERS

RECORD = ["record", *FACTS]
POOL_FACTOR = 2
"""Records fetched for each that is needed: enough to draw from, little to hold."""


def known_records(ground: Ground, day: date) -> ir.Table:
    """Account-records of the 28 days before and of the day itself that showed something."""
    columns = ["account", *RECORD]
    rows = ground.today(day).records.filter((_.lookups > 0) | (_.writes > 0)).select(*columns)
    past = ground.past(day).records.filter((_.lookups > 0) | (_.writes > 0)).select(*columns)
    return join(rows, past)


def pool(known: ir.Table, victims: pd.DataFrame, *, local: bool, count: int, seed: int) -> pd.DataFrame:
    """Records that the victims have not touched, in an order drawn by seed.

    Parameters
    ----------
    known
        `known_records`.
    victims
        With `account`.
    local
        Only records of accounts that share a record with a victim; else of any other account. A record that more than
        32 accounts know makes nobody neighbours.
    count
        How many are needed; up to twice as many come back.
    seed
        Of the order.

    Returns
    -------
    pd.DataFrame
        `record` and its facts.
    """
    names = ibis.memtable({"account": victims["account"].astype(str).tolist()}, schema={"account": "string"})
    own = known.semi_join(names, "account").select("record").distinct()
    others = known.anti_join(names, "account")
    if local:
        popular = known.group_by("record").having(_.account.nunique() > MAX_READERS).aggregate(n=_.count())
        shared = own.anti_join(popular, "record")
        others = others.semi_join(others.semi_join(shared, "record").select("account").distinct(), "account")
    strange = others.anti_join(own, "record").group_by("record").aggregate(**{fact: _[fact].max() for fact in FACTS})
    drawn = strange.mutate(place=(ibis.literal(f"{seed}:") + strange.record).hexdigest("md5"))
    found: pd.DataFrame = drawn.order_by("place").limit(POOL_FACTOR * count).to_pandas()
    return found[RECORD]


def draw(found: pd.DataFrame, *, count: int, fresh: str, rng: np.random.Generator) -> pd.DataFrame:
    """So many records, none twice; where there are not enough, tokens that nobody has, with facts of those there are.

    Parameters
    ----------
    found
        `pool`.
    count
        How many.
    fresh
        What the made-up tokens are made of: the same text, the same tokens.
    rng
        Chance.
    """
    taken = found.iloc[rng.permutation(len(found))[:count]].reset_index(drop=True)
    return pd.concat([taken, make_up(found, count=count - len(taken), fresh=fresh, rng=rng)], ignore_index=True)


def make_up(found: pd.DataFrame, *, count: int, fresh: str, rng: np.random.Generator) -> pd.DataFrame:
    """So many tokens that nobody has, with the facts of records drawn from those there are."""
    tokens = [hashlib.sha256(f"{fresh}:{number}".encode()).hexdigest() for number in range(count)]
    like = found.iloc[rng.integers(0, len(found), count)] if len(found) else found.reindex(range(count))
    return like.reset_index(drop=True).assign(record=tokens)
