"""One account's story on the terminal, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detector.explain import say_unremarkable
from detector.ledger import Alert
from detector.output.ledger import SHORT_ID, say_robot
from detector.output.rows import plain
from detector.output.table import counted
from detector.output.text import visible
from detector.story import SHOWN, Story

HEADINGS = {
    "lookups": "look-ups",
    "records": "records",
    "new_records": "new",
    "foreign_records": "foreign",
    "n_ips": "addresses",
    "failures": "failed",
    "writes": "writes",
}
COMPARISONS = {
    "value": "that day",
    "usual": "usual",
    "largest": "largest",
    "week_before": "a week before",
    "peers": "99 % of peers",
}
BAR_WIDTH = 20
MOST_TOLD = 0.995
"""Reasons that make up less of the tail sum than this are not all there is."""
UNKNOWN = "–"
NO_P = {"robot": ", no p (first batches of software have too few like them: a person looks at them)"}
"""Why an account-day of a queue has no p-value."""
ALERT = ("alert_id", "day", "severity", "records_exposed", "title", "verdict")
"""What JSON holds of an alert; `detector alerts ID` tells all of it."""


def to_json(story: Story) -> str:
    """The story as one JSON object; what is unknown is null."""
    told = {
        "account": story.account,
        "day": story.day,
        "score": story.score,
        "compared": story.compared.to_dict("records"),
        "past": story.past.to_dict("records"),
        "open_days": [each._asdict() for each in story.open_days],
        "is_explained": story.is_explained,
        "robot": None if story.robot is None else say_robot(story.robot),
        "alerts": None if story.alerts is None else [_told(each) for each in story.alerts],
    }
    return json.dumps(plain(told), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _told(alert: Alert) -> dict[str, Any]:
    return {name: getattr(alert, name) for name in ALERT}


def render_story(story: Story) -> RenderableType:
    """The account and its day, why it is strange, how it compares, and the 28 days before."""
    return Group(*_parts(story))


def _parts(story: Story) -> Iterator[RenderableType]:
    professions = story.past["profession"].dropna()
    profession = f", {visible(professions.iloc[-1].replace('_', ' '))}" if len(professions) else ""
    yield Text.assemble((visible(story.account), "bold"), profession, f" on {story.day:%A} {_long(story.day)}")
    yield from _not_told(story)
    yield from _verdict(story.score)
    if story.is_explained:
        yield Text("It would alert, but people have explained as much: nobody is told of it.")
    if story.robot is not None:
        yield Text(f"Known robot, {say_robot(story.robot)}.")
    yield Text("\nCompared with the 28 days before", style="bold")
    left_out = list(dict.fromkeys(story.past.loc[story.past["flagged"], "day"]))
    if left_out:
        yield Text(f"without {_listed(left_out)}, flagged and so no measure of what is usual", style="dim")
    yield _comparison(story.compared)
    yield Text("\nDay by day", style="bold")
    yield _days(story.past, story.day)


def _not_told(story: Story) -> Iterator[Text]:
    """What this page does not tell of, lest a quiet day read as an all-clear; and the alerts that the ledger holds."""
    for each in story.open_days:
        told = "nothing of it was read so far"
        if each.last_at is not None:
            told = (
                f"{counted(each.lookups, 'look-up')} so far, {counted(each.records, 'record')} shown, "
                f"the last event at {each.last_at:%H:%M}"
            )
        yield Text(f"NOT IN THIS PAGE: {each.day:%A} {_long(each.day)}, which is not closed: {told}.", style="bold red")
    for alert in story.alerts or ():
        records = "" if alert.records_exposed is None else f", {counted(alert.records_exposed, 'record')}"
        yield Text(
            f"Alert {alert.alert_id[:SHORT_ID]} of {alert.day}, {alert.severity}{records}, "
            f"{alert.verdict or 'open'}: {visible(alert.title)}",
            style="red",
        )
    if story.alerts:
        yield Text("`detector alerts ID` tells all of an alert.")
    elif story.open_days:
        yield Text(
            "No alert on it stands in the ledger, which is no all-clear: a day is judged as a whole once it is over."
            if story.alerts is not None
            else "There is no ledger here that could hold alerts on it: this is no all-clear."
        )


def _listed(days: Sequence[date]) -> str:
    told = [f"{day.day} {day:%B}" for day in days]
    return f"{', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else told[0]


def _long(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _verdict(score: Mapping[str, Any] | None) -> Iterator[Text]:
    if score is None:
        yield Text("It was not active that day.")
        return
    p_value = NO_P.get(score["queue"], "") if pd.isna(score["p_value"]) else f", p {score['p_value']:.2g}"
    cold = " (cold: compared with the day's peers alone)" if score["cold"] else ""
    alert = " It alerts." if score["alert"] else ""
    yield Text(f"Score {score['score']:.2f}{p_value}, number {score['rank']} of the day{cold}.{alert}")
    for reason in score["reasons"]:
        yield Text(f"  · {visible(reason['sentence'])}")
    told = sum(reason["contribution"] for reason in score["reasons"])
    if told < MOST_TOLD * score["tail_sum"]:
        yield Text(
            f"  These are {told / score['tail_sum']:.0%} of what adds up; lesser signs are the rest.", style="dim"
        )
    if isinstance(score["campaign"], str):
        pooled = score["campaign_p_value"]
        together = "" if pd.isna(pooled) else f", pooled p {pooled:.2g}"
        yield Text(f"  Driven together with others: campaign {score['campaign']}{together}.")
    unremarkable = say_unremarkable(score.get("unremarkable_without"), "en")
    if unremarkable:
        yield Text(f"  {unremarkable}")


def _comparison(compared: pd.DataFrame) -> Table:
    table = _table("signal", *COMPARISONS.values())
    for row in compared.to_dict("records"):
        beyond = row["value"] > max((row[n] for n in ("largest", "peers") if not pd.isna(row[n])), default=float("inf"))
        cells = [_number(row[name]) for name in COMPARISONS]
        table.add_row(str(row["signal"]).replace("_", " "), *cells, style="bold red" if beyond else "")
    return table


def _days(past: pd.DataFrame, day: date) -> Table:
    table = _table("day", *HEADINGS.values())
    table.add_column("")
    several = past["channel"].nunique() > 1
    most = max(past["records"].max(), 1) if past["records"].notna().any() else 1
    for row in past.to_dict("records"):
        channel = f" {row['channel']}" if several else ""
        bar = "" if pd.isna(row["records"]) else "█" * round(BAR_WIDTH * row["records"] / most)
        cells = [_number(row[name]) for name in SHOWN]
        title = f"{row['day']:%a} {row['day']}{channel}{' flagged' if row['flagged'] else ''}"
        table.add_row(title, *cells, bar, style="bold" if row["day"] == day else "")
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _number(value: Any) -> str:
    if pd.isna(value):
        return UNKNOWN
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
