"""The ranked accounts of a day on the terminal: who, how strange, and why, in as many columns as there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detector.explain import topic_of
from detector.features import BY_NAME
from detector.output.text import visible

MOST_REASONS = 3
"""Two or three reasons are read; five are not."""
REVIEWS = {"budget": "slow", "newcomer": "newcomer", "robot": "first batch"}
"""Queues that wait for review, and what the table calls them."""
MOST_NAMED = 6
"""Accounts of a campaign in its line; each has its own row below."""
STORY = ("volume", "who", "stranger", "where", "writes", "source", "rhythm")
"""How a person would tell it: how much, of whom, from where, and when; families of signals."""
SAID_BY_CHECK: dict[str, tuple[str, ...]] = {
    "volume_tier": ("records",),
    "reset_then_bulk": ("new_source_uses", "reset_then_new_source"),
    "tool_agent": ("new_agent_uses",),
}
"""Check → topics of reasons that repeat what it saw."""
NARROW = 90
"""Columns under which the number of records stands in the reasons alone."""


class Section(NamedTuple):
    """Accounts of a day that are shown together."""

    title: str
    style: str
    rows: pd.DataFrame


def render_days(
    scores: pd.DataFrame,
    fired: pd.DataFrame,
    early: pd.DataFrame,
    *,
    zone: str,
    top: int,
    width: int,
    n_accounts: Mapping[date, int] | None = None,
) -> RenderableType:
    """The strangest accounts of each day, the oldest day first.

    Parameters
    ----------
    scores
        `SCORES`.
    fired
        Deterministic checks that fired.
    early
        `EARLY`.
    zone
        The portal's zone: that of the minutes of early warnings.
    top
        Accounts of each day that are shown at least; all that alert, were warned of early or wait for review are shown
        anyway.
    width
        Columns of the terminal.
    n_accounts
        Accounts that were scored, by day, if the scores are not all there are.
    """
    parts: list[RenderableType] = []
    for day, rows in scores.groupby("day", sort=True):
        scored = (n_accounts or {}).get(pd.Timestamp(str(day)).date(), len(rows))
        warned = {row["account"]: _warning(row, zone) for row in early[early["day"] == day].to_dict("records")}
        title, of_day = _title(day, rows, scored), fired[fired["day"] == day]
        parts += [title, *_day(rows.sort_values("rank"), of_day, warned, top=top, width=width), Text()]
    return Group(*parts[:-1]) if parts else Text("No account to score: the dumps name none.")


def _warning(row: Mapping[Any, Any], zone: str) -> str:
    """When early warning told of an account, by the portal's clock, and how much was gone by then."""
    at = row["alert_at"].astimezone(ZoneInfo(zone))
    return f"early warning at {at:%H:%M}, after {counted(row['records_so_far'], 'record')}"


def _day(
    rows: pd.DataFrame, fired: pd.DataFrame, warned: Mapping[str, str], *, top: int, width: int
) -> Iterator[RenderableType]:
    for row in fired[fired["account"].isna()].to_dict("records"):
        yield Text(f"The portal as a whole: {visible(row['evidence'])} ({row['check']})", style="bold red")
    told = {account: [warning] for account, warning in warned.items()}
    for account, seen in fired.dropna(subset="account").groupby("account")["evidence"]:
        told.setdefault(str(account), []).extend(seen)
    yield from _campaigns(rows)
    for place, section in enumerate(_sections(rows, warned, top=top)):
        yield Text(f"\n{section.title}", style=section.style)
        yield _table(section, told, width=width, header=place == 0)


def _campaigns(rows: pd.DataFrame) -> Iterator[RenderableType]:
    """One line for each campaign, the least likely first."""
    members = rows.dropna(subset="campaign").groupby("campaign", sort=True)
    found = members.agg(accounts=("account", list), pooled=("campaign_p_value", "first")).sort_values("pooled")
    for name, accounts, pooled in found.itertuples(name=None):
        together = "" if pd.isna(pooled) else f", pooled p {_p_value(pooled)}"
        listed = ", ".join(visible(account) for account in accounts[:MOST_NAMED])
        more = f" and {len(accounts) - MOST_NAMED} more" if len(accounts) > MOST_NAMED else ""
        yield Text(
            f"Campaign {name}: {len(accounts)} accounts driven together{together}: {listed}{more}", style="bold red"
        )


def _title(day: Any, rows: pd.DataFrame, n_accounts: int) -> Text:
    cold = ", cold: compared with the day's peers alone" if rows["cold"].any() else ""
    return Text.assemble((_long(day), "bold"), f": {counted(n_accounts, 'account')} scored{cold}")


