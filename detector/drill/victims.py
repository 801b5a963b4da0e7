"""Who falls victim, and what is known of the portal that an attack must look like."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from ibis import _

from detector.account_days import ACCOUNT_DAYS
from detector.drill.ground import Ground
from detector.drill.scenarios import Victims
from detector.novelty import PAST_DAYS, TOOL_AGENT

LARGE_SHARE = 0.02
"""The busiest two in a hundred active accounts are large."""
BROWSERS = 20
"""The commonest agents of the portal, which attackers have too."""
NEWCOMER = "drill-newcomer"
OWN = ["ip", "user_agent", "auth_mode"]
PORTAL = "portal"
"""The channel that attacks use."""


@dataclass(frozen=True)
class Habits:
    """What the portal's logs hold, so that an attack holds no more and no less.

    Attributes
    ----------
    signs_in, tokens, modes, sessions, addresses
        Whether sign-ins, record tokens, ways of identifying a record, sessions and addresses are logged.
    browsers
        The commonest agents.
    """

    signs_in: bool
    tokens: bool
    modes: bool
    sessions: bool
    addresses: bool
    browsers: tuple[str, ...]


def habits_of(ground: Ground, day: date) -> Habits:
    """What a day of the portal shows of how it logs."""
    today = ground.today(day)
    hours = today.hours.aggregate(n=_.logins.sum()).to_pandas()
    records = today.records.aggregate(n=_.count(), modes=_.typed_lookups.notnull().any()).to_pandas()
    sessions = ground.account_days(day).aggregate(n=_.busiest_session.count()).to_pandas()
    agents = today.sources.filter(_.user_agent.notnull() & (_.lookups + _.writes > 0) & (_.channel == PORTAL))
    agents = agents.filter(~_.user_agent.re_search(TOOL_AGENT)).group_by("user_agent")
    common = (
        agents.aggregate(n=_.account.nunique()).to_pandas().sort_values(["n", "user_agent"], ascending=[False, True])
    )
    return Habits(
        signs_in=bool(hours["n"].fillna(0)[0]),
        tokens=bool(records["n"][0]),
        modes=bool(records["modes"].fillna(False)[0]),
        sessions=bool(sessions["n"][0]),
        addresses=bool(today.sources.aggregate(n=_.ip.count()).to_pandas()["n"][0]),
        browsers=tuple(common["user_agent"].head(BROWSERS)),
    )


def days_at_work(ground: Ground, days: Sequence[date]) -> pd.DataFrame:
    """One row per `day` and `channel` on which anybody looked anything up, of some days."""
    rows = ground.whole(ACCOUNT_DAYS).filter((_.lookups > 0) & _.day.isin(list(days)))
    found: pd.DataFrame = rows.select("day", "channel").distinct().order_by(["day", "channel"]).to_pandas()
    return found.assign(day=pd.to_datetime(found["day"]).dt.date)


def why_none(ground: Ground, scores: pd.DataFrame, *, at_work: pd.DataFrame, day: date) -> str:
    """Why `choose_victims` found no account: what the operator's days lack.

    Parameters
    ----------
    ground, scores, day
        As for `choose_victims`.
    at_work
        `days_at_work` of all days drilled.
    """
    if at_work.empty:
        return "these days hold no look-up, so there is no work to hide an attack in"
    if PORTAL not in set(at_work["channel"]):
        return (
            f"these days hold look-ups on the channel {', '.join(sorted(set(at_work['channel'])))} only, none on portal"
        )
    if _active(ground, scores, day).empty:
        return f"whoever looked anything up on {day} alerts or waits for review without an attack"
    return f"nobody at work on {day} has written anything in the {PAST_DAYS} days before"


def choose_victims(
    ground: Ground,
    scores: pd.DataFrame,
    *,
    kind: Victims,
    day: date,
    count: int,
    rng: np.random.Generator,
    apart: Collection[str] = (),
) -> pd.DataFrame:
    """Accounts of a kind, drawn by chance; fewer where there are not as many.

    Parameters
    ----------
    ground
        The untouched days.
    scores
        Of the untouched days: accounts that alert or wait for review without an attack are left in peace, since they
        would be caught for something else.
    kind
        Of victims.
    day
        The first attacked day.
    count
        How many.
    rng
        Chance.
    apart
        Accounts that another attack in the same days has.

    Returns
    -------
    pd.DataFrame
        One row per victim: `account`, `profession`, `organisation`, and its own usual `ip`, `user_agent`, `auth_mode`.
    """
    active = _active(ground, scores, day)
    active = active[~active["account"].isin(list(apart))].reset_index(drop=True)
    if kind == "newcomer":
        return _newcomers(active.merge(_usual_sources(ground, day), on="account", how="left"), count=count, rng=rng)
    fit = _fit(ground, active, kind=kind, day=day)
    chosen = fit.iloc[np.sort(rng.choice(len(fit), min(count, len(fit)), replace=False))]
    return chosen.merge(_usual_sources(ground, day), on="account", how="left").reset_index(drop=True)


def _active(ground: Ground, scores: pd.DataFrame, day: date) -> pd.DataFrame:
    """Accounts at work on the portal that day that nothing was said of on any day, by name."""
    told = scores.loc[scores["alert"].astype(bool) | scores["queue"].notna(), "account"]
    kinds = scores.loc[pd.to_datetime(scores["day"]) == pd.Timestamp(day), ["account", "kind"]]
    rows = ground.account_days(day).filter((_.channel == PORTAL) & (_.lookups > 0)).to_pandas()
    columns = ["account", "profession", "organisation", "lookups"]
    quiet = rows.loc[~rows["account"].isin(told), columns].merge(kinds, on="account")
    active: pd.DataFrame = quiet.sort_values("account", ignore_index=True)
    return active


def _fit(ground: Ground, active: pd.DataFrame, *, kind: Victims, day: date) -> pd.DataFrame:
    if kind == "large":
        return active.nlargest(max(1, round(LARGE_SHARE * len(active))), "lookups").sort_values("account")
    known = active[active["kind"] == "known"]
    # Without a past everybody is new; then any account at work will do.
    settled = known if len(known) else active
    if kind == "known":
        return settled
    past = ground.past(day).account_days.filter(_.writes > 0).select("account").distinct().to_pandas()
    writers: pd.DataFrame = settled[settled["account"].isin(past["account"])]
    return writers


def _usual_sources(ground: Ground, day: date) -> pd.DataFrame:
    """Each account's commonest address, agent and way of signing in on the portal that day."""
    rows = ground.sources(day).filter(_.channel == PORTAL).group_by(["account", *OWN]).aggregate(n=_.lookups.sum())
    ordered = rows.to_pandas().sort_values(["account", "n", *OWN], ascending=[True, False, True, True, True])
    usual: pd.DataFrame = ordered.drop_duplicates("account")[["account", *OWN]]
    return usual


def _newcomers(active: pd.DataFrame, *, count: int, rng: np.random.Generator) -> pd.DataFrame:
    """New names with the professions and ways of signing in of accounts that are there, and no source of their own."""
    like = active.iloc[rng.integers(0, len(active), count if len(active) else 0)].reset_index(drop=True)
    names = [f"{NEWCOMER}-{number + 1}" for number in range(len(like))]
    return like.assign(account=names, ip=None, user_agent=None)
