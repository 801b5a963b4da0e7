"""Days in order: each input day's account-days and deviations, against history and the input's own earlier days."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis import _
from ibis.backends.duckdb import Backend
from ibis.util import gen_name

from detector.account_days import ACCOUNT_DAYS, DayTables, build_account_days
from detector.aggregates import Aggregates, sum_up
from detector.clock import day_start
from detector.coded import code_events, hash_of
from detector.deviations import deviations, peer_deviations
from detector.history import History
from detector.history.touched import touched
from detector.novelty import MIN_PAST_DAYS, PAST_DAYS, Past, touched_in
from detector.order import order_of
from detector.prepared import hold
from detector.schema import ACCOUNT_HOURS, ACCOUNT_RECORDS, ACCOUNT_SOURCES, Table

AGGREGATES: tuple[Table, ...] = (ACCOUNT_SOURCES, ACCOUNT_RECORDS, ACCOUNT_HOURS)
_IN_PAST = (ACCOUNT_RECORDS, ACCOUNT_SOURCES, ACCOUNT_HOURS)
TEMPORARY = ("temp", "main")
"""Where DuckDB keeps temporary tables."""
SET_ASIDE = pa.schema([("account", pa.string()), ("day", pa.date32())])
MOST_PEERS = 10_000
"""Accounts, drawn by hash, whose past tells what is usual among peers when a few accounts are judged in a hurry."""


class Timeline:
    """History and some days of input as one sequence of days; an input day replaces the same day of history.

    Parameters
    ----------
    con
        Ibis DuckDB backend, in whose memory (and spill folder) the input's aggregates are held.
    events
        The input, or None to go through history alone.
    history
        Earlier days, or None.
    zone
        The portal's zone.
    canaries
        Tokens of records that nobody has a reason to look up.
    set_aside
        Account-days (account, day) that are no part of any past: alerted and not judged benign.
    off_days
        Tells the public holidays of a year.
    given
        What stands for the past of the input's only day: the part of it that the accounts in the input ask for.

    Attributes
    ----------
    input_days
        Days with events of named accounts in the input, oldest first.
    """

    def __init__(
        self,
        con: Backend,
        *,
        events: ir.Table | None,
        history: History | None,
        zone: str,
        canaries: tuple[str, ...] = (),
        set_aside: pd.DataFrame | None = None,
        off_days: Callable[[int], tuple[date, ...]] = lambda year: (),
        given: Past | None = None,
    ) -> None:
        self.con = con
        self.history = history
        self.zone = zone
        self.canaries = canaries
        self._set_aside = SET_ASIDE.empty_table()
        if set_aside is not None:
            self.leave_out(set_aside)
        self._off_days = off_days
        self._given = given
        self._events = events
        self._is_counted = history is None and given is None and not canaries
        self._today, self._order, self.input_days = _sums_of(
            events, zone, is_first=history is None, counts_records=self._is_counted
        )
        self._built: dict[date, DayTables] = {}
        self._opened: dict[tuple[str, date, date], ir.Table] = {}
        self._all_built = con.create_table(gen_name("account_days"), schema=_schema(ACCOUNT_DAYS), temp=True)

    @property
    def set_aside(self) -> pd.DataFrame:
        """Account-days (account, day) that are no part of any past."""
        rows: pd.DataFrame = self._set_aside.to_pandas()
        return rows

    def leave_out(self, account_days: pd.DataFrame) -> None:
        """Take these account-days (account, day) out of every later day's past."""
        more = pa.Table.from_pandas(account_days[["account", "day"]], schema=SET_ASIDE, preserve_index=False)
        self._set_aside = pa.concat_tables([self._set_aside, more]).combine_chunks()

    def account_days(self, day: date) -> ir.Table:
        """Account-days of one day: built from the input where it has the day, else history's."""
        if day not in self.input_days:
            return self._held(ACCOUNT_DAYS, day, day)
        return self._build(day).account_days

    def told(self, day: date, columns: Sequence[str]) -> pa.Table:
        """Columns of the account-days of one day, computed now."""
        found: pa.Table = self.account_days(day).select(*columns).to_pyarrow()
        return found

    def hours(self, day: date) -> ir.Table:
        """Account-hours of one day, with new and foreign records filled in."""
        return self._build(day).hours if day in self.input_days else self._held(ACCOUNT_HOURS, day, day)

    def deviations(self, day: date, *, accounts: Sequence[str] | None = None) -> ir.Table:
        """The day's deviations from the strict past; from the peers of the day alone where there is no past to use.

        Of some accounts, or of all; of a few alone, hardly any of the day's effect on their peers is taken out.
        """
        today = self.account_days(day)
        if accounts is not None:
            today = today.filter(today.account.isin(list(accounts)))
        if len(self.days_before(day)) < MIN_PAST_DAYS:
            return peer_deviations(today, off_days=self.holidays(day))
        return deviations(today, self._past_days(day), off_days=self.holidays(day))

    def hasty_deviations(self, day: date, *, accounts: Sequence[str]) -> ir.Table:
        """The same of a few accounts, in a fraction of the time: their peers are a sample, the same all day long."""
        today = self.account_days(day).filter(_.account.isin(list(accounts)))
        if len(self.days_before(day)) < MIN_PAST_DAYS:
            return peer_deviations(today, off_days=self.holidays(day))
        return deviations(today, self.sample(day, accounts=accounts), off_days=self.holidays(day))

    def sample(self, day: date, *, accounts: Sequence[str]) -> ir.Table:
        """The past account-days of some accounts, and of so many others as tell what is usual."""
        past = self._past_days(day)
        n_accounts = int(past.aggregate(n=_.account.nunique()).to_pyarrow()["n"][0].as_py())
        if n_accounts <= MOST_PEERS:
            return past
        drawn = hash_of(past.account) % ibis.literal(n_accounts, "uint64") < ibis.literal(MOST_PEERS, "uint64")
        return hold(_all, past.filter(drawn | past.account.isin(list(accounts))))

    def today(self, day: date) -> Aggregates:
        """The input's aggregates of one day."""
        return Aggregates(*(table.filter(table.day == ibis.literal(day, "date")) for table in self._today))

    def sources(self, day: date) -> ir.Table:
        """Account-sources of one day."""
        if day in self.input_days:
            return self._of_input(ACCOUNT_SOURCES, [day])
        return self._held(ACCOUNT_SOURCES, day, day)

    def events_of(self, day: date) -> ir.Table | None:
        """The input's events of one day, those without an account included; None where the input does not have it."""
        if self._events is None or day not in self.input_days:
            return None
        start, end = (day_start(each, zone=self.zone) for each in (day, day + timedelta(days=1)))
        return self._events.filter((_.timestamp >= start) & (_.timestamp < end))

    def days_before(self, day: date) -> list[date]:
        """Days held among the 28 before a day."""
        held = {*(self.history.days if self.history else ()), *self.input_days}
        return sorted(d for d in held if timedelta() < day - d <= timedelta(days=PAST_DAYS))

    def past(self, day: date) -> Past:
        """The aggregates and account-days of the 28 days before."""
        if self._given is not None:
            return self._given
        records, sources, hours, days = (self._before(table, day) for table in (*_IN_PAST, ACCOUNT_DAYS))
        touched = self._touched_before(day)
        return Past(records, sources, hours, days, n_days=len(self.days_before(day)), touched=touched)

    def _touched_before(self, day: date) -> ir.Table | None:
        """Who touched which record in the 28 days before, in numbers, without what is set aside."""
        if not isinstance(self.history, History):  # none, or a drill's, which has no files of numbers
            return None
        window = [day - timedelta(days=back) for back in range(PAST_DAYS, 0, -1)]
        held = touched(self.history, [each for each in window if each not in self.input_days], con=self.con)
        if held is None:
            return None
        parts = [held]
        earlier = [each for each in window if each in self.input_days]
        if earlier:
            parts.append(touched_in(self._of_input(ACCOUNT_RECORDS, earlier)))
        rows = functools.reduce(ibis.union, parts)
        if not self._set_aside.num_rows:
            return rows
        aside = ibis.memtable(self._set_aside)
        return rows.anti_join(aside.select("day", reader=hash_of(aside.account)), ["reader", "day"])

    def holidays(self, day: date) -> tuple[date, ...]:
        """Public holidays of the years of a day and of its past."""
        years = {day.year, (day - timedelta(days=PAST_DAYS)).year}
        return tuple(found for year in sorted(years) for found in self._off_days(year))

    def _build(self, day: date) -> DayTables:
        """Build a day and those before it that are not built yet, oldest first: each is past to the later ones."""
        for each in (earlier for earlier in self.input_days if earlier <= day and earlier not in self._built):
            self._built[each] = build_account_days(
                each,
                today=self._today,
                past=self.past(each),
                order=self._order,
                zone=self.zone,
                canaries=self.canaries,
                is_counted=self._is_counted,
                is_held=self.history is not None and len(self.input_days) == 1,
            )
            self.con.insert(self._all_built.op().name, self._built[each].account_days, database=TEMPORARY)
        return self._built[day]

    def _past_days(self, day: date) -> ir.Table:
        return self._before(ACCOUNT_DAYS, day) if self._given is None else self._given.account_days

    def all_days_before(self, day: date) -> ir.Table:
        """Account-days of the 28 days before, those that are set aside too: for people to see, not to compare with."""
        return self._before(ACCOUNT_DAYS, day, leaves_out=False)

    def before(
        self, table: Table, day: date, *, only: Callable[[ir.Table], ir.Table], is_held: bool = True
    ) -> ir.Table:
        """Some rows of a table of the 28 days before, without what is set aside; held, or read whenever asked for."""
        rows = self._before(table, day, only=only)
        return self.hold(rows) if is_held else rows

    def hold(self, rows: ir.Table) -> ir.Table:
        """Rows held where this sequence of days is, even if they are of this process's memory, or none."""
        return hold(_first, rows, self._all_built)

    def _before(
        self,
        table: Table,
        day: date,
        *,
        only: Callable[[ir.Table], ir.Table] | None = None,
        leaves_out: bool = True,
    ) -> ir.Table:
        """A table's rows of the 28 days before, without what is set aside."""
        first, last = day - timedelta(days=PAST_DAYS), day - timedelta(days=1)
        parts = [self._held(table, first, last)] if self.history else []
        earlier = [d for d in self.input_days if first <= d <= last]
        if earlier:
            parts.append(self._of_input(table, earlier))
        rows = functools.reduce(ibis.union, parts) if parts else _empty(table)
        if only is not None:
            rows = only(rows)
        if not self._set_aside.num_rows or not leaves_out:
            return rows
        return rows.anti_join(ibis.memtable(self._set_aside), ["account", "day"])

    def _held(self, table: Table, first: date, last: date) -> ir.Table:
        if self.history is None:
            return _empty(table)
        # To open the files of a month takes as long as a small portal takes to be read.
        if (table.name, first, last) not in self._opened:
            self._opened[table.name, first, last] = self.history.table(self.con, table.name, first, last)
        rows = self._opened[table.name, first, last].cast(_schema(table))
        return rows.filter(rows.day.notin(self.input_days)) if self.input_days else rows

    def _of_input(self, table: Table, days: list[date]) -> ir.Table:
        if table is ACCOUNT_DAYS:
            self._build(days[-1])
            return self._all_built.filter(_.day.between(days[0], days[-1]))
        rows = self._today[[ACCOUNT_SOURCES, ACCOUNT_RECORDS, ACCOUNT_HOURS].index(table)]
        return rows.filter(_.day.between(days[0], days[-1])).select(*table.names)


