"""A block of accounts on one day: the grain at which honest life is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from detector.simulate.accounts import Accounts, make_accounts
from detector.simulate.calendar import DayFacts, day_facts
from detector.simulate.draws import Stage, generator
from detector.simulate.geography import Geography, make_geography
from detector.simulate.settings import World

BLOCK = 16_384
"""Accounts made at once: bounds memory. It is part of what a seed means, so it never changes."""


@dataclass(frozen=True)
class Population:
    """Places and accounts of a world: what does not change from day to day."""

    geography: Geography
    accounts: Accounts


@dataclass(frozen=True)
class Scene:
    """Some accounts of one block on one day; rows may repeat an account."""

    world: World
    geography: Geography
    accounts: Accounts
    day: DayFacts
    block: int

    def rng(self, stage: Stage) -> np.random.Generator:
        """Return the generator of a stage for this block and day, always from its start."""
        return generator(self.world.seed, stage, self.day.index, self.block)

    def of(self, rows: npt.NDArray[np.int64]) -> Scene:
        """Return the scene with these rows of accounts."""
        return replace(self, accounts=self.accounts.take(rows))


def make_population(world: World) -> Population:
    """Return the places and accounts of a world; its attacks do not matter to them."""
    return _cached(world.model_copy(update={"attacks": ()}))


@lru_cache(maxsize=2)
def _cached(world: World) -> Population:
    geography = make_geography(world)
    return Population(geography, make_accounts(world, geography))


def scenes(world: World, population: Population, *, index: int) -> Iterator[Scene]:
    """Yield the blocks of accounts on day `index`."""
    day = day_facts(world, index)
    for block, first in enumerate(range(0, population.accounts.rows, BLOCK)):
        accounts = population.accounts.take(slice(first, first + BLOCK))
        yield Scene(world, population.geography, accounts, day, block)
