"""From where and when: what an alert's evidence tells of addresses and times, by the portal's clock."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from detector.ledger import Alert

MOST_TOLD = 3
"""Addresses that a message tells; `detector alerts ID --format json` has them all."""


@dataclass(frozen=True)
class Trace:
    """What an account did from one address on the day.

    Attributes
    ----------
    address
        As logged.
    lookups, writes
        How many.
    first_at, last_at
        Its first and last event from there, in the portal's zone; None: not known.
    """

    address: str
    lookups: int
    writes: int
    first_at: datetime | None
    last_at: datetime | None


def traces_of(alert: Alert, *, zone: str) -> list[Trace]:
    """One trace an address, the one with most look-ups and writes first."""
    rows = defaultdict(list)
    for each in alert.evidence:
        if each.get("ip"):
            rows[str(each["ip"])].append(each)
    found = [_trace(address, evidence, ZoneInfo(zone)) for address, evidence in rows.items()]
    return sorted(found, key=lambda trace: (-trace.lookups - trace.writes, trace.address))


def _trace(address: str, rows: list[dict[str, Any]], zone: ZoneInfo) -> Trace:
    times = [
        datetime.fromisoformat(row[name]).astimezone(zone)
        for row in rows
        for name in ("first_at", "last_at")
        if row.get(name)
    ]
    return Trace(
        address,
        lookups=sum(int(row.get("lookups") or 0) for row in rows),
        writes=sum(int(row.get("writes") or 0) for row in rows),
        first_at=min(times, default=None),
        last_at=max(times, default=None),
    )


def span_of(alert: Alert, *, zone: str) -> tuple[datetime, datetime] | None:
    """When the account looked up or wrote: first and last event at the addresses from which it did; None: not known."""
    traces = [each for each in traces_of(alert, zone=zone) if each.lookups + each.writes]
    known = [at for each in traces for at in (each.first_at, each.last_at) if at is not None]
    known = known or [at.astimezone(ZoneInfo(zone)) for at in (alert.first_at, alert.last_at) if at is not None]
    return (min(known), max(known)) if known else None
