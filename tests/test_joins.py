"""Rows of a database as DataFrames."""

from __future__ import annotations

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from detector.joins import to_columns


def test_columns_are_numbers_texts_and_days() -> None:
    """What is null is NaN, in a column of floats; a text stays one, and a day is its midnight."""
    rows = pa.table(
        {
            "whole": pa.array([1, 2]),
            "some": pa.array([1, None]),
            "none": pa.nulls(2, pa.int64()),
            "share": pa.array([0.5, None]),
            "name": pa.array(["a", None]),
            "day": pa.array([date(2026, 3, 2)] * 2),
        }
    )
    expected = pd.DataFrame(
        {
            "whole": [1, 2],
            "some": [1.0, np.nan],
            "none": [np.nan, np.nan],
            "share": [0.5, np.nan],
            "name": pd.Series(["a", None], dtype="str"),
            "day": pd.Series(pd.to_datetime(["2026-03-02"] * 2)).astype("datetime64[s]"),
        }
    )
    for given in (rows, ibis.memtable(rows)):
        pd.testing.assert_frame_equal(to_columns(given), expected)
    assert list(to_columns(rows.slice(0, 0)).columns) == rows.column_names


def test_a_column_has_memory_of_its_own() -> None:
    """A view of one column would keep all that the database gave with it."""
    rows = pa.table({"n": np.arange(1_000.0)})
    assert not np.shares_memory(to_columns(rows)["n"].to_numpy(), rows["n"].chunk(0).to_numpy())
