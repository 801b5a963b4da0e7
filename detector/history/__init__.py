"""What earlier days looked like: Parquet files named by content, and one manifest whose renaming is the only commit."""

from __future__ import annotations

from detector.history.actions import list_actions, record_action, subject_of
from detector.history.disk import Disk
from detector.history.erasure import forget, forget_day
from detector.history.retention import RetentionSettings, expire, hold, release, sweep
from detector.history.store import History
from detector.history.transactions import transaction

__all__ = [
    "Disk",
    "History",
    "RetentionSettings",
    "expire",
    "forget",
    "forget_day",
    "hold",
    "list_actions",
    "record_action",
    "release",
    "subject_of",
    "sweep",
    "transaction",
]
