"""The tables: grain, columns, types, units, and what null means.

Each table is checked once, at the border, with `Table.check`; inside, it is trusted. Times are UTC instants; a *day* is
a calendar day in the portal's zone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from detector.errors import SchemaError

INSTANT = pa.timestamp("us", tz="UTC")
"""Every instant: microseconds since the epoch, UTC (EDGAR, nginx and Keycloak need no more; Spark has no finer)."""

ACTIONS = ("login", "logout", "lookup", "write", "export", "password_reset", "account_change", "delegation")
OUTCOMES = ("success", "failure")
CHANNELS = ("portal", "software")
RECORD_ID_MODES = ("card", "typed", "traits")
QUEUES = ("main", "check", "budget", "newcomer", "robot")


@dataclass(frozen=True)
class Column:
    """One column: `null` says what null means, or is empty where null is forbidden."""

    name: str
    type: pa.DataType
    meaning: str
    null: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table: its grain, its columns in order, and the columns that make a row unique."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, with nullability."""
        return pa.schema([pa.field(c.name, c.type, nullable=bool(c.null)) for c in self.columns])

    def empty(self) -> pa.Table:
        """A table with no row."""
        return self.arrow.empty_table()

    def check(self, data: pa.Table) -> pa.Table:
        """Return `data` with exactly this table's columns, in order and cast; absent nullable columns become null.

        Raises
        ------
        SchemaError
            With all faults told together: columns that are missing or unknown, types that do not cast without loss,
            nulls and values that are not allowed, keys that occur twice.
        """
        faults = [f"unknown column {name!r}" for name in data.column_names if name not in self.names]
        arrays: list[pa.ChunkedArray | pa.Array] = []
        for column in self.columns:
            array, found = _conform(data, column)
            faults.extend(found)
            arrays.append(array)
        if not faults:
            faults.extend(self._repeated_keys(arrays))
        if faults:
            raise SchemaError(f"table {self.name} ({self.grain}): " + "; ".join(faults))
        return pa.Table.from_arrays(arrays, schema=self.arrow)

    def _repeated_keys(self, arrays: list[pa.ChunkedArray | pa.Array]) -> Iterable[str]:
        if not self.key:
            return
        keys = pa.table({name: arrays[self.names.index(name)] for name in self.key})
        repeated = keys.num_rows - keys.group_by(list(self.key)).aggregate([]).num_rows
        if repeated:
            yield f"{repeated} rows repeat the key {', '.join(self.key)}"


