"""The attacks of a drill, each one declaration in the terms of the simulator's attacks.

An attacker knows the password and nothing else: the way of signing in is the victim's own. Numbers are those of the
public cases, from a night's robot to what stays under everybody's attention for a week.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from detector.errors import ConfigError
from detector.simulate.settings import Attack

Victims = Literal["known", "large", "writers", "newcomer"]


@dataclass(frozen=True)
class DrillScenario:
    """One attack that is injected.

    Attributes
    ----------
    title, story
        What it is called, and what happens.
    victims
        `known` accounts have a past, `large` ones are the busiest of the day, `writers` have written in the 28 days
        before, a `newcomer` is an account that the attacker has made. All but the last work on the first attacked day.
    attack
        Records per account and day, hours, pace, sources, targets. Accounts and first day are drawn when it is run.
    """

    title: str
    story: str
    victims: Victims
    attack: Attack

    @property
    def name(self) -> str:
        """What `--scenario` takes."""
        return self.attack.scenario


SCENARIOS: tuple[DrillScenario, ...] = (
    DrillScenario(
        "smash and grab by night",
        "A robot in a data centre reads as fast as it can for two hours of one night.",
        "known",
        Attack(scenario="night", records=2_000, start_hour=1, hours=2, pace="regular", sources="datacentre"),
    ),
    DrillScenario(
        "by day, behind the owner's work",
        "The owner works on while somebody else reads through residential proxies, in bursts.",
        "known",
        Attack(scenario="day", records=600, start_hour=9, hours=9, pace="bursts", rotate=60),
    ),
    DrillScenario(
        "low and slow",
        "Sixty records a day for a week, in office hours, of people from anywhere.",
        "known",
        Attack(scenario="slow", records=60, days=7, start_hour=8.5, hours=10, rotate=20),
    ),
    DrillScenario(
        "low and slow, of the neighbourhood",
        "The same, of people whom the accounts around the victim know.",
        "known",
        Attack(scenario="slow-local", records=60, days=7, start_hour=8.5, hours=10, rotate=20, targets="local"),
    ),
    DrillScenario(
        "in the shadow of a large account",
        "Four hundred look-ups more on a day of one of the busiest accounts, from its own address and browser.",
        "large",
        Attack(scenario="large", records=400, start_hour=9, hours=9, sources="office", agents="owner"),
    ),
    DrillScenario(
        "write burst",
        "Writes for strangers, in one night, by an account that writes by day.",
        "writers",
        Attack(scenario="writes", records=150, start_hour=1, hours=4, action="write"),
    ),
    DrillScenario(
        "enumeration",
        "Numbers are made up; most belong to nobody.",
        "known",
        Attack(
            scenario="enumeration",
            records=400,
            start_hour=18,
            hours=4,
            pace="regular",
            sources="hosting_mix",
            rotate=100,
            order="enumeration",
            not_found=0.6,
        ),
    ),
    DrillScenario(
        "new account",
        "An account that the attacker has made himself reads on its first two days.",
        "newcomer",
        Attack(scenario="newcomer", records=250, days=2, start_hour=13, hours=6, sources="hosting_mix"),
    ),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def chosen(names: Sequence[str]) -> tuple[DrillScenario, ...]:
    """The scenarios of these names in their usual order; all of them where none is named.

    Raises
    ------
    ConfigError
        With the name that is not known, and those that are.
    """
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise ConfigError(f"--scenario {unknown[0]}: not one of {', '.join(BY_NAME)}")
    return tuple(scenario for scenario in SCENARIOS if not names or scenario.name in names)
