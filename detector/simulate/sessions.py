"""Sessions: when people sign in, from where, with what, for whom; and the events around signing in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from detector.simulate import events as ev
from detector.simulate.accounts import Accounts
from detector.simulate.activity import BUSIEST, Activity, is_taken_over
from detector.simulate.calendar import DayFacts, clock_offset_s
from detector.simulate.draws import Bits, Flags, Floats, Integers, Salt, below, mix, uniform
from detector.simulate.events import Events, make_events
from detector.simulate.professions import PROFESSIONS, column
from detector.simulate.scene import Scene
from detector.simulate.sources import HOME, MOBILE, browser_agent, usual_address

LONGEST_S = 4 * 3600 - 60
"""The portal closes a session after four hours of use."""

DAY_S = 86_400
EVENTS_PER_DESK_SESSION = 25
MOST_SESSIONS = 14
LOGOUT_SHARE = 0.35
SCREENED_PER_SESSION = 150
SHORT_SESSION_S = 420
"""Median length of a session with little to do."""

ONE_LOOKUP_S = 35.0
"""Median time from one look-up to the next within a session."""

DUTY_SHARE = 0.6
"""Share of the sessions of a day on duty that fall outside the usual hours."""

DELEGATE_SHARE = 0.45
"""Share of sessions of accounts with staff in which staff acts."""

OTHER_MODES = (0.5, 0.1, 0.0, 0.2, 0.2)
OTHER_MODE_SHARE = 0.06
"""Share of sessions opened in another way than the account's usual one, and what ways those are."""

UNUSUAL_RESETS = 3.0
"""How much more often sessions from another machine begin with a reset."""

FORCED_RESET_DAYS = 14
CHANGES = 0.002
DELEGATIONS = 0.001
"""Changes of contact data a session, and delegations a session and member of staff."""

USUAL_MACHINE, SECOND_MACHINE, LOCUMS_MACHINE, FIRST_DESK_MACHINE = 0, 1, 2, 3
COMMON_BROWSERS = 4

# Share of work per hour of the local day, from 0:00; only proportions count.
_OFFICE = (0, 0, 0, 0, 0, 0, 0.1, 0.8, 4, 8, 9, 8, 3, 3, 8, 8.5, 8, 7, 5, 2.5, 0.8, 0.4, 0.2, 0.05)
_SHOP = (0, 0, 0, 0, 0, 0, 0, 0.2, 3, 8, 9, 9, 5, 4.5, 6.5, 7.5, 8.5, 9.5, 8.5, 4, 0.3, 0.1, 0, 0)
_ROUNDS = (0, 0, 0, 0, 0.2, 0.8, 4, 7, 8, 7, 6, 6, 5, 5, 5, 5, 5, 6, 6.5, 6, 4, 2, 0.8, 0.2)
_DESK = (0.1, 0.1, 0.1, 0.1, 0.1, 0.3, 1.5, 7, 9, 9, 9, 8, 6, 6, 7, 7, 6, 4, 2, 1, 0.5, 0.3, 0.2, 0.1)
_ALWAYS = (1.5, 1.2, 1, 0.8, 0.8, 1, 2, 5, 8, 9, 9, 8, 6, 6, 7.5, 7, 6, 5, 4, 3.5, 3, 2.5, 2, 1.8)
_DUTY = (6, 4, 3, 2, 2, 2, 3, 5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 4, 9, 10, 9, 8)
HOURS = {"office": _OFFICE, "shop": _SHOP, "rounds": _ROUNDS, "desk": _DESK, "always": _ALWAYS, "duty": _DUTY}
_PROFILES = tuple(HOURS)
_PROFILE_OF = np.array([_PROFILES.index(p.hours) for p in PROFESSIONS])


class Sessions(NamedTuple):
    """One row per session, in order of account; `row` is the account's row in the scene.

    `start_s` counts from the portal's midnight.
    """

    row: npt.NDArray[np.int64]
    start_s: Floats
    length_s: Floats
    ip: Integers
    user_agent: Integers
    auth_mode: Integers
    delegate: Integers
    code: Bits
    unusual: Flags
    """Another machine, network or person than usual."""


