"""Where chance comes from.

Two kinds. A *generator* belongs to one stage, day and block of accounts, so that neither the number of workers nor the
order of blocks changes what it draws. A *stateless draw* depends on its keys alone (account, slot, week, …), so that
any day can be made without the days before it.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

# The constants of splitmix64 (Steele, Lea, Flood 2014): a bijection of 64 bits whose output passes BigCrush.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Stage(IntEnum):
    """What a generator is for; attacks have their own, so that they never disturb the benign life."""

    GEOGRAPHY = 1
    ACCOUNTS = 2
    ACTIVITY = 3
    PORTAL = 4
    SOFTWARE = 5
    ROBOTS = 6
    NOISE = 7
    PLACING = 8
    DESKS = 9
    ATTACK_PLAN = 20
    ATTACK_DAY = 21


class Salt(IntEnum):
    """What a stateless draw is for."""

    WEEK = 1
    HOLIDAY = 2
    PANEL_PLACE = 3
    PANEL_RANK = 4
    ADDRESS = 5
    UPDATE = 6
    SESSION = 7
    TOKEN = 8
    DUTY = 9
    ORDER = 10
    NETWORK = 11
    VICTIM = 12
    PROXY = 13
    SHIFT = 14
    RESET = 15
    STOLEN_SESSION = 1_001
    ATTACK_ADDRESS = 1_002
    CAMPAIGN = 1_003


class Key(IntEnum):
    """What a draw of one campaign is for, after `Stage.ATTACK_PLAN` and the campaign's number."""

    TARGETS = 1
    LIST = 2
    LEVEL = 3


def generator(seed: int, stage: Stage, *keys: int) -> np.random.Generator:
    """Return the generator of one stage, day and block; the same keys give the same draws, whatever ran before."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(int(stage), *keys))))


def mix(*keys: npt.ArrayLike) -> Bits:
    """Return 64 well-mixed bits for each combination of the (broadcast) integer keys."""
    arrays = np.broadcast_arrays(*[np.atleast_1d(np.asarray(key)) for key in keys])
    state = np.zeros(arrays[0].shape, np.uint64)
    for array in arrays:
        state = _scramble(state ^ array.astype(np.uint64))
    return state


def _scramble(bits: Bits) -> Bits:
    bits = bits + _STEP
    bits ^= bits >> np.uint64(30)
    bits *= _FIRST
    bits ^= bits >> np.uint64(27)
    bits *= _SECOND
    bits ^= bits >> np.uint64(31)
    return bits


def uniform(*keys: npt.ArrayLike) -> Floats:
    """Return numbers in [0, 1) that depend on the keys alone."""
    return np.asarray((mix(*keys) >> np.uint64(11)) * 2.0**-53, np.float64)


def normal(*keys: npt.ArrayLike) -> Floats:
    """Return standard normal numbers that depend on the keys alone."""
    return np.asarray(ndtri(uniform(*keys) + 2.0**-54), np.float64)


def below(count: npt.ArrayLike, *keys: npt.ArrayLike) -> Integers:
    """Return integers from 0 to `count` - 1 that depend on the keys alone."""
    return np.asarray(uniform(*keys) * np.asarray(count), np.int64)
