"""Honest machines: practice software on its own channel, accountants' robots, the noise of the network."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detector.simulate import events as ev
from detector.simulate.accounts import LONG_AGO
from detector.simulate.activity import in_business
from detector.simulate.draws import Flags, Floats, Integers, Salt, Stage, below, mix
from detector.simulate.events import Events, make_events
from detector.simulate.portal import people_shown
from detector.simulate.scene import Scene
from detector.simulate.sessions import COMMON_BROWSERS, DAY_S, address_today, instants
from detector.simulate.sources import (
    FIRST_BYTE,
    PAYMENTS_ROBOTS,
    TOOLS,
    browser_agent,
    fixed_agent,
    ipv4,
    software_agent,
)
from detector.simulate.visits import OLD_STAYS, area_people, panel_visits, walk_ins

BATCH_PACE_S = 1.5
EVENING_S = 22.2 * 3600
"""When software that asks all day long makes its first batch."""

FIRST_BATCH_FACTOR = 12.0
"""The first batch reads the practice's files, so many times what a usual day reads."""

FIRST_BATCH_AREA = 0.3
"""Of the first batch, people of the area whom the files hold from earlier years."""

SOFTWARE_MISSES = 0.015
SOFTWARE_WALK_INS = 0.25
NOISE_PER_ACCOUNT = 0.002
"""Failed sign-ins a day from nowhere that name nobody, per account."""

FORGOTTEN = 0.0008
"""Account-days on which somebody only fails to sign in."""

ROBOT_START_S = 5.5 * 3600
ROBOT_LOOKS_SHARE = 0.15
"""Of the robots' visits, those in which a payment's detail is a look-up."""


def software_day(scene: Scene) -> Events:
    """Return the look-ups of practice software: a nightly batch at a fixed minute, or calls all day long."""
    rng = scene.rng(Stage.SOFTWARE)
    users = scene.of(np.flatnonzero(_runs(scene, rng=rng)))
    accounts = users.accounts
    first = (accounts.software_from == scene.day.index) & (accounts.software_from > LONG_AGO)
    mean = accounts.software_lookups * min(scene.day.level, 1.5) * scene.world.volume
    mean = mean * np.where(first, FIRST_BATCH_FACTOR, 1.0)
    count = rng.poisson(mean * rng.gamma(6, size=accounts.rows) / 6)
    row = np.repeat(np.arange(accounts.rows), count)
    place = np.arange(len(row)) - (np.cumsum(count) - count)[row]
    return _software_lookups(users.of(row), place=place, first=first[row], rng=rng)


def _software_lookups(scene: Scene, *, place: Integers, first: Flags, rng: np.random.Generator) -> Events:
    """Return one look-up per row of the scene; `place` is its position among those of its account."""
    accounts = scene.accounts
    second = _seconds(scene, place=place, first=first, rng=rng)
    missing = rng.random(accounts.rows) < SOFTWARE_MISSES
    return make_events(
        instants(scene.day, second),
        account=accounts.number,
        action=ev.LOOKUP,
        outcome=missing,
        ip=address_today(scene),
        person=_people(scene, first=first, rng=rng),
        shown=np.where(missing, 0, people_shown(accounts.rows, rng=rng)),
        service=ev.RIGHTS,
        channel=ev.SOFTWARE,
        auth_mode=ev.CPS,
        record_id_mode=np.where(accounts.software_start_s < 0, ev.CARD, ev.TRAITS),
        session=mix(scene.world.seed, scene.day.number, accounts.number, Salt.TOKEN),
        user_agent=software_agent(accounts.profession),
    )


def _runs(scene: Scene, *, rng: np.random.Generator) -> Flags:
    """Tell whose software asks today: those in business with software, less on days when little is done."""
    begun = scene.accounts.software_from
    chance = np.where(begun == scene.day.index, 1.0, min(0.97, 0.95 * scene.day.level))
    awake = in_business(scene) & (begun <= scene.day.index)
    return np.asarray(awake & (rng.random(len(begun)) < chance), np.bool_)


def _seconds(scene: Scene, *, place: Integers, first: Flags, rng: np.random.Generator) -> Floats:
    """Return seconds of the day: a batch goes on at a regular pace, calls follow the working day."""
    all_day = scene.accounts.software_start_s < 0
    start = np.where(all_day, EVENING_S, scene.accounts.software_start_s)
    batch = (start + place * BATCH_PACE_S * rng.uniform(0.85, 1.15, len(place))) % DAY_S
    calls = (8 + 11.5 * rng.beta(1.6, 1.6, len(place))) * 3600
    return np.asarray(np.where(all_day & ~first, calls, batch), np.float64)


