"""Deviations of one day after the other, each from the 28 before it, with every day read twice at most.

`detector.deviations` computes one day's from its whole past; here the past is kept as sums (`detector.baseline`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from detector.baseline import Floats, Ints, Rows, Sums
from detector.deviations import SIGNALS, kind_of_day
from detector.joins import to_columns
from detector.novelty import MIN_PAST_DAYS
from detector.schema import CHANNELS


class Days(Protocol):
    """Days of a history, as `detector.timeline.Timeline` tells them."""

    @property
    def set_aside(self) -> pd.DataFrame:
        """Account-days (account, day) that are no part of any past."""

    def told(self, day: date, columns: Sequence[str]) -> pa.Table:
        """Columns of the account-days of one day."""

    def days_before(self, day: date) -> list[date]:
        """Days held among the 28 before a day."""

    def holidays(self, day: date) -> tuple[date, ...]:
        """Public holidays of the years of a day and of its past."""

    def deviations(self, day: date, *, accounts: Sequence[str] | None = None) -> ir.Table:
        """Of a day without enough of a past."""


class Rolling:
    """Deviations of days, each from the 28 before it, asked for in ascending order.

    Parameters
    ----------
    days
        Days of history, and what is set aside: an account-day that is set aside once later days were asked for stays
        part of their past.
    """

    def __init__(self, days: Days) -> None:
        self._days = days
        self._names = _Names()
        self._sums = Sums()
        self._summed: list[date] = []
        self._read: dict[date, Rows] = {}

    def deviations(self, day: date, *, accounts: Sequence[str] | None = None) -> pd.DataFrame:
        """The day's `DEVIATIONS` as a DataFrame, of some accounts or of all; those of peers where the past is short."""
        before = self._days.days_before(day)
        if len(before) < MIN_PAST_DAYS:
            return to_columns(self._days.deviations(day, accounts=accounts))
        self._move(before)
        rows = self._rows(day)
        if accounts is not None:
            rows = rows.only(
                pc.is_in(rows.account, pa.array(accounts, rows.account.type)).to_numpy(zero_copy_only=False)
            )
        self._sums.grow(self._names.n_accounts)
        return self._sums.compare(rows, professions=self._names.professions)

    def _move(self, days: list[date]) -> None:
        """Make the sums those of these days."""
        for day in [day for day in self._summed if day not in days]:
            self._sums.take_away(self._rows(day))
            self._summed.remove(day)
        for day in [day for day in days if day not in self._summed]:
            rows = self._rows(day)
            aside = self._days.set_aside
            told = pa.array(aside.loc[pd.to_datetime(aside["day"]).dt.date == day, "account"], rows.account.type)
            self._sums.grow(self._names.n_accounts)
            self._sums.add(rows.only(~pc.is_in(rows.account, told).to_numpy(zero_copy_only=False)))
            self._summed.append(day)

    def _rows(self, day: date) -> Rows:
        """Account-days of a day; the last day asked for is at hand, since it is the past of the next."""
        if day not in self._read:
            told = self._days.told(day, ["account", "channel", "profession", "age_days", *SIGNALS])
            kind = kind_of_day(day, off_days=self._days.holidays(day))
            self._read = {day: self._names.rows_of(told, day=day, kind=kind)}
        return self._read[day]


class _Names:
    """Numbers of accounts on their channels, and of professions, in the order in which they came."""

    def __init__(self) -> None:
        self._accounts = self._professions = pa.array([], pa.string())

    @property
    def n_accounts(self) -> int:
        """How many accounts have a number; one on two channels counts twice."""
        return len(self._accounts)

    @property
    def professions(self) -> list[str]:
        """By number."""
        return [str(name) for name in self._professions.to_pylist()]

    def rows_of(self, table: pa.Table, *, day: date, kind: int) -> Rows:
        """The rows of a table of account-days."""
        account, channel, profession = (
            table[name].combine_chunks().cast(pa.string()) for name in ("account", "channel", "profession")
        )
        self._professions, professions = _numbered(self._professions, profession)
        self._accounts, places = _numbered(self._accounts, pc.binary_join_element_wise(account, channel, "\n"))
        return Rows(
            day=day,
            kind=kind,
            account=account,
            channel=channel,
            places=places,
            channels=_numbered(pa.array(CHANNELS), channel)[1],
            professions=professions,
            age_days=_to_floats(table["age_days"]),
            values=np.array([_to_floats(table[name]) for name in SIGNALS]),
        )


def _numbered(known: pa.Array, told: pa.Array) -> tuple[pa.Array, Ints]:
    """What is known, with what is new after it, and the numbers of what is told; -1 for null."""
    fresh = told.filter(pc.invert(pc.is_in(told, known))).drop_null().unique()
    if len(fresh):
        known = pa.concat_arrays([known, fresh])
    return known, pc.fill_null(pc.index_in(told, known), -1).to_numpy().astype(np.int64)


def _to_floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
