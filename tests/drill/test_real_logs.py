"""A drill on real logs, which have no history: the file's own days, and the model that knows peers alone."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from detector.drill import DrillSettings, drill
from detector.drill.scenarios import SCENARIOS
from detector.output.drill import render_drill
from detector.settings import EngineSettings, Settings

MAPPINGS = Path(__file__).resolve().parents[2] / "docs" / "mappings"
SMALL = Settings(engine=EngineSettings(threads=2, memory_limit="2GB"))


@pytest.mark.long
def test_a_day_of_a_public_web_log_can_be_drilled_without_a_history(shared_data: Path) -> None:
    """Each victim is ranked among the day's addresses, and the reader is told what a cold model means."""
    drilled = drill(
        shared_data / "edgar-2017-01-01.csv.gz",
        mapping=MAPPINGS / "edgar.toml",
        drilling=DrillSettings(scenarios=("night", "newcomer"), accounts=2, cap=200),
        settings=SMALL,
    )
    assert drilled.cold
    assert any(warning.startswith("cold model") for warning in drilled.warnings)
    assert drilled.summary["scenario"].tolist() == ["night", "newcomer"]
    assert drilled.victims["rank"].between(1, drilled.victims["accounts"]).all()
    assert (drilled.victims["records"] > 0).all()
    assert 0 < drilled.cap["share"][0] < 0.5


@pytest.mark.long
def test_days_of_a_web_servers_log_can_be_drilled(shared_data: Path) -> None:
    """All attacks but the writes, which nobody makes there, are injected, ranked among the day's addresses."""
    drilled = drill(
        shared_data / "apache-combined.log.gz",
        mapping=MAPPINGS / "apache.toml",
        drilling=DrillSettings(accounts=2),
        settings=SMALL,
    )
    missed = drilled.summary[drilled.summary["victims"] == 0]
    assert missed["scenario"].tolist() == ["writes"]
    assert "has written anything" in missed["not_injected"].iloc[0]
    assert drilled.victims.groupby("scenario").size().to_dict() == dict.fromkeys(
        set(drilled.summary["scenario"]) - {"writes"}, 2
    )
    assert (drilled.victims["rank"] <= 10).all()


@pytest.mark.long
def test_a_log_of_sign_ins_alone_takes_no_attack_and_the_drill_says_so(shared_data: Path) -> None:
    """Nobody looks anything up over sshd: every attack is told as not injected, with the reason, and none as caught."""
    drilled = drill(shared_data / "openssh-auth.log.gz", mapping=MAPPINGS / "sshd.toml", settings=SMALL)
    assert drilled.victims.empty
    assert drilled.summary["scenario"].tolist() == [scenario.name for scenario in SCENARIOS]
    assert drilled.summary["not_injected"].str.contains("these days hold no look-up").all()
    assert len(drilled.load) == 7
    console = Console(width=100, file=StringIO(), record=True)
    console.print(render_drill(drilled))
    text = console.export_text()
    assert text.startswith("No attack could be injected into copies of 7 days")
    assert "caught" not in text
