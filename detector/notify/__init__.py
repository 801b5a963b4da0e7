"""Telling people and machines of alerts, through the ledger's outbox."""

from __future__ import annotations

from detector.notify.delivering import Delivered, deliver

__all__ = ["Delivered", "deliver"]