class Visits(NamedTuple):
    """One row per look-up or write: its session, and the row of its account."""

    session: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]


def count_sessions(accounts: Accounts, activity: Activity, *, rng: np.random.Generator) -> Integers:
    """Return how many sessions each account opens: more when it is a desk and busy."""
    load = activity.typed + activity.cards
    more = np.where(_is_desk(accounts), load / EVENTS_PER_DESK_SESSION, np.minimum(load / 60, 2.0) + 0.35)
    # A screening of 400 people does not fit one session of four hours at a human pace.
    count = 1 + rng.poisson(more) + activity.screening // SCREENED_PER_SESSION
    return np.where(activity.works, np.minimum(count, MOST_SESSIONS), 0)


def _is_desk(accounts: Accounts) -> Flags:
    return np.asarray(column("desk")[accounts.profession] > 0, np.bool_)


def open_sessions(scene: Scene, activity: Activity, *, rng: np.random.Generator) -> tuple[Sessions, Integers]:
    """Return the day's sessions, of no length yet, and how many each account has."""
    count = count_sessions(scene.accounts, activity, rng=rng)
    row = np.repeat(np.arange(scene.accounts.rows), count)
    start = _starts(scene, activity, row=row, rng=rng)
    mine = scene.of(row)
    machine = _machines(mine, locum=activity.locum[row], rng=rng)
    sessions = Sessions(
        row=row,
        start_s=start,
        length_s=np.zeros(len(row)),
        ip=_addresses(mine, machine=machine, rng=rng),
        user_agent=_agents(mine, machine=machine),
        auth_mode=_auth_modes(mine.accounts, rng=rng),
        delegate=_delegates(mine.accounts, locum=activity.locum[row], rng=rng),
        code=mix(scene.world.seed, scene.day.number, mine.accounts.number, np.arange(len(row)), Salt.SESSION),
        unusual=(machine == SECOND_MACHINE) | (machine == LOCUMS_MACHINE),
    )
    return sessions, count


def _starts(scene: Scene, activity: Activity, *, row: Integers, rng: np.random.Generator) -> Floats:
    """Return when sessions start, in seconds of the portal's day; other zones wrap around midnight."""
    accounts = scene.accounts
    duty = activity.duty[row] & (rng.random(len(row)) < DUTY_SHARE)
    profile = np.where(duty, _PROFILES.index("duty"), _PROFILE_OF[accounts.profession[row]])
    hours = np.array(list(HOURS.values()), np.float64)
    edges = np.cumsum(hours / hours.sum(axis=1, keepdims=True), axis=1)
    hour = np.minimum((rng.random(len(row))[:, None] >= edges[profile]).sum(axis=1), 23)
    noon = accounts.lunch[row] & ~duty & ((hour == 12) | (hour == 13))
    local = np.where(noon, 15, hour) * 3600 + rng.random(len(row)) * 3600
    ahead_s = clock_offset_s(scene.day, scene.geography.zones, zone=scene.world.zone)[accounts.department]
    return np.asarray((local - ahead_s[row]) % DAY_S, np.float64)


def _machines(scene: Scene, *, locum: Flags, rng: np.random.Generator) -> Integers:
    """Return which machine: the usual one, the second, one of the desk's others, the locum's."""
    count = scene.accounts.rows
    second = rng.random(count) < scene.world.traits.second_device
    desk = np.where(_is_desk(scene.accounts), FIRST_DESK_MACHINE + rng.integers(0, 5, count), USUAL_MACHINE)
    return np.where(locum, LOCUMS_MACHINE, np.where(second, SECOND_MACHINE, desk))


def _addresses(scene: Scene, *, machine: Integers, rng: np.random.Generator) -> Integers:
    """Return addresses: a desk's machines share one; the second machine is a phone half of the time, else at home."""
    second, locum = machine == SECOND_MACHINE, machine == LOCUMS_MACHINE
    phone = second & (rng.random(len(machine)) < 0.5)
    network = np.where(phone, MOBILE, np.where(second | locum, HOME, scene.accounts.network))
    return address_today(scene, network=network, place=np.where(second, 2, np.where(locum, 1, 0)))


