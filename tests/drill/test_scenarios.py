"""The attacks of a drill."""

from __future__ import annotations

import pytest

from detector.drill.scenarios import SCENARIOS, chosen
from detector.errors import ConfigError


def test_each_scenario_has_a_name_of_its_own() -> None:
    """No two scenarios share a name, and each attack is exact: so many records, no spread."""
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names) > 5
    assert all(scenario.attack.spread == 0 for scenario in SCENARIOS)


def test_scenarios_are_chosen_by_name_in_their_usual_order() -> None:
    """The order in which scenarios are named does not matter, and none named means all."""
    assert [s.name for s in chosen(["slow", "night"])] == ["night", "slow"]
    assert chosen([]) == SCENARIOS


def test_an_unknown_scenario_is_refused_with_those_that_are_known() -> None:
    """A misspelt name is told together with the right ones."""
    with pytest.raises(ConfigError, match=r"--scenario nite: not one of night, day, slow"):
        chosen(["slow", "nite"])
