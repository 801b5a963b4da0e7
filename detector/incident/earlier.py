"""Traces on days before, of which no dump is left: the history's sums tell that, and seldom more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import pandas as pd
from ibis import _
from scipy.stats import binom

from detector.incident.attribution import FEW, MOST_OWN, PRIOR_FOREIGN, PRIOR_RECORDS, SURE
from detector.incident.ground import Ground
from detector.incident.inquiry import LOOK_BACK, Remark
from detector.joins import to_frame
from detector.novelty import PAST_DAYS, used_at_all, with_network
from detector.report import words
from detector.schema import ACCOUNT_SOURCES

COLUMNS = ("day", "account", "sign", "ip", "lookups", "strangers", "first_at", "last_at")
ADDRESS, STRANGERS = "address", "strangers"
TELLING: dict[str, tuple[str, str]] = {
    ADDRESS: ("an address of the attack", "une adresse de l'attaque"),
    STRANGERS: (
        "strangers read from a source new to the account",
        "des inconnus lus depuis une source nouvelle pour le compte",
    ),
}
_SIGNALS = ("records", "foreign_records", "stranger_records", "far_strangers", "new_source_uses")


class Earlier(NamedTuple):
    """What the days before hold.

    start
        First day of the window, widened while the week before it holds traces.
    accounts
        Accounts not known before that read strangers from an address of the attack in the widened window.
    traces
        One row per day, account and address: `COLUMNS`; `sign`, a name in `TELLING`; `strangers`, records of that day
        that nobody around the account had touched, read from a source new to it (null: unknown).
    remarks
        For whoever reads the numbers.
    """

    start: date
    accounts: tuple[str, ...]
    traces: pd.DataFrame
    remarks: tuple[Remark, ...]


def look_earlier(ground: Ground, accounts: Sequence[str], *, addresses: Collection[str], start: date) -> Earlier:
    """Look for the attack's addresses, and for strangers read by its accounts, on days before the window.

    Parameters
    ----------
    ground
        Dumps and history; without a history nothing is found.
    accounts
        Those of the incident.
    addresses
        Those of the attack that hardly anybody else uses.
    start
        The first day of the window so far.
    """
    history = ground.history
    days = [day for day in (history.days if history else ()) if day < start]
    if history is None or not days:
        return Earlier(start, (), _table([]), ())
    sources = with_network(used_at_all(ground.between(ACCOUNT_SOURCES, days[0], days[-1])))
    wanted = sources.ip.isin(list(addresses)) | sources.account.isin(list(accounts))
    rows = _by_address(to_frame(sources.filter(wanted)))
    there = rows[rows["ip"].isin(list(addresses))]
    strange = _strange_days(_signals(ground, days, {*accounts, *there["account"]}))
    driven = there.merge(strange, on=["account", "day"], how="left").assign(sign=ADDRESS)
    # An address has other users, and had other owners: what they did there is theirs, unless they read strangers.
    driven = driven[driven["account"].isin(list(accounts)) | driven["strangers"].notna()]
    found = set(driven["account"]) - set(accounts)
    traces = _table([driven, _from_new_sources(rows, strange, known=driven)])
    begins = _step_back(start, set(traces["day"]))
    within = set(traces.loc[traces["day"] >= begins, "account"])
    return Earlier(begins, tuple(sorted(found & within)), traces, _remarks(traces, found, begins, start, days[0]))


def _by_address(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per account, day and address."""
    grouped = rows[rows["ip"].notna()].groupby(["account", "day", "ip", "network"], dropna=False)
    found = grouped.agg(lookups=("lookups", "sum"), first_at=("first_at", "min"), last_at=("last_at", "max"))
    return found.reset_index().assign(day=lambda table: pd.to_datetime(table["day"]).dt.date)


def _signals(ground: Ground, days: Sequence[date], accounts: Collection[str]) -> pd.DataFrame:
    """What the history knows of the days of some accounts, all channels together."""
    assert ground.history is not None, "asked only with a history"  # noqa: S101 - for the type checker
    rows = ground.history.table(ground.con, "account_days", days[0], days[-1])
    mine = rows.filter(rows.account.isin(sorted(accounts))).group_by(["account", "day"])
    found = to_frame(mine.aggregate(**{name: _[name].sum() for name in _SIGNALS}))
    numbers = dict.fromkeys(_SIGNALS, "float64")
    return found.astype(numbers).assign(day=pd.to_datetime(found["day"]).dt.date)


