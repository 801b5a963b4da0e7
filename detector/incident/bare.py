"""From the history's sums: an upper bound, and no lower one, since sums do not say who read a record."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any

import ibis.expr.types as ir
import pandas as pd
from ibis import _

from detector.errors import ConfigError
from detector.incident.earlier import look_earlier
from detector.incident.facts import POSSIBLE
from detector.incident.ground import Ground
from detector.incident.persons import with_exposures
from detector.joins import to_frame
from detector.novelty import PAST_DAYS, with_network
from detector.schema import ACCOUNT_RECORDS, ACCOUNT_SOURCES, EVENTS, Table

UNKNOWN = (
    "From history alone, without the dumps, the lower bound is unknown: give the dumps of these days.",
    "À partir du seul historique, sans les journaux, la borne basse est inconnue : fournir les journaux de ces jours.",
)


def from_history(ground: Ground, accounts: Sequence[str], *, first: date, last: date) -> dict[str, Any]:
    """What a dossier holds, from the sums of some days, and of the weeks before them while these hold traces.

    Raises
    ------
    ConfigError
        If the history holds nothing of these accounts on these days.
    """
    chosen = sorted(set(accounts))
    if records_of_sums(ground, chosen, first, last).empty:
        raise ConfigError(
            f"the history holds no record of these accounts from {first} to {last}: scoring a day does not add it; "
            "learn these days first (detector learn), or give their dumps"
        )
    earlier = look_earlier(ground, chosen, addresses=(), start=first)
    records, exposures = with_exposures(records_of_sums(ground, chosen, earlier.start, last))
    return {
        "start": earlier.start,
        "end": last,
        "read_days": frozenset(),
        "accounts": accounts_of_sums(ground, chosen, records, earlier.start, last, origin="asked"),
        "addresses": addresses_of_sums(ground, chosen, earlier.start, last),
        "records": records,
        "exposures": exposures,
        "timeline": pd.DataFrame(columns=["at", "account", "deed", "ip", "lookups"]),
        "evidence": EVENTS.empty().to_pandas().assign(original=[]),
        "counts": _counts(records),
        "earlier": earlier.traces,
        "remarks": (UNKNOWN, *earlier.remarks),
    }


def _of(ground: Ground, table: Table, accounts: Sequence[str], first: date, last: date) -> ir.Table:
    rows = ground.between(table, first, last)
    return rows.filter(rows.account.isin(sorted(accounts)))


def records_of_sums(ground: Ground, accounts: Sequence[str], first: date, last: date) -> pd.DataFrame:
    """One row per account and record that it touched on some days: all possible, none tied."""
    rows = _of(ground, ACCOUNT_RECORDS, accounts, first, last)
    touched = rows.filter((_.lookups > 0) | (_.writes > 0)).group_by(["account", "record"])
    found = touched.aggregate(
        first_at=_.first_at.min(),
        last_at=_.last_at.max(),
        queries=_.lookups.sum(),
        # A day's look-ups together showed so many: at most, all but one showed the person alone.
        n_shown=(_.n_records - _.lookups + 1).max().clip(lower=1).cast("int64"),
        written=(_.writes > 0).max(),
    )
    table = to_frame(found).assign(services="", saved=False, bound=POSSIBLE)
    return table.sort_values(["account", "record"], ignore_index=True)


def accounts_of_sums(
    ground: Ground, accounts: Sequence[str], records: pd.DataFrame, first: date, last: date, *, origin: str
) -> pd.DataFrame:
    """One row per account, to reset, with how much it looked up; what happened is not known."""
    sources = with_network(_of(ground, ACCOUNT_SOURCES, accounts, first, last))
    upper = records.groupby("account")["record"].nunique()
    # Those of records are the successful ones; those of sources include what failed.
    lookups = records.groupby("account")["queries"].sum()
    known = to_frame(sources.group_by("account").aggregate(addresses=_.ip.nunique())).set_index("account")
    rows: list[dict[str, Any]] = [
        {
            "account": account,
            "profession": None,
            "origin": origin,
            "signs": [],
            "first_at": pd.NaT,
            "last_at": pd.NaT,
            "lookups_tied": None,
            "lookups_window": int(lookups.get(account, 0)),
            "records_tied": None,
            "records_window": int(upper.get(account, 0)),
            "addresses": int(known["addresses"].get(account, 0)),
            "owner_active": "unknown",
            "door": "unknown",
            "door_at": pd.NaT,
            "door_ip": None,
        }
        for account in accounts
    ]
    return pd.DataFrame(rows)


def addresses_of_sums(
    ground: Ground, accounts: Sequence[str], first: date, last: date, *, only: Collection[str] | None = None
) -> pd.DataFrame:
    """One row per address that the accounts came from, or of some of these: none is tied, none may be blocked."""
    sources = with_network(_of(ground, ACCOUNT_SOURCES, accounts, first, last))
    if only is not None:
        sources = sources.filter(sources.ip.isin(sorted(only)))
    rows = to_frame(
        sources.filter(_.ip.notnull())
        .group_by(["ip", "network"])
        .aggregate(
            first_at=_.first_at.min(), last_at=_.last_at.max(), lookups=_.lookups.sum(), accounts=_.account.nunique()
        )
    )
    if rows.empty:
        return rows.assign(others=0, examples="", others_network=0, decision="keep", reason="untied")
    users = ground.users_of(rows["ip"].tolist(), first - timedelta(days=PAST_DAYS), last)
    others = users[~users["account"].isin(list(accounts))]
    same = others.groupby("ip")["account"].nunique()
    near = others.groupby("network")["account"].nunique()
    return rows.assign(
        others=rows["ip"].map(same).fillna(0).astype("int64"),
        examples=pd.Series([[] for _row in range(len(rows))], index=rows.index, dtype="object"),
        others_network=rows["network"].map(near).fillna(0).astype("int64"),
        decision="keep",
        reason="untied",
    ).sort_values(["first_at", "ip"], ignore_index=True)


def _counts(records: pd.DataFrame) -> dict[str, int | None]:
    most = records.groupby("record")["n_shown"].max()
    lower = ("records_lower", "queries_lower", "dependants_lower", "saved_lower", "written_lower")
    return {
        **dict.fromkeys(lower),
        "records_upper": int(records["record"].nunique()),
        "queries_upper": int(records["queries"].sum()),
        "dependants_upper": int((most - 1).clip(lower=0).sum()),
    }
