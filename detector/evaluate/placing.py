"""Where in the judged days attacks fall, and attacks in the days before, for a history that is not clean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from detector.simulate.calendar import RELEASE_EVERY_DAYS, day_facts
from detector.simulate.settings import Attack, World

PLACING_STREAM = 4
"""Keeps these draws apart from others made with the same seed."""

WORKING_DAYS = 5
"""The judged days begin on a Monday, as the simulated portal's life does, and a campaign falls on a working day."""


def place_attacks(attacks: Sequence[Attack], *, judged_days: int, seed: int) -> tuple[Attack, ...]:
    """Return the same attacks, each beginning on a judged day drawn by seed such that it ends within them.

    So no day of the week and no calendar event goes with a scenario, and the attacks do not all fall on one day. An
    attack that lasts longer than the judged days is cut to them.
    """
    random = np.random.default_rng([seed, PLACING_STREAM])
    placed = []
    for attack in attacks:
        days = min(attack.days, judged_days)
        first = -int(random.integers(days, judged_days + 1))
        placed.append(attack.model_copy(update={"first_day": first, "days": days}))
    return tuple(placed)


def place_occasions(*, days: int, judged_days: int, seed: int) -> dict[str, Any]:
    """Return settings of a world that make something happen to everybody on its judged days; what, goes by seed.

    A vaccination campaign, a wave of forced resets, or a week in which browsers are updated: all three are honest, each
    is odd in another way, and left to chance most would fall on days that nobody judges.
    """
    kind, turn = seed % 3, seed // 3
    day = days - judged_days + turn % min(judged_days, WORKING_DAYS)
    if kind == 0:
        return {"vaccination_day": day}
    if kind == 1:
        return {"forced_reset_day": day}
    usual = World(days=days)
    judged = day_facts(usual, days - judged_days)
    return {"start": usual.start + timedelta(days=-judged.number % RELEASE_EVERY_DAYS)}


def contaminate(
    attacks: Sequence[Attack], *, share: float, active_per_day: float, days: int, seed: int
) -> tuple[Attack, ...]:
    """Return attacks for the days before the judged ones that together make up this share of their account-days.

    Parameters
    ----------
    attacks : the kinds to draw from, one account and one day at a time.
    share : of the active account-days of the past that shall be attacked.
    active_per_day : active accounts on a usual day.
    days : days before the judged ones.
    """
    random = np.random.default_rng([seed, PLACING_STREAM, days])
    count = round(share * active_per_day * days)
    kinds = random.integers(0, len(attacks), count)
    # The first days have no past to speak of, and a victim needs one.
    firsts = random.integers(days // 4, days, count)
    return tuple(
        attacks[kind].model_copy(update={"accounts": 1, "days": 1, "shared": False, "first_day": int(first)})
        for kind, first in zip(kinds, firsts, strict=True)
    )
