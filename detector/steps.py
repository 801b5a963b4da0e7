"""The way of the data step by step, for notebooks: pandas DataFrames out, DataFrames or anything Arrow knows in.

The verbs (`detector.verbs`) take the same steps without holding the tables in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from detector import aggregates, deviations
from detector.account_days import ACCOUNT_DAYS
from detector.novelty import MIN_PAST_DAYS
from detector.reading import Mapping
from detector.reading import read as read_inputs
from detector.schema import EVENTS, Table
from detector.settings import Settings, holidays_of
from detector.workspace import Dumps, Workspace, to_inputs, workspace

Tabular: TypeAlias = Any
"""A DataFrame, or anything with the Arrow PyCapsule interface (`__arrow_c_stream__`): PyArrow, Polars, DuckDB."""


class EventTables(NamedTuple):
    """What reading gives: `EVENTS`, `REJECTS`, one row of counts per file, and what the user should know."""

    events: pd.DataFrame
    rejects: pd.DataFrame
    files: pd.DataFrame
    warnings: tuple[str, ...]


class SumTables(NamedTuple):
    """What events add up to: `ACCOUNT_SOURCES`, `ACCOUNT_RECORDS`, `ACCOUNT_HOURS`."""

    sources: pd.DataFrame
    records: pd.DataFrame
    hours: pd.DataFrame


def read(dumps: Dumps, *, mapping: Mapping | str | Path | None = None, settings: Settings | None = None) -> EventTables:
    """Read dumps into events.

    Parameters
    ----------
    dumps
        Paths, globs, folders, or inputs with their mappings.
    mapping
        Of all dumps that are paths: a mapping, or a file that holds one.
    settings
        For the zone and the key; None: the defaults, and a key for this call only.

    Raises
    ------
    ReadError, ConfigError
        If a dump, or its mapping, cannot be used.
    """
    chosen = settings or Settings()
    with workspace(chosen) as place:
        reading = read_inputs(
            to_inputs(dumps, settings=chosen, mapping=mapping),
            con=place.con,
            scratch=place.scratch,
            key=place.loaded_key.key,
            zone=place.zone,
            max_reject_share=chosen.learn.max_reject_share,
        )
        events = reading.events.select(*EVENTS.names).order_by(["source", "line"]).to_pandas()
    files = pd.DataFrame([asdict(file) for file in reading.files])
    return EventTables(events, reading.rejects.to_pandas(), files, reading.warnings)


def aggregate(events: Tabular, *, settings: Settings | None = None) -> SumTables:
    """Sum events up, per account, channel and day.

    Parameters
    ----------
    events
        `EVENTS`.
    settings
        For the zone; None: the defaults.

    Raises
    ------
    SchemaError
        If the table is not what `EVENTS` says.
    """
    with workspace(settings or Settings()) as place:
        sums = aggregates.aggregate(_table(events, EVENTS, place), zone=place.zone)
        return SumTables(*(_sorted(place.con.to_pandas(table)) for table in sums))


def build_account_days(
    events: Tabular, *, history: str | Path | None = None, days: Sequence[date] = (), settings: Settings | None = None
) -> pd.DataFrame:
    """Compute the signals of each account-day, against the days before it in the events and in a history.

    Parameters
    ----------
    events
        `EVENTS`.
    history
        Folder of a history, or None.
    days
        The days wanted; none: all days of the events.
    settings
        None: the defaults.

    Returns
    -------
    pd.DataFrame
        `ACCOUNT_DAYS`, oldest day first. Novelty is null on days with fewer than seven before them.
    """
    chosen = settings or Settings()
    if history is not None:
        held = chosen.history.model_copy(update={"folder": Path(history)})
        chosen = chosen.model_copy(update={"history": held})
    with workspace(chosen) as place:
        timeline = place.timeline(place.history(), events=_table(events, EVENTS, place))
        wanted = list(days) or timeline.input_days
        parts = [_sorted(timeline.account_days(day).to_pandas()) for day in wanted]
    return pd.concat(parts, ignore_index=True)


def compute_deviations(account_days: Tabular, past: Tabular, *, settings: Settings | None = None) -> pd.DataFrame:
    """Compare the account-days of one day with the days before it.

    Parameters
    ----------
    account_days
        `ACCOUNT_DAYS` of one day.
    past
        `ACCOUNT_DAYS` of the 28 days before; with fewer than seven, accounts are compared with the day's peers alone.
    settings
        For the country's holidays; None: the defaults.

    Returns
    -------
    pd.DataFrame
        `DEVIATIONS`: one row per account, channel and day; each deviation an excess in spreads, never negative.
    """
    chosen = settings or Settings()
    with workspace(chosen) as place:
        today, before = _table(account_days, ACCOUNT_DAYS, place), _table(past, ACCOUNT_DAYS, place)
        days = _days(place, before), _days(place, today)
        of_year = holidays_of(chosen.portal.country)
        off_days = tuple(day for year in sorted({day.year for part in days for day in part}) for day in of_year(year))
        if len(days[0]) < MIN_PAST_DAYS:
            found = deviations.peer_deviations(today, off_days=off_days)
        else:
            found = deviations.deviations(today, before, off_days=off_days)
        return _sorted(place.con.to_pandas(found))


def _table(rows: Tabular, table: Table, place: Workspace) -> ir.Table:
    """The rows, checked, in the workspace's DuckDB."""
    arrow = pa.Table.from_pandas(rows, preserve_index=False) if isinstance(rows, pd.DataFrame) else pa.table(rows)
    return place.hold(table.check(_with_days(arrow).replace_schema_metadata(None)))


def _with_days(rows: pa.Table) -> pa.Table:
    """Pandas holds a day as midnight without a zone; a table has a date."""
    place = rows.schema.get_field_index("day")
    if place < 0 or not pa.types.is_timestamp(rows.schema.field(place).type):
        return rows
    return rows.set_column(place, "day", rows["day"].cast(pa.date32()))


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in ("day", "account", "channel", "hour", "record", "ip", "user_agent") if name in rows]
    return rows.sort_values(keys, ignore_index=True)


def _days(place: Workspace, rows: ir.Table) -> list[date]:
    return sorted(place.con.to_pyarrow(rows.select("day").distinct())["day"].to_pylist())
