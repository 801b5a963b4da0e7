"""The ranked accounts of a day on the terminal: who, how strange, and why, in as many columns as there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detector.output.text import visible

MOST_REASONS = 3
"""Two or three reasons are read; five are not."""
LABELS = {
    "main": "alert",
    "check": "check",
    "budget": "slow",
    "newcomer": "newcomer",
    "robot": "robot",
}
"""Queue → what the table calls it."""
STYLES = {"main": "bold red", "check": "bold red", "budget": "yellow", "newcomer": "yellow", "robot": "yellow"}
NARROW = 90
"""Columns under which the number of records stands in the reasons alone."""


def render_days(scores: pd.DataFrame, fired: pd.DataFrame, *, top: int, width: int) -> RenderableType:
    """The strangest accounts of each day, the oldest day first.

    Parameters
    ----------
    scores
        `SCORES`.
    fired
        Deterministic checks that fired.
    top
        Accounts of each day that are shown; all that alert always are.
    width
        Columns of the terminal.
    """
    parts: list[RenderableType] = []
    for day, rows in scores.groupby("day", sort=True):
        parts += [*_day(day, rows.sort_values("rank"), fired[fired["day"] == day], top=top, width=width), Text()]
    return Group(*parts[:-1]) if parts else Text("No account to score: the dumps name none.")


def _day(day: Any, rows: pd.DataFrame, fired: pd.DataFrame, *, top: int, width: int) -> Iterator[RenderableType]:
    yield _title(day, rows)
    portal = fired[fired["account"].isna()]
    for row in portal.to_dict("records"):
        yield Text(f"Portal: {visible(row['evidence'])} ({row['check']})", style="bold red")
    shown = rows[rows["alert"] | (rows["rank"] <= top)]
    yield _table(shown, fired, width=width)
    yield from _remainder(rows, shown)


def _title(day: Any, rows: pd.DataFrame) -> Text:
    cold = " (cold: compared with the day's peers alone)" if rows["cold"].any() else ""
    alerts = int(rows["alert"].sum())
    found = f"{alerts} alert{'s' if alerts != 1 else ''}" if alerts else "no alert"
    return Text.assemble((f"{_long(day)}", "bold"), f"  {len(rows):,} accounts scored, {found}{cold}")


def _long(day: Any) -> str:
    as_day: date = pd.Timestamp(day).date()
    return f"{as_day:%A} {as_day.day} {as_day:%B %Y}"


def _table(rows: pd.DataFrame, fired: pd.DataFrame, *, width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), width=width, header_style="dim")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("account", overflow="fold", max_width=max(12, width // 5))
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("queue", no_wrap=True)
    if width >= NARROW:
        table.add_column("records", justify="right", no_wrap=True)
    table.add_column("why", ratio=1, overflow="fold")
    evidence = fired.dropna(subset="account").groupby("account")["evidence"].agg(list).to_dict()
    for row in rows.to_dict("records"):
        table.add_row(*_cells(row, evidence.get(row["account"], ()), width=width))
    return table


def _cells(row: Mapping[Any, Any], evidence: Iterable[str], *, width: int) -> Iterator[Text]:
    queue = row["queue"] if isinstance(row["queue"], str) else ""
    style = STYLES.get(queue, "")
    yield Text(str(row["rank"]), style=style)
    yield _account(row, style)
    yield _score(row, style)
    yield Text(LABELS.get(queue, queue) or "–", style=style or "dim")
    if width >= NARROW:
        yield Text(_count(row["records"]))
    yield Text(why(row, evidence), style="" if queue else "dim")


def _account(row: Mapping[Any, Any], style: str) -> Text:
    profession = row["profession"] if isinstance(row["profession"], str) else ""
    below = [profession] + (["software"] if row["channel"] == "software" else [])
    return Text.assemble((visible(row["account"]), style), ("\n" + visible(", ".join(filter(None, below))), "dim"))


def _score(row: Mapping[Any, Any], style: str) -> Text:
    text = Text(f"{row['score']:.2f}", style=style)
    return text if pd.isna(row["p_value"]) else text.append(f"\np {_p_value(row['p_value'])}", style="dim not bold")


def _p_value(value: float) -> str:
    return f"{value:.1g}" if value >= 1e-9 else "<1e-9"


def _count(value: Any) -> str:
    return "–" if pd.isna(value) else f"{int(value):,}"


def why(row: Mapping[Any, Any], evidence: Iterable[str] = ()) -> str:
    """The reasons that matter in one line: what checks saw, then the weightiest sentences."""
    sentences = [*evidence, *(reason["sentence"] for reason in list(row["reasons"])[:MOST_REASONS])]
    return visible("; ".join(sentences)) or "nothing unusual"


def _remainder(rows: pd.DataFrame, shown: pd.DataFrame) -> Iterator[Text]:
    rest = rows[rows["queue"].notna() & ~rows.index.isin(shown.index)]
    if len(rest):
        counts = ", ".join(f"{n} {LABELS[str(queue)]}" for queue, n in rest["queue"].value_counts().items())
        yield Text(f"Not shown, waiting for review: {counts} (--top shows more)", style="dim")
