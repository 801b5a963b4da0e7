"""What an attacker does on a day.

An attack is made apart from honest life and only ever adds events: its draws come from streams of their own, so that
the honest events of a seed are the same with and without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from detector.simulate import events as ev
from detector.simulate.accounts import Accounts
from detector.simulate.calendar import DayFacts, day_facts
from detector.simulate.draws import Bits, Floats, Integers, Salt, Stage, generator, mix
from detector.simulate.events import Events, join, make_events
from detector.simulate.geography import (
    Geography,
    commune_of,
    exists,
    nobody,
)
from detector.simulate.portal import people_shown
from detector.simulate.scene import Population, Scene
from detector.simulate.sessions import DAY_S, LONGEST_S, address_today, instants
from detector.simulate.settings import Attack, World
from detector.simulate.sources import FIRST_BYTE, TOOLS, browser_agent, fixed_agent, ipv4, software_agent
from detector.simulate.targets import choose_targets
from detector.simulate.victims import Plan, records_lost

SPRAY_TRIES = 2
STRANGE_NAMES = 0.1
"""Of the sprayed names, those that are no account."""

SPELLS = 16
"""More sessions than one day can hold, so that sessions can be numbered."""

REGULAR_SPREAD = 0.06
"""Coefficient of variation of a simple robot's gaps."""

BURST_SHARE = 0.04
"""Share of gaps that are pauses of a bursty robot."""


def attack_day(world: World, population: Population, plan: Plan, *, index: int, benign: Events) -> Events:
    """Return what one campaign adds to day `index`, given the honest events of that day (for cookies to steal)."""
    attack = plan.attack
    begun = index - world.index(attack.first_day)
    if not 0 <= begun < attack.days:
        return ev.no_events()
    day = day_facts(world, index)
    rng = generator(world.seed, Stage.ATTACK_DAY, plan.number, index)
    work = _work(world, population, plan, day=day, rng=rng, benign=benign)
    targets = choose_targets(work.scene, plan, work.row, begun=begun)
    parts = [_harvest(plan, population.geography, work, targets, day=day, rng=rng)]
    if attack.prelude != "cookie" and attack.channel == "portal":
        parts.append(_logins(work, day=day))
    if begun == 0:
        parts.append(_prelude(plan, work, day=day, rng=rng))
    return join(parts)


@dataclass(frozen=True)
class Work:
    """One row per record that the attacker goes for on a day, in order of account and time."""

    account: Integers
    row: Integers
    """Row among the campaign's victims."""
    second: Floats
    session: Integers
    code: Bits
    ip: Integers
    user_agent: Integers
    auth_mode: Integers
    scene: Scene
    """The victims on that day, one row each."""


