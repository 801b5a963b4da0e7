"""A day of people at work on the portal: look-ups by card and by typed number, typing errors, writes, downloads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detector.simulate import events as ev
from detector.simulate.activity import Activity
from detector.simulate.draws import Flags, Integers, Stage
from detector.simulate.events import Events
from detector.simulate.geography import commune_of, nobody
from detector.simulate.professions import PROFESSIONS
from detector.simulate.scene import Scene
from detector.simulate.sessions import (
    Sessions,
    Visits,
    assign,
    moments,
    open_sessions,
    session_events,
    sign_ins,
    with_lengths,
)
from detector.simulate.visits import OLD_STAYS, area_people, panel_visits, walk_ins

REOPENED = 0.07
"""Share of look-ups that open again what the account has just seen."""

TRAITS_SHARE = 0.04
"""Of look-ups without a card, those by name and birth date instead of a number."""

WALK_INS_ON_UNUSUAL_DAYS = 1.5
"""How much more often people outside the panel come when on duty, on the campaign's day, to a new account or owner."""

DEPENDANTS = (0.78, 0.12, 0.07, 0.03)
"""Chance that an answer shows 1, 2, 3, 4 people."""

WRITE_LOAD = 3
"""A write takes as long as this many look-ups."""

_WRITE_SERVICE = np.array([ev.SERVICES.index(p.write_service) for p in PROFESSIONS])


def portal_day(scene: Scene, activity: Activity) -> Events:
    """Return the portal's events of one block of accounts on one day, in no order."""
    rng = scene.rng(Stage.PORTAL)
    sessions, per_account = open_sessions(scene, activity, rng=rng)
    looks = assign(activity.typed + activity.cards, per_account, rng=rng)
    writes = assign(activity.writes, per_account, rng=rng)
    load = _per_session(looks, sessions) + WRITE_LOAD * _per_session(writes, sessions)
    sessions = with_lengths(sessions, load, rng=rng)
    person = whom(scene, activity, looks, rng=rng)
    seen = _lookups(scene, activity, sessions, looks=looks, person=person, rng=rng)
    written = _writes(scene, sessions, writes, rng=rng)
    return ev.join([sign_ins(scene, sessions, rng=rng), seen, written])


def _per_session(visits: Visits, sessions: Sessions) -> Integers:
    return np.bincount(visits.session, minlength=len(sessions.row))


def whom(scene: Scene, activity: Activity, looks: Visits, *, rng: np.random.Generator) -> Integers:
    """Return the person of each look-up: of the panel, a walk-in, one just seen, or one who is screened."""
    unusual = activity.duty | activity.fresh | scene.day.campaign
    chance = scene.accounts.walk_in * np.where(unusual, WALK_INS_ON_UNUSUAL_DAYS, 1.0)
    walk_in = rng.random(len(looks.row)) < chance[looks.row]
    person = np.empty(len(looks.row), np.int64)
    person[~walk_in] = panel_visits(scene.of(looks.row[~walk_in]), rng=rng)
    person[walk_in] = walk_ins(scene.of(looks.row[walk_in]), rng=rng)
    return _screened(scene, activity, looks, person=_reopened(person, looks.row, rng=rng), rng=rng)


def _reopened(person: Integers, row: Integers, *, rng: np.random.Generator) -> Integers:
    """Return the persons, some of them replaced by the one before if it is of the same account."""
    again = rng.random(len(row)) < REOPENED
    before = np.maximum(np.arange(len(row)) - 1, 0)
    return np.where(again & (row == row[before]), person[before], person)


def _place(looks: Visits, activity: Activity) -> Integers:
    """Return the position of each look-up among those of its account: screened first, then typed, then by card."""
    count = activity.typed + activity.cards
    return np.asarray(np.arange(len(looks.row)) - (np.cumsum(count) - count)[looks.row], np.int64)


def _screened(
    scene: Scene, activity: Activity, looks: Visits, *, person: Integers, rng: np.random.Generator
) -> Integers:
    """Return the persons, those of a screening replaced by people of the area or of the practice's old files."""
    screening = _place(looks, activity) < activity.screening[looks.row]
    area = screening & activity.screens_area[looks.row]
    files = screening & ~activity.screens_area[looks.row]
    person = person.copy()
    person[area] = area_people(scene.of(looks.row[area]), rng=rng)
    person[files] = panel_visits(scene.of(looks.row[files]), rng=rng, reach=OLD_STAYS)
    return person


def _lookups(
    scene: Scene,
    activity: Activity,
    sessions: Sessions,
    *,
    looks: Visits,
    person: Integers,
    rng: np.random.Generator,
) -> Events:
    """Return look-ups that found somebody, typing errors before some of them, and downloads after some."""
    typed = _place(looks, activity) < activity.typed[looks.row]
    by_traits = rng.random(len(typed)) < TRAITS_SHARE
    found = session_events(
        scene,
        sessions,
        looks.session,
        second=moments(sessions, looks.session, rng=rng),
        action=ev.LOOKUP,
        person=person,
        shown=people_shown(len(person), rng=rng),
        service=ev.INFOPATIENT,
        record_id_mode=np.where(typed, np.where(by_traits, ev.TRAITS, ev.TYPED), ev.CARD),
    )
    wrong = _typing_errors(scene, found, typed=typed & ~by_traits, rng=rng)
    return ev.join([found, wrong, _downloads(scene, found, rng=rng)])


def _typing_errors(scene: Scene, found: Events, *, typed: Flags, rng: np.random.Generator) -> Events:
    """Return failed look-ups of a number that nobody has, some seconds before the right one."""
    wrong = ev.pick(found, typed & (rng.random(len(typed)) < scene.world.traits.not_found))
    commune = commune_of(scene.geography, wrong.person)
    earlier = wrong.time_us - (rng.uniform(3, 30, wrong.rows) * 1e6).astype(np.int64)
    return wrong._replace(
        time_us=np.maximum(earlier, scene.day.start_us),
        person=nobody(scene.geography, commune, rng.random(wrong.rows)),
        outcome=np.full_like(wrong.outcome, ev.FAILURE),
        shown=np.zeros_like(wrong.shown),
    )


def _downloads(scene: Scene, found: Events, *, rng: np.random.Generator) -> Events:
    """Return downloads of the page that a look-up showed, within the same second or two."""
    saved = ev.pick(found, rng.random(found.rows) < scene.world.traits.export)
    later = saved.time_us + (rng.uniform(0.8, 3, saved.rows) * 1e6).astype(np.int64)
    last_us = scene.day.start_us + scene.day.length_s * 1_000_000 - 1
    return saved._replace(
        time_us=np.minimum(later, last_us),
        action=np.full_like(saved.action, ev.EXPORT),
        shown=np.ones_like(saved.shown),
        record_id_mode=np.full_like(saved.record_id_mode, ev.NONE),
    )


def people_shown(count: int, *, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return how many people each answer shows: the person, sometimes dependants."""
    return 1 + np.searchsorted(np.cumsum(DEPENDANTS)[:-1], rng.random(count), side="right")


def _writes(scene: Scene, sessions: Sessions, writes: Visits, *, rng: np.random.Generator) -> Events:
    mine = scene.of(writes.row)
    return session_events(
        scene,
        sessions,
        writes.session,
        second=moments(sessions, writes.session, rng=rng),
        action=ev.WRITE,
        person=panel_visits(mine, rng=rng),
        service=_WRITE_SERVICE[mine.accounts.profession],
    )