def _people(scene: Scene, *, first: Flags, rng: np.random.Generator) -> Integers:
    """Return whom the software asks for: the panel, walk-ins by day; at first the old files and some of the area."""
    draw = rng.random(len(first))
    person = panel_visits(scene, rng=rng)
    person[first] = panel_visits(scene.of(np.flatnonzero(first)), rng=rng, reach=OLD_STAYS)
    area = np.flatnonzero(first & (draw < FIRST_BATCH_AREA))
    person[area] = area_people(scene.of(area), rng=rng)
    others = np.flatnonzero(~first & (draw < SOFTWARE_WALK_INS))
    person[others] = walk_ins(scene.of(others), rng=rng)
    return person


def robots_day(scene: Scene) -> Events:
    """Return what accountants' robots do: sign in with the account's password from a data centre, read the payments.

    Now and then a payment's detail names somebody of the panel: a look-up of the payments service.
    """
    rng = scene.rng(Stage.ROBOTS)
    mine = scene.of(np.flatnonzero(_robot_is_due(scene)))
    count = mine.accounts.rows
    start = ROBOT_START_S + below(1_800, mine.accounts.number, Salt.SHIFT) + rng.normal(0, 3, count)
    source = _robot_source(mine)
    asks = np.flatnonzero(rng.random(count) < ROBOT_LOOKS_SHARE)
    some = np.repeat(asks, rng.integers(1, 6, len(asks)))
    looks = make_events(
        instants(scene.day, start[some] + 6 + rng.uniform(0, 60, len(some))),
        action=ev.LOOKUP,
        person=panel_visits(mine.of(some), rng=rng),
        shown=1,
        record_id_mode=ev.TYPED,
        **{name: values[some] for name, values in source.items()},
    )
    login = make_events(instants(scene.day, start), action=ev.LOGIN, **source)
    logout = make_events(instants(scene.day, start + 95), action=ev.LOGOUT, **source)
    return ev.join([login, looks, logout])


def _robot_is_due(scene: Scene) -> Flags:
    """Tell whose robot comes today: a third come daily, the others once a week."""
    number = scene.accounts.number
    daily = below(3, number, Salt.PROXY) == 0
    weekly = (scene.day.number + below(7, number, Salt.PROXY, 1)) % 7 == 0
    return np.asarray(scene.accounts.payments_robot & in_business(scene) & (daily | weekly), np.bool_)


def _robot_source(scene: Scene) -> dict[str, npt.NDArray[np.generic]]:
    number = scene.accounts.number
    robot = below(len(PAYMENTS_ROBOTS), number, Salt.NETWORK)
    return {
        "account": number,
        "ip": ipv4(FIRST_BYTE["vendor"], 40 + robot, 10 + below(20, number, scene.day.number, Salt.ADDRESS)),
        "session": mix(scene.world.seed, scene.day.number, number, Salt.PROXY),
        "user_agent": fixed_agent(PAYMENTS_ROBOTS[0]) + robot,
        "auth_mode": np.full(len(number), ev.PWD),
        "service": np.full(len(number), ev.PAYMENTS),
    }


def noise_day(scene: Scene) -> Events:
    """Return failed sign-ins that lead nowhere: people who forgot, and strangers who name no account."""
    rng = scene.rng(Stage.NOISE)
    return ev.join([_forgetful(scene, rng=rng), _strangers(scene, rng=rng)])


def _forgetful(scene: Scene, *, rng: np.random.Generator) -> Events:
    forgot = np.flatnonzero(rng.random(scene.accounts.rows) < FORGOTTEN * min(scene.day.level, 1))
    mine = scene.of(np.repeat(forgot, rng.integers(1, 6, len(forgot))))
    number = mine.accounts.number
    hour = 9 + 9 * below(1_000, number, scene.day.number, Salt.SHIFT) / 1_000
    return make_events(
        instants(scene.day, hour * 3600 + rng.random(len(number)) * 300),
        account=number,
        action=ev.LOGIN,
        outcome=ev.FAILURE,
        ip=address_today(mine),
        session=ev.NO_SESSION,
        user_agent=browser_agent(mine.accounts.browser, mine.accounts.update_lag_days, scene.day),
        auth_mode=ev.PWD,
    )


def _strangers(scene: Scene, *, rng: np.random.Generator) -> Events:
    count = int(rng.poisson(scene.accounts.rows * NOISE_PER_ACCOUNT))
    browser = browser_agent(rng.integers(0, COMMON_BROWSERS, count), np.full(count, 200), scene.day)
    tool = fixed_agent(TOOLS[0]) + rng.integers(0, len(TOOLS), count)
    return make_events(
        instants(scene.day, rng.random(count) * DAY_S),
        account=ev.NONE,
        action=ev.LOGIN,
        outcome=ev.FAILURE,
        ip=ipv4(FIRST_BYTE["datacentre"], rng.integers(0, 200, count), rng.integers(0, 65_536, count)),
        session=ev.NO_SESSION,
        user_agent=np.where(rng.random(count) < 0.5, browser, tool),
        auth_mode=ev.PWD,
    )