def _conform(data: pa.Table, column: Column) -> tuple[pa.ChunkedArray | pa.Array, list[str]]:
    absent = pa.nulls(data.num_rows, column.type)
    times = data.column_names.count(column.name)
    if times == 0:
        return absent, [] if column.null else [f"missing column {column.name!r} ({column.type})"]
    if times > 1:
        return absent, [f"column {column.name!r} stands {times} times"]
    try:
        array = _cast(data.column(column.name), column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        return absent, [f"column {column.name!r} is {data.column(column.name).type}, not {column.type} ({error})"]
    faults = []
    if array.null_count and not column.null:
        faults.append(f"column {column.name!r} has {array.null_count} nulls")
    if column.values:
        others = [value for value in pc.unique(array).to_pylist() if value is not None and value not in column.values]
        if others:
            faults.append(f"column {column.name!r} has {others[:3]}, expected one of {', '.join(column.values)}")
    return array, faults


def _cast(array: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """Cast without loss; Arrow's own safe cast takes a wall clock for UTC, and drops the time of day from a date."""
    if pa.types.is_timestamp(array.type):
        if pa.types.is_timestamp(wanted) and (array.type.tz is None) != (wanted.tz is None):
            raise pa.ArrowInvalid("an instant needs its zone")
        if pa.types.is_date(wanted) and not array.cast(wanted).cast(array.type).equals(array):
            raise pa.ArrowInvalid("a day has no time of day")
    return array.cast(wanted)


ABSENT = "the source has none"

EVENTS = Table(
    "events",
    "one row per thing that happened",
    (
        Column("timestamp", INSTANT, "when"),
        Column(
            "account",
            pa.string(),
            "the professional's identity as the log has it",
            "a failed sign-in that names nobody",
        ),
        Column("action", pa.string(), "what was done", values=ACTIONS),
        Column(
            "outcome", pa.string(), "a look-up fails when there is no such record, or it is refused", values=OUTCOMES
        ),
        Column("ip", pa.string(), "client address as logged; an unparseable one has no network", ABSENT),
        Column(
            "record", pa.string(), "token of the record looked up or written to", "no record is concerned, or " + ABSENT
        ),
        Column("n_records", pa.int32(), "records that the answer showed", "1 on success, 0 on failure"),
        Column("service", pa.string(), "the portal's service", ABSENT),
        Column("channel", pa.string(), "people's portal or practice software", "portal", CHANNELS),
        Column("auth_mode", pa.string(), "how the session was opened (password, card, …)", ABSENT),
        Column("record_id_mode", pa.string(), "how the record was identified", ABSENT, RECORD_ID_MODES),
        Column("session", pa.string(), "session id", ABSENT),
        Column("user_agent", pa.string(), "as logged", ABSENT),
        Column("profession", pa.string(), "the account's profession", ABSENT),
        Column("organisation", pa.string(), "the account's organisation", ABSENT),
        Column("delegate", pa.string(), "the person who acted for the account", "the account itself, or " + ABSENT),
        Column("record_sex", pa.string(), "first digit of the identifier", "no identifier"),
        Column("record_decade", pa.int32(), "birth decade from the identifier: 0 to 9, no century", "no identifier"),
        Column("record_department", pa.string(), "birth department from the identifier", "no identifier"),
        Column("record_key_ok", pa.bool_(), "the identifier's check key is right", "no identifier, or it has no key"),
        Column("source", pa.string(), "file the event comes from"),
        Column("line", pa.int64(), "line in that file, from 1; row for Parquet"),
    ),
)
RECORD_CODE = "record_code"
"""A column that events may have beside, for one run: 64 bits that tell records apart without their tokens."""

REJECTS = Table(
    "rejects",
    "one row per line that could not be read",
    (
        Column("source", pa.string(), "file"),
        Column("line", pa.int64(), "line, from 1; row for Parquet; 0 for the file as a whole"),
        Column("reason", pa.string(), "why, in words"),
        Column("text", pa.string(), "the line, identifiers masked, cut at 500 characters", "nothing readable"),
    ),
)


def account_day_columns() -> tuple[Column, ...]:
    """The columns that name an account, a channel and a day."""
    return (
        Column("account", pa.string(), "the account"),
        Column("channel", pa.string(), "people's portal or practice software", values=CHANNELS),
        Column("day", pa.date32(), "calendar day in the portal's zone"),
    )


ACCOUNT_SOURCES = Table(
    "account_sources",
    "one row per account, channel, day, address, user agent and way of signing in",
    (
        *account_day_columns(),
        Column("ip", pa.string(), "client address as logged", ABSENT),
        Column("user_agent", pa.string(), "as logged", ABSENT),
        Column("auth_mode", pa.string(), "how the session was opened", ABSENT),
        Column("logins", pa.int64(), "successful sign-ins"),
        Column("failures", pa.int64(), "failed sign-ins"),
        Column("lookups", pa.int64(), "look-ups, failed ones included"),
        Column("writes", pa.int64(), "successful writes and exports"),
        Column("resets", pa.int64(), "password resets, changes of the account and delegations"),
        Column("first_at", INSTANT, "first event"),
        Column("last_at", INSTANT, "last event"),
    ),
    ("account", "channel", "day", "ip", "user_agent", "auth_mode"),
)

ACCOUNT_RECORDS = Table(
    "account_records",
    "one row per account, channel, day and record",
    (
        *account_day_columns(),
        Column("record", pa.string(), "token of the record"),
        Column("lookups", pa.int64(), "successful look-ups of it"),
        Column(
            "typed_lookups", pa.int64(), "of these, with a typed identifier", "the way of identifying is not logged"
        ),
        Column("misses", pa.int64(), "failed look-ups of it"),
        Column("writes", pa.int64(), "successful writes and exports on it"),
        Column("n_records", pa.int64(), "records shown in answer to look-ups of it"),
        Column("first_at", INSTANT, "first event"),
        Column("last_at", INSTANT, "last event"),
        Column("record_sex", pa.string(), "see events", "no identifier"),
        Column("record_decade", pa.int32(), "see events", "no identifier"),
        Column("record_department", pa.string(), "see events", "no identifier"),
        Column("record_key_ok", pa.bool_(), "see events", "no identifier, or it has no key"),
        Column(
            "first_source", pa.int64(), "number of the address and agent of the first event", "summed up without it"
        ),
    ),
    ("account", "channel", "day", "record"),
)

ACCOUNT_HOURS = Table(
    "account_hours",
    "one row per account, channel and hour with an event",
    (
        *account_day_columns(),
        Column("hour", INSTANT, "start of the hour"),
        Column("lookups", pa.int64(), "look-ups, failed ones included"),
        Column("misses", pa.int64(), "failed look-ups"),
        Column(
            "new_records",
            pa.int64(),
            "records first touched in this hour, not touched by it in 28 days",
            "no past, or no tokens",
        ),
        Column("foreign_records", pa.int64(), "of these, unknown to the accounts around it", "no past, or no tokens"),
        Column("writes", pa.int64(), "successful writes and exports"),
        Column("failures", pa.int64(), "failed sign-ins"),
        Column("logins", pa.int64(), "successful sign-ins"),
        Column("resets", pa.int64(), "password resets, changes of the account and delegations"),
        Column("busiest_minute", pa.int64(), "most look-ups within one minute of the clock"),
        Column("profession", pa.string(), "the account's profession", ABSENT),
        Column("organisation", pa.string(), "the account's organisation", ABSENT),
    ),
    ("account", "channel", "hour"),
)
