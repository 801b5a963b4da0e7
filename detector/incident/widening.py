"""A window widened over days without dumps: what the history's sums add to what the dumps told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import pandas as pd

from detector.incident.bare import accounts_of_sums, addresses_of_sums, records_of_sums
from detector.incident.earlier import Earlier
from detector.incident.ground import Ground


class Sums(NamedTuple):
    """What the history holds of the days by which a window was widened, all of it possible and nothing tied.

    accounts, addresses, records
        As those of a dossier.
    lookups
        Look-ups on these days, by account.
    """

    accounts: pd.DataFrame
    addresses: pd.DataFrame
    records: pd.DataFrame
    lookups: pd.Series


def sums_before(ground: Ground, earlier: Earlier, accounts: Sequence[str], *, start: date) -> Sums | None:
    """What the history holds of the accounts from the widened start to the day before `start`; None: nothing."""
    if earlier.start == start:
        return None
    span = earlier.start, start - timedelta(days=1)
    everybody = sorted({*accounts, *earlier.accounts})
    records = records_of_sums(ground, everybody, *span)
    told = accounts_of_sums(ground, everybody, records, *span, origin="earlier")
    traced = set(earlier.traces.loc[earlier.traces["day"] >= earlier.start, "ip"])
    return Sums(
        accounts=told[told["account"].isin(earlier.accounts)],
        addresses=addresses_of_sums(ground, everybody, *span, only=traced),
        records=records,
        lookups=told.set_index("account")["lookups_window"],
    )


def with_records(records: pd.DataFrame, sums: Sums | None) -> pd.DataFrame:
    """The records of the dumps, and those that only the sums have."""
    if sums is None or sums.records.empty:
        return records
    both = pd.concat([records, sums.records], ignore_index=True) if len(records) else sums.records
    return both.drop_duplicates(["account", "record"]).sort_values(["account", "record"], ignore_index=True)


def with_accounts(accounts: pd.DataFrame, sums: Sums | None) -> pd.DataFrame:
    """The accounts of the dumps with what they looked up before, and those that only the sums lead to."""
    if sums is None:
        return accounts
    before = accounts["account"].map(sums.lookups).fillna(0).astype("int64")
    known = accounts.assign(lookups_window=accounts["lookups_window"] + before)
    if sums.accounts.empty:
        return known
    rows = pd.DataFrame([*known.to_dict("records"), *sums.accounts.to_dict("records")])
    return rows.astype({"lookups_tied": "Int64", "records_tied": "Int64"})


def with_addresses(addresses: pd.DataFrame, sums: Sums | None) -> pd.DataFrame:
    """The addresses of the dumps, and those that only the sums know."""
    if sums is None:
        return addresses
    new = sums.addresses[~sums.addresses["ip"].isin(addresses["ip"])]
    if new.empty:
        return addresses
    both = pd.concat([addresses, new], ignore_index=True) if len(addresses) else new
    return both.sort_values(["first_at", "ip"], ignore_index=True)


def with_queries(counts: dict[str, int], sums: Sums | None) -> dict[str, int | None]:
    """The counts, the look-ups of the sums added to the upper bound."""
    more = 0 if sums is None else int(sums.records["queries"].sum())
    return {**counts, "queries_upper": counts["queries_upper"] + more}
