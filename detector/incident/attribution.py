"""Which of an account's units of activity the evidence ties to the attack, and by what.

One sign alone ties nothing: an honest owner signs in from a new network, screens strangers, or works fast. Where the
attacker comes from is one sign, whom he reads is another, how fast a third. What is tied then ties its neighbours: the
same session, address or network, where the owner does not come from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom

from detector.novelty import MIN_PAST_RECORDS

SURE = 1e-3
"""So seldom would the owner's own work hold that many strangers."""
MOST_OWN = 0.5
"""Under half strangers, a unit is the owner's, however strange."""
PRIOR_FOREIGN, PRIOR_RECORDS = 2, 6
"""An account of whose honest work nothing is seen is taken to read one stranger in three."""
OWNERS, FEW = 0.3, 5
"""Of five records or more, under a third strangers: that is the owner, wherever he signs in from."""
FAST = 50
"""Nobody types ten identifiers a minute, fifty in a row (`detector.incident.ground.BURST`)."""
A_DAY = 50
"""As many strangers in a day, from networks new to an account that read under `MIN_PAST_RECORDS` in four weeks, are not
its owner's."""
AT_HOME = 100
"""Strangers who are a hundred times likelier if every second one comes from where the account's people do, by its own
past, than if all come from a list of everybody, are those of a practice's new owner, of a locum, or of a screening."""
SOFTWARE = "software"
"""On its channel everybody is faster than a person."""
MANY, TOGETHER = 3, 0.8
"""With three accounts or more, and four fifths of what is tied, coming from addresses that they share."""
ROUNDS = 3

SIGNS = {
    "new_network": ("a network new to the account", "un réseau nouveau pour le compte"),
    "strangers": (
        "strangers to the account and to those around it",
        "des personnes inconnues du compte et de ses voisins",
    ),
    "fast": ("faster than a person", "plus vite qu'une personne"),
    "together": ("an address shared with other accounts attacked", "une adresse commune à d'autres comptes attaqués"),
    "same_session": ("a session that is tied already", "une session déjà rattachée"),
    "same_address": ("an address that is tied already", "une adresse déjà rattachée"),
    "same_network": ("a network that is tied already", "un réseau déjà rattaché"),
}


@dataclass(frozen=True)
class Attributed:
    """Units with what ties them.

    units
        The units, with `tied` and `signs` (names in `SIGNS`, in order).
    unsure
        Accounts that read some strangers from a new network, and of whose own people too little is known to tell a
        thief from an owner: not tied for that.
    judged
        Whether there was a past to tell strangers by; without, only pace and sources speak.
    """

    units: pd.DataFrame
    unsure: tuple[str, ...]
    judged: bool


def attribute(units: pd.DataFrame, *, shared_networks: frozenset[str] = frozenset()) -> Attributed:
    """Tie units to the attack.

    Parameters
    ----------
    units
        As `detector.incident.ground.units_of` returns them.
    shared_networks
        Networks that many others come from: two accounts there tell nothing, and they tie nobody by themselves.
    """
    new = _true(units["is_new_network"])
    usual = units["is_new_network"].notna() & ~new
    crowded = units["network"].isin(shared_networks)
    strangers = _strangers(units, usual)
    fast = (units["burst"] >= FAST) & (units["channel"] != SOFTWARE)
    a_day = units["foreign"].where(~usual).groupby([units["account"], units["day"]]).transform("sum")
    thin = (units["known"] < MIN_PAST_RECORDS) & (a_day < A_DAY) & ~fast
    together = new & ~crowded & _shared(units[new & (units["records"] > 0)], units)
    share = units["foreign"] / units["records"].clip(lower=1)
    mostly, owners = share >= MOST_OWN, (share < OWNERS) & (units["records"] >= FEW)
    signs = {"new_network": new, "strangers": strangers, "fast": fast, "together": together}
    strangers_of_a_list = strangers & ~_at_home(units) & ~thin
    # Where no past tells strangers, pace alone must do: the share is null, and null is not under it.
    told = strangers_of_a_list | (fast & ~(share < MOST_OWN)) | (together & mostly)
    tied = (new & told) | (strangers_of_a_list & fast)
    if _driven_together(units, tied, together):
        tied = tied & together
    tied, links = _linked(units, tied, may=~usual & ~owners, shared_networks=shared_networks)
    named = pd.Series(_named(signs | links, tied), index=units.index, dtype="object")
    unsure = tuple(sorted(set(units.loc[new & strangers & thin & ~tied, "account"])))
    return Attributed(units.assign(tied=tied, signs=named), unsure, judged=bool(units["foreign"].notna().any()))


