"""What a drill found, on the terminal, as JSON or CSV, and as a folder with a picture."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detector.drill.drill import Drilled
from detector.drill.picture import draw_drill
from detector.evaluate.plots import save
from detector.output.folders import whole_folder
from detector.output.rows import plain
from detector.output.text import cell, visible

MARK = "drill.json"
UNKNOWN = "–"
HEADS = [
    "records\ntaken",
    "victims\ncaught",
    "only for\nreview",
    "best\nrank",
    "gone, judged\nby the day",
    "gone, judged\nby the minute",
    "time to\nalert",
]
CAPPED = "days if\ncapped"
GONE = "gone: records taken before the first alert, of the median victim (of the worst)"


def render_drill(drilled: Drilled) -> RenderableType:
    """Tables to read: what each attack came to, the false-alert load, and what a cap would do."""
    injected = drilled.summary[drilled.summary["victims"] > 0]
    parts: list[RenderableType] = [Text(_title(drilled, injected=len(injected)), style="bold")]
    if len(injected):
        parts += [_attacks(drilled, injected), Text(GONE, style="dim")]
    parts += [*_not_injected(drilled), Text(), _load(drilled)]
    if drilled.settings.cap is not None:
        parts.append(_cap(drilled))
    return Group(*parts)


def _title(drilled: Drilled, *, injected: int) -> str:
    days = drilled.load["day"]
    where = "events" if drilled.from_events else "sums held in the history"
    span = f"{days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}"
    what = f"{injected} of {len(drilled.summary)} attacks injected" if injected else "No attack could be injected"
    return f"{what} into copies of {len(days)} days ({span}), as {where}{', cold' if drilled.cold else ''}"


def _not_injected(drilled: Drilled) -> list[RenderableType]:
    """A line for each reason why attacks could not be injected: nothing is known of those."""
    rows = drilled.summary[drilled.summary["not_injected"].notna()]
    named = rows.groupby("not_injected", sort=False)["scenario"].agg(", ".join)
    lines = [Text(f"Not injected: {visible(names)}: {visible(str(why))}.") for why, names in named.items()]
    return [Text(), *lines] if lines else []


def _attacks(drilled: Drilled, injected: pd.DataFrame) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("\nattack", header_style="dim", no_wrap=True)
    for head in HEADS + ([CAPPED] if drilled.settings.cap else []):
        table.add_column(head, justify="right", header_style="dim")
    for row in injected.to_dict("records"):
        cells = [
            _number(row["records"]),
            f"{row['caught']} of {row['victims']}",
            str(row["review"]),
            _number(row["rank"]),
            _pair(row, "gone_by_day"),
            _pair(row, "gone_by_minute"),
            _hours(row["hours_by_minute"] if drilled.from_events else row["hours_by_day"]),
        ]
        table.add_row(
            visible(row["scenario"]),
            *cells,
            *([str(row["capped_days"])] if drilled.settings.cap else []),
        )
    return table


def _number(value: Any) -> str:
    return UNKNOWN if pd.isna(value) else f"{value:,.0f}"


def _pair(row: dict[Any, Any], name: str) -> str:
    """Median, and the worst."""
    return f"{_number(row[f'{name}_median'])} ({_number(row[f'{name}_worst'])})"


def _hours(hours: Any) -> str:
    if pd.isna(hours):
        return "never"
    return f"{60 * hours:.0f} min" if hours < 1 else f"{hours:.1f} h"


def _load(drilled: Drilled) -> Text:
    load = drilled.load
    alerts, reviews = load["alerts"], load["reviews"]
    return Text(
        f"Untouched, these days raise {alerts.mean():.1f} alerts a day (at most {alerts.max()}) and put "
        f"{reviews.mean():.1f} accounts a day up for review, of {load['accounts'].mean():,.0f} active accounts."
    )


def _cap(drilled: Drilled) -> Text:
    cap, rows = drilled.settings.cap or 0, drilled.cap
    share = rows["hit"].sum() / rows["accounts"].sum() if len(rows) else 0.0
    return Text(
        f"A cap of {cap:,} records a day would have hit {rows['hit'].mean():.1f} accounts a day that did not alert "
        f"({share:.2%} of their account-days, at most {rows['hit'].max()} on a day)."
    )


def to_json(drilled: Drilled) -> str:
    """One JSON object: the tables as lists of objects, and how the drill was run; what is unknown is null."""
    tables = {name: getattr(drilled, name) for name in ("summary", "victims", "load", "cap")}
    document: dict[str, Any] = {name: [plain(row) for row in rows.to_dict("records")] for name, rows in tables.items()}
    how = {"cold": drilled.cold, "from_events": drilled.from_events, "warnings": drilled.warnings}
    document |= {
        "settings": drilled.settings.model_dump(mode="json"),
        **{key: plain(value) for key, value in how.items()},
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(rows: pd.DataFrame) -> str:
    """CSV with a header; no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows.columns)
    for row in rows.to_dict("records"):
        writer.writerow([_cell(plain(row[name])) for name in rows.columns])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else cell(str(value))


def write_drill(drilled: Drilled, out: Path) -> None:
    """Write `drill.json`, `summary.csv`, `victims.csv` and `drill.svg` to a folder, which appears whole or not at all.

    Raises
    ------
    ConfigError
        If the folder holds other things, or cannot be written.
    """
    with whole_folder(out, mark=MARK) as folder:
        (folder / MARK).write_text(to_json(drilled), encoding="utf-8")
        (folder / "summary.csv").write_text(to_csv(drilled.summary), encoding="utf-8")
        (folder / "victims.csv").write_text(to_csv(drilled.victims), encoding="utf-8")
        save(draw_drill(drilled.victims, load=drilled.load), path=folder / "drill.svg")
