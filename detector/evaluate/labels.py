"""Which account-days are attacked, which are honest, and which may count for neither.

The rules, used by every measure:

- An account-day is *active* when it has an event other than a failed sign-in. An account that has only ever failed to
  sign in is not scored and is no honest account-day.
- It is *attacked* when one of its events other than a failed sign-in is malicious.
- An account with an attacked day, in the judged days or before them, is *compromised*; its other days are set aside: an
  alert there is neither true nor false, and the day is not part of any denominator.
- A day on which an account was only sprayed (all malicious events are failed sign-ins) is set aside as well, but leaves
  the account's other days honest: otherwise one spraying of the whole portal would leave no honest day to measure false
  alerts on.
- All other active account-days are *honest*.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from detector.evaluate.frames import ACCOUNT_DAY

HONEST = "honest"
ATTACKED = "attacked"
SET_ASIDE = "set_aside"

FLOORLESS = ("S10", "S11", "S13", "S14")
"""Scenarios that are reported, and left out of means: a handful of look-ups, a snooping owner, a sign-in without
extraction, a spraying."""


def is_hijack(events: pd.DataFrame) -> pd.Series[bool]:
    """Mark malicious events other than failed sign-ins; an unknown outcome counts as a success.

    Parameters
    ----------
    events : frame with one row per malicious event: action, outcome.
    """
    return ~((events["action"] == "login") & (events["outcome"] == "failure"))


def attacked_days(events: pd.DataFrame) -> pd.DataFrame:
    """Return one row per scenario, account and attacked day, with `first_at`, its first malicious event.

    Parameters
    ----------
    events : frame with one row per malicious event: scenario, account, day, timestamp, action, outcome.
    """
    hijacks = events[is_hijack(events) & events["account"].notna()]
    grouped = hijacks.groupby(["scenario", *ACCOUNT_DAY], as_index=False, observed=True)
    return grouped.agg(first_at=("timestamp", "min"))


def label_days(active: pd.DataFrame, *, events: pd.DataFrame) -> pd.DataFrame:
    """Label each active account-day; see the rules at the head of this module.

    Parameters
    ----------
    active : frame with one row per active account-day: account, day.
    events : frame with one row per malicious event, of all days: scenario, account, day, timestamp, action, outcome.

    Returns
    -------
    frame with one row per active account-day: account, day, label (honest, attacked or set_aside).
    """
    attacks = attacked_days(events)
    day = pd.MultiIndex.from_frame(active[ACCOUNT_DAY])
    attacked = day.isin(pd.MultiIndex.from_frame(attacks[ACCOUNT_DAY]))
    touched = day.isin(pd.MultiIndex.from_frame(events[ACCOUNT_DAY]))
    compromised = active["account"].isin(attacks["account"]).to_numpy()
    label = np.select([attacked, touched | compromised], [ATTACKED, SET_ASIDE], HONEST)
    return active[ACCOUNT_DAY].assign(label=label)
