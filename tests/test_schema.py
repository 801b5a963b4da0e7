"""The border check: what `Table.check` lets through, and what it says of what it does not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from detector import schema
from detector.errors import SchemaError
from detector.schema import INSTANT, Column, Table

FRUIT = Table(
    "fruit",
    "one row per shop and fruit",
    (
        Column("shop", pa.string(), "the shop"),
        Column("fruit", pa.string(), "what it sells", values=("apple", "pear")),
        Column("pieces", pa.int32(), "how many", "not counted"),
        Column("ripe", pa.string(), "as seen", "not looked at", values=("yes", "no")),
    ),
    ("shop", "fruit"),
)
TABLES = {name: value for name, value in vars(schema).items() if isinstance(value, Table)}


def fruit(**columns: list[Any]) -> pa.Table:
    """Two faultless rows, with the given columns instead of theirs; an empty list leaves the column out."""
    rows = {"shop": ["a", "b"], "fruit": ["apple", "pear"], "pieces": [1, None], "ripe": ["yes", None], **columns}
    return pa.table({name: values for name, values in rows.items() if values})


def faults_of(data: pa.Table) -> str:
    """The message of the error that the check raises."""
    with pytest.raises(SchemaError) as raised:
        FRUIT.check(data)
    return str(raised.value)


def test_a_faultless_table_passes_unchanged() -> None:
    """Values stay, types become the stated ones, nullability is stated."""
    checked = FRUIT.check(fruit())
    assert checked.to_pylist() == fruit().to_pylist()
    assert checked.schema == FRUIT.arrow
    assert not checked.schema.field("shop").nullable


def test_columns_come_out_in_the_stated_order() -> None:
    """The order of the input's columns does not matter."""
    assert FRUIT.check(fruit().select(["ripe", "fruit", "pieces", "shop"])).equals(FRUIT.check(fruit()))


def test_the_input_is_left_as_it_was() -> None:
    """Checking makes a new table."""
    data = fruit()
    FRUIT.check(data)
    assert data.schema.field("pieces").type == pa.int64()


def test_a_nullable_column_that_is_absent_becomes_null() -> None:
    """What a source does not have is null, of the stated type."""
    checked = FRUIT.check(fruit(pieces=[]))
    assert checked.column("pieces").to_pylist() == [None, None]
    assert checked.schema.field("pieces").type == pa.int32()


def test_a_required_column_that_is_absent_is_a_fault() -> None:
    """The message names the column and its type."""
    assert "missing column 'shop' (string)" in faults_of(fruit(shop=[]))


def test_an_unknown_column_is_a_fault() -> None:
    """A column that the table does not state is refused, not dropped."""
    assert "unknown column 'colour'" in faults_of(fruit(colour=["red", "green"]))


def test_a_column_that_stands_twice_is_a_fault() -> None:
    """Two columns of one name are refused, since either may be the right one."""
    data = fruit()
    assert "column 'shop' stands 2 times" in faults_of(data.append_column("shop", data.column("fruit")))


@pytest.mark.parametrize("pieces", [[1.5, 2.0], ["many", "few"], [2**40, 1], [[1], [2]]])
def test_a_type_that_does_not_cast_without_loss_is_a_fault(pieces: list[Any]) -> None:
    """Fractions, words, overflow and lists do not become whole numbers."""
    assert "column 'pieces' is" in faults_of(fruit(pieces=pieces))


def test_a_whole_number_written_as_float_or_text_is_cast() -> None:
    """A cast that loses nothing is made."""
    assert FRUIT.check(fruit(pieces=[3.0, None])).column("pieces").to_pylist() == [3, None]
    assert FRUIT.check(fruit(pieces=["3", "4"])).column("pieces").to_pylist() == [3, 4]


def test_a_null_where_none_is_allowed_is_a_fault() -> None:
    """The message counts them."""
    assert "column 'shop' has 1 nulls" in faults_of(fruit(shop=["a", None]))


