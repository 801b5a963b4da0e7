"""Verdicts keep the level that was judged: what grew since is not excused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LEVELS = {"records_exposed": sa.BigInteger, "strangeness": sa.Float}


def upgrade() -> None:
    """Add the level; of verdicts that were given before, it is that of the alert as it stands."""
    for name, kind in LEVELS.items():
        op.add_column("verdicts", sa.Column(name, kind))
    verdicts = sa.table("verdicts", sa.column("alert_id"), *(sa.column(name) for name in LEVELS))
    alerts = sa.table("alerts", sa.column("alert_id"), *(sa.column(name) for name in LEVELS))
    levels = {
        name: sa.select(alerts.c[name]).where(alerts.c.alert_id == verdicts.c.alert_id).scalar_subquery()
        for name in LEVELS
    }
    op.execute(sa.update(verdicts).values(levels))


def downgrade() -> None:
    """Nothing: the levels are what people judged, which nobody shall drop by accident."""
    raise NotImplementedError("levels that were judged are not dropped")
