"""Alerts and near-alerts → campaigns: accounts that are driven together, found together though none alone is.

What accounts share is a source (address, network, user agent), or the moment at which they first came from a network
new to them. Of honest accounts with a source in common, such as a hospital's proxy or a carrier's gateway, about one in
twenty is a near-alert; of those that an attack drives, all are. How many are is tested against a binomial. Where a
gateway has got a new address all of its accounts are strange at once, and yet see their own patients: who asks for no
strangers, beyond those for whom known patients vouch, is no near-alert.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import binom, false_discovery_control

from detector.clock import MINUTE_US, epoch_us
from detector.joins import attach, to_frame
from detector.novelty import with_network


class CampaignSettings(BaseModel):
    """When accounts are taken to be driven together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    near: float = Field(default=0.05, gt=0, lt=1)
    """An account-day with a p-value of at most this is a near-alert: one honest account-day in twenty is."""
    near_at_once: float = Field(default=0.005, gt=0, lt=1)
    """The same for accounts that have only a moment in common: of honest accounts on a network new to them, one in five
    is a near-alert of the usual kind, and begins at the attack's moment by chance."""
    honest_share: float = Field(default=0.1, gt=0, lt=1)
    """A source or a moment joins nobody if more than this share of its near-alerts may be honest: so many as go with
    those of its accounts that are none."""
    false_discovery_rate: float = Field(default=0.0001, gt=0, lt=1)
    """Aim for the sources of one day, all tested together, and for its moments: a day tests hundreds, and two
    neighbours who both screen their patients are no campaign."""


MIN_MEMBERS = 2
COLUMNS = ("campaign", "account", "day", "p_value", "pooled_p_value", "sources", "via")
MOMENT_US = 15 * MINUTE_US
"""Accounts that a program drives begin within minutes of each other; moments overlap by half."""


class _Counted(NamedTuple):
    """What near-alerts have in common (`uses`: `account`, `source`), and how many share it.

    `tested` has `n_near` of the `n` accounts of each `source`, and the `rate` at which honest ones are near-alerts.
    """

    uses: ir.Table
    tested: pd.DataFrame


def find_campaigns(
    judged: pd.DataFrame, sources: ir.Table, past_sources: ir.Table, *, settings: CampaignSettings | None = None
) -> pd.DataFrame:
    """Join the accounts of one day that share rare sources, or that came from new networks at one moment.

    Parameters
    ----------
    judged
        One row per account of the day with `account`, `day`, `p_value`, `alert` and `lone_strangers`, null where they
        cannot be told, which clears nobody. Without p-values (no history to calibrate on), only alerts are near.
    sources, past_sources
        `account_sources` of the day, and of the 28 days before. Without `first_at`, moments join nobody.
    settings
        What counts as near, rare and together.

    Returns
    -------
    pd.DataFrame
        One row per campaign and account: `campaign` (a stable name), `account`, `day`, `p_value` of the account,
        `pooled_p_value` of the campaign's accounts (Simes; an account without one counts as one, and null where none
        has any), `sources` of the campaign, and `via`, those of the account.
    """
    settings = settings or CampaignSettings()
    is_near = (judged["p_value"] <= settings.near) & ~judged["lone_strangers"].eq(0)
    near = judged.loc[judged["alert"] | is_near, ["account", "day", "p_value", "alert"]]
    if len(near) < MIN_MEMBERS:
        return pd.DataFrame(columns=list(COLUMNS))
    at_once = near["alert"] | (near["p_value"] <= settings.near_at_once)
    marks = {"account": near["account"].to_numpy(dtype=str)}
    marks |= {name: mark.to_numpy(dtype=bool) for name, mark in (("at_once", at_once), ("alerted", near["alert"]))}
    shared = shared_sources(sources, past_sources, ibis.memtable(pd.DataFrame(marks)), settings=settings)
    return join_accounts(near, shared)


def shared_sources(sources: ir.Table, past: ir.Table, near: ir.Table, *, settings: CampaignSettings) -> pd.DataFrame:
    """What more of the accounts `near` share than honest life explains: `account`, `source` (moments among them).

    `near` has one row per near-alert: `account`, whether a moment can join it (`at_once`), and whether it `alerted`: of
    two neighbours who both screen their patients neither does, and two that do are enough.
    """
    today = with_network(sources.filter(_.lookups + _.writes > 0))
    before = with_network(past.filter(_.lookups + _.writes > 0))
    before = before.select("account", "ip", "network", "user_agent").distinct()
    alerted = near.filter(_.alerted)
    counted = [
        _count_sources(today, before, near, rate=settings.near),
        _count_sources(today, before, alerted, rate=settings.near_at_once),
    ]
    if "first_at" in sources.columns:
        counted.append(_count_moments(today, before, near.filter(_.at_once), rate=settings.near_at_once))
    parts = []
    for each in counted:
        found = ibis.memtable({"source": _unexplained(each.tested, settings)}, schema={"source": "string"})
        parts.append(to_frame(each.uses.semi_join(found, "source")))
    return pd.concat(parts, ignore_index=True).drop_duplicates(ignore_index=True)


