"""What DuckDB's own functions, as the package's expressions name them, are on Spark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlglot.expressions as sge

_SIGNLESS = 2**63 - 1
"""Spark has no unsigned numbers: a hash is cut to 63 bits, which shifts and remainders then treat alike."""


def _call(name: str, *values: Any) -> Any:
    return sge.Anonymous(this=name, expressions=list(values))


def _whole(part: Any, width: Any) -> Any:
    return sge.paren(sge.IntDiv(this=sge.paren(part), expression=width))


def _hash(*values: Any) -> Any:
    """Spark passes over nulls: which of the values are null is hashed beside them."""
    told = [part for value in values for part in (value, sge.Is(this=value.copy(), expression=sge.Null()))]
    return sge.paren(sge.BitwiseAnd(this=_call("xxhash64", *told), expression=sge.convert(_SIGNLESS)))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "epoch_us": lambda instant: _call("unix_micros", instant),
    "make_timestamp": lambda microseconds: _call("timestamp_micros", microseconds),
    "hash": _hash,
    "divide": _whole,
}
"""Name of the function on DuckDB → its SQL on Spark. An expression that names another fails there."""
