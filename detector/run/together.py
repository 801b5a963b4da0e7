"""Accounts told of on a day that goes on, and driven together: their alerts name the campaign as soon as it shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis import _

from detector.campaigns import COLUMNS, CampaignSettings, find_campaigns
from detector.ledger import Alert
from detector.ledger.store import BENIGN
from detector.novelty import with_network
from detector.run.sums import as_table
from detector.timeline import Timeline

FEWEST = 2
_ROW = (
    "alert_id",
    "kind",
    "account",
    "day",
    "channel",
    "queue",
    "severity",
    "records_exposed",
    "title",
    "checks",
    "campaign",
    "score",
    "p_value",
    "strangeness",
    "reasons",
    "evidence",
    "model_version",
    "first_at",
    "last_at",
    "alert_at",
)


class Together(NamedTuple):
    """Scores with their campaigns, and rows for the ledger of alerts raised earlier that belong to one."""

    scores: pd.DataFrame
    earlier: list[dict[str, Any]]


def name_campaigns(
    scores: pd.DataFrame,
    earlier: Sequence[Alert],
    *,
    sums: pa.Table,
    past: Timeline,
    day: date,
    settings: CampaignSettings,
) -> Together:
    """Join those who alert now and those who alerted earlier in the day.

    Parameters
    ----------
    scores
        `SCORES` of those who alert now.
    earlier
        The day's alerts so far.
    sums
        `detector.run.sums.SUMS` of all accounts.
    past
        The strict past.
    day, settings
        The day, and when accounts are taken to be driven together.
    """
    known = {each.account: each for each in earlier if each.account is not None and each.verdict != BENIGN}
    accounts = sorted({*scores.loc[scores["alert"], "account"], *known})
    if len(accounts) < FEWEST:
        return Together(scores, [])
    found = _find(accounts, sums=sums.to_pandas(), past=past, day=day, settings=settings)
    campaigns = dict(zip(found["account"], found["campaign"], strict=True))
    now = set(scores["account"])
    changed = [
        {**{name: getattr(each, name) for name in _ROW}, "campaign": campaigns[account]}
        for account, each in sorted(known.items())
        if account in campaigns and account not in now and each.campaign != campaigns[account]
    ]
    return Together(scores.assign(campaign=scores["account"].map(campaigns).astype(object)), changed)


def _find(
    accounts: list[str], *, sums: pd.DataFrame, past: Timeline, day: date, settings: CampaignSettings
) -> pd.DataFrame:
    theirs = sums.loc[sums["account"].isin(accounts), ["ip", "user_agent"]].drop_duplicates()
    if theirs.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    near = pd.DataFrame({"account": accounts, "day": day, "p_value": float("nan"), "alert": True})
    today = past.hold(as_table(sums, ("account", "ip", "user_agent", "lookups", "writes")))
    return find_campaigns(near, today, _past_sources(theirs, past, day), settings=settings)


def _past_sources(theirs: pd.DataFrame, past: Timeline, day: date) -> ir.Table:
    """Who used these networks and agents in the past: of no other source is it asked how rare it is."""
    networks = (
        with_network(as_table(theirs, ("ip", "user_agent")))
        .filter(_.network.notnull())
        .select("network")
        .distinct()
        .to_pandas()
    )
    agents = theirs["user_agent"].dropna().unique().tolist()
    used = past.past(day).sources.filter(_.lookups + _.writes > 0)
    addresses = with_network(used.select("ip", user_agent=ibis.null("string")).distinct())
    ips = addresses.filter(_.network.isin(networks["network"].tolist())).select("ip")
    by_network = used.semi_join(ips, "ip").select("account", "ip", user_agent=ibis.null("string")).distinct()
    by_agent = used.filter(_.user_agent.isin(agents)).select("account", ip=ibis.null("string"), user_agent=_.user_agent)
    found = ibis.union(by_network, by_agent.distinct()).mutate(lookups=1, writes=0)
    return past.hold(found)
