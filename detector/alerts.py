"""Scores → alerts: one row per alerted account-day or fired check, with an identity that the same input gives again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis import _

from detector.aggregates import WRITES
from detector.schema import CHANNELS, INSTANT, QUEUES, Column, Table

SEVERITIES = ("low", "medium", "high", "critical")
EXPOSED_TIERS = ((10_000, "critical"), (1_000, "high"), (100, "medium"))
"""Records shown to the account, or to its campaign in all, on the day, and how severe that is: above 1,000 persons a
breach is seldom `unlikely to result in a risk` (GDPR art. 33), and the case of 2022 lost 26,800 per account."""

EVIDENCE = pa.struct(
    [
        ("source", pa.string()),
        ("ip", pa.string()),
        ("user_agent", pa.string()),
        ("lookups", pa.int64()),
        ("writes", pa.int64()),
        ("records", pa.int64()),
        ("first_line", pa.int64()),
        ("last_line", pa.int64()),
        ("first_at", INSTANT),
        ("last_at", INSTANT),
    ]
)
"""The account's events of the day from one file, address and browser: where to look them up."""

ALERTS = Table(
    "alerts",
    "one row per alerted account-day, or check that fired on the portal as a whole",
    (
        Column("alert_id", pa.string(), "the same input and settings give the same one"),
        Column("account", pa.string(), "the account", "the portal as a whole is concerned"),
        Column("day", pa.date32(), "calendar day in the portal's zone"),
        Column("channel", pa.string(), "the stranger of its channels", "the portal as a whole is concerned", CHANNELS),
        Column("queue", pa.string(), "main, or check where only a check fired", values=QUEUES),
        Column(
            "severity",
            pa.string(),
            "from the records exposed and what was written, by the account or by its campaign in all, and the checks "
            "that fired",
            values=SEVERITIES,
        ),
        Column("records_exposed", pa.int64(), "records shown to the account that day", "no tokens"),
        Column("title", pa.string(), "the weightiest reason, or what the check saw"),
        Column("checks", pa.list_(pa.string()), "checks that fired", "none"),
        Column("first_at", INSTANT, "its first event of the day", "the events are not held"),
        Column("last_at", INSTANT, "its last event of the day", "the events are not held"),
        Column("evidence", pa.list_(EVIDENCE), "its events of the day, by file, address and browser", "not held"),
    ),
    ("alert_id",),
)


def find_evidence(events: ir.Table, accounts: Sequence[str]) -> pd.DataFrame:
    """The events of one day of some accounts, summed up by where to look them up.

    Parameters
    ----------
    events
        `events` of the day.
    accounts
        The accounts.

    Returns
    -------
    pd.DataFrame
        account, and the fields of `EVIDENCE`; one row per account, file, address and browser.
    """
    lookup = (_.action == "lookup").cast("int64")
    shown = (_.action == "lookup") & (_.outcome == "success")
    # A list of constants is looked for in each row anew; what joins is skipped in whole blocks.
    asked = ibis.memtable({"account": sorted(set(accounts))}, schema={"account": "string"})
    rows = events.semi_join(asked, "account").group_by(["account", "source", "ip", "user_agent"])
    found = rows.aggregate(
        lookups=lookup.sum(),
        writes=(_.action.isin(WRITES) & (_.outcome == "success")).cast("int64").sum(),
        records=_.record.nunique(where=shown),
        first_line=_.line.min(),
        last_line=_.line.max(),
        first_at=_.timestamp.min(),
        last_at=_.timestamp.max(),
    )
    evidence: pd.DataFrame = found.order_by(["account", "first_at", "source", "ip", "user_agent"]).to_pandas()
    return evidence


