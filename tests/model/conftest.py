"""Account-days to train on, made up but shaped like deviations: one-sided, near zero, heavy above, in families."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from detector.model.forest import ExtractionForest
from detector.model.kept import CARD, ESTIMATOR, Model, save_model
from detector.model.tails import Floats

FILES = (CARD, ESTIMATOR, "calibration.parquet", "set_aside.parquet")
FAMILIES = ("volume",) * 4 + ("who",) * 3 + ("source",) * 3 + ("writes",) * 2


def make_deviations(n_rows: int, *, seed: int) -> Floats:
    """Excesses of `FAMILIES`: the columns of one family share half of their spread, a tenth of the rows are busy."""
    rng = np.random.default_rng(seed)
    families = np.unique(FAMILIES, return_inverse=True)[1]
    shared = rng.standard_normal((n_rows, families.max() + 1))[:, families]
    heavy = rng.standard_t(5, size=(n_rows, len(FAMILIES)))
    busy = 1 + 0.5 * (rng.random((n_rows, 1)) < 0.1)
    excess = np.maximum((shared + heavy) / np.sqrt(2) * busy, 0.0)
    # Writes are rare: nearly every row has none.
    excess[:, -2:] *= rng.random((n_rows, 1)) < 0.01
    return np.asarray(excess)


def read_card(folder: Path) -> dict[str, Any]:
    """The card, as JSON."""
    found: dict[str, Any] = json.loads((folder / CARD).read_text())
    return found


@pytest.fixture(scope="session")
def honest() -> Floats:
    """Honest account-days of twelve columns."""
    return make_deviations(8_000, seed=1)


@pytest.fixture(scope="session")
def fitted(honest: Floats) -> ExtractionForest:
    """An estimator that knows them."""
    return ExtractionForest(families=FAMILIES, n_estimators=50, random_state=0).fit(honest)


@pytest.fixture(scope="session")
def model() -> Model:
    """A small model: what is tampered with need not be good."""
    X = make_deviations(300, seed=2)
    estimator = ExtractionForest(families=list(FAMILIES), n_estimators=4, max_samples=64, random_state=0).fit(X)
    days = [date(2026, 3, 1) + timedelta(days=i % 7) for i in range(len(X))]
    return Model(
        estimator=estimator,
        columns=tuple(f"{family}_{i}__own" for i, family in enumerate(FAMILIES)),
        calibration=pd.DataFrame({"day": days, "kind": "known", "strangeness": -estimator.score_samples(X)}),
        set_aside=pd.DataFrame({"account": ["a1", "a2"], "day": days[:2]}),
        cold=False,
        card={"first_day": "2026-03-01", "account_days": len(X), "settings": {"seed": 0}},
    )


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    """That model, kept."""
    return save_model(model, tmp_path / "model")
