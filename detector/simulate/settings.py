"""What a simulated world is made of: its size, the shares of each benign trait, its attacks."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]

Sources = Literal["datacentre", "residential", "hosting_mix", "office"]
Order = Literal["random", "sorted", "commune", "enumeration"]
Targets = Literal["national", "local", "few"]
Prelude = Literal["none", "reset", "guessed", "push", "delegation", "account_change", "cookie", "spray"]
Agents = Literal["browser", "owner", "tool", "software"]
Eligible = Literal["anyone", "non_writers", "writers", "dormant", "unseen", "software", "active", "phone", "password"]
Pace = Literal["regular", "human", "bursts"]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone; expected a name such as Europe/Paris") from error
    return name


class Traits(BaseModel):
    """Shares of the benign traits; each makes honest life harder to tell from theft."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    new_accounts: Share = 0.03
    """Accounts that are opened within the window."""
    dormant: Share = 0.07
    """Accounts that do nothing for months; half of them did something in the first days of the window."""
    dormant_wake: Share = 0.15
    """Of the dormant, those that wake within the window."""
    never_used: Share = 0.03
    """Accounts that are open and never used."""
    take_over: Share = 0.02
    """Accounts whose practice gets another owner within the window."""
    locum: Share = 0.06
    """Accounts that a locum works with for one to three weeks of the window."""
    first_robot: Share = 0.03
    """Accounts that start practice software, with a first large batch."""
    payments_robot: Share = 0.05
    """Accounts whose accountant's robot fetches payments."""
    screening_day: Share = 0.005
    """Active account-days on which a practice reads 100 to 400 people of its area or panel."""
    duty: Share = 0.04
    """Days on which a pharmacy is on duty, at night and on Sundays too."""
    mobile: Share = 0.12
    """Accounts behind a carrier's shared addresses."""
    ipv6: Share = 0.15
    """Accounts with a new IPv6 privacy address every day."""
    vpn: Share = 0.02
    """Accounts behind the VPN of a software vendor, which leaves from a data centre."""
    second_device: Share = 0.1
    """Sessions from another machine or network than the usual one (phone, home, 4G backup)."""
    not_found: Share = 0.04
    """Typed look-ups preceded by a number that nobody has."""
    failed_sign_in: Share = 0.07
    """Password sessions that begin with one to three failures."""
    reset: Share = 0.006
    """Password sessions that begin with a reset of the password."""
    forced_reset: Share = 0.5
    """Password accounts told to choose a new password, on the day of the wave or at their next sign-in."""
    export: Share = 0.004
    """Look-ups followed by a download of the page."""


class Attack(BaseModel):
    """One planted attack: `accounts` victims, each read or written `records` times a day on `days` days.

    `first_day` counts from 0, or from the end when negative. Hours are of the portal's zone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    scenario: str
    """Its name in the truth."""
    accounts: int = Field(default=1, ge=1)
    """How many accounts fall victim."""
    records: int = Field(default=500, ge=0)
    """Records per account and day (writes for write scenarios)."""
    spread: float = Field(default=0.0, ge=0)
    """Standard deviation of the log of an account's daily number of records; 0: exactly `records`."""
    first_day: int = -1
    """First day, from 0, or from the end when negative."""
    days: int = Field(default=1, ge=1)
    """How many days in a row."""
    start_hour: float = Field(default=1.0, ge=0, lt=24)
    """When it begins each day, by the portal's clock; each account up to a quarter of an hour later."""
    hours: float = Field(default=2.0, gt=0, le=24)
    """How long it goes on each day, and so, with `records`, how fast; nothing crosses midnight."""
    pace: Pace = "human"
    """Gaps between records: all alike, like people's, or like people's with long pauses."""
    sources: Sources = "residential"
    """Addresses: one data centre, homes of the same country, many hosting firms, or the account's own practice."""
    shared: bool = False
    """Whether the accounts of one campaign are driven from the same addresses and browser."""
    rotate: int = Field(default=0, ge=0)
    """A new address every so many records; 0: one a session."""
    agents: Agents = "browser"
    """User agents: ordinary browsers, the owner's own, a script's, or the practice software's."""
    order: Order = "random"
    """Order of the list: none, by number, by commune; or numbers made up one after the other."""
    targets: Targets = "national"
    """Who is read: anybody of the country, anybody of the account's own area, or strangers and a few well-known."""
    prelude: Prelude = "none"
    """How the attacker comes in, before the first record."""
    action: Literal["lookup", "write", "export"] = "lookup"
    """What is done to each record; a download follows its look-up."""
    service: Literal["infopatient", "rights", "sick_leave", "vaccination", "prior_agreement", "transport"] = (
        "infopatient"
    )
    """The portal's service that is used."""
    channel: Literal["portal", "software"] = "portal"
    """People's portal, or the channel of practice software."""
    not_found: Share = 0.02
    """Share of the list's numbers that nobody has."""
    eligible: Eligible = "anyone"
    """Which accounts can fall victim; `active` ones work on the first day, `unseen` ones never did anything."""
    sprayed: Share = 0.0
    """Share of the portal's accounts on which passwords are tried, for a spraying."""


class World(BaseModel):
    """A portal and a stretch of its life."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    accounts: int = Field(default=4_000, ge=100, le=400_000)
    """How many accounts there are, whether or not they do anything."""
    days: int = Field(default=35, ge=1, le=1_000)
    """How many days in a row."""
    start: date = date(2026, 1, 5)
    """The first day."""
    seed: int = Field(default=1, ge=0)
    """Every draw follows from it."""
    zone: Annotated[str, AfterValidator(_known_zone)] = "Europe/Paris"
    """The portal's time zone, whose days the files hold."""
    people_per_account: int = Field(default=170, ge=20, le=1_000)
    """France has 68 million people for some 400,000 accounts."""
    volume: float = Field(default=1.0, gt=0)
    """Factor on every rate of look-ups, for benchmarks."""
    large_desks: int = Field(default=0, ge=0, le=100)
    """Of the hospitals' accounts, as many as there are, those that look up some 900 people a day, every day."""
    records: Literal["nir", "token"] = "nir"
    """Whether records are written as social-security numbers or as tokens."""
    vaccination_day: int | None = None
    """Day of the vaccination campaign, from 0 or from the end; by default a weekday drawn by seed."""
    forced_reset_day: int | None = None
    """Day of the wave of resets, from 0 or from the end; by default drawn by seed."""
    traits: Traits = Traits()
    """Shares of the benign traits."""
    attacks: tuple[Attack, ...] = ()
    """What is planted; each is one campaign."""

    def day(self, index: int) -> date:
        """Return the calendar day number `index`, from 0."""
        return self.start + timedelta(days=index)

    def index(self, day: int) -> int:
        """Return a day counted from 0, given one that may count from the end."""
        return day + self.days if day < 0 else day
