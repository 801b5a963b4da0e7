"""Attacks injected into the operator's own days: what would have been caught, when, and how much would have gone."""

from __future__ import annotations

from detector.drill.drill import Drilled, drill
from detector.drill.liveness import Proof, prove_checks
from detector.drill.scenarios import SCENARIOS, DrillScenario
from detector.drill.settings import DrillSettings

__all__ = ["SCENARIOS", "DrillScenario", "DrillSettings", "Drilled", "Proof", "drill", "prove_checks"]
