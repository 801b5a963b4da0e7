"""Whom an attacker reads, or writes for."""

from __future__ import annotations

import numpy as np

from detector.simulate.draws import Integers, Key, Stage, generator
from detector.simulate.geography import (
    PLACES_PER_CODE,
    Geography,
    anyone,
    commune_of,
    nir_numbers,
    person_at,
    place_from_date,
)
from detector.simulate.scene import Scene
from detector.simulate.settings import Attack
from detector.simulate.victims import Plan, records_lost
from detector.simulate.visits import area_people

FEW_PEOPLE = 40
"""How many well-known people the `few` targets are drawn from, beside anybody of the country."""

KNOWN_SHARE = 0.2
"""Of such targets, the well-known ones."""

OVERDRAWN = 3
"""So many draws for each local target, to have enough different ones."""

GOLDEN = 0.6180339887498949
"""Steps of this share of the whole visit everybody in an order without locality (a Weyl sequence)."""


def choose_targets(scene: Scene, plan: Plan, row: Integers, *, begun: int) -> Integers:
    """Return whom each record is about.

    Parameters
    ----------
    scene
        The campaign's victims on that day.
    plan
        The campaign.
    row
        Of each record, the row of its account in the scene; in order of account and time.
    begun
        Days since the campaign's first one.
    """
    attack, geography, world = plan.attack, scene.geography, scene.world
    rng = generator(world.seed, Stage.ATTACK_PLAN, plan.number, Key.TARGETS, begun)
    if len(row) == 0:
        return np.empty(0, np.int64)
    if attack.order == "enumeration":
        return _enumeration(geography, row, begun=begun, rng=rng)
    if attack.targets == "local":
        people = _local(scene, row, rng=rng)
    elif attack.targets == "few":
        people = _few(scene, plan, count=len(row), rng=rng)
    else:
        people = _national(scene, plan, count=len(row), begun=begun, rng=rng)
    return _ordered(geography, attack, row, people)


def _national(scene: Scene, plan: Plan, *, count: int, begun: int, rng: np.random.Generator) -> Integers:
    """Return people of the whole country, nobody twice in a campaign as long as there are enough."""
    world, people = scene.world, int(scene.geography.people.sum())
    step = generator(world.seed, Stage.ATTACK_PLAN, plan.number, Key.LIST).random()
    before = sum(int(records_lost(world, plan, begun=day).sum()) for day in range(begun))
    offset = before + np.arange(count)
    stride = int(people * GOLDEN) | 1
    while np.gcd(stride, people) != 1:
        stride += 2
    place = (int(step * people) + offset * stride) % people
    return rng.permutation(anyone(scene.geography, (place + 0.5) / people))


def _local(scene: Scene, row: Integers, *, rng: np.random.Generator) -> Integers:
    """Return people of each account's area, nobody twice on one day as long as there are enough."""
    people = area_people(scene.of(row), rng=rng)
    tried = np.repeat(row, OVERDRAWN)
    drawn = area_people(scene.of(tried), rng=rng)
    first = np.sort(np.unique(tried * scene.geography.places + drawn, return_index=True)[1])
    found, wanted = np.bincount(tried[first], minlength=row.max() + 1), np.bincount(row)
    place = np.arange(len(first)) - (np.cumsum(found) - found)[tried[first]]
    taken = first[place < wanted[tried[first]]]
    order = np.arange(len(row)) - (np.cumsum(wanted) - wanted)[row]
    people[order < np.minimum(found, wanted)[row]] = drawn[taken]
    return people


def _few(scene: Scene, plan: Plan, *, count: int, rng: np.random.Generator) -> Integers:
    """Return on-demand targets: anybody of the country, and now and then one of a few well-known people."""
    list_rng = generator(scene.world.seed, Stage.ATTACK_PLAN, plan.number, Key.LIST)
    known = anyone(scene.geography, list_rng.random(FEW_PEOPLE))
    someone = anyone(scene.geography, rng.random(count))
    return np.where(rng.random(count) < KNOWN_SHARE, known[rng.integers(0, FEW_PEOPLE, count)], someone)


def _ordered(geography: Geography, attack: Attack, row: Integers, people: Integers) -> Integers:
    """Return the same people of each account in the order in which the attacker's list has them."""
    if attack.order == "sorted":
        return people[np.lexsort((nir_numbers(geography, people)[0], row))]
    if attack.order == "commune":
        return people[np.lexsort((commune_of(geography, people), row))]
    return people


def _enumeration(geography: Geography, row: Integers, *, begun: int, rng: np.random.Generator) -> Integers:
    """Return consecutive numbers of a commune, sex by year by month, whether or not anybody has them."""
    count = np.bincount(row)
    place = np.arange(len(row)) - (np.cumsum(count) - count)[row]
    codes = geography.places // PLACES_PER_CODE
    start = rng.integers(0, codes, len(count))[row]
    date = begun * int(count.max()) + place
    first = (start + date // PLACES_PER_CODE) % codes * PLACES_PER_CODE
    return person_at(geography, place_from_date(first, date % PLACES_PER_CODE))
