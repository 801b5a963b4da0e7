"""The ledger's tables, as SQLAlchemy has them; what they were before, `detector/ledger/migrations` knows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect


class Instant(TypeDecorator[datetime]):
    """An instant with its zone; SQLite, which has no zones, holds it as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> datetime | None:
        """To UTC; an instant without a zone is a mistake."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no zone")
        found: datetime = value.astimezone(UTC)
        return found if dialect.name != "sqlite" else found.replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """In UTC."""
        if value is None:
            return None
        found: datetime = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return found


METADATA = MetaData()

ALERTS = Table(
    "alerts",
    METADATA,
    Column("alert_id", Text, primary_key=True, comment="the same input gives the same one"),
    Column(
        "kind", Text, nullable=False, comment="extraction; review: may be honest; operator: the job itself has a fault"
    ),
    Column("account", Text, index=True, comment="null: the portal, or the job, as a whole"),
    Column("day", Date, nullable=False, index=True, comment="calendar day in the portal's zone"),
    Column("channel", Text),
    Column("queue", Text, comment="main or check; null for an operator's alert"),
    Column("severity", Text, nullable=False, comment="low, medium, high or critical; it never falls"),
    Column("records_exposed", BigInteger, comment="records shown to the account so far on the day; null: no tokens"),
    Column("title", Text, nullable=False),
    Column("checks", JSON, nullable=False, comment="deterministic checks that fired"),
    Column("campaign", Text),
    Column("score", Float),
    Column("p_value", Float),
    Column("strangeness", Float, comment="the highest so far"),
    Column("reasons", JSON, nullable=False, comment="sentences, the weightiest first"),
    Column("evidence", JSON, nullable=False, comment="where to look: file, lines, address, browser"),
    Column("model_version", Text),
    Column("first_at", Instant, comment="first event"),
    Column("last_at", Instant, comment="last event so far"),
    Column("alert_at", Instant, comment="the minute of the day's events at which it was clear; null: at the day's end"),
    Column("raised_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

UPDATES = Table(
    "updates",
    METADATA,
    Column("update_id", Text, primary_key=True, comment="alert and new severity: told once"),
    Column("alert_id", Text, ForeignKey("alerts.alert_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("before", Text, comment="severity; null: the alert was raised"),
    Column("after", Text, nullable=False),
    Column("records_exposed", BigInteger),
)

VERDICTS = Table(
    "verdicts",
    METADATA,
    Column("verdict_id", Integer, primary_key=True, autoincrement=True),
    Column("alert_id", Text, ForeignKey("alerts.alert_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("verdict", Text, nullable=False, comment="malicious, benign, unknown or reopened; the latest counts"),
    Column("author", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("records_exposed", BigInteger, comment="of the alert then: a benign verdict excuses no more"),
    Column("strangeness", Float, comment="of the alert then, likewise"),
)

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("delivery_id", Text, primary_key=True, comment="the idempotency key: receiver and what is told"),
    Column("receiver", Text, nullable=False, index=True, comment="its name in the settings"),
    Column("alert_id", Text, ForeignKey("alerts.alert_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("severity", Text, nullable=False, comment="of the alert when it was stored"),
    Column("is_update", Integer, nullable=False, comment="1: the receiver knows the alert already"),
    Column("state", Text, nullable=False, index=True, comment="waiting, delivered or given_up"),
    Column("attempts", Integer, nullable=False),
    Column("stored_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False, comment="not before"),
    Column("delivered_at", Instant),
    Column("last_error", Text),
)

ROBOTS = Table(
    "robots",
    METADATA,
    Column("account", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("ceiling", BigInteger, nullable=False, comment="look-ups a day; above it, it is judged as anybody"),
    Column("expires", Date, nullable=False, comment="last day on which it is excused"),
    Column("author", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", Integer, primary_key=True, autoincrement=True),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, comment="null: at work, or killed"),
    Column("host", Text, nullable=False),
    Column("error", Text, comment="null: none"),
    Column("report", JSON, nullable=False, comment="counts: files, lines, rejects, events by source and kind, alerts"),
)
