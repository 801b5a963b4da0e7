"""From accounts and a first guess of the window to what is tied: look back, look around, and stop where traces end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple, TypeAlias

import ibis.expr.types as ir
import pandas as pd

from detector.errors import ConfigError
from detector.incident.attribution import Attributed, attribute
from detector.incident.ground import Ground, units_of
from detector.novelty import MIN_PAST_DAYS, PAST_DAYS
from detector.report import words

LOOK_BACK = timedelta(days=7)
"""The window is widened while the week before it holds traces."""
NETWORK_ACCOUNTS = 5
"""A network that as many others come from is a hospital's or a carrier's (`detector.campaigns`)."""
ROUNDS = 5
"""Of accounts found through accounts that were found."""
MOST_CANDIDATES = 200
"""More accounts than these on one attack's addresses are its users, and no victims."""


Remark: TypeAlias = tuple[str, str]
"""The same in English and French."""


@dataclass(frozen=True)
class Inquiry:
    """What was found.

    accounts
        Those asked about, and those found through the addresses of the attack.
    found
        Of these, the ones found.
    start, end
        First and last day of the window, the widened one.
    mine
        The accounts' events of all days of the dumps.
    attributed
        Units of the window.
    users
        Who comes from the tied addresses (where nothing is tied: from all of the accounts), or from their networks, in
        the window and 28 days before.

    Notes
    -----
        What whoever reads the numbers must know.
    """

    accounts: tuple[str, ...]
    found: tuple[str, ...]
    start: date
    end: date
    mine: ir.Table
    attributed: Attributed
    users: pd.DataFrame
    remarks: tuple[Remark, ...]


def inquire(ground: Ground, accounts: Sequence[str], *, first: date, last: date) -> Inquiry:
    """Tie what the accounts did to the attack.

    Parameters
    ----------
    ground
        The dumps, and what was before.
    accounts
        The accounts that alerted, or that are asked about.
    first, last
        The days of their alerts, ends included.

    Raises
    ------
    ConfigError
        If the dumps hold none of the accounts' events in the window.
    """
    asked = sorted(set(accounts))
    mine = ground.events_of(asked)
    start, remark = _look_back(ground, mine, first)
    attributed, users, crowded = _attribute(ground, mine, asked, start, last)
    if not (attributed.units["day"] <= last).any():
        raise ConfigError(
            f"the dumps hold no event of these accounts from {first} to {last}; give the dumps of those days, or the "
            "history alone"
        )
    known = asked
    for _round in range(ROUNDS):
        others = _candidates(attributed, users, known, crowded=crowded)
        if not others:
            break
        wider = _attribute(ground, ground.events_of([*known, *others]), [*known, *others], start, last).attributed
        found = set(wider.units.loc[wider.units["tied"], "account"]) - set(known)
        if not found:
            break
        known = sorted({*known, *found})
        mine = ground.events_of(known)
        attributed, users, crowded = _attribute(ground, mine, known, start, last)
    tied = attributed.units[attributed.units["tied"]]
    end = max([last, *tied["day"]])
    return Inquiry(tuple(known), tuple(sorted(set(known) - set(asked))), start, end, mine, attributed, users, (remark,))


def _look_back(ground: Ground, mine: ir.Table, first: date) -> tuple[date, Remark]:
    """The first day with a trace, as far back as the dumps and their past go."""
    start = first
    while True:
        earlier = _earlier(ground, start)
        if earlier is None:
            return start, (
                f"The look-back ended {words.span(start, start, 'en')}: no earlier day of the dumps can be judged.",
                f"La recherche en arrière s'arrête {words.span(start, start, 'fr')}, faute de jours antérieurs.",
            )
        units = attribute(units_of(mine, ground.past(earlier), earlier)).units
        traces = units.loc[units["tied"] & (units["day"] < start), "day"]
        if traces.empty:
            before = start - timedelta(days=1)
            return start, (
                f"The look-back found no trace {words.span(earlier, before, 'en')}.",
                f"La recherche en arrière n'a trouvé aucune trace {words.span(earlier, before, 'fr')}.",
            )
        start = min(traces)


def _earlier(ground: Ground, start: date) -> date | None:
    """The earliest day within the step back that the dumps hold and that has a past to compare with."""
    within = [day for day in ground.days if start - LOOK_BACK <= day < start]
    return next((day for day in within if ground.days_before(day) >= MIN_PAST_DAYS), None)


class _Tied(NamedTuple):
    """What is tied, who comes from its addresses or networks, and which of these many came from before the window."""

    attributed: Attributed
    users: pd.DataFrame
    crowded: frozenset[str]


def _attribute(ground: Ground, mine: ir.Table, accounts: Sequence[str], start: date, last: date) -> _Tied:
    """Tie units; once more, when it is known which networks many others come from."""
    units = units_of(mine, ground.past(start), start)
    first = attribute(units)
    tied = first.units["tied"]
    # Where nothing is tied, whoever reads of the accounts' addresses still wants to know who shares them.
    addresses = sorted(first.units.loc[tied if tied.any() else ~tied, "ip"].dropna().unique())
    if not addresses:
        return _Tied(first, _nobody(), frozenset())
    began = start - timedelta(days=PAST_DAYS)
    users = ground.users_of(addresses, began, max([last, *first.units.loc[tied, "day"]]))
    # Within the window an attack's own network has many accounts too: those that nobody has named yet.
    crowded = shared_networks(ground.users_of(addresses, began, start - timedelta(days=1)), accounts)
    return _Tied(attribute(units, shared_networks=crowded), users, crowded)


def _nobody() -> pd.DataFrame:
    return pd.DataFrame({"account": [], "ip": [], "network": [], "lookups": []}, dtype="object")


def shared_networks(users: pd.DataFrame, accounts: Sequence[str]) -> frozenset[str]:
    """Networks that many accounts come from that are not part of the incident."""
    others = users[~users["account"].isin(list(accounts))].groupby("network")["account"].nunique()
    return frozenset(others[others >= NETWORK_ACCOUNTS].index)


def _candidates(
    attributed: Attributed, users: pd.DataFrame, accounts: Sequence[str], *, crowded: frozenset[str]
) -> list[str]:
    """Other accounts on the very addresses of the attack."""
    units = attributed.units
    addresses = units.loc[units["tied"] & units["network"].notna(), "ip"].dropna().unique()
    there = users[users["ip"].isin(addresses) & ~users["network"].isin(crowded)]
    others = sorted(set(there["account"]) - set(accounts))
    return others if len(others) <= MOST_CANDIDATES else []
