"""Arrow tables to pandas frames, in the one form that the measures join on."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

ACCOUNT_DAY = ["account", "day"]
"""The key of nearly every table here."""

DAY_TYPE = "datetime64[s]"
"""A calendar day, as midnight without zone: pandas joins and groups these quickly, unlike `datetime.date` objects."""


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a pandas frame; `day`, if any, becomes `datetime64[s]`, and instants stay UTC."""
    frame: pd.DataFrame = table.to_pandas(date_as_object=False)
    return frame.astype({"day": DAY_TYPE}) if "day" in frame else frame


def as_days(days: list[str]) -> pd.Series[pd.Timestamp]:
    """Return calendar days, given as `2026-03-01`, in the form of a `day` column."""
    return pd.Series(pd.to_datetime(days), dtype=DAY_TYPE)
