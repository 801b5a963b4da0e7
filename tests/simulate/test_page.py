"""The page of scenarios states every declaration."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.marginals import page as marginals_page
from detector.simulate import PRESETS, SCENARIOS, Attack, Scenario, Traits
from detector.simulate.page import scenarios_page
from detector.simulate.professions import PROFESSIONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scenarios.md"


def test_page_is_current() -> None:
    """The page in docs begins with what the declarations say now; how worlds are measured follows."""
    assert PAGE.read_text(encoding="utf-8").startswith(scenarios_page() + "\n"), "run `make docs`"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenarios_are_stated(scenario: Scenario) -> None:
    """Each scenario stands there with its story and all parameters that are its own."""
    section = scenarios_page().split(f"### {scenario.name}: ")[1].split("\n## ")[0].split("\n### ")[0]
    assert scenario.story in section
    for name, value in scenario.attack.model_dump(exclude={"scenario"}, exclude_defaults=True).items():
        assert f"`{name}={value}`" in section


def test_settings_are_stated() -> None:
    """Every benign share, every parameter of an attack, profession and preset stands there, with its meaning."""
    page = scenarios_page()
    for model in (Traits, Attack):
        for name, field in model.model_fields.items():
            assert field.description
            assert f"| `{name}` |" in page or name == "scenario"
    assert all(f"| {profession.name.replace('_', ' ')}" in page for profession in PROFESSIONS)
    assert all(f"| `{name}` |" in page for name in PRESETS)


def test_honest_life_is_within_its_ranges_as_measured() -> None:
    """Each row of the page of marginals lies within for all seeds, or says why not."""
    rows = [line.split(" | ") for line in (PAGE.parent / "marginals.md").read_text(encoding="utf-8").splitlines()]
    verdicts = [row[-1].removesuffix(" |") for row in rows if len(row) == 5 and row[0] not in ("| measure", "| ---")]
    assert len(verdicts) > 30
    assert not [verdict for verdict in verdicts if verdict != "yes" and ": " not in verdict]


def test_a_measure_out_of_its_range_is_told() -> None:
    """With how many of the seeds lie within."""
    table = pd.DataFrame({"low": [0.2], "high": [0.6], "1": [0.5], "2": [0.7]}, index=["active_share"])
    assert "| 0.2 to 0.6 | 0.6 | 0.5 to 0.7 | 1 of 2 |" in marginals_page(table)


def test_scenarios_are_complete() -> None:
    """There are seventeen scenarios, in order."""
    assert [scenario.name for scenario in SCENARIOS] == [f"S{number}" for number in range(1, 18)]
