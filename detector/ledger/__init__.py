"""What was found and what people said of it: alerts, verdicts, known robots, deliveries; SQLite or PostgreSQL."""

from __future__ import annotations

from detector.ledger.excuses import excuse
from detector.ledger.rows import to_rows
from detector.ledger.store import Alert, Ledger, Receiver, Recorded, Robot, open_ledger

__all__ = ["Alert", "Ledger", "Receiver", "Recorded", "Robot", "excuse", "open_ledger", "to_rows"]
