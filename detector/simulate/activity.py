"""How much each account does on a day, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.simulate.accounts import Accounts
from detector.simulate.calendar import CAMPAIGN_FACTOR
from detector.simulate.draws import Flags, Floats, Integers, Salt, Stage, below, normal, uniform
from detector.simulate.events import PWD
from detector.simulate.professions import PROFESSIONS, WEEK_SIGMA, column
from detector.simulate.scene import Scene

BUSIEST = 0.97
"""Chance of opening on the busiest day of the busiest account."""

CAMPAIGN_OPENING = 1.35
FIRST_DAYS = 10
"""How long a new account or a new owner is busier than usual."""

FIRST_DAYS_FACTOR = 1.8
LOCUM_SIGMA = 0.6
SCREENING_RECORDS = (100, 401)
SCREENERS = (
    "pharmacy",
    "general_practitioner",
    "nurse",
    "laboratory",
    "health_centre",
    "transporter",
    "optician",
    "dentist",
)
HOLIDAY_FORTNIGHTS = 0.08
"""Share of account-fortnights that are the account's own holidays."""

OPENING_POWER = 0.6
"""On a busy day of the calendar more accounts open (this power of its level), and each does more (the rest)."""

DUTY_OPENING = 0.9
SCREENS_AREA = 0.6

MOST_LOOKUPS = 4_000
"""No more in one day for one account: the hours of a day and of the desk's people."""


@dataclass(frozen=True)
class Activity:
    """One row per account of the block, for one day."""

    works: Flags
    typed: Integers
    """Typed look-ups of the portal, screening included."""
    cards: Integers
    writes: Integers
    screening: Integers
    """Of `typed`, those of a screening."""
    screens_area: Flags
    """Whether the screening reads the area rather than the panel."""
    duty: Flags
    locum: Flags
    fresh: Flags
    """First days of a new account or owner."""


def in_business(scene: Scene) -> Flags:
    """Tell the accounts that exist and are not dormant."""
    accounts, today = scene.accounts, scene.day.index
    asleep = (accounts.sleeps <= today) & (today < accounts.wakes)
    return np.asarray((accounts.created <= today) & ~asleep, np.bool_)


def has_locum(scene: Scene) -> Flags:
    """Tell the accounts that a locum works with."""
    accounts, today = scene.accounts, scene.day.index
    return np.asarray((accounts.locum_from <= today) & (today < accounts.locum_until), np.bool_)


def is_taken_over(scene: Scene) -> Flags:
    """Tell the accounts whose practice has another owner than at the start."""
    return np.asarray(scene.accounts.taken_over <= scene.day.index, np.bool_)


def on_duty(scene: Scene) -> Flags:
    """Tell the shops that are on duty this night (and this Sunday)."""
    every = scene.accounts.duty_period_days
    period = np.maximum(every, 1)
    turn = (scene.day.number + below(period, scene.accounts.number, Salt.DUTY)) % period == 0
    return np.asarray((every > 0) & turn, np.bool_)


def day_activity(scene: Scene) -> Activity:
    """Return what each account of the scene, a whole block, does that day."""
    rng, accounts = scene.rng(Stage.ACTIVITY), scene.accounts
    duty = on_duty(scene)
    works = _works(scene, duty=duty, rng=rng)
    level = np.where(works, _level(scene), 0.0)
    screening, area = _screenings(scene, works=works, rng=rng)
    shape = column("shape")[accounts.profession]
    typed = np.minimum(rng.poisson(level * rng.gamma(shape) / shape), MOST_LOOKUPS)
    cards = rng.poisson(level * column("card_ratio")[accounts.profession] * _card_use(accounts))
    writes = rng.poisson(np.where(works, _write_level(scene), 0.0))
    return Activity(
        works=works,
        typed=typed + screening,
        cards=np.minimum(cards, MOST_LOOKUPS),
        writes=writes,
        screening=screening,
        screens_area=area,
        duty=duty & works,
        locum=has_locum(scene),
        fresh=_fresh(scene),
    )


def _works(scene: Scene, *, duty: Flags, rng: np.random.Generator) -> Flags:
    accounts, day = scene.accounts, scene.day
    draw = rng.random(accounts.rows)
    opening = accounts.activity * day.level**OPENING_POWER * (CAMPAIGN_OPENING if day.campaign else 1.0)
    closed = (accounts.closed_days >> day.date.weekday() & 1).astype(bool) | _on_holiday(scene)
    works = ((draw < np.minimum(opening, BUSIEST)) & ~closed) | (duty & (draw < DUTY_OPENING))
    return np.asarray(works & in_business(scene), np.bool_)


def _on_holiday(scene: Scene) -> Flags:
    """Tell the accounts away for the fortnight; each has its own changeover day, desks never close."""
    number = scene.accounts.number
    fortnight = (scene.day.number + below(14, number, Salt.SHIFT)) // 14
    away = uniform(number, fortnight, Salt.HOLIDAY) < HOLIDAY_FORTNIGHTS
    return np.asarray(away & (column("desk")[scene.accounts.profession] == 0), np.bool_)


def _level(scene: Scene) -> Floats:
    """Return mean typed look-ups of accounts at work: account, week, day of the week, campaign, newcomers, locums."""
    accounts, day = scene.accounts, scene.day
    week = (day.number + below(7, accounts.number, Salt.WEEK)) // 7
    # A moving sum of three: neighbouring weeks correlate by two thirds.
    drift = sum(normal(accounts.number, week - back, Salt.WEEK) for back in range(3)) / np.sqrt(3)
    locum = np.exp(LOCUM_SIGMA * normal(accounts.number, accounts.locum_from, Salt.SHIFT))
    level = accounts.lookups * np.exp(WEEK_SIGMA * drift) * day.level ** (1 - OPENING_POWER) * scene.world.volume
    level = level * np.where(_fresh(scene), FIRST_DAYS_FACTOR, 1.0) * np.where(has_locum(scene), locum, 1.0)
    return np.asarray(level * (CAMPAIGN_FACTOR if day.campaign else 1.0), np.float64)


def _fresh(scene: Scene) -> Flags:
    accounts, today = scene.accounts, scene.day.index
    start = np.where(is_taken_over(scene), accounts.taken_over, accounts.created)
    return np.asarray((start <= today) & (today < start + FIRST_DAYS), np.bool_)


def _screenings(scene: Scene, *, works: Flags, rng: np.random.Generator) -> tuple[Integers, Flags]:
    """Return how many people each account screens, and whether they are of its area rather than of its panel."""
    screener = np.array([p.name in SCREENERS for p in PROFESSIONS])[scene.accounts.profession]
    chosen = works & screener & (rng.random(len(works)) < scene.world.traits.screening_day)
    count = rng.integers(*SCREENING_RECORDS, len(works))
    return np.where(chosen, count, 0), chosen & (rng.random(len(works)) < SCREENS_AREA)


def _card_use(accounts: Accounts) -> Floats:
    """Return how much those with a card reader at hand use it, and those who sign in by password."""
    return np.where(accounts.auth_mode == PWD, 0.4, 1.6)


def _write_level(scene: Scene) -> Floats:
    """Return mean writes: the profession's, more for busy accounts, but less than in proportion."""
    level = column("writes_per_day")[scene.accounts.profession] * scene.day.level ** (1 - OPENING_POWER)
    return np.asarray(level * np.sqrt(np.minimum(scene.accounts.lookups, 20)) / 1.7, np.float64)
