"""The first version: alerts, updates, verdicts, deliveries, known robots, runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    _make_alerts()
    _make_what_hangs_on_alerts()
    op.create_table(
        "robots",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ceiling", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.Date, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", _instant(), nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("started_at", _instant(), nullable=False),
        sa.Column("ended_at", _instant()),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("report", sa.JSON, nullable=False),
    )


def _instant() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _make_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("account", sa.Text, index=True),
        sa.Column("day", sa.Date, nullable=False, index=True),
        sa.Column("channel", sa.Text),
        sa.Column("queue", sa.Text),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("records_exposed", sa.BigInteger),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("checks", sa.JSON, nullable=False),
        sa.Column("campaign", sa.Text),
        sa.Column("score", sa.Float),
        sa.Column("p_value", sa.Float),
        sa.Column("strangeness", sa.Float),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("model_version", sa.Text),
        sa.Column("first_at", _instant()),
        sa.Column("last_at", _instant()),
        sa.Column("alert_at", _instant()),
        sa.Column("raised_at", _instant(), nullable=False),
        sa.Column("changed_at", _instant(), nullable=False),
    )


def _make_what_hangs_on_alerts() -> None:
    op.create_table(
        "updates",
        sa.Column("update_id", sa.Text, primary_key=True),
        _alert(),
        sa.Column("at", _instant(), nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("records_exposed", sa.BigInteger),
    )
    op.create_table(
        "verdicts",
        sa.Column("verdict_id", sa.Integer, primary_key=True, autoincrement=True),
        _alert(),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", _instant(), nullable=False),
    )
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Text, primary_key=True),
        sa.Column("receiver", sa.Text, nullable=False, index=True),
        _alert(),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("is_update", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("stored_at", _instant(), nullable=False),
        sa.Column("next_at", _instant(), nullable=False),
        sa.Column("delivered_at", _instant()),
        sa.Column("last_error", sa.Text),
    )


def _alert() -> sa.Column[str]:
    reference = sa.ForeignKey("alerts.alert_id", ondelete="CASCADE")
    return sa.Column("alert_id", sa.Text, reference, nullable=False, index=True)


def downgrade() -> None:
    """Nothing: the tables hold verdicts, which nobody shall drop by accident."""
    raise NotImplementedError("the first version cannot be undone; drop the ledger by hand if that is meant")