def _count_sources(today: ir.Table, before: ir.Table, marks: ir.Table, *, rate: float) -> _Counted:
    """Sources that at least two near-alerts share; everybody who used one in 28 days counts.

    Where many are near, as when the portal changes for all, they share what everybody has: as many as of the accounts
    that do not use the source.
    """
    uses = _tokens(today).cache()
    shared = uses.semi_join(marks, "account").group_by("source").having(_.count() >= MIN_MEMBERS)
    asked = shared.aggregate(n_near=_.count()).cache()
    users = uses.union(_tokens(before), distinct=True).semi_join(asked, "source")
    counts = to_frame(asked.inner_join(users.group_by("source").aggregate(n=_.count()), "source"))
    everybody = ibis.union(uses.select("account"), before.select("account"))
    totals = [table.aggregate(n=_.account.nunique()) for table in (everybody, uses.semi_join(marks, "account"))]
    n, n_near = (int(to_frame(total)["n"].iloc[0]) for total in totals)
    elsewhere = (n_near - counts["n_near"] + rate) / (n - counts["n"] + 1)
    return _Counted(uses.semi_join(marks, "account"), counts.assign(rate=np.clip(elsewhere, rate, 0.999)))


def _tokens(named: ir.Table) -> ir.Table:
    """`account` and `source`, one row for each address, network and agent that an account used."""
    parts = [
        named.select("account", source=ibis.literal(label) + named[column])
        for label, column in (("address ", "ip"), ("network ", "network"), ("agent ", "user_agent"))
    ]
    return ibis.union(*parts).filter(_.source.notnull()).distinct()


def _count_moments(today: ir.Table, before: ir.Table, marks: ir.Table, *, rate: float) -> _Counted:
    """Quarters of an hour in which accounts first came from a network new to them.

    More of such accounts are near-alerts than of others: as many as on the rest of the day.
    """
    new = today.filter(_.network.notnull()).anti_join(before, ["account", "network"])
    began = new.group_by("account").aggregate(at=_.first_at.min())
    half = MOMENT_US // 2
    numbered = began.mutate(number=epoch_us(began.at) // half)
    moments = [
        numbered.select("account", source=ibis.literal("moment ") + (numbered.number - back).cast("string"))
        for back in (0, 1)
    ]
    uses = ibis.union(*moments).cache()
    marked = attach(uses, marks.select("account", is_near=True).distinct(), "account")
    counts = to_frame(marked.group_by("source").aggregate(n=_.count(), n_near=_.is_near.notnull().sum()))
    # Every account is in two moments.
    others, near = counts["n"].sum() / 2 - counts["n"], counts["n_near"].sum() / 2 - counts["n_near"]
    return _Counted(uses.semi_join(marks, "account"), counts.assign(rate=np.maximum((near + 1) / (others + 2), rate)))


def _unexplained(tested: pd.DataFrame, settings: CampaignSettings) -> list[str]:
    """Sources with more near-alerts than honest life explains, of which it explains next to none."""
    if tested.empty:
        return []
    p_values = binom.sf(tested["n_near"] - 1, tested["n"], tested["rate"])
    is_odd = false_discovery_control(p_values) <= settings.false_discovery_rate
    # For every honest account that is no near-alert, so many are.
    honest = (tested["n"] - tested["n_near"]) * tested["rate"] / (1 - tested["rate"])
    is_rare = honest <= settings.honest_share * tested["n_near"]
    return sorted(tested.loc[is_odd & is_rare, "source"])


def join_accounts(near: pd.DataFrame, uses: pd.DataFrame) -> pd.DataFrame:
    """Accounts connected through sources (`uses`) are one campaign; the table is that of `find_campaigns`."""
    if uses.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    accounts, account_names = pd.factorize(uses["account"], sort=True)
    sources, source_names = pd.factorize(uses["source"], sort=True)
    n = len(account_names) + len(source_names)
    graph = coo_array((np.ones(len(uses)), (accounts, len(account_names) + sources)), shape=(n, n))
    labels = connected_components(graph, directed=False)[1]
    via = uses.groupby("account")["source"].agg(lambda found: sorted(set(found)))
    members = pd.DataFrame({"account": account_names, "label": labels[: len(account_names)]})
    members = members.merge(near, on="account").assign(via=lambda frame: frame["account"].map(via))
    parts = [_describe(part) for _label, part in members.groupby("label") if len(part) >= MIN_MEMBERS]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def _describe(members: pd.DataFrame) -> pd.DataFrame:
    sources = sorted({source for found in members["via"] for source in found})
    name = "C-" + hashlib.sha256(sources[0].encode()).hexdigest()[:10]
    told = members["p_value"].notna().any()
    pooled = simes(members["p_value"].fillna(1.0).to_numpy(dtype=np.float64)) if told else np.nan
    repeated = pd.Series([sources] * len(members), index=members.index)
    return members.assign(campaign=name, pooled_p_value=pooled, sources=repeated).sort_values("account")


def simes(p_values: np.ndarray) -> float:
    """Simes' pooled p-value: min over ranks i of n·p₍ᵢ₎/i (Simes, 1986); valid for positively dependent tests."""
    ordered = np.sort(p_values)
    return float(min(1.0, (ordered * len(ordered) / np.arange(1, len(ordered) + 1)).min()))