def _sums_of(
    events: ir.Table | None, zone: str, *, is_first: bool, counts_records: bool
) -> tuple[Aggregates, ir.Table | None, list[date]]:
    """The input's aggregates, the signals that need the order of events, and its days."""
    if events is None:
        return Aggregates(*(_empty(table) for table in AGGREGATES)), None, []
    coded = code_events(events, zone=zone, counts_records=counts_records)
    days = sorted(coded.places.select("day").distinct().to_pyarrow()["day"].to_pylist())
    order, sums = order_of(coded), sum_up(events, coded)
    if is_first and len(days) == 1:
        return sums, order, days
    # Where there is a past, or a day is past to another, they are read again and again.
    return sums._replace(records=hold(_all, sums.records), hours=hold(_all, sums.hours)), order, days


def _all(rows: ir.Table) -> ir.Table:
    return rows


def _first(rows: ir.Table, _held: ir.Table) -> ir.Table:
    return rows


def _empty(table: Table) -> ir.Table:
    return ibis.memtable(table.empty(), schema=_schema(table))


def _schema(table: Table) -> ibis.Schema:
    # Nullable all of it, as what DuckDB computes or reads from Parquet is: rows of unlike schemas form no union.
    return ibis.Schema({name: kind.copy(nullable=True) for name, kind in ibis.Schema.from_pyarrow(table.arrow).items()})
