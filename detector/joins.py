"""One way to look facts up, a left join that keeps one copy of the keys; and one way to take rows out."""

from __future__ import annotations

from collections.abc import Sequence

import ibis.expr.types as ir
import pandas as pd


def attach(rows: ir.Table, facts: ir.Table, keys: str | Sequence[str]) -> ir.Table:
    """`rows` with the columns of `facts` found by `keys`; null where there is no such fact.

    `facts` has at most one row per key, else rows would multiply.
    """
    names = [keys] if isinstance(keys, str) else list(keys)
    return rows.left_join(facts, names).drop(*(f"{name}_right" for name in names))


def to_frame(rows: ir.Table) -> pd.DataFrame:
    """The rows as a DataFrame, computed now."""
    found: pd.DataFrame = rows.to_pandas()
    return found
