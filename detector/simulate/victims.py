"""Who falls victim to each attack of a world, and how much each loses on which day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.errors import ConfigError
from detector.simulate.accounts import LONG_AGO, NEVER
from detector.simulate.activity import day_activity
from detector.simulate.calendar import DayFacts, day_facts
from detector.simulate.draws import Flags, Integers, Key, Stage, generator
from detector.simulate.events import ECPS, PWD
from detector.simulate.professions import column
from detector.simulate.scene import Population, scenes
from detector.simulate.settings import Attack, World

NON_WRITER, WRITER = 0.06, 0.3
"""Writes per active day of professions that hardly ever write, and of those that write all the time."""

SLEPT_DAYS = 25
"""A dormant account has been silent for so long when it is stolen."""

DAILY_SPREAD = 0.15
"""Standard deviation of the log of what one account loses from one day to the next, if it may vary at all."""


@dataclass(frozen=True)
class Plan:
    """One campaign: its number among the world's attacks, and its victims."""

    attack: Attack
    number: int
    victims: Integers

    @property
    def campaign(self) -> str:
        """The campaign's name: its place in the list of attacks, and its scenario."""
        return f"{self.number + 1:03d}-{self.attack.scenario}"


def plan_attacks(world: World, population: Population) -> list[Plan]:
    """Return the victims of each attack; no account falls victim to two.

    Raises
    ------
    ConfigError
        When an attack leaves the window, or there are not enough accounts of the kind it needs.
    """
    taken: Flags = np.zeros(population.accounts.rows, bool)
    plans = []
    for number, attack in enumerate(world.attacks):
        _check_window(world, attack)
        victims = _victims(world, population, attack, number=number, taken=taken)
        taken[victims] = True
        plans.append(Plan(attack, number, victims))
    return plans


def _check_window(world: World, attack: Attack) -> None:
    first = world.index(attack.first_day)
    if first < 0 or first + attack.days > world.days:
        raise ConfigError(
            f"attack {attack.scenario}: days {first} to {first + attack.days - 1} do not lie within the world's "
            f"{world.days} days; "
            "choose first_day and days so that they do"
        )


def _victims(world: World, population: Population, attack: Attack, *, number: int, taken: Flags) -> Integers:
    accounts = population.accounts
    rng = generator(world.seed, Stage.ATTACK_PLAN, number)
    fit = np.flatnonzero(eligible(world, population, attack) & ~taken)
    if len(fit) < attack.accounts:
        raise ConfigError(
            f"attack {attack.scenario} needs {attack.accounts} accounts of the kind {attack.eligible!r}, "
            f"the world has {len(fit)} to spare; "
            "take a larger world or fewer accounts"
        )
    # Busy accounts are stolen as often as quiet ones, but those that hardly work are not worth a password.
    weight = np.sqrt(accounts.activity[fit])
    return np.sort(rng.choice(fit, attack.accounts, replace=False, p=weight / weight.sum()))


def eligible(world: World, population: Population, attack: Attack) -> Flags:
    """Tell the accounts that an attack can fall upon: in business for long, unless the attack wants others."""
    accounts, day = population.accounts, day_facts(world, world.index(attack.first_day))
    used = (accounts.created < 0) & (accounts.sleeps == NEVER)
    silent = (accounts.sleeps + SLEPT_DAYS <= day.index) & (day.index + attack.days <= accounts.wakes)
    writes = column("writes_per_day")[accounts.profession]
    unseen = accounts.sleeps == LONG_AGO
    kinds: dict[str, Flags] = {
        "anyone": used,
        "non_writers": used & (writes < NON_WRITER),
        "writers": used & (writes >= WRITER),
        "dormant": silent & ~unseen if (silent & ~unseen).any() else silent,
        "unseen": silent & unseen,
        "software": used & (accounts.software_from == LONG_AGO),
        "active": used & _works(world, population, day),
        "phone": used & (accounts.auth_mode == ECPS),
        "password": used & (accounts.auth_mode == PWD),
    }
    return kinds[attack.eligible]


def _works(world: World, population: Population, day: DayFacts) -> Flags:
    """Tell who works on a day, by the same draws as honest life."""
    return np.concatenate([day_activity(scene).works for scene in scenes(world, population, index=day.index)])


def records_lost(world: World, plan: Plan, *, begun: int) -> Integers:
    """Return how many records each account loses that day: its own level, and some change from day to day."""
    attack = plan.attack
    if attack.spread == 0:
        return np.full(len(plan.victims), attack.records)
    level = generator(world.seed, Stage.ATTACK_PLAN, plan.number, Key.LEVEL).normal(0, attack.spread, len(plan.victims))
    rng = generator(world.seed, Stage.ATTACK_PLAN, plan.number, Key.LEVEL, begun)
    daily = rng.normal(0, DAILY_SPREAD, len(plan.victims))
    return np.maximum(np.round(attack.records * np.exp(level + daily)), min(attack.records, 1)).astype(np.int64)
