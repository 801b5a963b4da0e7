"""The truth that lies beside a simulated or injected set of dumps: what was malicious, and what was only odd."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from detector.errors import ReadError
from detector.evaluate.frames import as_frame
from detector.schema import ACTIONS, INSTANT, Column, Table

TRUTH_EVENTS = Table(
    "truth_events",
    "one row per malicious row of the dumps",
    (
        Column("source", pa.string(), "name of the file that holds the row, without its folder"),
        Column("line", pa.int64(), "line in that file, from 1; row for Parquet"),
        Column("timestamp", INSTANT, "when"),
        Column("day", pa.date32(), "calendar day in the portal's zone"),
        Column("scenario", pa.string(), "the kind of attack"),
        Column("campaign", pa.string(), "the attack"),
        Column("account", pa.string(), "the account that was used", "a failed sign-in that names nobody"),
        Column("record", pa.string(), "the record looked up or written to", "no record is concerned"),
        Column("action", pa.string(), "what was done", values=ACTIONS),
    ),
    ("source", "line"),
)

CAMPAIGNS = Table(
    "truth_campaigns",
    "one row per attack",
    (
        Column("campaign", pa.string(), "the attack"),
        Column("scenario", pa.string(), "the kind of attack"),
        Column("accounts", pa.list_(pa.string()), "the accounts that were used"),
        Column("start", INSTANT, "its first malicious event"),
        Column("end", INSTANT, "its last malicious event"),
    ),
    ("campaign",),
)

TRUTH_ACCOUNTS = Table(
    "truth_accounts",
    "one row per account of the portal",
    (
        Column("account", pa.string(), "the account"),
        Column("profession", pa.string(), "its profession", "unknown"),
        Column("zone", pa.string(), "the time zone in which it works", "the portal's"),
    ),
    ("account",),
)

BENIGN_KINDS = Table(
    "truth_benign_kinds",
    "one row per account-day and benign reason for being odd",
    (
        Column("account", pa.string(), "the account"),
        Column("day", pa.date32(), "calendar day in the portal's zone"),
        Column("kind", pa.string(), "why the day is odd though honest"),
    ),
    ("account", "day", "kind"),
)


class Truth(NamedTuple):
    """The four tables of a truth folder, as frames; see the tables of this module for grains and columns."""

    events: pd.DataFrame
    campaigns: pd.DataFrame
    accounts: pd.DataFrame
    benign_kinds: pd.DataFrame


def read_truth(folder: Path) -> Truth:
    """Read and check the truth beside a set of dumps.

    Columns that the tables of this module do not name (the benign traits of an account, say) are left out.

    Raises
    ------
    ReadError
        When a file is absent or is no Parquet.
    SchemaError
        When a table lacks a column, or holds values that it must not.
    """
    return Truth(
        events=_read(folder / "events.parquet", table=TRUTH_EVENTS),
        campaigns=_read(folder / "campaigns.parquet", table=CAMPAIGNS),
        accounts=_read(folder / "accounts.parquet", table=TRUTH_ACCOUNTS),
        benign_kinds=_read(folder / "benign_kinds.parquet", table=BENIGN_KINDS),
    )


def _read(path: Path, *, table: Table) -> pd.DataFrame:
    try:
        data = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise ReadError(f"truth file {path}: {error}; expected Parquet with {', '.join(table.names)}") from error
    known = [name for name in table.names if name in data.column_names]
    return as_frame(table.check(data.select(known)))
