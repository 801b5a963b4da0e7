"""A drill on real logs, which have no history: the file's own days, and the model that knows peers alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.drill import DrillSettings, drill
from detector.settings import EngineSettings, Settings

MAPPINGS = Path(__file__).resolve().parents[2] / "docs" / "mappings"


@pytest.mark.long
def test_a_day_of_a_public_web_log_can_be_drilled_without_a_history(shared_data: Path) -> None:
    """Each victim is ranked among the day's addresses, and the reader is told what a cold model means."""
    drilled = drill(
        shared_data / "edgar-2017-01-01.csv.gz",
        mapping=MAPPINGS / "edgar.toml",
        drilling=DrillSettings(scenarios=("night", "newcomer"), accounts=2, cap=200),
        settings=Settings(engine=EngineSettings(threads=2, memory_limit="2GB")),
    )
    assert drilled.cold
    assert any(warning.startswith("cold model") for warning in drilled.warnings)
    assert drilled.summary["scenario"].tolist() == ["night", "newcomer"]
    assert drilled.victims["rank"].between(1, drilled.victims["accounts"]).all()
    assert (drilled.victims["records"] > 0).all()
    assert 0 < drilled.cap["share"][0] < 0.5