def counted(number: int, thing: str) -> str:
    """A number of things in words: `1 alert`, `1,204 alerts`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def say_days(days: Sequence[date]) -> str:
    """Days in words, oldest first, those that follow one another as one span."""
    spans: list[list[date]] = []
    for day in sorted(days):
        if spans and day - spans[-1][-1] == timedelta(days=1):
            spans[-1].append(day)
        else:
            spans.append([day])
    return ", ".join(f"{span[0]} to {span[-1]}" if len(span) > 1 else str(span[0]) for span in spans)


def _long(day: Any) -> str:
    as_day: date = pd.Timestamp(day).date()
    return f"{as_day:%A} {as_day.day} {as_day:%B %Y}"


def _sections(rows: pd.DataFrame, warned: Iterable[str], *, top: int) -> Iterator[Section]:
    is_early = ~rows["alert"] & rows["account"].isin(list(warned))
    is_review = ~rows["alert"] & ~is_early & rows["queue"].isin(list(REVIEWS))
    alerts, early, reviews = rows[rows["alert"]], rows[is_early], rows[is_review]
    rest = rows[~rows["alert"] & ~is_early & ~is_review]
    yield Section(counted(len(alerts), "alert") if len(alerts) else "No alert", "bold red", alerts)
    if len(early):
        title = f"{counted(len(early), 'early warning')} without an alert of the whole day: look at these as well"
        yield Section(title, "bold yellow", early)
    if len(reviews):
        yield Section(f"{len(reviews)} for review", "bold yellow", reviews)
    following = rest.head(max(top - len(rows) + len(rest), 0))
    if len(following):
        yield Section("Next, by strangeness", "bold", following)


def _table(section: Section, told: Mapping[str, list[str]], *, width: int, header: bool) -> Table:
    shows_header = header and len(section.rows) > 0
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), width=width, show_header=shows_header)
    table.add_column("#", justify="right", no_wrap=True, width=3, header_style="dim")
    table.add_column("account", overflow="fold", width=max(12, width // 5), header_style="dim")
    table.add_column("score", justify="right", no_wrap=True, width=7, header_style="dim")
    if width >= NARROW:
        table.add_column("records", justify="right", no_wrap=True, width=7, header_style="dim")
    table.add_column("why", ratio=1, overflow="fold", header_style="dim")
    for row in section.rows.to_dict("records"):
        table.add_row(*_cells(row, told.get(row["account"], ()), section=section, width=width))
    return table


def _cells(row: Mapping[Any, Any], told: Sequence[str], *, section: Section, width: int) -> Iterator[RenderableType]:
    yield Text(str(row["rank"]))
    yield _account(row, section.style)
    yield _score(row)
    if width >= NARROW:
        yield Text("–" if pd.isna(row["records"]) else f"{int(row['records']):,}")
    sentences = why(row, told) or ["nothing unusual"]
    is_listed = isinstance(row["queue"], str) or bool(told)
    yield _listed(sentences) if is_listed else Text("; ".join(sentences), style="dim")


def _listed(sentences: Iterable[str]) -> Table:
    """One sentence a line, the lines that it wraps to indented."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    for sentence in sentences:
        grid.add_row(Text("·", style="dim"), Text(sentence))
    return grid


def _account(row: Mapping[Any, Any], style: str) -> Text:
    software = "software channel" if row["channel"] == "software" else None
    below = (row["profession"], software, REVIEWS.get(row["queue"]))
    facts = [f"\n{visible(fact.replace('_', ' '))}" for fact in below if isinstance(fact, str)]
    return Text.assemble((visible(row["account"]), style), ("".join(facts), "dim"))


def _score(row: Mapping[Any, Any]) -> Text:
    text = Text(f"{row['score']:.2f}", style="bold")
    return text if pd.isna(row["p_value"]) else text.append(f"\np {_p_value(row['p_value'])}", style="dim not bold")


def _p_value(value: float) -> str:
    return f"{value:.0e}".replace("e-0", "e-") if value < 0.001 else f"{value:.3f}"


def why(row: Mapping[Any, Any], told: Iterable[str] = ()) -> list[str]:
    """The reasons that matter, as sentences: what early warning and checks told, then the weightiest, as a story.

    A sentence that says what a check has said already is left out.
    """
    checks = row["checks"] if isinstance(row["checks"], Iterable) else ()
    said = {topic for check in checks for topic in SAID_BY_CHECK.get(check, ())}
    others = [reason for reason in row["reasons"] if not {reason["signal"], topic_of(reason["signal"])} & said]
    weightiest = sorted(others[:MOST_REASONS], key=lambda reason: STORY.index(BY_NAME[reason["signal"]].family))
    return [visible(sentence) for sentence in (*told, *(reason["sentence"] for reason in weightiest))]
