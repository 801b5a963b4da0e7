"""Days that attacks are injected into: the operator's own, read or held, and never written back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple, TypeAlias, cast

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis import _
from ibis.backends.duckdb import Backend
from ibis.util import gen_name

from detector.account_days import ACCOUNT_DAYS
from detector.aggregates import ACCOUNT_DAY, Aggregates, combine
from detector.history import History
from detector.order import ORDER_COLUMNS, aggregate_in_order
from detector.schema import Table
from detector.timeline import AGGREGATES, Timeline

MOST_KEPT = 10_000
"""Account-days of a day that are kept in memory, some 400 bytes each; larger portals have all attacks in one copy."""
Known: TypeAlias = dict[tuple[date, tuple[str, ...]], pa.Table]
HANDED_ON: tuple[Table, ...] = (*AGGREGATES, ACCOUNT_DAYS)


class Day(NamedTuple):
    """What a timeline is made of: sums, signals of the order of events, and the events where there are any."""

    sums: Aggregates
    order: ir.Table
    events: ir.Table | None


class Ground(Timeline):
    """A timeline whose input is given as sums, with or without the events that they are sums of.

    Parameters
    ----------
    con, history, zone, canaries, set_aside, off_days
        As for `Timeline`.
    given
        The input.
    known
        Of days that are not the input's, what was told before: kept where it is little, and shared with the copies.
    """

    def __init__(
        self,
        con: Backend,
        given: Day,
        *,
        history: History | None,
        zone: str,
        canaries: tuple[str, ...] = (),
        set_aside: pd.DataFrame | None = None,
        off_days: Callable[[int], tuple[date, ...]] = lambda year: (),
        known: Known | None = None,
    ) -> None:
        self.known: Known = {} if known is None else known
        super().__init__(
            con, events=None, history=history, zone=zone, canaries=canaries, set_aside=set_aside, off_days=off_days
        )
        self._today = Aggregates(*(table.cache() for table in given.sums))
        self._given_order = given.order.cache()
        self._order = self._given_order
        self._events = given.events
        self.input_days = sorted(self._today.hours.select("day").distinct().to_pyarrow()["day"].to_pylist())
        self.off_days = off_days

    @property
    def events(self) -> ir.Table | None:
        """The input's events, where there are any."""
        return self._events

    def told(self, day: date, columns: Sequence[str]) -> pa.Table:
        """The same, asked for once of all copies: to ask for a day takes a small portal longer than to read it."""
        place = (day, tuple(columns))
        if place in self.known and day not in self.input_days:
            return self.known[place]
        found = super().told(day, columns)
        if day not in self.input_days and len(found) <= MOST_KEPT:
            self.known[place] = found
        return found

    def whole(self, table: Table) -> ir.Table:
        """All input days of one table."""
        return self._of_input(table, self.input_days)

    def days_of(self, first: date, last: date) -> Day:
        """The input of the days from `first` to `last`, ends included."""
        chosen = _.day.between(first, last)
        sums = Aggregates(*(table.filter(chosen) for table in self._today))
        return Day(sums, self._given_order.filter(chosen), self._events)


def from_events(events: ir.Table, *, zone: str) -> Day:
    """Days that were read."""
    return Day(*aggregate_in_order(events, zone=zone), events)


def from_history(history: History, con: Backend, days: Sequence[date]) -> Day:
    """Copies of days that are held: their sums, and the signals that were kept when their events were dropped."""
    first, last = days[0], days[-1]
    sums = Aggregates(*(history.table(con, table.name, first, last).select(*table.names) for table in AGGREGATES))
    order = history.table(con, ACCOUNT_DAYS.name, first, last).select(*ACCOUNT_DAY, *ORDER_COLUMNS)
    return Day(sums, order, None)


class Untouched:
    """The days before an attack as a timeline asks a history for them: what is held, and the input's earlier days."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._rows = {table.name: ground.whole(table).cache() for table in HANDED_ON}
        self.days = tuple(sorted({*(ground.history.days if ground.history else ()), *ground.input_days}))

    def table(self, con: Backend, table: str, first: date, last: date) -> ir.Table:
        """A table's rows of the days from `first` to `last`, ends included."""
        rows = self._rows[table].filter(_.day.between(first, last))
        if self._ground.history is None:
            return rows
        held = self._ground.history.table(con, table, first, last)
        return join(rows, held.filter(_.day.notin(self._ground.input_days)))


def attacked(
    ground: Ground, untouched: Untouched, attack: pa.Table, *, days: Sequence[date], set_aside: pd.DataFrame
) -> Ground:
    """The days of an attack with the attack in them, and before them the untouched ones.

    Parameters
    ----------
    ground
        The days as they were.
    untouched
        The same, as the past.
    attack
        Malicious `EVENTS`.
    days
        The attacked days, oldest first.
    set_aside
        Account-days that are no part of any past.
    """
    own = ground.days_of(days[0], days[-1])
    events = ground.con.create_table(gen_name("attack"), attack, temp=True)
    victims = events.select("account").distinct()
    added = _with_events(own, events, victims, zone=ground.zone, days=days, ground=ground)
    others = Aggregates(*(table.anti_join(victims, "account") for table in own.sums))
    sums = Aggregates(*map(join, others, added.sums))
    order = join(own.order.anti_join(victims, "account"), added.order)
    return Ground(
        ground.con,
        Day(sums, order, added.events),
        # A timeline asks a history for its days and for rows of its tables, and for nothing else.
        history=cast("History", untouched),
        zone=ground.zone,
        canaries=ground.canaries,
        set_aside=set_aside,
        off_days=ground.off_days,
        known=ground.known,
    )


def join(first: ir.Table, second: ir.Table) -> ir.Table:
    """The rows of both, as the first has its columns: its names, order and types."""
    return ibis.union(first, second.select(*first.columns).cast(first.schema()))


def _with_events(
    own: Day, attack: ir.Table, victims: ir.Table, *, zone: str, days: Sequence[date], ground: Ground
) -> Day:
    """The victims' days with the attack: from their events where they are there, else by adding sums up."""
    if own.events is not None:
        parts = [events for events in map(ground.events_of, days) if events is not None]
        theirs = functools.reduce(ibis.union, parts).semi_join(victims, "account")
        found = from_events(join(theirs, attack).cache(), zone=zone)
        return found._replace(events=join(own.events, attack))
    alone = from_events(attack, zone=zone)
    theirs = [table.semi_join(victims, "account") for table in own.sums]
    typed = [sums.select(*held.columns).cast(held.schema()) for held, sums in zip(theirs, alone.sums, strict=True)]
    sums = combine(Aggregates(*theirs), Aggregates(*typed))
    both = join(own.order.semi_join(victims, "account"), alone.order)
    # Order is lost with the events: of the owner's signal and the attack's, the stronger stands for both.
    return Day(sums, both.group_by(ACCOUNT_DAY).aggregate(**{name: _[name].max() for name in ORDER_COLUMNS}), None)