def address_today(
    scene: Scene, *, network: npt.NDArray[np.integer] | None = None, place: npt.ArrayLike = 0
) -> Integers:
    """Return the address of each account: `place` is 0 for the practice, 1 for a locum's home, 2 for another home."""
    accounts = scene.accounts
    owner = np.where(is_taken_over(scene), 5, 0)
    return usual_address(
        accounts.network if network is None else network,
        who=accounts.number * 10 + owner + np.asarray(place),
        department=accounts.department,
        commune=accounts.commune,
        renewal_days=accounts.renewal_days,
        day=scene.day,
    )


def _agents(scene: Scene, *, machine: Integers) -> Integers:
    """Return browsers: each machine has its own, and updates itself within the week of a release, or hardly ever."""
    accounts = scene.accounts
    owner = np.where((machine == LOCUMS_MACHINE) | is_taken_over(scene), 1, 0)
    usual = (machine == USUAL_MACHINE) & (owner == 0)
    more = (accounts.browser + np.where(machine >= FIRST_DESK_MACHINE, machine, 0) + owner) % COMMON_BROWSERS
    browser = np.where(usual, accounts.browser, np.where(machine == SECOND_MACHINE, accounts.other_browser, more))
    lag = np.where(usual, accounts.update_lag_days, below(7, accounts.number, machine, owner, Salt.UPDATE))
    return browser_agent(browser, lag, scene.day)


def _auth_modes(accounts: Accounts, *, rng: np.random.Generator) -> Integers:
    other = rng.choice(len(ev.AUTH_MODES), accounts.rows, p=OTHER_MODES)
    return np.where(rng.random(accounts.rows) < OTHER_MODE_SHARE, other, accounts.auth_mode)


def _delegates(accounts: Accounts, *, locum: Flags, rng: np.random.Generator) -> Integers:
    """Return which delegate acts: none, one of the account's own (the first ones more often), or the locum."""
    acts = (accounts.delegates > 0) & (rng.random(accounts.rows) < DELEGATE_SHARE)
    chosen = (rng.random(accounts.rows) ** 1.5 * accounts.delegates).astype(np.int64)
    return np.where(locum, ev.LOCUM, np.where(acts, chosen, ev.NONE))


def assign(count: Integers, sessions_of: Integers, *, rng: np.random.Generator) -> Visits:
    """Return a session for each of `count` things per account; accounts without a session must have none."""
    row = np.repeat(np.arange(len(count)), count)
    first = np.cumsum(sessions_of) - sessions_of
    chosen = first[row] + (rng.random(len(row)) * sessions_of[row]).astype(np.int64)
    return Visits(session=np.asarray(chosen, np.int64), row=row)


def with_lengths(sessions: Sessions, load: Integers, *, rng: np.random.Generator) -> Sessions:
    """Return sessions that last as long as their `load` of look-ups needs, within the limit and the day."""
    base = rng.lognormal(np.log(SHORT_SESSION_S), 0.9, len(load))
    needed = load * ONE_LOOKUP_S * rng.lognormal(0, 0.4, len(load))
    length = np.clip(np.maximum(base, needed), 20, LONGEST_S)
    # What does not fit before midnight started earlier.
    start = np.minimum(sessions.start_s, DAY_S - 5 - length)
    return sessions._replace(start_s=start, length_s=length)


def moments(sessions: Sessions, session: Integers, *, rng: np.random.Generator) -> Floats:
    """Return a second of the day within the given sessions, after sign-in."""
    inside = rng.random(len(session)) * (sessions.length_s[session] - 8)
    return np.asarray(sessions.start_s[session] + 4 + inside, np.float64)


def instants(day: DayFacts, second: Floats) -> Integers:
    """Return UTC microseconds of seconds of the portal's day; nothing leaves the day.

    On the two days of clock changes the hours from 3:00 on shift.
    """
    shifted = second + np.where(second >= 3 * 3600, day.length_s - DAY_S, 0)
    inside = np.clip(shifted, 0, day.length_s - 1e-3)
    return np.asarray(day.start_us + (inside * 1e6).astype(np.int64), np.int64)


