"""What a limit of records a day would do: whom of the honest it hits."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import date

import ibis
import pandas as pd
from ibis import _

from detector.drill.ground import Ground
from detector.evaluate.frames import DAY_TYPE

HIT = ["day", "accounts", "hit", "share"]


def honest_days(ground: Ground, days: Sequence[date], scores: pd.DataFrame) -> pd.DataFrame:
    """One row per account-day that did not alert: `account`, `day`, `used`.

    `used` counts the different records that were read, over all channels (look-ups where records are not known), and
    the writes.
    """
    tables = [ground.account_days(day).select("account", "day", "lookups", "records", "writes") for day in days]
    rows = functools.reduce(ibis.union, tables).mutate(read=_.records.fill_null(_.lookups).fill_null(0))
    used = (_.read + _.writes.fill_null(0)).sum()
    totals: pd.DataFrame = _dated(rows.group_by(["account", "day"]).aggregate(used=used).to_pandas())
    alerted = _dated(scores.loc[scores["alert"].astype(bool), ["account", "day"]])
    told = pd.MultiIndex.from_frame(totals[["account", "day"]]).isin(pd.MultiIndex.from_frame(alerted))
    honest: pd.DataFrame = totals[~told].reset_index(drop=True)
    return honest


def _dated(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(day=pd.to_datetime(rows["day"])).astype({"day": DAY_TYPE})


def cap_honest(honest: pd.DataFrame, *, cap: int | None) -> pd.DataFrame:
    """One row per day: `day`, active `accounts`, those `hit` (who used more than the cap), and their `share`."""
    if cap is None:
        return pd.DataFrame(columns=HIT)
    rows = honest.assign(hit=honest["used"] > cap)
    found = rows.groupby("day", as_index=False).agg(accounts=("account", "size"), hit=("hit", "sum"))
    return found.assign(share=found["hit"] / found["accounts"])
