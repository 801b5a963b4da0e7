"""Worlds that are used often."""

from __future__ import annotations

from datetime import date

from detector.simulate.scenarios import BY_NAME
from detector.simulate.settings import Attack, World


def _attack(scenario: str, **changes: object) -> Attack:
    return Attack.model_validate(BY_NAME[scenario].attack.model_dump() | changes)


DEMO_ATTACKS = (
    _attack("S1", accounts=3, records=1300, hours=2, first_day=-1),
    _attack("S4", accounts=1, records=150, spread=0, days=7, first_day=-7, shared=False),
)
"""On the last night three accounts lose 1,300 records each within two hours; one more loses 150 a day for a week."""

PRESETS = {
    "demo": World(accounts=4_000, days=35, start=date(2026, 1, 9), attacks=DEMO_ATTACKS),
    "small": World(
        accounts=400, days=32, attacks=(_attack("S1", accounts=1, records=600), _attack("S4", accounts=1, records=80))
    ),
    "quality": World(accounts=3_000, days=49),
}
