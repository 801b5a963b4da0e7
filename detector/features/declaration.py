"""What a feature is: declared once, with its unit, its direction, its expression and the sentence that explains it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import ibis.expr.types as ir

Family = Literal["volume", "who", "where", "stranger", "source", "rhythm", "writes"]
Grain = Literal["hours", "records", "sources", "order", "past", "day"]
Direction = Literal["more", "less", "context"]


@dataclass(frozen=True)
class Sentence:
    """A feature in words, for people; `{value}`, `{usual}`, `{ratio}` and `{peers}` are filled in, formatted."""

    en: str
    fr: str


@dataclass(frozen=True)
class Feature:
    """One signal of an account-day.

    Attributes
    ----------
    name, unit, meaning
        What it is called, what it counts, and how it is defined.
    family
        Signals of one family are different views of one behaviour.
    worse
        `more` or `less` of it is suspicious; `context` is shown and used by checks, never scored.
    grain
        Which rows `expression` sums up: `hours`, `records` and `sources` are the aggregates of the day, with novelty;
        `order` the day's events in order; `past` the account's last 28 days; `day` the other signals of the same row.
    expression
        Aggregates those rows to one value per account, channel and day (for `day` and `past`: a value per row).
    needs
        Columns of `events` without which the signal is null.
    whole
        It counts whole things: stored as an integer, shown without decimals.
    sentence
        The signal in words.
    """

    name: str
    unit: str
    meaning: str
    family: Family
    worse: Direction
    grain: Grain
    expression: Callable[[ir.Table], ir.Value]
    sentence: Sentence
    needs: tuple[str, ...] = ()
    whole: bool = True


def count(condition: ir.Value) -> ir.Value:
    """How many rows meet a condition; null counts as no."""
    return condition.cast("int64").sum().fill_null(0)


def share(part: ir.Value, whole: ir.Value) -> ir.Value:
    """`part` / `whole`, null where there is no whole."""
    return part.cast("float64") / whole.nullif(0)
