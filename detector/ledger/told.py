"""One alert with all that the ledger holds of it: how it grew, what people said, who was told, who else is in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from detector.ledger.store import Alert, Ledger, Robot
from detector.ledger.tables import ALERTS, DELIVERIES, UPDATES, VERDICTS


@dataclass(frozen=True)
class Update:
    """A change of severity; `before` is None where the alert was raised."""

    at: datetime
    before: str | None
    after: str
    records_exposed: int | None


@dataclass(frozen=True)
class Verdict:
    """What somebody said of the alert, and why."""

    at: datetime
    verdict: str
    author: str
    note: str


@dataclass(frozen=True)
class Told:
    """A notification: to whom, and what became of it; `delivered_at` is None where it has not arrived."""

    receiver: str
    severity: str
    state: str
    attempts: int
    stored_at: datetime
    delivered_at: datetime | None
    last_error: str | None


@dataclass(frozen=True)
class Member:
    """Another alert of the same campaign."""

    alert_id: str
    account: str | None
    severity: str
    records_exposed: int | None


@dataclass(frozen=True)
class Whole:
    """An alert, its updates, verdicts and notifications, the oldest first, and the other members of its campaign.

    `robot` is the account's entry among known robots, in force or not; None: there is none.
    """

    alert: Alert
    updates: tuple[Update, ...]
    verdicts: tuple[Verdict, ...]
    told: tuple[Told, ...]
    members: tuple[Member, ...]
    robot: Robot | None = None


def whole_alert(ledger: Ledger, alert_id: str) -> Whole:
    """All that the ledger holds of one alert, by its id or the beginning of it.

    Raises
    ------
    LedgerError
        If there is none, or several begin like that.
    """
    alert = ledger.alert(alert_id)
    updates = select(*(UPDATES.c[name] for name in Update.__dataclass_fields__)).where(
        UPDATES.c.alert_id == alert.alert_id
    )
    verdicts = select(*(VERDICTS.c[name] for name in Verdict.__dataclass_fields__)).where(
        VERDICTS.c.alert_id == alert.alert_id
    )
    told = select(*(DELIVERIES.c[name] for name in Told.__dataclass_fields__)).where(
        DELIVERIES.c.alert_id == alert.alert_id
    )
    # Without a campaign no row: nothing equals NULL.
    members = select(*(ALERTS.c[name] for name in Member.__dataclass_fields__)).where(
        ALERTS.c.campaign == alert.campaign, ALERTS.c.day == alert.day, ALERTS.c.alert_id != alert.alert_id
    )
    robots = {each.account: each for each in ledger.robots()}
    with ledger.reading("finding an alert") as connection:
        grown = connection.execute(updates.order_by(UPDATES.c.at)).mappings().all()
        judged = connection.execute(verdicts.order_by(VERDICTS.c.verdict_id)).mappings().all()
        sent = connection.execute(told.order_by(DELIVERIES.c.stored_at, DELIVERIES.c.delivery_id)).mappings().all()
        others = () if alert.campaign is None else connection.execute(members.order_by(ALERTS.c.account)).mappings()
        return Whole(
            alert,
            tuple(Update(**row) for row in grown),
            tuple(Verdict(**row) for row in judged),
            tuple(Told(**row) for row in sent),
            tuple(Member(**row) for row in others),
            robots.get(alert.account or ""),
        )
