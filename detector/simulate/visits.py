"""Whom an account sees: a panel that turns over, walk-ins, people from far away.

A panel is a window that moves along an endless line of slots; who stands in a slot is a stateless draw. So people
enter, come back for some weeks and leave, without any day being made before the other, and neighbours share people
because those draws prefer the same people of the same commune.
"""

from __future__ import annotations

import numpy as np

from detector.simulate.activity import is_taken_over
from detector.simulate.draws import Floats, Integers, Salt, uniform
from detector.simulate.geography import FAVOURITES, anyone, resident
from detector.simulate.professions import column
from detector.simulate.scene import Scene

OWN_COMMUNE = 0.72
NEXT_COMMUNE = 0.93
"""Up to here a neighbouring commune; beyond, any of the department."""

RECENT_FIRST = 1.4
"""Exponent that prefers the people who came into the panel last."""

LEAST_SLOTS = 3
WALK_INS_FROM_FAR = 2.0
"""How much more often people who happen to come are from far away."""

OLD_STAYS = 4
"""How many stays back a practice's files go, for a screening of its panel."""


def panel_visits(scene: Scene, *, rng: np.random.Generator, reach: float = 1.0) -> Integers:
    """Return one person of the panel for each row of the scene; `reach` goes further back in the files."""
    accounts = scene.accounts
    width = np.maximum(accounts.turnover * accounts.stay_days * reach, LEAST_SLOTS)
    newest = accounts.turnover * scene.day.number
    slot = np.floor(newest - width * rng.random(accounts.rows) ** RECENT_FIRST).astype(np.int64)
    owner = np.where(is_taken_over(scene), accounts.taken_over + 1, 0)
    place = uniform(accounts.number, owner, slot, Salt.PANEL_PLACE)
    rank = uniform(accounts.number, owner, slot, Salt.PANEL_RANK)
    return people_around(scene, place=place, rank=rank, far=accounts.far)


def walk_ins(scene: Scene, *, rng: np.random.Generator) -> Integers:
    """Return one person who happens to come for each row of the scene, more often from far away."""
    place, rank = rng.random(scene.accounts.rows), rng.random(scene.accounts.rows)
    return people_around(scene, place=place, rank=rank, far=scene.accounts.far * WALK_INS_FROM_FAR)


def people_around(scene: Scene, *, place: Floats, rank: Floats, far: Floats) -> Integers:
    """Return people by two uniform draws: where they live around the account, and how often they see anybody.

    `far` is the share of each row that lives anywhere in the country.
    """
    local = 1 - far
    inside = np.minimum(place / np.maximum(local, 1e-9), 1 - 1e-12)
    commune = _commune(scene, place=inside, rank=rank)
    clientele = column("clientele")[scene.accounts.profession].astype(np.int64)
    near = resident(scene.geography, commune, rank**FAVOURITES, clientele=clientele)
    # The digits of a draw that did not decide are as good as a new draw.
    return np.where(place >= local, anyone(scene.geography, place * 104_729 % 1), near)


def area_people(scene: Scene, *, rng: np.random.Generator) -> Integers:
    """Return anybody of the account's commune and the next ones, everybody equally likely."""
    place, rank = rng.random(scene.accounts.rows) * NEXT_COMMUNE, rng.random(scene.accounts.rows)
    return resident(scene.geography, _commune(scene, place=place, rank=rank), rank)


def _commune(scene: Scene, *, place: Floats, rank: Floats) -> Integers:
    accounts, geography = scene.accounts, scene.geography
    first = geography.first_commune[accounts.department]
    count = geography.first_commune[accounts.department + 1] - first
    inside = accounts.commune - first
    side = np.where(place * 7_919 % 1 < 0.5, 1, count - 1)
    other = (rank * 104_729 % 1 * count).astype(np.int64)
    elsewhere = np.where(place < NEXT_COMMUNE, (inside + side) % count, other)
    return np.asarray(first + np.where(place < OWN_COMMUNE, inside, elsewhere), np.int64)