def _true(column: pd.Series) -> pd.Series:
    return column.map(lambda value: value is True or value is np.True_).astype(bool)


def _strangers(units: pd.DataFrame, usual: pd.Series) -> pd.Series:
    """More strangers than the account's own work from its usual networks explains."""
    own = units[usual & units["foreign"].notna()].groupby("account")[["foreign", "records"]].sum()
    rate = (own["foreign"] + PRIOR_FOREIGN) / (own["records"] + PRIOR_RECORDS)
    expected = units["account"].map(rate).fillna(PRIOR_FOREIGN / PRIOR_RECORDS).clip(0.1, 0.9)
    found = units["foreign"].fillna(0)
    p_values = binom.sf(found - 1, units["records"], expected)
    return (found > 0) & (p_values <= SURE) & (found >= MOST_OWN * units["records"])


def _at_home(units: pd.DataFrame) -> pd.Series:
    """Whether the strangers are people of the place, where the account's own past names one, rather than a list's."""
    local, others = units["local"], units["foreign"].fillna(0) - units["local"]
    listed = units["everywhere"].clip(1e-6, 1 - 1e-6)
    owners = (units["home"].clip(0.0, 1.0) + listed) / 2
    likelier = local * np.log(owners / listed) + others * np.log((1 - owners) / (1 - listed))
    at_home: pd.Series = (units["home"] > units["everywhere"]) & (likelier >= np.log(AT_HOME))
    return at_home


def _shared(asking: pd.DataFrame, units: pd.DataFrame) -> pd.Series:
    """Addresses that two accounts or more come from, for whom they are new."""
    counts = asking.groupby("ip")["account"].nunique()
    return units["ip"].isin(counts[counts > 1].index)


def _driven_together(units: pd.DataFrame, tied: pd.Series, together: pd.Series) -> bool:
    """Whether the attack drives its accounts from shared addresses: then one account's own address proves nothing."""
    records = units["records"]
    several = units.loc[tied & together, "account"].nunique() >= MANY
    return bool(several and records[tied & together].sum() >= TOGETHER * records[tied].sum())


def _linked(
    units: pd.DataFrame, tied: pd.Series, *, may: pd.Series, shared_networks: frozenset[str]
) -> tuple[pd.Series, dict[str, pd.Series]]:
    """What shares session, address or network with what is tied, where the owner is not known to come from there."""
    links = {name: pd.Series(False, index=units.index) for name in ("same_session", "same_address", "same_network")}
    session = units["account"] + "\0" + units["session"]
    # What is no address, such as `unknown` or a proxy's name, stands for whoever the log cannot tell.
    address = units["ip"].where(units["network"].notna())
    network = units["network"].where(~units["network"].isin(shared_networks))
    new = _true(units["is_new_network"]) & may
    for _round in range(ROUNDS):
        for name, key, allowed in (
            ("same_session", session, may),
            ("same_address", address, may),
            ("same_network", network, new),
        ):
            known = set(key[tied].dropna())
            found = key.isin(known) & allowed & ~tied
            links[name] |= found
            tied = tied | found
    return tied, links


def _named(signs: dict[str, pd.Series], tied: pd.Series) -> list[list[str]]:
    names = list(signs)
    flags = np.stack([signs[name].to_numpy(dtype=bool) for name in names], axis=1) & tied.to_numpy()[:, None]
    return [[name for name, flag in zip(names, row, strict=True) if flag] for row in flags]
