"""Departments, communes and the people who live there; a person is a number that gives a social-security number.

A person's number is a place in a long line of communes; each commune has more places than people, so that a number that
nobody has (a typing error, an enumeration) is a place too. Every number has the serial 000, which no living person has,
and a correct key. The mapping is one to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detector.simulate.draws import Floats, Integers, Salt, Stage, generator, mix
from detector.simulate.settings import World

PLACES_PER_CODE = 2400
"""Numbers of one commune code with serial 000: two sexes, 100 years, 12 months."""

FIRST = ("59", "13", "974", "69", "35", "33", "2A", "67", "971", "75", "44", "31", "988", "2B", "973")
"""The first departments of a small world, so that it has Corsica and several time zones."""

_MAINLAND = tuple(f"{number:02d}" for number in range(1, 96) if number != 20)
DEPARTMENTS = FIRST + tuple(code for code in (*_MAINLAND, "972", "976") if code not in FIRST)

ZONES = {
    "971": "America/Guadeloupe",
    "972": "America/Martinique",
    "973": "America/Cayenne",
    "974": "Indian/Reunion",
    "976": "Indian/Mayotte",
    "988": "Pacific/Noumea",
}
"""Departments that do not live by the clock of Paris."""

ACCOUNTS_PER_DEPARTMENT = 150
ACCOUNTS_PER_COMMUNE = 40
OVERSEAS_WEIGHT = 0.3
LEAST_PEOPLE = 60
SPARE_PLACES = 1.6
"""Places per person, at least, so that some numbers belong to nobody."""

LONGEST_RUN = 3
"""No more than so many numbers in a row belong to somebody: 1 / (1 - 1 / SPARE_PLACES), rounded up."""

MOST_CODES = 960
MOST_CODES_OVERSEAS = 95
"""A department has three digits of commune codes, an overseas one two."""

MOVED_ONE_IN = 12
"""One person in twelve was born in another department than the one they live in."""

FAVOURITES = 2.6
"""A person's rank in the commune is N·u^FAVOURITES: a fifth of the people take more than half of the visits."""


@dataclass(frozen=True)
class Geography:
    """Departments (D) and communes (C); `offset` has C + 1 entries and places people in one line of numbers."""

    departments: tuple[str, ...]
    zones: tuple[str, ...]
    commune_department: Integers
    commune_code: Integers
    people: Integers
    offset: Integers
    first_commune: Integers
    """First commune of each department, D + 1 entries."""

    @property
    def places(self) -> int:
        """How many numbers there are, with those that nobody has."""
        return int(self.offset[-1])


