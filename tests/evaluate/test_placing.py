"""Attacks in time."""

from __future__ import annotations

from detector.evaluate.placing import contaminate, place_attacks, place_occasions
from detector.simulate.calendar import RELEASE_EVERY_DAYS, campaign_day, day_facts, forced_reset_day
from detector.simulate.settings import Attack, World

KINDS = (
    Attack(scenario="S1"),
    Attack(scenario="S2", days=3, first_day=-3),
    Attack(scenario="S4", days=12, first_day=-12),
)


def test_attacks_lie_within_the_judged_days() -> None:
    """Whatever the seed, an attack starts within the judged days and ends with them or before."""
    for seed in range(50):
        for attack in place_attacks(KINDS, judged_days=7, seed=seed):
            assert -7 <= attack.first_day <= -attack.days


def test_a_long_attack_is_cut_to_the_judged_days() -> None:
    """Twelve days become seven."""
    assert place_attacks(KINDS, judged_days=7, seed=1)[2].days == 7


def test_every_judged_day_is_drawn_by_some_seed() -> None:
    """Over many seeds a one-day attack falls on each of the seven days, and one seed always gives the same day."""
    firsts = {place_attacks(KINDS, judged_days=7, seed=seed)[0].first_day for seed in range(100)}
    assert firsts == set(range(-7, 0))
    assert place_attacks(KINDS, judged_days=7, seed=3) == place_attacks(KINDS, judged_days=7, seed=3)


def test_contamination_has_the_asked_share() -> None:
    """0.2 % of 1,500 account-days on 42 days is 126 attacked ones, all before the judged days and after the first."""
    found = contaminate(KINDS, share=0.002, active_per_day=1500, days=42, seed=1)
    assert len(found) == 126
    assert all(10 <= attack.first_day < 42 and attack.days == 1 and attack.accounts == 1 for attack in found)


def test_what_happens_to_everybody_happens_on_judged_days() -> None:
    """By turns the campaign, the wave of resets and the browsers' release fall on a judged day, on different ones."""
    days: dict[int, set[int | None]] = {kind: set() for kind in range(3)}
    for seed in range(30):
        world = World(seed=seed, days=49, **place_occasions(days=49, judged_days=7, seed=seed))
        numbers = [day_facts(world, index).number % RELEASE_EVERY_DAYS for index in range(42, 49)]
        release = 42 + numbers.index(0) if 0 in numbers else None
        days[seed % 3].add((campaign_day(world), forced_reset_day(world), release)[seed % 3])
    assert days == {0: set(range(42, 47)), 1: set(range(42, 47)), 2: {42}}
