"""Scores as rows for other programs: JSON, and CSV that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from detector.output.text import cell

COLUMNS = (
    "day",
    "rank",
    "account",
    "profession",
    "channel",
    "score",
    "p_value",
    "alert",
    "queue",
    "checks",
    "early_at",
    "early_records",
    "lookups",
    "records",
    "reasons",
    "model_version",
    "cold",
)


def to_json(scores: pd.DataFrame, early: pd.DataFrame) -> str:
    """One JSON array, an object per account-day; what is unknown is null."""
    rows = [plain(row) for row in _chosen(scores, early).to_dict("records")]
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(scores: pd.DataFrame, early: pd.DataFrame) -> str:
    """CSV with a header; reasons are their sentences, and no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _chosen(scores, early).to_dict("records"):
        writer.writerow([_cell(name, plain(row[name])) for name in COLUMNS])
    return text.getvalue()


def _chosen(scores: pd.DataFrame, early: pd.DataFrame) -> pd.DataFrame:
    """The columns that are told; those of early warnings are the minute (UTC) and what was gone by then."""
    warned = early.rename(columns={"alert_at": "early_at", "records_so_far": "early_records"})
    warned = warned[["account", "day", "early_at", "early_records"]].astype({"early_records": "Int64"})
    left, right = (table.assign(day=pd.to_datetime(table["day"]).dt.date) for table in (scores, warned))
    return left.merge(right, on=["account", "day"], how="left")[list(COLUMNS)]


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "reasons":
        return cell("; ".join(reason["sentence"] for reason in value))
    if isinstance(value, list):
        return cell(", ".join(value))
    return cell(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def plain(value: Any) -> Any:
    """A value as JSON has it: days and instants in ISO 8601, what is unknown null."""
    match value:
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case np.ndarray():
            return [plain(each) for each in value]
        case np.generic():
            return plain(value.item())
        case str() | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case _ if value is pd.NaT:
            return None
        case datetime() | date():
            return value.isoformat()
        case Iterable():
            return [plain(each) for each in value]
    return None if value is None or pd.isna(value) else str(value)
