"""A tiny portal's events, written by hand, in canonical Parquet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from detector.schema import EVENTS


def write_day(folder: Path, day: str, rows: list[dict[str, object]]) -> Path:
    """Write one file of events; absent columns are null, the outcome is success, and `at` is the UTC instant."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in EVENTS.names if name not in ("source", "line") and not name.startswith("record_")]
    filled = [{"outcome": "success", **row, "timestamp": pd.Timestamp(str(row["at"]), tz="UTC")} for row in rows]
    columns = {name: [row.get(name) for row in filled] for name in names}
    schema = pa.schema([EVENTS.arrow.field(name).with_nullable(nullable=True) for name in names])
    path = folder / f"{day}.parquet"
    pq.write_table(pa.table(columns, schema=schema), path)
    return path
