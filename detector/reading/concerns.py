"""Warnings: what makes events less than they seem, told before anybody trusts a score."""

from __future__ import annotations

import duckdb
import ibis.expr.types as ir

from detector.reading.counts import Part
from detector.reading.mapping import Input


def warnings_of(
    parts: list[Part], inputs: list[Input], events: ir.Table, *, con: duckdb.DuckDBPyConnection
) -> tuple[str, ...]:
    """Sentences that the user must see, each naming its file or input."""
    del inputs, events, con
    return tuple(f"{part.dump.path}: {note}" for part in parts for note in part.notes)