def build_alerts(scores: pd.DataFrame, fired: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """Alerts of scored days.

    Parameters
    ----------
    scores
        `SCORES`.
    fired
        Deterministic checks that fired: account (null: the portal as a whole), day, check, severity, value, evidence.
    evidence
        account, day, and the fields of `EVIDENCE`.

    Returns
    -------
    pd.DataFrame
        `ALERTS`, by day and rank; what concerns the portal as a whole comes first. Each alert of a campaign is as
        severe as all that was shown to the campaign's accounts on the day, or written by them.
    """
    scores, fired, evidence = (_with_dates(table) for table in (scores, fired, evidence))
    lines = dict(iter(evidence.groupby(["account", "day"]))) if len(evidence) else {}
    rows = [_of_portal(row) for row in fired[fired["account"].isna()].to_dict("records")] if len(fired) else []
    alerted = scores[scores["alert"]].to_dict("records")
    own = [lines.get((row["account"], row["day"])) for row in alerted]
    exposures = [_exposure(row, found) for row, found in zip(alerted, own, strict=True)]
    in_all = _sum_campaigns(alerted, exposures)
    rows += [
        _of_account(row, _fired_on(fired, row), found, in_all.get(_campaign_of(row), exposure))
        for row, found, exposure in zip(alerted, own, exposures, strict=True)
    ]
    ordered = sorted(rows, key=lambda row: row["day"])
    checked: pd.DataFrame = ALERTS.check(pa.Table.from_pylist(ordered, schema=ALERTS.arrow)).to_pandas()
    return checked.astype({"day": "datetime64[s]"})


def _with_dates(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose days are dates, whatever pandas has made of them."""
    if table.empty:
        return table
    days = pd.to_datetime(table["day"]).dt.date
    return table.assign(day=list(days))


def alert_id(account: str | None, day: date, *, check: str = "") -> str:
    """The identity of an alert: it depends on what is alerted, not on how strange it was found or by which model."""
    text = "\0".join(("alert", account or "", day.isoformat(), check))
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


ID_DIGITS = 20
"""80 bits: a year of alerts of the largest portal does not clash, and a person can paste it."""


def _fired_on(fired: pd.DataFrame, row: Mapping[Any, Any]) -> pd.DataFrame:
    found: pd.DataFrame = fired[(fired["account"] == row["account"]) & (fired["day"] == row["day"])]
    return found


def _of_portal(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "alert_id": alert_id(None, row["day"], check=row["check"]),
        "day": row["day"],
        "queue": "check",
        "severity": row["severity"],
        "title": row["evidence"],
        "checks": [row["check"]],
    }


class Exposure(NamedTuple):
    """What was shown to an account, or to several together, and written by them: records, each counted per account."""

    shown: int
    written: int

    @property
    def severity(self) -> str:
        """How severe that is; a forged prescription is no smaller matter than a record that was read."""
        most = max(self)
        return next((name for least, name in EXPOSED_TIERS if most >= least), SEVERITIES[0])


def add_exposures(exposures: Iterable[Exposure]) -> Exposure:
    """The sum over accounts: a campaign of many, or a patient one, stays small for each."""
    shown, written = zip(*exposures, strict=True)
    return Exposure(sum(shown), sum(written))


def severest(severities: Iterable[str]) -> str:
    """The highest of severities."""
    return max(severities, key=SEVERITIES.index)


def _exposure(row: Mapping[Any, Any], lines: pd.DataFrame | None) -> Exposure:
    """Of one account; without tokens nobody knows how many records, and each look-up may have shown one."""
    shown = row["lookups"] if pd.isna(row["records"]) else row["records"]
    return Exposure(0 if pd.isna(shown) else int(shown), 0 if lines is None else int(lines["writes"].sum()))


def _campaign_of(row: Mapping[Any, Any]) -> tuple[date, str] | None:
    return None if pd.isna(row["campaign"]) else (row["day"], row["campaign"])


def _sum_campaigns(
    rows: Sequence[Mapping[Any, Any]], exposures: Sequence[Exposure]
) -> dict[tuple[date, str] | None, Exposure]:
    by_campaign: dict[tuple[date, str] | None, list[Exposure]] = {}
    for row, exposure in zip(rows, exposures, strict=True):
        if (campaign := _campaign_of(row)) is not None:
            by_campaign.setdefault(campaign, []).append(exposure)
    return {campaign: add_exposures(members) for campaign, members in by_campaign.items()}


def _of_account(
    row: Mapping[Any, Any], fired: pd.DataFrame, lines: pd.DataFrame | None, exposure: Exposure
) -> dict[str, Any]:
    """An alert; `exposure` is that of the account, or of its campaign."""
    records = row["records"] if pd.isna(row["records"]) else int(row["records"])
    return {
        "alert_id": alert_id(row["account"], row["day"]),
        "account": row["account"],
        "day": row["day"],
        "channel": row["channel"],
        "queue": row["queue"],
        "severity": severest([exposure.severity, *fired["severity"]]),
        "records_exposed": None if pd.isna(records) else records,
        "title": next(_titles(row, fired), "unusual activity"),
        "checks": sorted(set(fired["check"])) or None,
        "first_at": None if lines is None else lines["first_at"].min(),
        "last_at": None if lines is None else lines["last_at"].max(),
        "evidence": None if lines is None else list(_evidence(lines)),
    }


def _titles(row: Mapping[Any, Any], fired: pd.DataFrame) -> Iterator[str]:
    yield from fired["evidence"]
    yield from (reason["sentence"] for reason in row["reasons"])


def _evidence(lines: pd.DataFrame) -> Iterator[dict[str, Any]]:
    names = [field.name for field in EVIDENCE]
    for row in lines[names].to_dict("records"):
        yield {name: None if _unknown(row[name]) else row[name] for name in names}


def _unknown(value: Any) -> bool:
    return bool(pd.isna(value))
