"""Draws that depend on their keys alone."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest

from detector.simulate.draws import Salt, Stage, below, generator, mix, normal, uniform


def test_uniform() -> None:
    """Stateless draws of neighbouring keys look uniform and independent."""
    draws = uniform(np.arange(20_000), Salt.WEEK)
    assert kstest(draws, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.03
    assert abs(np.corrcoef(draws, uniform(np.arange(20_000), Salt.DUTY))[0, 1]) < 0.03


def test_normal() -> None:
    """Stateless normal draws are standard normal, and finite."""
    draws = normal(np.arange(20_000), 3)
    assert kstest(draws, "norm").pvalue > 1e-4
    assert np.isfinite(draws).all()


def test_keys_matter() -> None:
    """The same keys give the same bits; other keys, or their order, give others."""
    assert mix(1, 2) == mix(1, 2)
    assert len({int(mix(*keys)[0]) for keys in ((1, 2), (2, 1), (1, 3), (1,), (1, 2, 0), (-1, 2))}) == 6


def test_below() -> None:
    """Draws below a count stay below it, and reach both ends."""
    assert set(below(3, np.arange(100)).tolist()) == {0, 1, 2}


def test_generators() -> None:
    """A stage, day and block has one stream, whatever was drawn before."""
    one = generator(1, Stage.PORTAL, 2, 3).random(4)
    assert (generator(1, Stage.PORTAL, 2, 3).random(4) == one).all()
    assert not (generator(1, Stage.SOFTWARE, 2, 3).random(4) == one).any()