def session_events(
    scene: Scene, sessions: Sessions, which: npt.NDArray[np.int64], *, second: Floats, **columns: npt.ArrayLike
) -> Events:
    """Return events of the sessions `which` at the given seconds, with the sessions' source and person."""
    shared: dict[str, npt.ArrayLike] = {
        "account": scene.accounts.number[sessions.row[which]],
        "ip": sessions.ip[which],
        "session": sessions.code[which],
        "user_agent": sessions.user_agent[which],
        "auth_mode": sessions.auth_mode[which],
        "delegate": sessions.delegate[which],
    }
    return make_events(instants(scene.day, second), **(shared | columns))


def sign_ins(scene: Scene, sessions: Sessions, *, rng: np.random.Generator) -> Events:
    """Return sign-ins, sign-outs, failed tries, resets and changes around the sessions."""
    every = np.arange(len(sessions.row))
    logins = session_events(scene, sessions, every, second=sessions.start_s, action=ev.LOGIN)
    steps = (_logouts, _failures, _resets, _changes)
    return ev.join([logins, *(step(scene, sessions, rng=rng) for step in steps)])


def _logouts(scene: Scene, sessions: Sessions, *, rng: np.random.Generator) -> Events:
    which = np.flatnonzero(rng.random(len(sessions.row)) < LOGOUT_SHARE)
    second = sessions.start_s[which] + sessions.length_s[which]
    return session_events(scene, sessions, which, second=second, action=ev.LOGOUT)


def _failures(scene: Scene, sessions: Sessions, *, rng: np.random.Generator) -> Events:
    usual = scene.world.traits.failed_sign_in
    chance = np.where(sessions.auth_mode == ev.PWD, usual, usual / 3)
    failing = np.flatnonzero(rng.random(len(sessions.row)) < chance)
    which = np.repeat(failing, rng.geometric(0.55, len(failing)).clip(max=6))
    second = np.maximum(sessions.start_s[which] - rng.uniform(6, 90, len(which)), 0)
    return session_events(
        scene, sessions, which, second=second, action=ev.LOGIN, outcome=ev.FAILURE, session=ev.NO_SESSION
    )


def _resets(scene: Scene, sessions: Sessions, *, rng: np.random.Generator) -> Events:
    chance = scene.world.traits.reset * np.where(sessions.unusual, UNUSUAL_RESETS, 1.0)
    chance = np.maximum(chance, _forced(scene, sessions))
    which = np.flatnonzero((sessions.auth_mode == ev.PWD) & (rng.random(len(chance)) < chance))
    second = np.maximum(sessions.start_s[which] - rng.uniform(40, 400, len(which)), 0)
    return session_events(
        scene, sessions, which, second=second, action=ev.RESET, service=ev.ACCOUNT_SERVICE, session=ev.NO_SESSION
    )


def _forced(scene: Scene, sessions: Sessions) -> Floats:
    """Return the chance that a session starts with a forced reset: the account's first one after the wave, roughly."""
    since = scene.day.since_forced_reset
    if not 0 <= since < FORCED_RESET_DAYS or not len(sessions.row):
        return np.zeros(len(sessions.row))
    row = sessions.row
    told = uniform(scene.accounts.number[row], Salt.RESET) < scene.world.traits.forced_reset
    first = np.concatenate([[True], row[1:] != row[:-1]])
    not_yet = (1 - np.minimum(scene.accounts.activity[row], BUSIEST)) ** since
    return np.where(told & first, not_yet, 0.0)


def _changes(scene: Scene, sessions: Sessions, *, rng: np.random.Generator) -> Events:
    """Return changes of contact data, and delegations, which accounts with staff make more often."""
    staff = scene.accounts.delegates[sessions.row]
    changes = np.flatnonzero(rng.random(len(staff)) < CHANGES)
    delegations = np.flatnonzero(rng.random(len(staff)) < DELEGATIONS * (0.2 + staff))
    both = [(changes, ev.CHANGE), (delegations, ev.DELEGATION)]
    return ev.join(
        [
            session_events(
                scene,
                sessions,
                which,
                second=moments(sessions, which, rng=rng),
                action=action,
                service=ev.ACCOUNT_SERVICE,
            )
            for which, action in both
        ]
    )
