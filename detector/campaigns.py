"""Alerts and near-alerts → campaigns: accounts driven from the same rare sources, found together though none alone is.

A source (address, network, user agent) that honest accounts share, such as a hospital's proxy or a carrier's gateway,
has about one near-alert in twenty among its accounts. One that an attack uses has near-alerts only: how many of a
source's accounts are near-alerts is tested against a binomial of one in twenty, for the sources that are rare in the
past of everybody else.
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

from detector.joins import attach, to_frame
from detector.novelty import with_network


class CampaignSettings(BaseModel):
    """When accounts are taken to be driven together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    near: float = Field(default=0.05, gt=0, lt=1)
    """An account-day with a p-value of at most this is a near-alert: one honest account-day in twenty is."""
    rare_accounts: int = Field(default=5, ge=0)
    """A source that more other accounts used in the 28 days before joins nobody: it is a hospital's or a carrier's."""
    false_discovery_rate: float = Field(default=0.0001, gt=0, lt=1)
    """Aim for the sources of one day, all tested together: a day tests hundreds, and two neighbours who both screen
    their patients are no campaign."""


MIN_MEMBERS = 2
COLUMNS = ("campaign", "account", "day", "p_value", "pooled_p_value", "sources", "via")


class _Sources(NamedTuple):
    """Accounts by source of one day, and what is known of each source."""

    uses: pd.DataFrame
    tested: pd.DataFrame


def find_campaigns(
    judged: pd.DataFrame, sources: ir.Table, past_sources: ir.Table, *, settings: CampaignSettings | None = None
) -> pd.DataFrame:
    """Join the accounts of one day that share rare sources.

    Parameters
    ----------
    judged
        One row per account of the day with `account`, `day`, `p_value` and `alert`. Without p-values (no history to
        calibrate on), only alerts are near.
    sources, past_sources
        `account_sources` of the day, and of the 28 days before.
    settings
        What counts as near, rare and together.

    Returns
    -------
    pd.DataFrame
        One row per campaign and account: `campaign` (a stable name), `account`, `day`, `p_value` of the account,
        `pooled_p_value` of the campaign's accounts (Simes), `sources` of the campaign, and `via`, those of the account.
    """
    settings = settings or CampaignSettings()
    near = judged.loc[judged["alert"] | (judged["p_value"] <= settings.near), ["account", "day", "p_value", "alert"]]
    if len(near) < MIN_MEMBERS:
        return pd.DataFrame(columns=list(COLUMNS))
    marks = ibis.memtable(pd.DataFrame({"account": near["account"].to_numpy(dtype=str)}))
    return join_accounts(near, shared_sources(sources, past_sources, marks, settings=settings))


def shared_sources(sources: ir.Table, past: ir.Table, near: ir.Table, *, settings: CampaignSettings) -> pd.DataFrame:
    """The uses (`account`, `source`) of sources that more of the accounts `near` share than honest life explains."""
    return _test_sources(_count_sources(sources, past, near, rare=settings.rare_accounts), settings)


def _count_sources(sources: ir.Table, past: ir.Table, marks: ir.Table, *, rare: int) -> _Sources:
    """Sources that at least two near-alerts share and few others used, and how many accounts use each."""
    today = _tokens(sources).cache()
    shared = today.semi_join(marks, "account").group_by("source").having(_.account.nunique() >= MIN_MEMBERS)
    asked = shared.aggregate(n_near=_.account.nunique()).cache()
    totals = today.semi_join(asked, "source").group_by("source").aggregate(n_today=_.account.nunique())
    others = _tokens(past).anti_join(marks, "account").semi_join(asked, "source")
    used = others.group_by("source").aggregate(n_others=_.account.nunique())
    counted = attach(asked.inner_join(totals, "source"), used, "source").mutate(n_others=_.n_others.fill_null(0))
    tested = counted.filter(_.n_others <= rare).cache()
    of_near = today.semi_join(tested, "source").semi_join(marks, "account").distinct()
    return _Sources(to_frame(of_near), to_frame(tested))


def _tokens(sources: ir.Table) -> ir.Table:
    """`account` and `source`, one row for each address, network and agent that an account used."""
    named = with_network(sources.filter(_.lookups + _.writes > 0))
    parts = [
        named.select("account", source=ibis.literal(label) + named[column])
        for label, column in (("address ", "ip"), ("network ", "network"), ("agent ", "user_agent"))
    ]
    return ibis.union(*parts).filter(_.source.notnull()).distinct()


def _test_sources(counted: _Sources, settings: CampaignSettings) -> pd.DataFrame:
    """The uses of sources with more near-alerts than honest life explains."""
    tested = counted.tested
    if tested.empty:
        return counted.uses.iloc[:0]
    p_values = binom.sf(tested["n_near"] - 1, tested["n_today"], settings.near)
    found = tested[false_discovery_control(p_values) <= settings.false_discovery_rate]
    return counted.uses[counted.uses["source"].isin(found["source"])]


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
    pooled = simes(members["p_value"].fillna(1.0).to_numpy(dtype=np.float64))
    repeated = pd.Series([sources] * len(members), index=members.index)
    return members.assign(campaign=name, pooled_p_value=pooled, sources=repeated).sort_values("account")


def simes(p_values: np.ndarray) -> float:
    """Simes' pooled p-value: min over ranks i of n·p₍ᵢ₎/i (Simes, 1986); valid for positively dependent tests."""
    ordered = np.sort(p_values)
    return float(min(1.0, (ordered * len(ordered) / np.arange(1, len(ordered) + 1)).min()))
