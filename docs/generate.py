"""Write the pages that are made from the code: `make docs`. A test compares them with what the code says now.

A new page is one function that returns its text, and one line in `PAGES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from detector import schema
from detector.features.page import features_page
from detector.schema import Column, Table
from detector.simulate.page import scenarios_page

FOLDER = Path(__file__).resolve().parent


def tables_page() -> str:
    """Return the reference of every table: grain, key, and each column's type, meaning, values and null."""
    tables = [value for value in vars(schema).values() if isinstance(value, Table)]
    head = [
        "# Tables",
        "",
        "Made from `detector/schema.py` by `make docs`. Instants are UTC, to the microsecond; a day is a calendar day",
        "in the portal's zone. A column without a word under *null* is never null.",
    ]
    return "\n".join([*head, *(line for table in tables for line in _table_lines(table)), ""])


def _table_lines(table: Table) -> Iterable[str]:
    yield from ("", f"## {table.name}", "", f"{table.grain[0].upper()}{table.grain[1:]}.")
    if table.key:
        yield f"Key: {', '.join(f'`{name}`' for name in table.key)}."
    yield from ("", "| column | type | meaning | null |", "| --- | --- | --- | --- |")
    yield from (_column_line(column) for column in table.columns)


def _column_line(column: Column) -> str:
    values = f": {', '.join(f'`{value}`' for value in column.values)}" if column.values else ""
    cells = (f"`{column.name}`", f"`{column.type}`", column.meaning + values, column.null)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


PAGES: dict[str, Callable[[], str]] = {
    "features.md": features_page,
    "tables.md": tables_page,
    "scenarios.md": scenarios_page,
}
"""File name in `docs/` → what writes its text."""


def main() -> None:
    """Write every page."""
    for name, text_of in PAGES.items():
        (FOLDER / name).write_text(text_of())
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
