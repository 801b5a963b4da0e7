"""A portal to test on: honest life that is hard to tell from theft, attacks, and the truth apart."""

from detector.simulate.presets import PRESETS
from detector.simulate.scenarios import SCENARIOS, Scenario, parse_attack
from detector.simulate.settings import Attack, Traits, World
from detector.simulate.writing import simulate

__all__ = ["PRESETS", "SCENARIOS", "Attack", "Scenario", "Traits", "World", "parse_attack", "simulate"]
