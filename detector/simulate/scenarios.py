"""The attack scenarios S1 to S17, each one declaration."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from detector.errors import ConfigError
from detector.simulate.settings import Attack


@dataclass(frozen=True)
class Scenario:
    """One way of attack: its name, the public cases behind it, its usual parameters."""

    attack: Attack
    title: str
    story: str

    @property
    def name(self) -> str:
        """S1 to S17."""
        return self.attack.scenario


SCENARIOS = (
    Scenario(
        Attack(scenario="S1", accounts=3, records=1300, hours=2, prelude="reset", sources="datacentre", pace="regular"),
        "reset and scrape",
        "The mailbox is taken, the password reset, and a robot in a data centre runs through a list of valid numbers.",
    ),
    Scenario(
        Attack(
            scenario="S2",
            accounts=3,
            records=250,
            spread=0.2,
            days=3,
            first_day=-3,
            start_hour=9,
            hours=9,
            sources="residential",
            rotate=60,
        ),
        "stolen password",
        "Signed in with a stolen password through residential proxies of the same country, in office hours.",
    ),
    Scenario(
        Attack(
            scenario="S3",
            accounts=2,
            records=600,
            hours=3,
            start_hour=18,
            order="enumeration",
            sources="hosting_mix",
            rotate=100,
            agents="tool",
            pace="regular",
        ),
        "enumeration",
        "Numbers are made up in order, sex by year by month of a commune; many belong to nobody.",
    ),
    Scenario(
        Attack(
            scenario="S4",
            accounts=19,
            records=70,
            spread=0.25,
            days=7,
            first_day=-7,
            start_hour=8.5,
            hours=10,
            shared=True,
            rotate=20,
            sources="residential",
        ),
        "low and slow, in concert",
        "Nineteen accounts below the 99th percentile of their profession share a list, a browser and a rhythm.",
    ),
    Scenario(
        Attack(
            scenario="S5",
            accounts=2,
            records=400,
            hours=4,
            start_hour=1,
            action="write",
            service="sick_leave",
            eligible="writers",
            sources="residential",
        ),
        "night write burst",
        "Hundreds of writes in one night, for people of all France.",
    ),
    Scenario(
        Attack(
            scenario="S6",
            accounts=2,
            records=60,
            days=4,
            first_day=-4,
            start_hour=10,
            hours=8,
            action="write",
            service="vaccination",
            eligible="non_writers",
            sources="residential",
        ),
        "writes of a profession that does not write",
        "Passes are written in the name of somebody who never wrote any.",
    ),
)

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def parse_attack(text: str) -> Attack:
    """Return the attack that `S1` or `S1:accounts=3,records=1300,hours=2,day=-1,targets=local` asks for.

    `day` is the first day. What is not given is the scenario's default.

    Raises
    ------
    ConfigError
        With the text, what is wrong in it, and what is known.
    """
    name, _, rest = text.partition(":")
    if name.strip().upper() not in BY_NAME:
        raise ConfigError(f"attack {text!r}: unknown scenario {name!r}; known are {', '.join(BY_NAME)}")
    given = dict(_setting(text, part) for part in rest.split(",") if part.strip())
    usual = BY_NAME[name.strip().upper()].attack
    try:
        return Attack.model_validate(usual.model_dump() | given)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"attack {text!r}: {faults}; parameters are {', '.join(Attack.model_fields)}") from error


def _setting(text: str, part: str) -> tuple[str, str]:
    key, sign, value = part.partition("=")
    if not sign:
        raise ConfigError(f"attack {text!r}: {part!r} is not name=value")
    return {"day": "first_day", "hour": "start_hour"}.get(key.strip(), key.strip()), value.strip()
