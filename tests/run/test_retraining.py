"""Models over time: one takes another's place only if it holds; earlier ones stay, and can be used again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector import models_dir
from detector.cli import app
from detector.errors import ConfigError, ModelError
from detector.history import History
from detector.model.kept import CARD, PREVIOUS, load_model, save_model
from detector.run.retraining import _compare, retrain
from detector.run.versions import drop_old, keep_version, list_versions, mend, put_in_use, roll_back
from detector.settings import Settings
from detector.simulate import World
from detector.workspace import workspace
from tests.run.replaying import Portal

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A history with a model in use."""
    History.open(tmp_path, zone="Europe/Paris", key_id="", create=True)
    put_in_use(load_model(models_dir() / "default"), tmp_path, model_folder=tmp_path / "model")
    return tmp_path


def other_model(history: Path) -> str:
    """Keep a second model, and return its version."""
    model = load_model(history / "model")
    columns = model.calibration.assign(strangeness=model.calibration["strangeness"] + 1)
    changed = replace(model, calibration=columns, card={**model.card, "last_day": "2030-01-01"})
    keep_version(changed, history)
    return changed.version


def test_models_are_listed_and_rolled_back(history: Path) -> None:
    """The newest first, the one in use marked; rolled back with a reason, which the log keeps."""
    first = load_model(history / "model").version
    second = other_model(history)
    roll_back(second, history, model_folder=history / "model")
    listed = CliRunner().invoke(app, ["models", "--history", str(history)]).stdout.splitlines()
    assert [line.split()[0] for line in listed] == [second, first]
    assert listed[0].endswith("in use")
    arguments = ["models", "rollback", first[:6], "--note", "too many alerts", "--by", "ana", "--history", str(history)]
    assert CliRunner().invoke(app, arguments).stdout == f"{first} is in use\n"
    assert load_model(history / "model").version == first
    assert '"why": "too many alerts"' in (history / "actions.jsonl").read_text()


def test_a_rollback_names_one_model_and_a_reason(history: Path) -> None:
    """Neither an unknown version nor a silent change."""
    with pytest.raises(ModelError, match="not one kept model; kept are"):
        roll_back("ffff0000", history, model_folder=history / "model")
    with pytest.raises(ConfigError, match="--note WHY"):
        CliRunner().invoke(app, ["models", "rollback", "ffff", "--history", str(history)], catch_exceptions=False)


def test_a_model_that_was_changed_is_not_rolled_back_to(history: Path) -> None:
    """Its files must be those that training wrote; the one in use stays."""
    version = other_model(history)
    (history / "models" / version / "calibration.parquet").write_bytes(b"x")
    before = load_model(history / "model").version
    with pytest.raises(ModelError, match="expected"):
        roll_back(version, history, model_folder=history / "model")
    assert load_model(history / "model").version == before


def test_old_versions_go_and_the_one_in_use_stays(history: Path) -> None:
    """However old it is."""
    used = load_model(history / "model").version
    second = other_model(history)
    drop_old(history, model_folder=history / "model", keep=1)
    assert {each.version for each in list_versions(history, model_folder=history / "model")} == {used, second}
    drop_old(history, model_folder=history / "model", keep=0)
    assert [each.version for each in list_versions(history, model_folder=history / "model")] == [used]


def test_a_kill_between_two_renames_is_mended(history: Path) -> None:
    """The model before is put back; where there is one, nothing is touched."""
    (history / "model").rename(history / f"model{PREVIOUS}")
    assert mend(history / "model")
    assert (history / "model" / CARD).is_file()
    save_model(load_model(history / "model"), history / "model")
    assert not mend(history / "model")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_challenger_replaces_the_champion_only_if_it_holds(tmp_path: Path) -> None:
    """One fitted on the next week is taken into use; one that sees nothing strange in anything is not."""
    portal = Portal.make(tmp_path, World(accounts=400, days=32, attacks=()))
    portal.learn(portal.days)
    settings: Settings = portal.settings
    with workspace(settings) as place:
        history = place.history()
        assert history is not None
        outcome = retrain(place, history, now=NOW, tell=lambda _: None, force=True)
        assert outcome is not None
        assert outcome.in_use, outcome
        champion = load_model(tmp_path / "history" / "model")
        blind = champion.calibration.assign(strangeness=champion.calibration["strangeness"] + 1e6)
        refused = _compare(place, history, replace(champion, calibration=blind), champion)
    assert not refused.in_use
    assert "%" in refused.why
    shutil.rmtree(tmp_path / "portal")
