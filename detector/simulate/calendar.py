"""What kind of day it is: working days, holidays, days that catch up, the campaign, the wave of resets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays
import numpy as np

from detector.simulate.draws import Floats, Integers, Salt, below
from detector.simulate.settings import World

WEEK = (0.200, 0.182, 0.168, 0.168, 0.176, 0.094, 0.012)
"""Share of the week's work per weekday: Monday a fifth, then Tuesday and Friday, Sunday one per cent."""

HOLIDAY_FACTOR = 0.08
BRIDGE_FACTOR = 0.55
CATCH_UP_FACTOR = 1.5
CAMPAIGN_FACTOR = 2.4
SEASON = (1.08, 1.0, 1.06, 0.98, 0.96, 1.05, 0.92, 0.75, 1.06, 1.02, 1.03, 0.97)
"""Level per month: peaks in January, March, June and September, a dip in August."""

RELEASE_EVERY_DAYS = 28
"""Browsers bring out a version every four weeks, and update themselves within a week."""

EPOCH = date(2020, 1, 7)


@dataclass(frozen=True)
class DayFacts:
    """One calendar day of the portal's zone."""

    date: date
    index: int
    start_us: int
    """UTC instant of its midnight, microseconds since 1970."""
    length_s: int
    """86,400, or an hour less or more when clocks change."""
    level: float
    """How much is done, 1 on an average day."""
    holiday: bool
    catch_up: bool
    campaign: bool
    since_forced_reset: int
    """Days since the wave of forced resets; negative before."""

    @property
    def number(self) -> int:
        """Days since a fixed past day, for everything that turns over."""
        return (self.date - EPOCH).days


def day_facts(world: World, index: int) -> DayFacts:
    """Return what is special about day `index` of a world."""
    day = world.day(index)
    zone = ZoneInfo(world.zone)
    start = datetime.combine(day, time(), zone).timestamp()
    end = datetime.combine(day + timedelta(days=1), time(), zone).timestamp()
    return DayFacts(
        date=day,
        index=index,
        start_us=int(start) * 1_000_000,
        length_s=int(end - start),
        level=_level(day),
        holiday=_is_holiday(day),
        catch_up=_catches_up(day),
        campaign=index == campaign_day(world),
        since_forced_reset=index - forced_reset_day(world),
    )


def campaign_day(world: World) -> int:
    """Return the day of the vaccination campaign: a weekday in the middle third, unless the settings say."""
    if world.vaccination_day is not None:
        return world.index(world.vaccination_day)
    index = world.days // 3 + int(below(max(1, world.days // 3), world.seed, Salt.HOLIDAY)[0])
    weekday = world.day(index).weekday()
    return index - max(0, weekday - 4)


def forced_reset_day(world: World) -> int:
    """Return the day of the wave of forced resets, unless the settings say drawn from the second half."""
    if world.forced_reset_day is not None:
        return world.index(world.forced_reset_day)
    return world.days // 2 + int(below(max(1, world.days // 3), world.seed, Salt.UPDATE)[0])


def releases(day: DayFacts, lag_days: Integers) -> Integers:
    """Return the browser version of machines that update `lag_days` after a release."""
    return np.asarray((day.number - lag_days) // RELEASE_EVERY_DAYS, np.int64)


def clock_offset_s(day: DayFacts, zones: tuple[str, ...], *, zone: str) -> Floats:
    """Return how far each zone's clock is ahead of the portal's at noon, in seconds."""
    noon = datetime.combine(day.date, time(12), ZoneInfo(zone))
    here = noon.utcoffset() or timedelta()
    return np.array([((noon.astimezone(ZoneInfo(z)).utcoffset() or timedelta()) - here).total_seconds() for z in zones])


def _level(day: date) -> float:
    level = WEEK[day.weekday()] * 7 * SEASON[day.month - 1]
    if _is_holiday(day) and day.weekday() < 6:
        return level * HOLIDAY_FACTOR
    if _is_bridge(day):
        return level * BRIDGE_FACTOR
    return level * CATCH_UP_FACTOR if _catches_up(day) else level


@cache
def _is_holiday(day: date) -> bool:
    return day in holidays.country_holidays("FR", years=day.year)


def _is_bridge(day: date) -> bool:
    after_thursday = day.weekday() == 4 and _is_holiday(day - timedelta(days=1))
    before_tuesday = day.weekday() == 0 and _is_holiday(day + timedelta(days=1))
    return after_thursday or before_tuesday


def _catches_up(day: date) -> bool:
    """Tell the first working day after a holiday on a weekday."""
    if day.weekday() >= 5 or _is_holiday(day) or _is_bridge(day):
        return False
    before = day - timedelta(days=1)
    while before.weekday() >= 5 or _is_bridge(before):
        before -= timedelta(days=1)
    return _is_holiday(before)