def test_a_value_that_is_not_stated_is_a_fault() -> None:
    """The message shows what was found and what is expected; null in a nullable column is no such value."""
    assert "column 'fruit' has ['plum'], expected one of apple, pear" in faults_of(fruit(fruit=["apple", "plum"]))
    assert FRUIT.check(fruit(ripe=["no", None])).column("ripe").to_pylist() == ["no", None]


def test_a_repeated_key_is_a_fault() -> None:
    """Two rows for one shop and fruit are one too many, whatever else they hold."""
    assert "1 rows repeat the key shop, fruit" in faults_of(fruit(shop=["a", "a"], fruit=["pear", "pear"]))
    assert FRUIT.check(fruit(shop=["a", "a"])).num_rows == 2


def test_all_faults_are_told_at_once() -> None:
    """One run shows everything that is to be mended, with the table and its grain."""
    message = faults_of(fruit(shop=["a", None], fruit=["plum", "pear"], pieces=["x", "y"], colour=["red", "red"]))
    assert message.startswith("table fruit (one row per shop and fruit): ")
    for fault in ("unknown column 'colour'", "'shop' has 1 nulls", "'fruit' has ['plum']", "'pieces' is string"):
        assert fault in message


def test_an_instant_finer_than_a_microsecond_is_a_fault() -> None:
    """Nanoseconds that would be lost are refused; whole microseconds are cast."""
    table = Table("t", "one row per instant", (Column("at", INSTANT, "when"),))
    exact = pa.array([1_000], pa.timestamp("ns", tz="UTC"))
    assert table.check(pa.table({"at": exact})).column("at").to_pylist() == [datetime(1970, 1, 1, 0, 0, 0, 1, UTC)]
    with pytest.raises(SchemaError, match=r"column 'at' is timestamp"):
        table.check(pa.table({"at": pa.array([1_001], pa.timestamp("ns", tz="UTC"))}))


def test_an_instant_without_a_zone_is_a_fault() -> None:
    """A wall clock's time is not taken for UTC: reading must say which zone it is."""
    table = Table("t", "one row per instant", (Column("at", INSTANT, "when"),))
    with pytest.raises(SchemaError, match=r"column 'at' is timestamp.*an instant needs its zone"):
        table.check(pa.table({"at": pa.array([datetime(2026, 3, 1)], pa.timestamp("us"))}))  # noqa: DTZ001


def test_the_same_instant_in_another_zone_is_the_same_instant() -> None:
    """Paris midnight is 23:00 UTC the day before."""
    table = Table("t", "one row per instant", (Column("at", INSTANT, "when"),))
    paris = pa.array([datetime(2026, 2, 28, 23, tzinfo=UTC)], pa.timestamp("us", tz="Europe/Paris"))
    assert table.check(pa.table({"at": paris})).column("at").to_pylist() == [datetime(2026, 2, 28, 23, tzinfo=UTC)]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_each_table_accepts_its_own_empty_table(name: str) -> None:
    """Nothing read is a table with no row, of every stated column."""
    table = TABLES[name]
    assert table.check(table.empty()).schema == table.arrow


@pytest.mark.parametrize("name", sorted(TABLES))
def test_each_table_is_well_stated(name: str) -> None:
    """Column names differ, keys are columns, every column has a meaning, and the grain is a sentence."""
    table = TABLES[name]
    assert len(set(table.names)) == len(table.names)
    assert set(table.key) <= set(table.names)
    assert all(column.meaning for column in table.columns)
    assert table.grain.startswith("one row per ")


def test_days_are_dates_without_a_clock() -> None:
    """A moment within a day does not pass for a calendar day; its first one, as pandas writes a day, does."""
    table = Table("t", "one row per day", (Column("day", pa.date32(), "the day"),))
    midnight = pa.array([datetime(2026, 3, 1)], pa.timestamp("ns"))  # noqa: DTZ001 - a day has no zone
    for days in (pa.array([date(2026, 3, 1)]), midnight):
        assert table.check(pa.table({"day": days})).column("day").to_pylist() == [date(2026, 3, 1)]
    with pytest.raises(SchemaError, match=r"column 'day' is timestamp.*a day has no time of day"):
        table.check(pa.table({"day": [datetime(2026, 3, 1, 12, tzinfo=UTC)]}))
