"""The accounts of a world: who they are, where, how busy, with which machines, and which benign traits they carry."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtri

from detector.simulate import sources
from detector.simulate.draws import Flags, Floats, Integers, Stage, generator
from detector.simulate.events import AUTH_MODES
from detector.simulate.geography import Geography
from detector.simulate.professions import NAMES, PROFESSIONS, column
from detector.simulate.settings import Traits, World

LONG_AGO = -10_000
NEVER = 10**6

HABITUAL_MODES = (0.56, 0.22, 0.04, 0.08, 0.10)
"""How accounts usually sign in, in the order of AUTH_MODES: password, card, staff card, phone, federation."""

LARGE_DESK_LOOKUPS, LARGE_DESK_SIGMA, LARGE_DESK_FAR = 900, 0.25, 0.35
"""A large hospital's desk: its usual day, the spread of its log among such desks, and the share of people from far."""

LOCUM_DAYS = (5, 21)
SEEN_BEFORE_SLEEP = 0.5
"""Of the dormant, those that still did something in the first eighth of the window."""

DUTY_PERIOD_SPREAD = 0.3
"""Turns of duty come more or less often, by this much."""

RENEWAL_DAYS = (7, 400)
"""How long a home address lasts, at least and at most."""


@dataclass(frozen=True)
class Accounts:
    """One row per account; days count from the start of the world."""

    number: Integers
    """Position in the world, which is also the identity that events carry."""
    profession: npt.NDArray[np.int8]
    commune: Integers
    department: Integers
    organisation: Integers
    activity: Floats
    """Chance of doing something on an average day."""
    lookups: Floats
    """Mean typed look-ups per active day, weeks aside."""
    closed_days: npt.NDArray[np.int64]
    """Weekdays on which it never opens, as bits."""
    lunch: Flags
    """Whether it closes at noon."""
    walk_in: Floats
    far: Floats
    turnover: Floats
    """New people per day in the panel."""
    stay_days: Floats
    """How long people stay in the panel."""
    auth_mode: npt.NDArray[np.int8]
    network: npt.NDArray[np.int8]
    renewal_days: Integers
    browser: npt.NDArray[np.int8]
    other_browser: npt.NDArray[np.int8]
    update_lag_days: Integers
    delegates: Integers
    created: Integers
    """First day in business."""
    sleeps: Integers
    """First day of a dormant account's sleep; NEVER for the others."""
    wakes: Integers
    """First day after it, or NEVER."""
    taken_over: Integers
    """First day of a new owner, or NEVER."""
    locum_from: Integers
    locum_until: Integers
    duty_period_days: Integers
    """How often it is on duty, 0 for never."""
    software_from: Integers
    """First day of its practice software, LONG_AGO for an old user, NEVER for none."""
    software_lookups: Floats
    software_start_s: Floats
    """Second of the day of the nightly batch; negative when the software asks all day long."""
    payments_robot: Flags

    @property
    def rows(self) -> int:
        """How many accounts."""
        return len(self.number)

    def take(self, rows: npt.NDArray[np.int64] | slice) -> Accounts:
        """Return some of the accounts."""
        return Accounts(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def make_accounts(world: World, geography: Geography) -> Accounts:
    """Return the accounts of a world, drawn from its seed alone."""
    rng = generator(world.seed, Stage.ACCOUNTS)
    profession = _professions(rng, world.accounts)
    commune = _communes(rng, world.accounts, geography)
    columns: dict[str, Any] = {"number": np.arange(world.accounts), "profession": profession, "commune": commune}
    columns["department"] = geography.commune_department[commune]
    columns |= _business(rng, profession) | _signing_in(rng, world, profession)
    desks = _large_desks(world, profession)
    columns["lookups"][desks], columns["activity"][desks] = _large_desk_lookups(world, profession[desks]), 1.0
    columns["organisation"] = _organisations(profession, commune)
    columns |= _panels(rng, profession, columns) | _changes(rng, world, profession) | _software(rng, world, profession)
    columns["far"][desks] = LARGE_DESK_FAR
    return Accounts(**columns)


def _professions(rng: np.random.Generator, count: int) -> npt.NDArray[np.int8]:
    """Return professions in their exact shares, shuffled, so that small worlds have all of them."""
    share = np.cumsum(column("per_4000")) / column("per_4000").sum()
    return rng.permutation(np.searchsorted(share, (np.arange(count) + 0.5) / count)).astype(np.int8)


def _communes(rng: np.random.Generator, count: int, geography: Geography) -> Integers:
    share = np.cumsum(geography.people) / geography.people.sum()
    return np.asarray(np.searchsorted(share, rng.random(count)), np.int64)


def _of(profession: npt.NDArray[np.int8], field: str) -> Floats:
    return column(field)[profession]


def _business(rng: np.random.Generator, profession: npt.NDArray[np.int8]) -> dict[str, Any]:
    count = len(profession)
    mean = _of(profession, "active_share")
    sigma = _of(profession, "account_sigma")
    median = np.array([p.lookups[0] for p in PROFESSIONS])[profession]
    closed = np.where(rng.random(count) < 0.35, 1 << rng.integers(0, 5, count), 0)
    return {
        "activity": rng.beta(3.5 * mean, 3.5 * (1 - mean)),
        "lookups": median * _mean_over_median(profession) * np.exp(sigma * _even_normal(rng, profession)),
        "closed_days": np.where(_of(profession, "desk") > 0, 0, closed),
        "lunch": rng.random(count) < 0.3,
    }


def _large_desks(world: World, profession: npt.NDArray[np.int8]) -> Integers:
    """Return the first hospitals."""
    return np.flatnonzero(profession == NAMES.index("hospital"))[: world.large_desks]


def _large_desk_lookups(world: World, profession: npt.NDArray[np.int8]) -> Floats:
    """Return draws of their own, so that everybody else stays as in a world without them."""
    rng = generator(world.seed, Stage.DESKS)
    median = rng.lognormal(np.log(LARGE_DESK_LOOKUPS), LARGE_DESK_SIGMA, len(profession))
    return np.asarray(median * _mean_over_median(profession), np.float64)


def _even_normal(rng: np.random.Generator, profession: npt.NDArray[np.int8]) -> Floats:
    """Return standard normal effects, evenly spread within each profession, so that few accounts do as well as many."""
    count = np.bincount(profession)[profession]
    order = np.lexsort((rng.random(len(profession)), profession))
    first = np.searchsorted(profession[order], profession, side="left")
    place = np.empty(len(profession), np.int64)
    place[order] = np.arange(len(profession))
    return np.asarray(ndtri((place - first + rng.random(len(profession))) / count), np.float64)


def _mean_over_median(profession: npt.NDArray[np.int8]) -> Floats:
    """Return what the mean of one account must be so that the median of all days is right, gamma being skewed."""
    shape = _of(profession, "shape")
    return np.asarray(3 * shape / (3 * shape - 1), np.float64)


def _signing_in(rng: np.random.Generator, world: World, profession: npt.NDArray[np.int8]) -> dict[str, Any]:
    count = len(profession)
    low, high = np.log(RENEWAL_DAYS)
    return {
        "auth_mode": rng.choice(len(AUTH_MODES), count, p=HABITUAL_MODES).astype(np.int8),
        "network": sources.choose_network(rng, world.traits, profession),
        "renewal_days": np.exp(rng.uniform(low, high, count)).astype(np.int64),
        "browser": sources.choose_browser(rng, count),
        "other_browser": sources.choose_other_browser(rng, count),
        "update_lag_days": np.where(rng.random(count) < 0.12, 200, rng.integers(0, 7, count)),
        "delegates": rng.poisson(_of(profession, "delegates")),
    }


def _organisations(profession: npt.NDArray[np.int8], commune: Integers) -> Integers:
    """Return the organisation: the account's own number, or for a hospital desk that of the commune's hospital."""
    hospital = np.array([p.name == "hospital" for p in PROFESSIONS])[profession]
    return np.asarray(np.where(hospital, len(profession) + commune, np.arange(len(profession))), np.int64)


def _panels(rng: np.random.Generator, profession: npt.NDArray[np.int8], columns: dict[str, Any]) -> dict[str, Any]:
    count = len(profession)
    returns = np.clip(_of(profession, "return_share") + rng.normal(0, 0.12, count), 0.02, 0.9)
    walk_in = np.clip(_of(profession, "walk_in_share") * rng.lognormal(0, 0.5, count), 0.02, 0.9)
    level = columns["lookups"] * columns["activity"]
    return {
        "walk_in": walk_in,
        "far": np.clip(_of(profession, "far_share") * rng.lognormal(0, 0.7, count), 0, 0.5),
        "turnover": level * (1 - walk_in) * (1 + _of(profession, "card_ratio")) * (1 - returns) + 0.02,
        "stay_days": rng.lognormal(np.log(40), 0.5, count),
    }


def _changes(rng: np.random.Generator, world: World, profession: npt.NDArray[np.int8]) -> dict[str, Any]:
    count, traits = len(profession), world.traits
    when = rng.integers(0, world.days, (5, count))
    kind = np.searchsorted(
        np.cumsum([traits.new_accounts, traits.never_used, traits.dormant]), rng.random(count), "right"
    )
    new, unused, dormant = kind == 0, kind == 1, kind == 2
    sleeps = np.where(rng.random(count) < SEEN_BEFORE_SLEEP, when[4] // 8, LONG_AGO)
    wakes = np.where(dormant & (rng.random(count) < traits.dormant_wake), np.maximum(when[1], world.days // 3), NEVER)
    locum_from = np.where(rng.random(count) < traits.locum, when[3] - 7, NEVER)
    shop = np.array([p.hours == "shop" and p.name == "pharmacy" for p in PROFESSIONS])[profession]
    return {
        "created": np.where(new, when[0], LONG_AGO),
        "sleeps": np.where(unused, LONG_AGO, np.where(dormant, sleeps, NEVER)),
        "wakes": wakes,
        "taken_over": np.where(rng.random(count) < traits.take_over, when[2], NEVER),
        "locum_from": locum_from,
        "locum_until": locum_from + rng.integers(*LOCUM_DAYS, count),
        "duty_period_days": np.where(shop, _duty_periods(rng, traits, count), 0),
    }


def _duty_periods(rng: np.random.Generator, traits: Traits, count: int) -> Integers:
    """Return how often each shop would be on duty, in days; 0 for never."""
    if traits.duty == 0:
        return np.zeros(count, np.int64)
    spread = rng.uniform(1 - DUTY_PERIOD_SPREAD, 1 + DUTY_PERIOD_SPREAD, count)
    return np.asarray(np.maximum(np.round(spread / traits.duty), 1), np.int64)


def _software(rng: np.random.Generator, world: World, profession: npt.NDArray[np.int8]) -> dict[str, Any]:
    count = len(profession)
    old = rng.random(count) < _of(profession, "software_share")
    first = rng.random(count) < world.traits.first_robot
    all_day = np.array([p.name == "pharmacy" for p in PROFESSIONS])[profession] | (rng.random(count) < 0.2)
    batch = (rng.normal(2.5, 1.5, count) % 24) * 3600
    return {
        "software_from": np.where(old, LONG_AGO, np.where(first, rng.integers(0, world.days, count), NEVER)),
        "software_lookups": np.maximum(_of(profession, "software_lookups"), 10) * rng.lognormal(0, 0.7, count),
        "software_start_s": np.where(all_day, -1.0, batch),
        "payments_robot": rng.random(count) < world.traits.payments_robot,
    }


def luhn(number: Integers) -> Integers:
    """Return the numbers with their Luhn key as a further digit (ISO/IEC 7812-1)."""
    total, rest, double = np.zeros_like(number), number.copy(), True
    while rest.any():
        digit = rest % 10 * (2 if double else 1)
        total += np.where(digit > 9, digit - 9, digit)
        rest, double = rest // 10, not double
    return number * 10 + (10 - total % 10) % 10


def account_names(accounts: Accounts, geography: Geography) -> pa.Array:
    """Return the sign-in identifiers: nine digits: department, serial, Luhn key."""
    order = np.lexsort((accounts.number, accounts.department))
    first = np.searchsorted(accounts.department[order], np.arange(len(geography.departments)))
    serial = np.empty(accounts.rows, np.int64)
    serial[order] = np.arange(accounts.rows) - first[accounts.department[order]]
    number = luhn((accounts.department + 1) * 10**5 + serial)
    return padded(number, 9)


def organisation_names(accounts: Accounts) -> pa.Array:
    """Return nine-digit numbers of establishments with their Luhn key, one per organisation."""
    return padded(luhn(accounts.organisation + 10**6), 9)


def padded(number: Integers, digits: int) -> pa.Array:
    """Return numbers as text with leading zeros."""
    return pc.utf8_lpad(pa.array(number).cast(pa.string()), digits, "0")