def make_geography(world: World) -> Geography:
    """Return the places of a world: their number follows the number of accounts."""
    rng = generator(world.seed, Stage.GEOGRAPHY)
    count = int(np.clip(world.accounts // ACCOUNTS_PER_DEPARTMENT, 5, len(DEPARTMENTS)))
    departments = DEPARTMENTS[:count]
    per_department = max(3, round(world.accounts / count / ACCOUNTS_PER_COMMUNE))
    per_department = min(per_department, MOST_CODES_OVERSEAS // 2)
    overseas = np.array([code in ZONES for code in departments])
    weight = rng.lognormal(0, 0.4, count) * np.where(overseas, OVERSEAS_WEIGHT, 1.0)
    wanted = world.accounts * world.people_per_account * weight / weight.sum()
    people = _split(rng, wanted, per_department, np.where(overseas, MOST_CODES_OVERSEAS, MOST_CODES))
    return _lay_out(departments, people, per_department)


def _split(rng: np.random.Generator, wanted: Floats, communes: int, most_codes: npt.NDArray[np.int_]) -> Integers:
    """Return people per commune, department by department, small enough to have numbers."""
    room = (most_codes - 2 * communes) * PLACES_PER_CODE / SPARE_PLACES
    size = rng.lognormal(0, 0.7, (len(wanted), communes))
    share = size / size.sum(axis=1, keepdims=True)
    people = np.maximum(np.minimum(wanted, room)[:, None] * share, LEAST_PEOPLE)
    return np.asarray(people.ravel(), np.int64)


def _lay_out(departments: tuple[str, ...], people: Integers, per_department: int) -> Geography:
    codes = (people * SPARE_PLACES / PLACES_PER_CODE).astype(np.int64) + 1
    by_department = codes.reshape(len(departments), per_department)
    before = np.cumsum(by_department, axis=1) - by_department
    return Geography(
        departments=departments,
        zones=tuple(ZONES.get(code, "Europe/Paris") for code in departments),
        commune_department=np.repeat(np.arange(len(departments)), per_department),
        commune_code=1 + before.ravel(),
        people=people,
        offset=np.concatenate([[0], np.cumsum(codes * PLACES_PER_CODE)]),
        first_commune=np.arange(len(departments) + 1) * per_department,
    )


def commune_of(geography: Geography, person: Integers) -> Integers:
    """Return the commune where each person lives."""
    return np.asarray(np.searchsorted(geography.offset, person, side="right") - 1, np.int64)


def exists(geography: Geography, person: Integers) -> npt.NDArray[np.bool_]:
    """Return whether a number belongs to anybody."""
    commune = commune_of(geography, person)
    people, inside = geography.people[commune], person - geography.offset[commune]
    room = geography.offset[commune + 1] - geography.offset[commune]
    # The inverse of `_spread`: the only rank that could stand here.
    rank = -(-inside * people // room)
    return np.asarray((rank < people) & (rank * room // people == inside), np.bool_)


def _spread(geography: Geography, commune: Integers, rank: Integers) -> Integers:
    """Return the places of residents, from rank 0 on, evenly among the places of their commune."""
    room = geography.offset[commune + 1] - geography.offset[commune]
    return np.asarray(geography.offset[commune] + rank * room // geography.people[commune], np.int64)


def resident(geography: Geography, commune: Integers, share: Floats, *, clientele: npt.ArrayLike = 0) -> Integers:
    """Return the person at quantile `share` of a commune; low shares are those whom the clientele sees most."""
    people = geography.people[commune]
    rank = np.minimum((people * share).astype(np.int64), people - 1)
    group = np.broadcast_to(np.asarray(clientele), rank.shape)
    # An odd multiplier orders the same people differently for each clientele (nearly one to one, which is enough).
    turn = (mix(Salt.ORDER, group) % np.uint64(2**20)).astype(np.int64) | 1
    return _spread(geography, commune, np.where(group == 0, rank, rank * turn % people))


def anyone(geography: Geography, share: Floats) -> Integers:
    """Return the person at quantile `share` of the whole country, everybody equally likely."""
    total = np.cumsum(geography.people)
    place = np.minimum((share * total[-1]).astype(np.int64), total[-1] - 1)
    commune = np.searchsorted(total, place, side="right")
    return _spread(geography, commune, place - (total[commune] - geography.people[commune]))


def nobody(geography: Geography, commune: Integers, share: Floats) -> Integers:
    """Return a number of the commune that belongs to nobody."""
    first, end = geography.offset[commune], geography.offset[commune + 1]
    place = np.minimum(first + (share * (end - first)).astype(np.int64), end - 1)
    for _ in range(LONGEST_RUN):
        place = np.where(exists(geography, place), first + (place + 1 - first) % (end - first), place)
    return place


def place_of(geography: Geography, person: Integers) -> Integers:
    """Return the place of birth of a person as a place in the line: a permutation that moves one in twelve."""
    movers = geography.places // MOVED_ONE_IN
    step = _coprime(movers)
    moved = (person // MOVED_ONE_IN * step + 7) % movers * MOVED_ONE_IN
    return np.asarray(np.where(person % MOVED_ONE_IN == 0, moved, person), np.int64)


def person_at(geography: Geography, place: Integers) -> Integers:
    """Return who was born at a place: the inverse of `place_of`."""
    movers = geography.places // MOVED_ONE_IN
    back = pow(_coprime(movers), -1, movers)
    moved = (place // MOVED_ONE_IN - 7) % movers * back % movers * MOVED_ONE_IN
    return np.asarray(np.where(place % MOVED_ONE_IN == 0, moved, place), np.int64)


def _coprime(count: int) -> int:
    step = int(count * 0.618) | 1
    while np.gcd(step, count) != 1:
        step += 2
    return step


# Within a commune code, neighbouring places have unlike birth dates; the step is coprime to 2,400.
_DATE_STEP = 1447
_DATE_BACK = pow(_DATE_STEP, -1, PLACES_PER_CODE)


def place_from_date(first: Integers, date: Integers) -> Integers:
    """Return the place with the `date`-th sex, year and month of the commune code that starts at place `first`."""
    return np.asarray(first + date * _DATE_BACK % PLACES_PER_CODE, np.int64)


def nir_numbers(geography: Geography, person: Integers) -> tuple[Integers, npt.NDArray[np.uint8]]:
    """Return the 15 digits as one integer, and the Corsican letter (0, or the code of A or B).

    The key is 97 minus the number modulo 97, where 2A counts as 19 and 2B as 18.
    """
    place = place_of(geography, person)
    commune = commune_of(geography, place)
    inside = place - geography.offset[commune]
    date = inside % PLACES_PER_CODE * _DATE_STEP % PLACES_PER_CODE
    department, letter = _department_digits(geography)
    code = geography.commune_code[commune] + inside // PLACES_PER_CODE
    area = department[geography.commune_department[commune]] + code
    number = (date // 1200 + 1) * 10**12 + (date // 12 % 100) * 10**10 + (date % 12 + 1) * 10**8 + area * 1000
    return number * 100 + 97 - number % 97, letter[geography.commune_department[commune]]


def _department_digits(geography: Geography) -> tuple[Integers, npt.NDArray[np.uint8]]:
    """Return, per department, its digits with room for those of the commune, and its letter."""
    digits = {"2A": 19, "2B": 18}
    area = [
        int(c) * 100 if len(c) == 3 else (digits[c] if c in digits else int(c)) * 1000 for c in geography.departments
    ]
    letter = [ord(c[1]) if c in digits else 0 for c in geography.departments]
    return np.array(area, np.int64), np.array(letter, np.uint8)
