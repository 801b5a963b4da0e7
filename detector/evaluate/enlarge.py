"""Theft that hides in a large account: look-ups of strangers added to a busy honest day, among the owner's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from detector.evaluate.cache import kept_folder, stored_frame
from detector.evaluate.counts import connect
from detector.evaluate.frames import ACCOUNT_DAY, as_frame

ADDED = 400
"""Look-ups added to the day."""

USUAL = 900
"""Look-ups a day of the accounts meant; the nearest to it are taken."""

RANGE = (450, 1_300)
"""Half as many look-ups, or half as many again, is another account."""

VICTIMS = 6
"""Accounts a world, where it has as many."""

SCENARIO = "added"
ENLARGING_STREAM = 9
"""Keeps these draws apart from others made with the same seed."""


class Enlarged(NamedTuple):
    """Daily files with look-ups added, and the added ones as malicious events."""

    files: list[Path]
    events: pd.DataFrame


def busy_days(counts: pd.DataFrame, *, days: pd.Series[pd.Timestamp]) -> pd.DataFrame:
    """Return the judged account-days with about `USUAL` look-ups, one an account: account, day, lookups."""
    judged = counts[counts["day"].isin(days) & counts["lookups"].between(*RANGE)]
    away = (judged["lookups"] - USUAL).abs()
    nearest = judged.assign(away=away).sort_values(["away", *ACCOUNT_DAY]).drop_duplicates("account").head(VICTIMS)
    return nearest[[*ACCOUNT_DAY, "lookups"]].reset_index(drop=True)


def enlarge(files: Sequence[Path], *, busy: pd.DataFrame, strangers: Sequence[str], seed: int, out: Path) -> Enlarged:
    """Add `ADDED` look-ups to each of these account-days.

    Each is a copy of one of the account's own look-ups of that day, so address, browser, session and hours are the
    owner's; only the record is another, and the time lies anywhere between the first and the last of the day.

    Parameters
    ----------
    files : daily files of canonical events, named after their day.
    busy : account-days to add to: account, day.
    strangers : records to draw from that the accounts have nothing to do with.
    """
    kept_folder(out, make=lambda folder: _write(files, busy=busy, strangers=strangers, seed=seed, folder=folder))
    return Enlarged(files=sorted(out.glob("*-*-*.parquet")), events=stored_frame(out / "added.parquet"))


def _write(files: Sequence[Path], *, busy: pd.DataFrame, strangers: Sequence[str], seed: int, folder: Path) -> None:
    random = np.random.default_rng([seed, ENLARGING_STREAM])
    added = []
    with connect() as con:
        for path in files:
            day = pd.Timestamp(path.stem)
            accounts = busy.loc[busy["day"] == day, "account"].tolist()
            parts = [_added(con, path, account=account, strangers=strangers, random=random) for account in accounts]
            _write_day(con, path, parts=parts, out=folder / path.name)
            added += [part.assign(day=day) for part in parts]
    _as_events(pd.concat(added, ignore_index=True)).to_parquet(folder / "added.parquet", index=False)


def _added(
    con: duckdb.DuckDBPyConnection, path: Path, *, account: str, strangers: Sequence[str], random: np.random.Generator
) -> pd.DataFrame:
    query = "SELECT * FROM read_parquet($path) WHERE account = $account AND action = 'lookup' AND outcome = 'success'"
    own = as_frame(con.sql(query, params={"path": str(path), "account": account}).to_arrow_table())
    drawn = own.iloc[random.integers(0, len(own), ADDED)].reset_index(drop=True)
    first, last = own["timestamp"].min(), own["timestamp"].max()
    times = first + (last - first) * pd.Series(np.sort(random.random(ADDED)))
    records = random.choice(np.asarray(strangers, dtype=object), ADDED, replace=False)
    return drawn.assign(timestamp=times.astype(own["timestamp"].dtype), record=records)


def _write_day(con: duckdb.DuckDBPyConnection, path: Path, *, parts: list[pd.DataFrame], out: Path) -> None:
    day = con.read_parquet(str(path))
    if parts:
        con.register("added", pd.concat(parts, ignore_index=True))
        day.create_view("day", replace=True)
        day = con.sql("SELECT * FROM day UNION ALL BY NAME SELECT * FROM added ORDER BY timestamp")
    day.write_parquet(str(out))


def _as_events(added: pd.DataFrame) -> pd.DataFrame:
    columns = ["timestamp", "day", "account", "record", "action", "outcome"]
    named = added[columns].assign(scenario=SCENARIO, campaign=SCENARIO + "-" + added["account"])
    return named.astype({"day": "datetime64[s]"})
