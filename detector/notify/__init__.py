"""Telling people and machines of alerts, through the ledger's outbox."""

from __future__ import annotations

from detector.notify.checking import check_receivers
from detector.notify.delivering import Delivered, deliver, try_receivers

__all__ = ["Delivered", "check_receivers", "deliver", "try_receivers"]