def _work(
    world: World, population: Population, plan: Plan, *, day: DayFacts, rng: np.random.Generator, benign: Events
) -> Work:
    attack = plan.attack
    scene = Scene(world, population.geography, population.accounts.take(plan.victims), day, block=0)
    count = records_lost(world, plan, begun=day.index - world.index(attack.first_day))
    row = np.repeat(np.arange(len(count)), count)
    stolen = _stolen(benign, plan.victims) if attack.prelude == "cookie" else None
    start_s = attack.start_hour * 3600 + rng.uniform(0, 900, len(count))
    if stolen is not None:
        start_s = np.where(
            stolen.code > 0, (stolen.time_us - day.start_us) / 1e6 + rng.uniform(60, 600, len(count)), start_s
        )
    second = _seconds(attack, row, count, start_s=start_s, rng=rng)
    session = row * SPELLS + ((second - start_s[row]) // LONGEST_S).astype(np.int64)
    code = mix(world.seed, Salt.STOLEN_SESSION, plan.number, day.number, session)
    return Work(
        account=plan.victims[row],
        row=row,
        second=second,
        session=session,
        code=code if stolen is None else np.where(stolen.code[row] > 0, stolen.code[row], code),
        ip=_sources(scene, plan, row=row, count=count, session=session),
        user_agent=_agents(plan, scene.accounts, row=row, day=day),
        auth_mode=_auth_mode(attack, scene.accounts)[row],
        scene=scene,
    )


class Stolen(NamedTuple):
    """One row per victim: a session of its owner that day (0: none), and when it was first seen."""

    code: Bits
    time_us: Integers


def _stolen(benign: Events, victims: Integers) -> Stolen:
    """Return the first session of each victim's owner on the portal that day."""
    own = np.flatnonzero(np.isin(benign.account, victims) & (benign.session != 0) & (benign.channel == ev.PORTAL))
    account, first = np.unique(benign.account[own], return_index=True)
    code, time_us = np.zeros(len(victims), np.uint64), np.zeros(len(victims), np.int64)
    place = np.searchsorted(victims, account)
    code[place], time_us[place] = benign.session[own[first]], benign.time_us[own[first]]
    return Stolen(code, time_us)


def _seconds(attack: Attack, row: Integers, count: Integers, *, start_s: Floats, rng: np.random.Generator) -> Floats:
    """Return the second of the day of each record, increasing within an account, over the attack's hours."""
    elapsed = np.concatenate([[0.0], np.cumsum(_gaps(attack, len(row), rng=rng))])
    end = np.cumsum(count)
    before, total = elapsed[end - count], elapsed[end] - elapsed[end - count]
    length_s = np.minimum(attack.hours * 3600 * 0.9, DAY_S - 60 - start_s)
    share = (elapsed[1:] - before[row]) / total[row]
    return np.asarray(start_s[row] + 8 + share * (length_s[row] - 8), np.float64)


def _gaps(attack: Attack, count: int, *, rng: np.random.Generator) -> Floats:
    if attack.pace == "regular":
        return np.maximum(1 + rng.normal(0, REGULAR_SPREAD, count), 0.2)
    gaps = rng.lognormal(0, 0.9, count)
    return gaps * np.where(rng.random(count) < BURST_SHARE, 40.0, 1.0) if attack.pace == "bursts" else gaps


def _sources(scene: Scene, plan: Plan, *, row: Integers, count: Integers, session: Integers) -> Integers:
    """Return the address of each record: the campaign's, or each account's own, one a session or rotating."""
    attack, seed = plan.attack, scene.world.seed
    if attack.sources == "office":
        return address_today(scene)[row]
    place = np.arange(len(row)) - (np.cumsum(count) - count)[row]
    turn = place // attack.rotate if attack.rotate else session % SPELLS
    owner = np.zeros_like(row) if attack.shared else row + 1
    bits = mix(seed, Salt.ATTACK_ADDRESS, plan.number, owner, turn, scene.day.number)
    low = (bits % np.uint64(65_521)).astype(np.int64)
    home = int(mix(seed, Salt.CAMPAIGN, plan.number)[0] % np.uint64(200))
    if attack.sources == "datacentre":
        return ipv4(FIRST_BYTE["datacentre"], home, (home * 7 + owner) % 256 * 256 + low % 256)
    if attack.sources == "hosting_mix":
        return ipv4(FIRST_BYTE["hosting"], low % 40, (bits >> np.uint64(20)) % np.uint64(65_521))
    return ipv4(FIRST_BYTE["home"], 1 + (bits >> np.uint64(24)) % np.uint64(60), low)


def _agents(plan: Plan, victims: Accounts, *, row: Integers, day: DayFacts) -> Integers:
    if plan.attack.agents == "tool":
        return np.full(len(row), fixed_agent(TOOLS[plan.number % len(TOOLS)]))
    if plan.attack.agents == "software":
        return software_agent(victims.profession)[row]
    if plan.attack.agents == "owner":
        return browser_agent(victims.browser, victims.update_lag_days, day)[row]
    one = np.full(len(row), plan.number) if plan.attack.shared else plan.number + row
    return browser_agent((one % 3).astype(np.int8), one % 5, day)


def _auth_mode(attack: Attack, victims: Accounts) -> Integers:
    if attack.channel == "software":
        return np.full(victims.rows, ev.CPS)
    if attack.prelude in ("cookie", "push") or attack.sources == "office":
        return victims.auth_mode.astype(np.int64)
    return np.full(victims.rows, ev.PWD)


def _harvest(
    plan: Plan, geography: Geography, work: Work, people: Integers, *, day: DayFacts, rng: np.random.Generator
) -> Events:
    """Return the look-ups, writes or downloads themselves; a download follows its look-up."""
    attack = plan.attack
    wrong = (rng.random(len(people)) < attack.not_found) & (attack.action != "write") & (attack.order != "enumeration")
    people = np.where(wrong, nobody(geography, commune_of(geography, people), rng.random(len(people))), people)
    missing = ~exists(geography, people) if len(people) else np.empty(0, bool)
    mode = ev.TYPED if attack.channel == "portal" else ev.TRAITS
    first = ev.WRITE if attack.action == "write" else ev.LOOKUP
    main = _events(
        work,
        np.arange(len(people)),
        second=work.second,
        day=day,
        action=first,
        outcome=missing.astype(np.int8),
        person=people,
        shown=ev.NONE if first == ev.WRITE else np.where(missing, 0, people_shown(len(people), rng=rng)),
        service=ev.SERVICES.index(attack.service),
        channel=ev.SOFTWARE if attack.channel == "software" else ev.PORTAL,
        record_id_mode=ev.NONE if first == ev.WRITE else mode,
    )
    if attack.action != "export":
        return main
    saved = np.flatnonzero(~missing)
    downloads = _events(
        work,
        saved,
        second=work.second[saved] + rng.uniform(0.4, 1.5, len(saved)),
        day=day,
        action=ev.EXPORT,
        person=people[saved],
        shown=1,
        service=ev.SERVICES.index(attack.service),
    )
    return join([main, downloads])


def _events(
    work: Work, rows: npt.NDArray[np.int64], *, second: Floats, day: DayFacts, **columns: npt.ArrayLike
) -> Events:
    shared: dict[str, npt.ArrayLike] = {
        "account": work.account[rows],
        "ip": work.ip[rows],
        "session": work.code[rows],
        "user_agent": work.user_agent[rows],
        "auth_mode": work.auth_mode[rows],
    }
    return make_events(instants(day, second), **(shared | columns))


def _first_rows(work: Work) -> npt.NDArray[np.int64]:
    """Return the first row of each session."""
    return np.unique(work.session, return_index=True)[1]


def _logins(work: Work, *, day: DayFacts) -> Events:
    rows = _first_rows(work)
    return _events(work, rows, second=work.second[rows] - 5, day=day, action=ev.LOGIN)


def _prelude(plan: Plan, work: Work, *, day: DayFacts, rng: np.random.Generator) -> Events:
    """Return how the attacker came in, before the first record of each account."""
    rows = np.unique(work.row, return_index=True)[1]
    before = {"session": np.uint64(0)}
    start = work.second[rows]
    if plan.attack.prelude == "reset":
        minutes = rng.uniform(60, 900, len(rows))
        return _events(work, rows, second=np.maximum(start - 10 - minutes, 0), day=day, action=ev.RESET, **before)
    if plan.attack.prelude == "account_change":
        seconds = np.maximum(start - rng.uniform(60, 3600, len(rows)), 0)
        return _events(work, rows, second=seconds, day=day, action=ev.CHANGE, **before)
    if plan.attack.prelude == "delegation":
        seconds = np.maximum(start - rng.uniform(60, 1800, len(rows)), 0)
        return _events(work, rows, second=seconds, day=day, action=ev.DELEGATION, **before)
    if plan.attack.prelude == "spray":
        return _spray(plan, work, rng=rng)
    if plan.attack.prelude in ("guessed", "push"):
        tries = np.repeat(rows, rng.integers(5, 14, len(rows)))
        seconds = np.maximum(work.second[tries] - 10 - rng.uniform(0, 600, len(tries)), 0)
        return _events(work, tries, second=seconds, day=day, action=ev.LOGIN, outcome=ev.FAILURE, **before)
    return ev.no_events()


def _spray(plan: Plan, work: Work, *, rng: np.random.Generator) -> Events:
    """Return failed sign-ins on a share of the portal, the victims among them, before the records are read."""
    scene, attack = work.scene, plan.attack
    count = round(scene.world.accounts * attack.sprayed)
    tried = np.concatenate([plan.victims, rng.choice(scene.world.accounts, count, replace=False)])
    tried = np.repeat(tried, rng.integers(1, SPRAY_TRIES + 1, len(tried)))
    start_s = attack.start_hour * 3600 - rng.uniform(0, attack.hours * 3600, len(tried))
    address = mix(scene.world.seed, Salt.ATTACK_ADDRESS, plan.number, rng.integers(0, len(tried) // 4 + 2, len(tried)))
    return make_events(
        instants(scene.day, np.maximum(start_s, 0)),
        account=np.where(rng.random(len(tried)) < STRANGE_NAMES, ev.NONE, tried),
        action=ev.LOGIN,
        outcome=ev.FAILURE,
        ip=ipv4(FIRST_BYTE["hosting"], address % np.uint64(40), address >> np.uint64(20) & np.uint64(0xFFFF)),
        session=ev.NO_SESSION,
        user_agent=browser_agent(rng.integers(0, 3, len(tried)), np.full(len(tried), 30), scene.day),
        auth_mode=ev.PWD,
    )
