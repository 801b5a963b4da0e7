"""A model comes back from its folder as it was, and replaces the one before only when it is whole."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from detector.errors import ModelError, SchemaError
from detector.model import kept
from detector.model.forest import ExtractionForest
from detector.model.kept import CARD, FORMAT, Model, load_model, save_model
from detector.model.packing import pack, unpack
from tests.model.conftest import FILES, make_deviations, read_card


def test_comes_back_as_it_was(model: Model, folder: Path) -> None:
    """What was kept is what is loaded: the same scores to the last bit, the same tables, card and version."""
    loaded = load_model(folder)
    X = make_deviations(200, seed=5) * 2
    assert (loaded.estimator.score_samples(X) == model.estimator.score_samples(X)).all()
    assert vars(loaded.estimator).keys() == vars(model.estimator).keys()
    assert (loaded.columns, loaded.cold, loaded.card, loaded.version) == (
        model.columns,
        model.cold,
        model.card,
        model.version,
    )
    pd.testing.assert_frame_equal(loaded.calibration, model.calibration)
    pd.testing.assert_frame_equal(loaded.set_aside, model.set_aside)


def test_keeping_twice_gives_the_same_bytes(model: Model, tmp_path: Path) -> None:
    """The same model gives the same files, whatever was in memory before."""
    first, second = save_model(model, tmp_path / "a"), save_model(load_model(tmp_path / "a"), tmp_path / "b")
    assert [(first / name).read_bytes() for name in FILES] == [(second / name).read_bytes() for name in FILES]


def test_card_tells_every_file(folder: Path, model: Model) -> None:
    """The card holds format, version, columns, software, and size and SHA-256 of every other file."""
    card = read_card(folder)
    assert {path.name for path in folder.iterdir()} == {CARD, *card["files"]} == set(FILES)
    for name, told in card["files"].items():
        content = (folder / name).read_bytes()
        assert told == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert (card["format"], card["version"], card["about"]) == (FORMAT, model.version, model.card)
    assert {"python", "scikit-learn", "skops"} <= card["software"].keys()


@pytest.mark.parametrize(
    "change",
    [
        {"columns": tuple(f"c{i}" for i in range(12))},
        {"cold": True},
        {"set_aside": pd.DataFrame({"account": ["a9"], "day": [pd.Timestamp("2026-03-01").date()]})},
        {"estimator": ExtractionForest(n_estimators=4, random_state=1).fit(make_deviations(300, seed=2))},
    ],
)
def test_version_tells_models_apart(model: Model, change: dict[str, Any]) -> None:
    """Another column, table, kind or estimator is another version; another card is not."""
    assert replace(model, **change).version != model.version
    assert replace(model, card={}).version == model.version
    assert len(model.version) == 12


def test_old_model_is_kept_beside(model: Model, folder: Path) -> None:
    """Keeping a model moves the one before aside; renaming it back brings it back."""
    save_model(replace(model, cold=True), folder)
    before = folder.with_name("model.previous")
    assert (load_model(folder).cold, load_model(before).cold) == (True, False)
    save_model(replace(model, columns=model.columns[::-1]), folder)
    assert load_model(before).cold
    assert sorted(path.name for path in folder.parent.iterdir()) == ["model", "model.previous"]


@pytest.mark.parametrize("fault", ["_write", "_put_in_place"])
def test_failure_leaves_the_old_model(model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """A disk that fails while writing or renaming leaves the old model as it was, and no rubbish."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept, fault, fail)
    with pytest.raises(ModelError, match=r"could not be written.*No space left.*intact"):
        save_model(replace(model, cold=True), folder)
    monkeypatch.undo()
    assert load_model(folder).version == model.version
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_killed_between_renames(folder: Path) -> None:
    """Where only the model before is left, the error says where it is."""
    folder.rename(folder.with_name("model.previous"))
    with pytest.raises(
        ModelError, match=r"model/card\.json: found only the model before, as .*model\.previous: rename"
    ):
        load_model(folder)


def test_other_folders_are_not_replaced(model: Model, tmp_path: Path) -> None:
    """A folder that holds something else than a model is not overwritten."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(ModelError, match="holds no model"):
        save_model(model, tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_unfit_estimators_are_not_stored(model: Model, tmp_path: Path) -> None:
    """An estimator that could not be read back is refused before anything is written."""
    moody = ExtractionForest(n_estimators=2, random_state=np.random.RandomState(0)).fit(make_deviations(50, seed=1))
    with pytest.raises(ModelError, match="random_state"):
        save_model(replace(model, estimator=moody), tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"strangeness": np.nan}, "300 nulls"), ({"kind": "friend"}, "expected one of known, newcomer, robot")],
)
def test_tables_are_checked(model: Model, tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    """A calibration that is not the table it should be is refused at saving."""
    with pytest.raises(SchemaError, match=complaint):
        save_model(replace(model, calibration=model.calibration.assign(**change)), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_without_a_forest() -> None:
    """An estimator without its forest is kept too."""
    X = make_deviations(100, seed=3)
    alone = ExtractionForest(forest_weight=0.0).fit(X)
    assert (unpack(pack(alone)).score_samples(X) == alone.score_samples(X)).all()


def test_datetimes_are_days(model: Model, tmp_path: Path) -> None:
    """Days that pandas holds as instants are kept as days."""
    instants = pd.to_datetime(model.calibration["day"])
    folder = save_model(replace(model, calibration=model.calibration.assign(day=instants)), tmp_path / "model")
    assert load_model(folder).calibration["day"].tolist() == model.calibration["day"].tolist()
