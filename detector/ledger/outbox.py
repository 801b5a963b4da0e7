"""The outbox: what is to be told, to whom, from when on; delivered at least once, or visibly given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

from sqlalchemy import RowMapping, and_, case, func, or_, select, update

from detector.alerts import SEVERITIES
from detector.ledger.growth import BENIGN
from detector.ledger.store import EXTRACTION, Ledger, Receiver, store_deliveries, with_verdict
from detector.ledger.tables import ALERTS, DELIVERIES, UPDATES, VERDICTS
from detector.schedule import NotifySettings

WAITING, DELIVERED, GIVEN_UP, WITHDRAWN = "waiting", "delivered", "given_up", "withdrawn"


@dataclass(frozen=True)
class Delivery:
    """One alert, or its growth, for one receiver; `delivery_id` is the idempotency key."""

    delivery_id: str
    receiver: str
    alert_id: str
    severity: str
    is_update: bool
    attempts: int
    stored_at: datetime


def hand_over(ledger: Ledger, *, receivers: Sequence[Receiver], since: datetime, at: datetime) -> tuple[str, ...]:
    """Store what is to be told of alerts that nobody was told of as they stand, and return their ids.

    `detector score` records alerts and tells nobody; this is how the job learns of them, and of those that it opens
    again. Done again, nothing changes.

    Parameters
    ----------
    ledger
        The ledger.
    receivers
        Who is told.
    since
        Only alerts that were raised, or grew, from then on; with its zone.
    at
        The time, with its zone.
    """
    newest = select(UPDATES.c.alert_id, func.max(UPDATES.c.at).label("at")).where(UPDATES.c.at >= since)
    changed = newest.group_by(UPDATES.c.alert_id).subquery()
    told = select(DELIVERIES.c.delivery_id).where(
        DELIVERIES.c.alert_id == UPDATES.c.alert_id,
        DELIVERIES.c.delivery_id == DELIVERIES.c.receiver + ":" + UPDATES.c.update_id,
    )
    untold = (
        with_verdict()
        .add_columns(UPDATES.c.update_id)
        .join(changed, changed.c.alert_id == ALERTS.c.alert_id)
        .join(UPDATES, and_(UPDATES.c.alert_id == ALERTS.c.alert_id, UPDATES.c.at == changed.c.at))
        .where(
            ALERTS.c.kind == EXTRACTION,
            UPDATES.c.after == ALERTS.c.severity,
            ~told.exists(),
            or_(VERDICTS.c.verdict.is_(None), VERDICTS.c.verdict != BENIGN),
        )
    )
    with ledger.writing("storing deliveries") as connection:
        found = connection.execute(untold.order_by(ALERTS.c.alert_id)).mappings().all()
        return tuple(
            row["alert_id"]
            for row in found
            if store_deliveries(
                connection,
                row["alert_id"],
                row["severity"],
                receivers=receivers,
                at=at,
                mark=row["update_id"].removeprefix(f"{row['alert_id']}:{row['severity']}"),
            )
        )


def due(ledger: Ledger, *, receiver: str, now: datetime) -> list[Delivery]:
    """What waits for a receiver and may be tried now, the severest first, then the oldest."""
    columns = [DELIVERIES.c[name] for name in Delivery.__dataclass_fields__]
    wanted = select(*columns).where(
        DELIVERIES.c.receiver == receiver, DELIVERIES.c.state == WAITING, DELIVERIES.c.next_at <= now
    )
    gravity = case({name: n for n, name in enumerate(SEVERITIES)}, value=DELIVERIES.c.severity)
    ordered = wanted.order_by(gravity.desc(), DELIVERIES.c.stored_at, DELIVERIES.c.delivery_id)
    with ledger.reading("reading the outbox") as connection:
        rows = connection.execute(ordered).mappings().all()
    return [Delivery(**{**row, "is_update": bool(row["is_update"])}) for row in rows]


def withdraw(ledger: Ledger) -> int:
    """Take out of the outbox what waits of alerts that were judged benign since, and return how much that is."""
    benign = (
        with_verdict()
        .with_only_columns(ALERTS.c.alert_id, VERDICTS.c.at, maintain_column_froms=True)
        .where(VERDICTS.c.verdict == BENIGN)
        .subquery()
    )
    judged = select(benign.c.alert_id).where(
        benign.c.alert_id == DELIVERIES.c.alert_id, benign.c.at >= DELIVERIES.c.stored_at
    )
    with ledger.writing("withdrawing deliveries") as connection:
        change = update(DELIVERIES).where(DELIVERIES.c.state == WAITING, judged.exists())
        return int(connection.execute(change.values(state=WITHDRAWN)).rowcount)


def hasten(ledger: Ledger, *, receiver: str, now: datetime) -> int:
    """Let what waits for a receiver that answers again be due now, and return how much that is."""
    waits = and_(DELIVERIES.c.receiver == receiver, DELIVERIES.c.state == WAITING, DELIVERIES.c.next_at > now)
    with ledger.writing("marking deliveries") as connection:
        return int(connection.execute(update(DELIVERIES).where(waits).values(next_at=now)).rowcount)


def mark_delivered(ledger: Ledger, ids: Sequence[str], *, at: datetime) -> None:
    """They arrived."""
    with ledger.writing("marking deliveries") as connection:
        change = update(DELIVERIES).where(DELIVERIES.c.delivery_id.in_(ids))
        connection.execute(
            change.values(state=DELIVERED, delivered_at=at, attempts=DELIVERIES.c.attempts + 1, last_error=None)
        )


def mark_failed(
    ledger: Ledger, deliveries: Sequence[Delivery], *, error: str, at: datetime, settings: NotifySettings
) -> None:
    """They did not: they are tried again after a pause that doubles each time, or given up after the last attempt."""
    with ledger.writing("marking deliveries") as connection:
        for each in deliveries:
            attempts = each.attempts + 1
            pause = min(settings.retry_s * 2 ** min(each.attempts, 30), settings.longest_retry_s)
            change = update(DELIVERIES).where(DELIVERIES.c.delivery_id == each.delivery_id)
            connection.execute(
                change.values(
                    state=GIVEN_UP if attempts >= settings.attempts else WAITING,
                    attempts=attempts,
                    next_at=at + timedelta(seconds=pause),
                    last_error=error[:500],
                )
            )


def count_deliveries(ledger: Ledger) -> dict[tuple[str, str], int]:
    """How many deliveries there are, by receiver and state."""
    wanted = select(DELIVERIES.c.receiver, DELIVERIES.c.state, func.count()).group_by(
        DELIVERIES.c.receiver, DELIVERIES.c.state
    )
    with ledger.reading("counting deliveries") as connection:
        return {(receiver, state): int(n) for receiver, state, n in connection.execute(wanted)}


@dataclass(frozen=True)
class Backlog:
    """What waits for one receiver.

    Attributes
    ----------
    n, since
        How many deliveries, and when the oldest was stored.
    due_since
        Since when the one that was due first waits to be tried.
    tried_since
        When the oldest was stored that was tried in vain; None: none was tried yet.
    error
        Why the latest attempt failed; None: none was made.
    """

    receiver: str
    n: int
    since: datetime
    due_since: datetime
    tried_since: datetime | None
    error: str | None


def backlogs(ledger: Ledger) -> list[Backlog]:
    """What waits, by receiver; nothing of receivers for whom nothing does."""
    columns = [DELIVERIES.c[name] for name in ("receiver", "stored_at", "next_at", "attempts", "last_error")]
    wanted = select(*columns).where(DELIVERIES.c.state == WAITING).order_by(DELIVERIES.c.receiver, DELIVERIES.c.next_at)
    with ledger.reading("counting deliveries") as connection:
        rows = connection.execute(wanted).mappings().all()
    return [_backlog(receiver, list(found)) for receiver, found in groupby(rows, key=itemgetter("receiver"))]


def _backlog(receiver: str, rows: Sequence[RowMapping]) -> Backlog:
    tried = [row for row in rows if row["attempts"]]
    return Backlog(
        receiver,
        n=len(rows),
        since=min(row["stored_at"] for row in rows),
        due_since=rows[0]["next_at"],
        tried_since=min((row["stored_at"] for row in tried), default=None),
        error=tried[-1]["last_error"] if tried else None,
    )


def retry_given_up(ledger: Ledger, *, now: datetime) -> int:
    """Put what was given up back into the outbox, and return how many that were."""
    with ledger.writing("retrying deliveries") as connection:
        change = update(DELIVERIES).where(DELIVERIES.c.state == GIVEN_UP)
        return int(connection.execute(change.values(state=WAITING, attempts=0, next_at=now)).rowcount)
