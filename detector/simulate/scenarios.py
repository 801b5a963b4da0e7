"""The attack scenarios S1 to S17, each one declaration.

The usual parameters spread from obvious to subtle, as the public cases do: `spread` makes some victims of a campaign
lose several times as much as others. All extraction that matters takes hundreds of records of an account or more.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from detector.errors import ConfigError
from detector.simulate.settings import Attack


@dataclass(frozen=True)
class Scenario:
    """One way of attack: its name, what happens, its usual parameters."""

    title: str
    story: str
    attack: Attack

    @property
    def name(self) -> str:
        """S1 to S17."""
        return self.attack.scenario


S1 = Scenario(
    "reset and scrape",
    "The mailbox is taken, the password reset, and a robot in a data centre runs through a list of valid numbers (the "
    "case of March 2022): a request every three seconds, the slow end of what such robots do.",
    Attack(
        scenario="S1",
        accounts=5,
        records=2200,
        spread=0.7,
        start_hour=1,
        hours=2,
        pace="regular",
        sources="datacentre",
        prelude="reset",
    ),
)
S2 = Scenario(
    "stolen password",
    "Direct sign-in with a stolen password, through residential proxies of the same country, in office hours.",
    Attack(
        scenario="S2",
        accounts=6,
        records=160,
        spread=0.6,
        first_day=-4,
        days=4,
        start_hour=8.5,
        hours=10,
        pace="bursts",
        sources="residential",
        rotate=60,
    ),
)
S3 = Scenario(
    "enumeration",
    "Numbers are made up in order, sex by year by month of a commune; many belong to nobody.",
    Attack(
        scenario="S3",
        accounts=4,
        records=350,
        spread=0.6,
        start_hour=18,
        hours=4,
        pace="regular",
        sources="hosting_mix",
        rotate=100,
        agents="tool",
        order="enumeration",
    ),
)
S4 = Scenario(
    "low and slow, in concert",
    "Many accounts, each about the 99th percentile of its profession, share a list, proxies, a browser and a rhythm.",
    Attack(
        scenario="S4",
        accounts=19,
        records=75,
        spread=0.3,
        first_day=-7,
        days=7,
        start_hour=8.5,
        hours=10,
        sources="residential",
        shared=True,
        rotate=20,
    ),
)
S5 = Scenario(
    "night write burst",
    "A thousand writes in one night by an account that writes by day, for people of the whole country, as when garages'"
    " accounts made thousands of vehicle certificates within hours.",
    Attack(
        scenario="S5",
        accounts=4,
        records=1000,
        spread=0.7,
        start_hour=1,
        hours=4,
        action="write",
        service="sick_leave",
        eligible="writers",
    ),
)
S6 = Scenario(
    "writes of a profession that does not write",
    "Vaccination passes in the name of somebody who never wrote any, for people of the whole country, by day.",
    Attack(
        scenario="S6",
        accounts=4,
        records=28,
        spread=0.5,
        first_day=-5,
        days=5,
        start_hour=10,
        hours=8,
        action="write",
        service="vaccination",
        eligible="non_writers",
    ),
)
S7 = Scenario(
    "created accounts",
    "Accounts and delegations that the attacker has made himself, and that read at once.",
    Attack(
        scenario="S7",
        accounts=4,
        records=220,
        spread=0.6,
        first_day=-2,
        days=2,
        start_hour=13,
        hours=6,
        sources="hosting_mix",
        prelude="delegation",
        eligible="unseen",
    ),
)
S8 = Scenario(
    "owner active in parallel",
    "The owner works on while the attacker reads from another place with the same account.",
    Attack(
        scenario="S8",
        accounts=5,
        records=130,
        spread=0.6,
        first_day=-3,
        days=3,
        start_hour=9,
        hours=9,
        pace="bursts",
        rotate=80,
        eligible="active",
    ),
)
S9 = Scenario(
    "dormant account woken",
    "An account that nobody has used for months, with a guessed password, in the evening.",
    Attack(
        scenario="S9",
        accounts=4,
        records=200,
        spread=0.7,
        first_day=-2,
        days=2,
        start_hour=19,
        hours=4,
        prelude="guessed",
        eligible="dormant",
    ),
)
S10 = Scenario(
    "on-demand resale",
    "Five to twenty odd look-ups a day on order: anybody of the country, now and then somebody well known.",
    Attack(
        scenario="S10",
        accounts=6,
        records=10,
        spread=0.4,
        first_day=-7,
        days=7,
        start_hour=9,
        hours=11,
        pace="bursts",
        targets="few",
    ),
)
S11 = Scenario(
    "insider",
    "The owner, or somebody of the staff, looks up people of the neighbourhood who are no patients, from the practice.",
    Attack(
        scenario="S11",
        accounts=4,
        records=25,
        spread=0.5,
        first_day=-5,
        days=5,
        start_hour=9,
        hours=9,
        pace="bursts",
        sources="office",
        agents="owner",
        targets="local",
        eligible="active",
    ),
)
S12 = Scenario(
    "practice software abused",
    "A stolen card or certificate drives the software channel by night, like a batch, but for strangers.",
    Attack(
        scenario="S12",
        accounts=4,
        records=320,
        spread=0.6,
        first_day=-3,
        days=3,
        start_hour=2,
        hours=2,
        pace="regular",
        sources="hosting_mix",
        agents="software",
        service="rights",
        channel="software",
        eligible="software",
    ),
)
S13 = Scenario(
    "push bombing",
    "Sign-in requests to a phone until one is accepted; then a look around.",
    Attack(
        scenario="S13",
        accounts=3,
        records=12,
        spread=0.3,
        start_hour=7,
        hours=1,
        prelude="push",
        eligible="phone",
    ),
)
S14 = Scenario(
    "password spraying",
    "One or two passwords tried on many accounts from many addresses; the few that open are looked at.",
    Attack(
        scenario="S14",
        accounts=3,
        records=20,
        spread=0.3,
        start_hour=3,
        hours=3,
        sources="hosting_mix",
        rotate=10,
        prelude="spray",
        sprayed=0.15,
        eligible="password",
    ),
)
S15 = Scenario(
    "stolen session",
    "The cookie of an open session is used from another place while the session lasts; nobody signs in.",
    Attack(
        scenario="S15",
        accounts=5,
        records=220,
        spread=0.6,
        start_hour=9,
        hours=2.5,
        sources="hosting_mix",
        prelude="cookie",
        eligible="active",
    ),
)
S16 = Scenario(
    "details changed before reads",
    "Contact data are changed first, so that notices go astray; the reads follow over days.",
    Attack(
        scenario="S16",
        accounts=4,
        records=180,
        spread=0.6,
        first_day=-3,
        days=3,
        start_hour=17,
        hours=5,
        sources="residential",
        prelude="account_change",
    ),
)
S17 = Scenario(
    "download burst",
    "Each page that a look-up shows is also saved as a file.",
    Attack(
        scenario="S17",
        accounts=4,
        records=120,
        spread=0.6,
        first_day=-2,
        days=2,
        start_hour=12,
        hours=6,
        order="sorted",
        action="export",
    ),
)

SCENARIOS = (S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11, S12, S13, S14, S15, S16, S17)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
SHORT = {"day": "first_day", "hour": "start_hour"}
"""Other names of parameters, for those who type them."""


def make_attack(scenario: str, **changes: object) -> Attack:
    """Return a scenario's attack with some parameters of one's own.

    One that is to last `days` days without a `first_day` ends on the last day.

    Raises
    ------
    ConfigError
        When there is no such scenario, a parameter is unknown or its value impossible; all faults are told together.
    """
    if scenario not in BY_NAME:
        raise ConfigError(f"unknown scenario {scenario!r}; known are {', '.join(BY_NAME)}")
    ends_last = {"first_day": f"-{changes['days']}"} if "days" in changes else {}
    try:
        return Attack.model_validate(BY_NAME[scenario].attack.model_dump() | ends_last | changes)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        known = ", ".join(name for name in Attack.model_fields if name != "scenario")
        raise ConfigError(f"attack {scenario}: {faults}; parameters are {known}") from error


def parse_attack(text: str) -> Attack:
    """Return the attack that `S1` or `S1:accounts=3,records=1300,hours=2,day=-1,targets=local` asks for.

    `day` is the first day. What is not given is as the scenario has it, but a number of records that is given is exact:
    it sets `spread` to 0.

    Raises
    ------
    ConfigError
        With the text, what is wrong in it, and what is known.
    """
    name, _, rest = text.partition(":")
    given = dict(_setting(text, part) for part in rest.split(",") if part.strip())
    exact: dict[str, object] = {"spread": 0.0} if "records" in given else {}
    try:
        return make_attack(name.strip().upper(), **(exact | given))
    except ConfigError as error:
        raise ConfigError(f"attack {text!r}: {error}") from error


def _setting(text: str, part: str) -> tuple[str, str]:
    key, sign, value = part.partition("=")
    if not sign or key.strip() == "scenario":
        raise ConfigError(f"attack {text!r}: {part!r} is not parameter=value")
    return SHORT.get(key.strip(), key.strip()), value.strip()
