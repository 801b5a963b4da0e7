"""Tails say how rare a value is, and go on rising beyond what was ever seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import genpareto

from detector.model.tails import MAX_SHAPE, MIN_SCALE, PRIOR_SCALE, Floats, fit_tails, rare_count, surprise

COLUMNS = arrays(np.float64, st.integers(2, 300), elements=st.floats(0, 1e6))


def of(column: Floats, values: Floats) -> Floats:
    """The surprise of values under the tail of one column."""
    return surprise(fit_tails(column[:, None]), values[:, None])[:, 0]


@pytest.mark.parametrize("shape", [0.0, 0.2, 0.4])
def test_tail_is_the_one_simulated(shape: float) -> None:
    """On 200,000 draws of a generalised Pareto, the surprise is that distribution's, also far beyond the draws."""
    law = genpareto(shape, scale=2.0)
    values = law.isf(np.array([0.5, 0.1, 1e-3, 1e-5, 1e-7]))
    column = law.rvs(200_000, random_state=np.random.default_rng(3))
    assert of(column, values) == pytest.approx(-law.logsf(values), rel=0.12)


def test_shape_and_scale_are_the_ones_simulated() -> None:
    """A generalised Pareto above a threshold is one of the same shape, and of a scale that grows with the threshold."""
    law = genpareto(0.2, scale=1.5)
    tails = fit_tails(law.rvs((20_000, 40), random_state=np.random.default_rng(4)))
    assert tails.shape.mean() == pytest.approx(0.2, abs=0.03)
    assert tails.shape.std() < 0.08
    assert (tails.scale / (1.5 + 0.2 * tails.levels[:, -1])).mean() == pytest.approx(1, abs=0.03)


def test_heavier_tails_than_allowed_are_held() -> None:
    """A tail without variance is given the heaviest shape that is allowed, and a thin one an exponential tail."""
    rng = np.random.default_rng(5)
    heavy, thin = genpareto(1.5).rvs(20_000, random_state=rng), rng.uniform(0, 10, 20_000)
    assert list(fit_tails(np.stack([heavy, thin], axis=1)).shape) == [MAX_SHAPE, 0.0]


@given(COLUMNS, st.lists(st.floats(-10, 1e7), min_size=2))
def test_never_decreasing(column: Floats, values: list[float]) -> None:
    """A larger value is never less surprising, whatever was seen in training."""
    found = of(column, np.sort(values))
    assert (np.diff(found) >= 0).all()
    assert np.isfinite(found).all()


@given(COLUMNS)
def test_nothing_surprises_at_the_bottom(column: Floats) -> None:
    """The smallest value seen, and what is below it, is no surprise."""
    assert list(of(column, np.array([column.min(), column.min() - 1.0]))) == [0.0, 0.0]


@given(COLUMNS, st.floats(0, 1e6))
def test_no_jumps(column: Floats, value: float) -> None:
    """A hair more is at most a hair more surprising: what is nearly zero counts nearly as zero."""
    below, above = of(np.append(column, 0.0) / 1e6, np.array([value / 1e6, value / 1e6 + 1e-12]))
    seen = np.unique(np.append(column, 0.0) / 1e6)
    steepest = max(1 / MIN_SCALE, np.log(len(column) + 2) / max(np.diff(seen).min(initial=1.0), 1e-300))
    assert above - below <= 1e-12 * steepest * 1.01 + 1e-9


def test_share_at_or_above() -> None:
    """A value that one training row in a hundred reaches has a surprise of −log of one in a hundred."""
    column = np.arange(100_000, dtype=np.float64)
    assert of(column, np.array([99_000.0, 90_000.0, 50_000.0])) == pytest.approx(np.log([100, 10, 2]), abs=0.02)


def test_rarely_more_than_zero() -> None:
    """Where one row in a thousand has 5 to 15 and the others nothing, 5 is a one-in-a-thousand surprise, 1 a fifth."""
    rng = np.random.default_rng(6)
    column = np.zeros(100_000)
    column[:100] = 5 + rng.uniform(0, 10, 100)
    lowest = column[column > 0].min()
    rare = np.log(1_000)
    assert of(column, np.array([0.0, lowest / 5, lowest])) == pytest.approx([0, rare / 5, rare], rel=0.02)
    assert of(column, np.array([50.0]))[0] > rare + 5


@pytest.mark.parametrize("column", [np.zeros(1_000), np.full(1_000, 7.0), np.zeros(2), np.array([0.0, 0.0])])
def test_columns_that_never_moved(column: Floats) -> None:
    """What never moved is no surprise where it stands, and above it one nat for each spread of the prior."""
    values = column[0] + np.array([0.0, 1.0, 10.0])
    assert of(column, values) == pytest.approx([0.0, 1 / PRIOR_SCALE, 10 / PRIOR_SCALE])


def test_two_rows() -> None:
    """Two rows are enough to fit: the larger is a little surprising, and much more than it a lot."""
    found = of(np.array([0.0, 1.0]), np.array([0.0, 1.0, 30.0]))
    assert found[0] == 0 < found[1] < 1 < 10 < found[2]


def test_infrequent_large_values_stay_surprising() -> None:
    """A handful of huge honest values does not declare the next one normal."""
    rng = np.random.default_rng(7)
    column = np.append(np.abs(rng.standard_normal(10_000)), [60.0, 80.0, 100.0])
    assert of(column, np.array([80.0]))[0] > np.log(1_000)


def test_columns_are_apart() -> None:
    """Each column's surprise is its own, as if it were alone."""
    rng = np.random.default_rng(8)
    X = rng.exponential(size=(500, 3)) * [1, 10, 100]
    together = surprise(fit_tails(X), X)
    assert (together == np.stack([of(column, column) for column in X.T], axis=1)).all()


@pytest.mark.parametrize("success", [0.3, 0.6, 0.9])
def test_the_rare_count_is_that_of_the_simulated_geometric_tail(success: float) -> None:
    """A probability a hundred times smaller than can be counted is met within a tenth."""
    counts = np.random.default_rng(5).geometric(success, size=200_000) - 1
    exact = np.log(5e-8) / np.log(1 - success)
    assert rare_count(counts.astype(float), probability=5e-8) == pytest.approx(exact, rel=0.1)


def test_counts_never_seen_twice_are_rarer_than_those_that_are() -> None:
    """Of three hundred ones without a two the next count is rarer than of thirty, and of a single one."""
    seen = [rare_count(np.repeat([0.0, 1.0], [20_000, n]), probability=1e-6) for n in (1, 30, 300)]
    assert 3 < seen[2] < seen[1] < seen[0] < 7


@given(arrays(float, st.integers(1, 60), elements=st.floats(0, 50)))
def test_a_smaller_probability_asks_for_no_smaller_count(counts: Floats) -> None:
    """Whatever the counts; and none below the start of the tail."""
    found = [rare_count(counts, probability=p) for p in (0.5, 1e-2, 1e-5)]
    assert found == sorted(found)
    assert np.floor(counts.min()) <= found[0]
