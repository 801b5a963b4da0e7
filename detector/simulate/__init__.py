"""A portal to test on: honest life that is hard to tell from theft, attacks, and the truth apart."""

from detector.simulate.presets import PRESETS, quality_world
from detector.simulate.scenarios import SCENARIOS, Scenario, make_attack, parse_attack
from detector.simulate.settings import Attack, Traits, World
from detector.simulate.writing import simulate

__all__ = [
    "PRESETS",
    "SCENARIOS",
    "Attack",
    "Scenario",
    "Traits",
    "World",
    "make_attack",
    "parse_attack",
    "quality_world",
    "simulate",
]
