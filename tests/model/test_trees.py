"""The forest's trees as arrays: scikit-learn's, read one-sidedly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from detector.model.tails import Floats
from detector.model.trees import LEAF, Trees, grow_trees, isolation
from tests.model.conftest import make_deviations

SETTINGS: dict[str, Any] = {"n_estimators": 30, "random_state": 0}


@pytest.fixture(scope="module")
def trees(honest: Floats) -> Trees:
    """Thirty trees."""
    return grow_trees(honest, max_samples=256, **SETTINGS)


def path_reached(trees: Trees, row: Floats, root: int) -> float:
    """The path of the one leaf that a row reaches, as an isolation forest has it."""
    node = root
    while trees.feature[node] != LEAF:
        right = row[trees.feature[node]] > trees.threshold[node]
        node = int((trees.right if right else trees.left)[node])
    return float(trees.path[node])


def paths_passed(trees: Trees, row: Floats, node: int) -> list[float]:
    """The paths of all leaves that a row reaches or passes: the slow, obvious way."""
    if trees.feature[node] == LEAF:
        return [float(trees.path[node])]
    passed = paths_passed(trees, row, int(trees.left[node]))
    if row[trees.feature[node]] > trees.threshold[node]:
        passed += paths_passed(trees, row, int(trees.right[node]))
    return passed


def test_arrays_hold_the_forest_of_scikit_learn(honest: Floats, trees: Trees) -> None:
    """Following the arrays to the one leaf a row reaches gives scikit-learn's own score."""
    rows = make_deviations(200, seed=9)
    theirs = IsolationForest(max_samples=256, **SETTINGS).fit(honest).score_samples(rows)
    mean = [np.mean([path_reached(trees, row, int(root)) for root in trees.roots]) for row in rows]
    assert -(2.0 ** (-np.array(mean) / trees.usual_path)) == pytest.approx(theirs)


def test_isolation_is_the_shortest_path_passed(trees: Trees) -> None:
    """A row's isolation is how much sooner than usual its shortest paths end, in the mean over the trees."""
    rows = make_deviations(100, seed=10) * 3
    naive = [trees.usual_path - np.mean([min(paths_passed(trees, row, int(r))) for r in trees.roots]) for row in rows]
    assert isolation(trees, rows) == pytest.approx(np.array(naive))


def test_more_is_never_less_isolated(trees: Trees) -> None:
    """Adding to any deviation never makes a row less isolated."""
    rng = np.random.default_rng(11)
    rows = make_deviations(2_000, seed=12) * 2
    more = rows + rng.exponential(2.0, rows.shape) * (rng.random(rows.shape) < 0.2)
    assert (isolation(trees, more) >= isolation(trees, rows)).all()


def test_far_out_is_more_isolated(trees: Trees) -> None:
    """Rows with every deviation at ten are isolated sooner than any usual row; rows of zeros later than most."""
    usual = isolation(trees, make_deviations(1_000, seed=13))
    assert isolation(trees, np.full((1, 12), 10.0))[0] > usual.max()
    assert isolation(trees, np.zeros((1, 12)))[0] < np.median(usual)


def test_rows_all_alike() -> None:
    """Trees grown from rows that are all alike isolate nothing, and everything equally."""
    grown = grow_trees(np.zeros((50, 3)), max_samples=16, **SETTINGS)
    assert np.ptp(isolation(grown, np.array([[0.0, 0, 0], [5, 5, 5]]))) == 0


def test_rows_that_exceed_nothing_are_as_isolated_together_as_alone(trees: Trees, honest: Floats) -> None:
    """They are never looked at; none, one or many, and no row at all, change nothing for the others."""
    rows = np.vstack([honest[:50], np.zeros((3, honest.shape[1])), honest[50:60]])
    alone = np.concatenate([isolation(trees, row[None]) for row in rows])
    assert (isolation(trees, rows) == alone).all()
    assert isolation(trees, rows[:0]).shape == (0,)