def _strange_days(signals: pd.DataFrame) -> pd.DataFrame:
    """Days on which an account read more strangers from a new source than its own work explains."""
    totals = signals.groupby("account")[["foreign_records", "records"]].transform("sum")
    others = totals.sub(signals[["foreign_records", "records"]]).fillna(0)
    rate = (others["foreign_records"] + PRIOR_FOREIGN) / (others["records"] + PRIOR_RECORDS)
    strangers, records = (signals[name].fillna(0) for name in ("stranger_records", "records"))
    p_values = pd.Series(binom.sf(strangers - 1, records, rate.clip(0.1, 0.9)), index=signals.index)
    from_new = signals["new_source_uses"].fillna(0).clip(upper=records)
    # Half of them from all over the country, where that is known: else the practice has a new owner, or a locum.
    far = signals["far_strangers"].fillna(signals["stranger_records"]).fillna(0) >= MOST_OWN * strangers
    mostly = (strangers >= FEW) & (strangers >= MOST_OWN * from_new) & (from_new > 0)
    strange = mostly & far & (p_values <= SURE)
    return signals[strange].rename(columns={"stranger_records": "strangers"})[["account", "day", "strangers"]]


def _from_new_sources(rows: pd.DataFrame, days: pd.DataFrame, *, known: pd.DataFrame) -> pd.DataFrame:
    """Of strange days, the addresses whose networks the account did not use in the 28 days before."""
    ordered = rows.sort_values("day")
    moments = pd.to_datetime(ordered["day"])
    since = moments - moments.groupby([ordered["account"], ordered["network"]]).shift()
    again = ordered["day"] == ordered.groupby(["account", "network"])["day"].shift()
    new = (since.isna() | (since > pd.Timedelta(days=PAST_DAYS))) & ~again
    firsts = ordered[new][["account", "day", "network"]].drop_duplicates()
    fresh = ordered.merge(firsts, on=["account", "day", "network"]).merge(days, on=["account", "day"])
    told = set(zip(known["account"], known["day"], known["ip"], strict=True))
    keys = list(zip(fresh["account"], fresh["day"], fresh["ip"], strict=True))
    return fresh[[key not in told for key in keys]].assign(sign=STRANGERS)


def _table(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:

    there = [part.reindex(columns=list(COLUMNS)) for part in parts if len(part)]
    if not there:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(there).sort_values(["day", "account", "sign", "ip"], ignore_index=True)


def _step_back(start: date, days: set[date]) -> date:
    """The first day with a trace, as long as there is one in the week before."""
    while within := [day for day in days if start - LOOK_BACK <= day < start]:
        start = min(within)
    return start


def _remarks(traces: pd.DataFrame, found: set[str], begins: date, start: date, held: date) -> tuple[Remark, ...]:
    if traces.empty:
        told = {language: words.span(held, start - timedelta(days=1), language) for language in words.LANGUAGES}
        return (
            (
                f"The history's sums show no earlier trace {told['en']}.",
                f"Les sommes de l'historique ne montrent aucune trace antérieure, {told['fr']}.",
            ),
        )
    days, accounts = traces["day"].nunique(), traces["account"].nunique()
    return (
        (
            f"Earlier traces in the history's sums (earlier.csv): {_counted(accounts, 'account')} on "
            f"{_counted(days, 'day')}, not known before: {len(found)}. Give the dumps of these days if they "
            "can still be had." + _widened(begins, start, "en"),
            f"Traces antérieures dans les sommes de l'historique (earlier.csv) : {_counted(accounts, 'compte')} sur "
            f"{_counted(days, 'jour')}, inconnus jusqu'ici : {len(found)}. Fournir les journaux de ces jours, "
            "s'il en reste." + _widened(begins, start, "fr"),
        ),
    )


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _widened(begins: date, start: date, language: words.Language) -> str:
    if begins == start:
        return ""
    span = words.span(begins, start - timedelta(days=1), language)
    if language == "en":
        return f" The upper bound rests on the history {span}; the lower bound counts nothing there."
    return f" La borne haute tient à l'historique {span} ; la borne basse n'y compte rien, faute de journaux."
