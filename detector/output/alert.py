"""One alert as a page: all that an operator needs at three in the morning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detector.ledger.told import Told, Whole
from detector.output.ledger import COLOURS, SHORT_ID, UNKNOWN, say_robot
from detector.output.rows import plain
from detector.output.table import counted
from detector.output.text import visible

MOST_SOURCES = 20
"""More places are counted; `--format json` has them all."""


def whole_to_json(whole: Whole) -> str:
    """A JSON array of one object: the alert's fields, and its updates, verdicts, deliveries and campaign's members."""
    told = asdict(whole)
    row = {**told.pop("alert"), **told, "deliveries": told["told"]}
    del row["told"]
    return json.dumps([plain(row)], indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def render_whole(whole: Whole, *, zone: str) -> RenderableType:
    """The alert, why, from where, what became of it, who was told, and what to do; times in `zone`."""
    return Group(*_parts(whole, ZoneInfo(zone)))


def _parts(whole: Whole, zone: ZoneInfo) -> Iterator[RenderableType]:
    alert = whole.alert
    yield Text.assemble(
        (f"{alert.severity.upper()} ", COLOURS[alert.severity]), (visible(alert.title), "bold"), f"\n{alert.alert_id}\n"
    )
    yield _facts(whole, zone)
    yield from _section("Why", [f"· {visible(each)}" for each in alert.reasons])
    yield from _sources(whole, zone)
    if alert.campaign is not None:
        others = [
            f"{visible(each.account or UNKNOWN)}, {each.severity}, {_count(each.records_exposed)} records "
            f"({each.alert_id[:SHORT_ID]})"
            for each in whole.members
        ]
        yield from _section(f"Others in campaign {visible(alert.campaign)}", others or ["none has an alert"])
    yield from _section(
        "What became of it",
        [
            f"{_at(each.at, zone)} {'raised' if each.before is None else f'from {each.before}'} "
            f"{'as' if each.before is None else 'to'} {each.after}, {_count(each.records_exposed)} records"
            for each in whole.updates
        ],
    )
    yield from _section(
        "What people said",
        [
            f"{_at(each.at, zone)} {each.verdict}, says {visible(each.author)}: {visible(each.note)}"
            for each in whole.verdicts
        ]
        or ["nothing yet"],
    )
    yield from _section("Who was told", [_delivery(each, zone) for each in whole.told] or ["nobody"])
    short = alert.alert_id[:SHORT_ID]
    yield Text(f"\nNext: detector verdict {short} malicious|benign|unknown --note WHY", style="dim")


def _facts(whole: Whole, zone: ZoneInfo) -> Table:
    alert = whole.alert
    written = sum(int(each.get("writes") or 0) for each in alert.evidence)
    facts = {
        "account": None if alert.account is None else visible(alert.account),
        "day": f"{alert.day:%A} {alert.day}",
        "records shown": _count(alert.records_exposed),
        "writes": f"{written:,}" if alert.evidence else UNKNOWN,
        "first event": _at(alert.first_at, zone),
        "last event": _at(alert.last_at, zone),
        "alerting since": _at(alert.alert_at, zone),
        "recorded": f"{_at(alert.raised_at, zone)}, changed {_at(alert.changed_at, zone)}",
        "channel": alert.channel,
        "checks": ", ".join(alert.checks) or "none",
        "campaign": _campaign(whole),
        "score": UNKNOWN
        if alert.score is None or (alert.score == 0 and alert.p_value is None)
        else f"{alert.score:.2f}",
        "p": UNKNOWN if alert.p_value is None else f"{alert.p_value:.2g}",
        "verdict": alert.verdict or "open",
    }
    if whole.robot is not None:
        facts["known robot"] = say_robot(whole.robot)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, UNKNOWN if value is None else value)
    return table


def _campaign(whole: Whole) -> str | None:
    """Its name, how many accounts have an alert in it, and the records shown to them in sum."""
    if whole.alert.campaign is None:
        return None
    counts = [whole.alert.records_exposed, *(each.records_exposed for each in whole.members)]
    known = [each for each in counts if each is not None]
    least = "at least " if len(known) < len(counts) else ""
    total = f", {least}{sum(known):,} records shown, summed over accounts" if known else ""
    return f"{visible(whole.alert.campaign)}, {counted(len(counts), 'account')}{total}"


def _sources(whole: Whole, zone: ZoneInfo) -> Iterator[RenderableType]:
    """Addresses and browsers with what was done from each; the files and lines, where they are known."""
    places = whole.alert.evidence
    yield Text(f"\nFrom where, times in {zone.key}", style="bold")
    if not places:
        yield Text("  no event of it is held: `detector show ACCOUNT` and `detector incident` tell more")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("address", "look-ups", "writes", "first", "last", "browser, file and lines"):
        table.add_column(
            name, justify="right" if name in ("look-ups", "writes") else "left", overflow="fold", no_wrap=False
        )
    for each in places[:MOST_SOURCES]:
        lines = f" · {each['source']}, lines {each.get('first_line')} to {each.get('last_line')}"
        agent = visible(str(each.get("user_agent") or UNKNOWN))
        table.add_row(
            visible(str(each.get("ip") or UNKNOWN)),
            _count(each.get("lookups")),
            _count(each.get("writes")),
            _clock(each.get("first_at"), zone),
            _clock(each.get("last_at"), zone),
            Text(agent + (visible(lines) if each.get("source") else "")),
        )
    yield table
    if len(places) > MOST_SOURCES:
        yield Text(f"  and {counted(len(places) - MOST_SOURCES, 'more place')}: --format json lists them")


def _section(title: str, lines: list[str]) -> Iterator[Text]:
    if lines:
        yield Text(f"\n{title}", style="bold")
        yield from (Text(f"  {line}") for line in lines)


def _delivery(told: Told, zone: ZoneInfo) -> str:
    state = told.state.replace("_", " ")
    at = f" {_at(told.delivered_at, zone)}" if told.delivered_at is not None else ""
    error = f", {counted(told.attempts, 'attempt')}: {visible(told.last_error)}" if told.last_error else ""
    return f"{visible(told.receiver)}: {told.severity}, {state}{at}{error}"


def _count(value: Any) -> str:
    return UNKNOWN if value is None else f"{int(value):,}"


def _at(instant: datetime | None, zone: ZoneInfo) -> str:
    return UNKNOWN if instant is None else f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def _clock(text: str | None, zone: ZoneInfo) -> str:
    return UNKNOWN if not text else f"{datetime.fromisoformat(text).astimezone(zone):%H:%M:%S}"
