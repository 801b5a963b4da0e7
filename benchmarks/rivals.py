"""What a large day's scoring is compared with: the physical limit, the rule people use, and what people build.

`python -m benchmarks.rivals NAME FILE` runs one of them on a canonical Parquet file (the limit on CSV too) and prints
how many accounts it ranks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

THRESHOLD = 500
"""Look-ups of a day above which the rule tells of an account."""
CORE = ("lookups", "misses", "records", "writes", "logins", "failures", "active_hours", "busiest_hour", "n_ips")
"""The core features that pandas and Polars compute, per account, as the detector means them."""


def hash_columns(path: str) -> int:
    """The limit: DuckDB reads all columns and hashes them."""
    import duckdb

    reader = "read_csv" if path.endswith(".csv") else "read_parquet"
    duckdb.connect().execute(f"SELECT sum(hash(COLUMNS(*))) FROM {reader}(?)", [path]).fetchall()  # noqa: S608
    return 0


def rule(path: str) -> int:
    """The rule people use: look-ups of an account over a threshold, in DuckDB."""
    import duckdb

    rows = duckdb.read_parquet(path).filter("action = 'lookup'").aggregate("account, count(*) AS n")
    return len(rows.filter(f"n > {THRESHOLD}").fetchall())


def pandas_iforest(path: str) -> int:
    """What people build: core features in pandas, PyOD's IForest on them."""
    import pandas as pd

    columns = ["timestamp", "account", "action", "outcome", "ip", "record"]
    events = pd.read_parquet(path, columns=columns)
    ok = events["outcome"] == "success"
    looked = events["action"] == "lookup"
    login = events["action"] == "login"
    marks = pd.DataFrame(
        {
            "account": events["account"],
            "lookups": looked,
            "misses": looked & ~ok,
            "writes": (events["action"] == "write") & ok,
            "logins": login & ok,
            "failures": login & ~ok,
        }
    )
    found = marks.groupby("account").sum()
    shown = events[looked & ok]
    found["records"] = shown.groupby("account")["record"].nunique()
    hours = events[looked].groupby(["account", events["timestamp"].dt.floor("h")]).size()
    found["active_hours"] = hours.groupby("account").size()
    found["busiest_hour"] = hours.groupby("account").max()
    found["n_ips"] = events.groupby("account")["ip"].nunique()
    return _isolate(found[list(CORE)].fillna(0).to_numpy(dtype=float))


def polars_iforest(path: str) -> int:
    """The same in Polars, lazily."""
    import polars as pl

    looked, ok, login = pl.col("action") == "lookup", pl.col("outcome") == "success", pl.col("action") == "login"
    events = pl.scan_parquet(path)
    sums = events.group_by("account").agg(
        lookups=looked.sum(),
        misses=(looked & ~ok).sum(),
        records=pl.col("record").filter(looked & ok).n_unique(),
        writes=((pl.col("action") == "write") & ok).sum(),
        logins=(login & ok).sum(),
        failures=(login & ~ok).sum(),
        n_ips=pl.col("ip").n_unique(),
    )
    by_hour = events.filter(looked).group_by("account", pl.col("timestamp").dt.truncate("1h")).agg(n=pl.len())
    hours = by_hour.group_by("account").agg(active_hours=pl.len(), busiest_hour=pl.col("n").max())
    found = sums.join(hours, on="account", how="left").fill_null(0).select(CORE).collect()
    return _isolate(found.to_numpy().astype(float))


def _isolate(X: object) -> int:
    from pyod.models.iforest import IForest

    return len(IForest(n_estimators=300, max_samples=1024, random_state=0).fit(X).decision_scores_)


RIVALS: dict[str, Callable[[str], int]] = {
    "hash": hash_columns,
    "rule": rule,
    "pandas": pandas_iforest,
    "polars": polars_iforest,
}

if __name__ == "__main__":
    sys.stdout.write(f"{RIVALS[sys.argv[1]](sys.argv[2])}\n")
