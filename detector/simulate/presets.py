"""Worlds that are used often."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Literal

from detector.simulate.draws import Stage, generator
from detector.simulate.scenarios import SCENARIOS, Scenario, make_attack
from detector.simulate.settings import Attack, World

ATTACKED_DAYS = 14
"""The attacks of a world for measuring lie within its last days."""

DEMO_ATTACKS = (
    make_attack("S1", accounts=3, records=1300, spread=0, hours=2, first_day=-1),
    make_attack("S4", accounts=1, records=150, spread=0, days=7, first_day=-7, shared=False),
)
"""On the last night three accounts lose 1,300 records each within two hours; one more loses 150 a day for a week."""

SMALL_ATTACKS = (
    make_attack("S1", accounts=1, records=600, spread=0),
    make_attack("S4", accounts=2, records=80, spread=0, days=3, first_day=-3),
)


def quality_world(
    seed: int, *, scenarios: Collection[str] | None = None, targets: Literal["national", "local"] = "national"
) -> World:
    """Return the world on which the detector is measured: 3,000 accounts, 49 days, all scenarios at once.

    Each scenario keeps its own days wherever it stands, but no account is attacked twice: a world with one
    scenario may have other victims than the world with all. To compare them, remove rows from the latter.

    Parameters
    ----------
    seed
        Of the world.
    scenarios
        Names of those to plant; None for all, an empty collection for none.
    targets
        Where those that read people of the whole country look instead: `local` stands for lists of the neighbourhood.
    """
    chosen = [scenario for scenario in SCENARIOS if scenarios is None or scenario.name in scenarios]
    return World(
        seed=seed, accounts=3_000, days=49, attacks=tuple(_placed(s, seed=seed, targets=targets) for s in chosen)
    )


def _placed(scenario: Scenario, *, seed: int, targets: Literal["national", "local"]) -> Attack:
    """Return the scenario's attack on days of its own within the last fourteen."""
    attack = scenario.attack
    rng = generator(seed, Stage.PLACING, SCENARIOS.index(scenario))
    first = -int(rng.integers(attack.days, ATTACKED_DAYS + 1))
    where = targets if attack.targets == "national" else attack.targets
    return attack.model_copy(update={"first_day": first, "targets": where})


PRESETS = {
    # The last day is a Thursday: the attack must stand out among people at work.
    "demo": World(accounts=4_000, days=35, start=date(2026, 1, 9), attacks=DEMO_ATTACKS),
    "small": World(accounts=400, days=32, attacks=SMALL_ATTACKS),
    "quality": quality_world(1),
}
