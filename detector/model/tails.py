"""One-sided tails: how rare a deviation is, with an extrapolated tail beyond what was ever seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRID = 256
"""Points kept of each empirical distribution: the memory of a model, not the size of its training set."""
TAIL_SHARE = 0.02
"""The rarest two in a hundred are described by a generalised Pareto distribution."""
MIN_EXCESSES = 20
MAX_SHAPE = 0.5
"""Heavier tails than this have no variance; a handful of honest outliers must not declare everything normal."""
MIN_SCALE = 0.25


@dataclass(frozen=True)
class Tails:
    """Fitted upper tails of `n_features` columns.

    Attributes
    ----------
    levels : array of shape (n_features, GRID)
        Values of each column at `surprises`, ascending; below the first, nothing is surprising.
    surprises : array of shape (n_features, GRID)
        −log of the share of training rows at or above each level.
    threshold, surprise_at_threshold, shape, scale : arrays of shape (n_features,)
        Where the extrapolated tail starts, what surprise it starts with, and its two parameters.
    """

    levels: Floats
    surprises: Floats
    threshold: Floats
    surprise_at_threshold: Floats
    shape: Floats
    scale: Floats


def fit_tails(X: Floats) -> Tails:
    """Fit every column's upper tail; `X` has shape (n_samples, n_features) and no missing value."""
    ordered = np.sort(X, axis=0)
    n_samples = len(ordered)
    start = max(n_samples - max(int(TAIL_SHARE * n_samples), 1), 0)
    threshold = ordered[start]
    picks = np.unique(np.linspace(0, start, GRID).astype(np.intp))
    picks = np.pad(picks, (0, GRID - len(picks)), mode="edge")
    levels = ordered[picks].T
    at_or_above = np.stack(
        [n_samples - np.searchsorted(column, level) for column, level in zip(ordered.T, levels, strict=True)]
    )
    surprises = -np.log((at_or_above + 1) / (n_samples + 1))
    shape, scale = _pareto(ordered[start:] - threshold)
    return Tails(levels, surprises, threshold, _surprise_above(ordered, threshold), shape, scale)


def surprise(tails: Tails, X: Floats) -> Floats:
    """−log of the probability that an honest row is at or above each value; array of the shape of `X`.

    Never decreasing in any value. Zero at or below the smallest value seen in training.
    """
    inside = np.stack(
        [np.interp(x, level, s) for x, level, s in zip(X.T, tails.levels, tails.surprises, strict=True)], axis=1
    )
    excess = np.maximum(X - tails.threshold, 0.0) / tails.scale
    beyond = np.where(
        tails.shape > 0, np.log1p(tails.shape * excess) / np.where(tails.shape > 0, tails.shape, 1.0), excess
    )
    return np.asarray(np.where(excess > 0, np.maximum(inside, tails.surprise_at_threshold) + beyond, inside))


def _surprise_above(ordered: Floats, threshold: Floats) -> Floats:
    n_samples = len(ordered)
    above = n_samples - np.array(
        [np.searchsorted(column, value, side="right") for column, value in zip(ordered.T, threshold, strict=True)]
    )
    return np.asarray(-np.log((above + 1) / (n_samples + 1)))


def _pareto(excesses: Floats) -> tuple[Floats, Floats]:
    """Shape and scale of a generalised Pareto by probability-weighted moments (Hosking and Wallis, 1987).

    Shapes are held between 0 (an exponential tail) and `MAX_SHAPE`, and the scale follows from the mean.
    """
    n = len(excesses)
    mean = excesses.mean(axis=0)
    if n < MIN_EXCESSES:
        return np.zeros_like(mean), np.maximum(mean, MIN_SCALE)
    ranks = (np.arange(1, n + 1) - 0.35) / n
    weighted = ((1 - ranks)[:, None] * excesses).mean(axis=0)
    denominator = np.where(mean - 2 * weighted > 0, mean - 2 * weighted, 1.0)
    shape = np.where(mean > 0, 2 - mean / denominator, 0.0)
    shape = np.clip(shape, 0.0, MAX_SHAPE)
    return shape, np.maximum(mean * (1 - shape), MIN_SCALE)
