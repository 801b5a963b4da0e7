"""The shipped model is there, whole and small; it can be made again, and then it is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.deviations import NAMES
from detector.model.forest import to_score
from detector.model.kept import Model, load_model
from detector.shipped import models_dir
from detector.shipping import DEFAULT, JUDGED, PORTALS, ship_model
from detector.simulate import World, make_attack

MAX_BYTES = 5_000_000


@pytest.fixture(scope="module")
def shipped() -> Model:
    """The model that ships."""
    return load_model(models_dir() / DEFAULT)


def test_it_is_small() -> None:
    """The model's folder takes less than five megabytes."""
    assert 0 < sum(path.stat().st_size for path in (models_dir() / DEFAULT).iterdir()) < MAX_BYTES


def test_it_knows_peers_alone(shipped: Model) -> None:
    """It is cold: its columns are deviations from peers that this version computes, and nobody is set aside."""
    assert shipped.cold
    assert {name.split("__")[1] for name in shipped.columns} == {"peers"}
    assert set(shipped.columns) <= set(NAMES)
    assert shipped.set_aside.empty


def test_its_card_tells_where_it_comes_from(shipped: Model) -> None:
    """The card names the portals it was trained on, and what it found on one that it had never seen."""
    seeds = [portal["seed"] for portal in shipped.card["portals"]]
    measures = shipped.card["measures"]
    assert seeds == [portal.seed for portal in PORTALS]
    assert measures["portal"]["seed"] == JUDGED.seed not in seeds
    assert set(measures["recall"]) == {"mean", *(attack.scenario for attack in JUDGED.attacks)}


def test_it_tells_strange_from_usual(shipped: Model) -> None:
    """An account-day like its peers scores nothing; one that exceeds them in all by ten spreads scores high."""
    rows = np.array([[0.0], [10.0]]).repeat(len(shipped.columns), axis=1)
    usual, strange = to_score(shipped.estimator.score_samples(rows))
    assert usual == 0
    assert strange > 0.7


@pytest.mark.long
def test_a_small_one_can_be_made(tmp_path: Path) -> None:
    """From any portals a model is made, measured on another, and kept."""
    portals = [World(seed=seed, accounts=200, days=2, records="token") for seed in (1, 2)]
    attack = make_attack("S1", accounts=2, records=900, spread=0, first_day=-1)
    judged = World(seed=3, accounts=150, days=7, records="token", attacks=(attack,))
    told: list[str] = []
    model = ship_model(tmp_path / "a", portals=portals, judged=judged, progress=told.append)
    assert load_model(tmp_path / "a").version == model.version
    assert model.card["measures"]["recall"] == {"mean": 1.0, "S1": 1.0}
    assert told[0] == "portal 1: 2026-01-05"
    assert len(told) == 2 + 2 + 7


@pytest.mark.long
def test_it_can_be_made_again(shipped: Model, tmp_path: Path) -> None:
    """Making it again, from this version's code, gives the same model but for the last digits."""
    again = ship_model(tmp_path / "model")
    assert (again.columns, again.card) == (shipped.columns, shipped.card)
    rows = np.random.default_rng(0).exponential(3.0, (2_000, len(again.columns)))
    assert again.estimator.score_samples(rows) == pytest.approx(shipped.estimator.score_samples(rows), rel=1e-6)
