"""Write the pages that are made from the code: `make docs`. A test compares them with what the code says now.

A new page is one function that returns its text, and one line in `PAGES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from detector import schema
from detector.deviations import EXCESSES
from detector.evaluate.truth import BENIGN_KINDS, CAMPAIGNS, TRUTH_ACCOUNTS, TRUTH_EVENTS
from detector.features.page import features_page
from detector.schema import Column, Table
from detector.simulate.page import scenarios_page
from detector.simulate.scenarios import SCENARIOS

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


_MEASURING = """\
## Measuring

`detector evaluate DUMPS… --truth DIR` scores dumps whose truth is known, and tells what was found, when, and how much was
gone by then; simple detectors stand beside. The dumps are Parquet events, one file a day, named after the day; of a
folder, all Parquet files in it but those of the truth: `detector evaluate portal --truth portal/truth --mapping
portal/mapping.toml`. The truth may be anybody's, if it has the columns below.

| option | meaning |
| --- | --- |
| `--truth DIR` | the folder with the four tables of the truth |
| `--history DIR` | what the detector knows of the past: all days of the dumps are judged. Without it the last 7 are, and the days before, more than 14, are learned |
| `--mapping FILE` | how the dumps are read; `mapping.toml` beside simulated ones |
| `--format table`, `json` | of what is printed; JSON has every limit, the tables one of each kind |
| `--key-file FILE` | the key that makes tokens of identifiers; without one the key beside the history, else one that is known |
| `--config FILE` | `detector.toml`, for everything else |

Its tables name scenarios by their short names:
"""  # noqa: E501 - a table's row is one line


def worlds_page() -> str:
    """Return the page of simulated portals: what is in them, how a detector is measured on them, and the truth."""
    names = [f"| `{scenario.name}` | {scenario.title} |" for scenario in SCENARIOS]
    truth = [line for table in (TRUTH_EVENTS, CAMPAIGNS, TRUTH_ACCOUNTS, BENIGN_KINDS) for line in _truth_lines(table)]
    rest = [_MEASURING, "| name | scenario |", "| --- | --- |", *names, "", "## Columns of the truth", *truth, ""]
    return scenarios_page() + "\n" + "\n".join(rest)


def _truth_lines(table: Table) -> Iterable[str]:
    name = table.name.removeprefix("truth_")
    yield from ("", f"### truth/{name}.parquet", "", f"{table.grain[0].upper()}{table.grain[1:]}.", "")
    yield from ("| column | type | meaning | null |", "| --- | --- | --- | --- |")
    yield from (_column_line(column) for column in table.columns)


PAGES: dict[str, Callable[[], str]] = {
    "features.md": lambda: features_page(EXCESSES),
    "tables.md": tables_page,
    "scenarios.md": worlds_page,
}
"""File name in `docs/` → what writes its text."""


def main() -> None:
    """Write every page."""
    for name, text_of in PAGES.items():
        (FOLDER / name).write_text(text_of())
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
