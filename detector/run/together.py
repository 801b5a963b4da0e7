"""Accounts told of on a day that goes on, and driven together: their alerts name the campaign as soon as it shows.

They are as severe as all that the campaign got, as on a whole day (`detector.alerts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
from ibis import _

from detector.alerts import Exposure, add_exposures, severest
from detector.campaigns import COLUMNS, CampaignSettings, find_campaigns
from detector.ledger import Alert
from detector.ledger.growth import BENIGN
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
    """Scores with their campaigns, and alerts raised earlier that belong to one, as rows of the ledger."""

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
    joined = [
        {**_row(each), "campaign": campaigns[account]}
        for account, each in sorted(known.items())
        if account in campaigns and account not in now
    ]
    return Together(scores.assign(campaign=scores["account"].map(campaigns).astype(object)), joined)


def share_severity(
    rows: Sequence[dict[str, Any]], joined: Sequence[dict[str, Any]], earlier: Sequence[Alert]
) -> list[dict[str, Any]]:
    """Make each alert of a campaign as severe as the sum over its accounts.

    Parameters
    ----------
    rows
        Of those who alert now, for the ledger.
    joined
        `Together.earlier`.
    earlier
        The day's alerts so far.

    Returns
    -------
    list of dict
        The rows, and of `joined` those whose campaign or severity is no longer that of the ledger.
    """
    by_campaign: dict[str, list[Exposure]] = {}
    for row in (*rows, *joined):
        if row["campaign"] is not None:
            by_campaign.setdefault(row["campaign"], []).append(_exposure(row))
    in_all = {name: add_exposures(members).severity for name, members in by_campaign.items()}
    raised, told = (
        [
            each | {"severity": severest([each["severity"], in_all.get(each["campaign"], each["severity"])])}
            for each in of
        ]
        for of in (rows, joined)
    )
    before = {each.alert_id: (each.campaign, each.severity) for each in earlier}
    changed = [each for each in told if before[each["alert_id"]] != (each["campaign"], each["severity"])]
    return [*raised, *changed]


def _row(alert: Alert) -> dict[str, Any]:
    return {name: getattr(alert, name) for name in _ROW}


def _exposure(row: Mapping[str, Any]) -> Exposure:
    """What was shown and written, as an alert holds it; without tokens its look-ups stand for records."""
    lookups, writes = (sum(each.get(name) or 0 for each in row["evidence"]) for name in ("lookups", "writes"))
    return Exposure(lookups if row["records_exposed"] is None else row["records_exposed"], writes)


def _find(
    accounts: list[str], *, sums: pd.DataFrame, past: Timeline, day: date, settings: CampaignSettings
) -> pd.DataFrame:
    theirs = sums.loc[sums["account"].isin(accounts), ["ip", "user_agent"]].drop_duplicates()
    if theirs.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    near = pd.DataFrame({"account": accounts, "day": day, "p_value": np.nan, "lone_strangers": np.nan, "alert": True})
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
