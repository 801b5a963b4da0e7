"""The ledger's lists, on the terminal or for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detector.ledger import Alert, Robot
from detector.output.rows import plain
from detector.output.table import counted
from detector.output.text import cell, visible

SHORT_ID = 8
"""Digits of an id in the table: enough to type, `detector verdict` takes the beginning."""
COLUMNS = (
    "alert_id",
    "kind",
    "day",
    "account",
    "severity",
    "records_exposed",
    "queue",
    "checks",
    "campaign",
    "title",
    "alert_at",
    "raised_at",
    "changed_at",
    "verdict",
    "author",
    "note",
    "judged_at",
)
COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": ""}
UNKNOWN = "–"


def alerts_to_json(alerts: Sequence[Alert]) -> str:
    """One JSON array, an object per alert with all that the ledger holds of it."""
    return json.dumps(plain([asdict(each) for each in alerts]), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def alerts_to_csv(alerts: Sequence[Alert]) -> str:
    """CSV with a header; no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in alerts:
        writer.writerow([_cell(getattr(each, name)) for name in COLUMNS])
    return text.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case list():
            return cell(", ".join(map(str, value)))
        case str():
            return cell(value)
        case datetime():
            return value.isoformat()
    return str(value)


ACCOUNT_WIDTH, LONGEST_NAME = 40, 120
"""Whatever name somebody gives himself at sign-in, the ids beside it can be read."""


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"


def render_alerts(alerts: Sequence[Alert]) -> RenderableType:
    """A line an alert, the newest day first."""
    if not alerts:
        return Text("no alert")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("alert", "day", "severity"):
        table.add_column(name, no_wrap=True)
    table.add_column("account", overflow="fold", max_width=ACCOUNT_WIDTH)
    table.add_column("records", justify="right")
    table.add_column("verdict")
    if any(each.campaign for each in alerts):
        table.add_column("campaign", no_wrap=True)
    table.add_column("why", overflow="fold")
    for each in alerts:
        table.add_row(
            each.alert_id[:SHORT_ID],
            str(each.day),
            Text(each.severity, style=COLOURS[each.severity]),
            _short(visible(each.account)) if each.account is not None else UNKNOWN,
            UNKNOWN if each.records_exposed is None else f"{each.records_exposed:,}",
            each.verdict or "open",
            *([visible(each.campaign or "")] if any(one.campaign for one in alerts) else []),
            Text(visible(each.title)),
        )
    unjudged = sum(each.verdict is None for each in alerts)
    return Group(table, Text(f"\n{counted(len(alerts), 'alert')}, {unjudged} of them open"))


def say_robot(robot: Robot) -> str:
    """An entry in one line."""
    says = f"says {visible(robot.author)}: {visible(robot.reason)}"
    return f"up to {robot.ceiling:,} look-ups a day until {robot.expires}, {says}"


def render_robots(robots: Sequence[Robot], *, today: date) -> RenderableType:
    """A line a known robot; whose end is past is judged as anybody, and marked."""
    if not robots:
        return Text("no known robot")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("account", "ceiling", "until", "by", "why"):
        table.add_column(name, justify="right" if name == "ceiling" else "left")
    for each in robots:
        table.add_row(
            visible(each.account),
            f"{each.ceiling:,}",
            f"{each.expires}{' (expired)' if each.expires < today else ''}",
            visible(each.author),
            visible(each.reason),
        )
    return table
