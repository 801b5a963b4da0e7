"""People and their numbers."""

from __future__ import annotations

import numpy as np
import pytest
from stdnum.fr import nir

from detector.simulate import World
from detector.simulate import geography as geo
from detector.simulate.geography import Geography, make_geography
from detector.simulate.scene import Population, make_population
from detector.simulate.text import record_texts


@pytest.fixture(scope="module")
def geography() -> Geography:
    """The places of a small world."""
    return make_geography(World(accounts=1_500, days=1, seed=2))


def test_numbers_are_unique_and_valid() -> None:
    """Everybody, and every number that nobody has, has a valid number of its own with the serial 000."""
    world = World(accounts=1_500, days=1, seed=2)
    population = make_population(world)
    texts = record_texts(world, population, np.arange(0, population.geography.places, 7)).to_pylist()
    assert len(set(texts)) == len(texts)
    assert all(nir.is_valid(text) and text[10:13] == "000" for text in texts[::50])
    assert {text[5:7] for text in texts} >= {"2A", "97", "59"}


def test_places_of_birth_are_a_permutation(geography: Geography) -> None:
    """Nobody is born in another's place, and who was born somewhere can be found."""
    person = np.arange(geography.places)
    place = geo.place_of(geography, person)
    assert len(np.unique(place)) == len(person)
    assert (geo.person_at(geography, place) == person).all()
    elsewhere = geo.commune_of(geography, place) != geo.commune_of(geography, person)
    assert 0.05 < elsewhere.mean() < 0.1


def test_dates_follow_each_other(geography: Geography) -> None:
    """The dates of one commune code give rising numbers."""
    person = geo.person_at(geography, geo.place_from_date(np.zeros(2400, np.int64), np.arange(2400)))
    number = geo.nir_numbers(geography, person)[0]
    assert (np.diff(number // 10**5) > 0).all()


def test_everybody_and_nobody(geography: Geography) -> None:
    """Residents and anyone exist, also at the edges of the draw; nobody does not."""
    share = np.array([0.0, 0.3, 0.999999999, 1 - 2.0**-53])
    assert geo.exists(geography, geo.anyone(geography, share)).all()
    for commune in (0, len(geography.people) - 1):
        where = np.full(len(share), commune)
        for clientele in (0, 1):
            people = geo.resident(geography, where, share, clientele=clientele)
            assert geo.exists(geography, people).all()
            assert (geo.commune_of(geography, people) == commune).all()
        nobody = geo.nobody(geography, where, share)
        assert not geo.exists(geography, nobody).any()
        assert (geo.commune_of(geography, nobody) == commune).all()


def test_as_many_exist_as_live(geography: Geography) -> None:
    """Of all numbers, as many belong to somebody as there are people."""
    assert geo.exists(geography, np.arange(geography.places)).sum() == geography.people.sum()


def test_largest_world_has_numbers() -> None:
    """A world of 400,000 accounts fits the three digits of commune codes."""
    geography = make_geography(World(accounts=400_000, days=1))
    last = geography.commune_code + np.diff(geography.offset) // geo.PLACES_PER_CODE - 1
    overseas = np.array([len(geography.departments[d]) == 3 for d in geography.commune_department])
    assert last.max() <= 999
    assert last[overseas].max() <= 99
    assert len(geography.departments) == len(set(geography.departments)) > 95


def test_population_is_kept() -> None:
    """The same world has the same people, whatever its attacks."""
    world = World(accounts=300, days=2)
    assert isinstance(make_population(world), Population)
    assert (make_population(world).accounts.commune == make_population(world.model_copy()).accounts.commune).all()
