"""One-sided tails: how rare a deviation is, with an extrapolated tail beyond what was ever seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, issparse

Floats = NDArray[np.float64]
Matrix: TypeAlias = Floats | csr_array | csc_array
"""Rows of account-days, columns of deviations: most of them are zero."""

GRID = 128
"""Points kept of each distribution: the memory of a model does not grow with its training set."""
TAIL_SHARE = 0.02
"""At most the rarest two in a hundred are described by a generalised Pareto distribution…"""
TAIL_ROWS = 400
"""… and no more rows than this: they tell its shape to a twentieth, and up to them the rows speak for themselves."""
MIN_EXCESSES = 50
"""With fewer values in the tail its shape is not estimated but taken to be exponential."""
MAX_SHAPE = 0.5
"""Heavier tails than this have no variance; a handful of honest outliers must not declare everything normal."""
PRIOR_SCALE = 1.0
"""Where nothing was seen, a spread more is as much rarer as for an exponential tail of one spread."""
PRIOR_EXCESSES = 5
"""The prior scale weighs as much as this many values of the tail."""
PRIOR_COUNT = 1 / (np.e - 1)
"""The mean of a geometric tail that is as much rarer with each count as the prior scale says."""
MIN_SCALE = 0.25
"""A quarter of a spread: what hardly ever moved may still move a little without being strange."""


@dataclass(frozen=True)
class Tails:
    """Fitted upper tails of `n_features` columns.

    Attributes
    ----------
    levels : array of shape (n_features, GRID)
        Values of each column at `surprises`, ascending; below the first, nothing is surprising.
    surprises : array of shape (n_features, GRID)
        −log of the share of training rows at or above each level, ascending from 0.
    shape, scale : arrays of shape (n_features,)
        Of the generalised Pareto distribution that continues beyond the last level.
    """

    levels: Floats
    surprises: Floats
    shape: Floats
    scale: Floats


def fit_tails(X: Matrix, *, tail_rows: int = TAIL_ROWS) -> Tails:
    """Fit every column's upper tail; `X` has shape (n_samples, n_features), by columns if sparse, and no missing value.

    The extrapolated tail starts at the smallest value that few enough rows reach, `tail_rows` at most, so that a column
    which is nearly always zero is described by the rows where it is not.
    """
    fitted = [_fit_column(np.sort(_column(X, place)), tail_rows) for place in range(X.shape[1])]
    levels, surprises, shape, scale = (np.array(parts) for parts in zip(*fitted, strict=True))
    return Tails(levels, surprises, shape, scale)


def surprise(tails: Tails, X: Floats) -> Floats:
    """−log of the probability that an honest row is at or above each value; array of the shape of `X`.

    Continuous and never decreasing in any value. Zero at or below the smallest value seen in training.
    """
    found = np.zeros(X.shape)
    for column, levels in enumerate(tails.levels):
        # Few values of a deviation are above the smallest one, where nothing is surprising.
        rows = np.flatnonzero(X[:, column] > levels[0])
        values = X[rows, column]
        excess = np.maximum(values - levels[-1], 0.0) / tails.scale[column]
        shape = tails.shape[column]
        # A generalised Pareto tail of shape 0 is an exponential one.
        beyond = np.log1p(shape * excess) / shape if shape > 0 else excess
        found[rows, column] = np.interp(values, levels, tails.surprises[column]) + beyond
    return found


def rare_count(counts: Floats, *, probability: float) -> float:
    """The count that a row reaches with a probability smaller than can be counted, in a geometric tail.

    A count more is as much rarer as among the largest (`_start_of_tail`), those at the start of the tail counted in:
    a hundred ones and no two say that twos are rare, which the excesses of a continuous tail do not. `counts` has shape
    (n_samples,), and is rounded down.
    """
    ordered = np.sort(np.floor(counts))
    start = _start_of_tail(ordered, TAIL_ROWS)
    excesses = ordered[start:] - ordered[start]
    mean = (excesses.sum() + PRIOR_EXCESSES * PRIOR_COUNT) / (len(excesses) + PRIOR_EXCESSES)
    rarer = np.log((len(excesses) + 1) / (len(ordered) + 1) / probability)
    return float(ordered[start] + max(rarer, 0.0) / np.log1p(1 / mean))


def _column(X: Matrix, place: int) -> Floats:
    return X[:, [place]].toarray()[:, 0] if issparse(X) else np.asarray(X[:, place])


def _fit_column(ordered: Floats, tail_rows: int) -> tuple[Floats, Floats, float, float]:
    """Levels, surprises, shape and scale of one column, sorted ascending."""
    start = _start_of_tail(ordered, tail_rows)
    levels, surprises = _grid(ordered, start)
    excesses = ordered[start:] - ordered[start]
    return levels, surprises, *_pareto(excesses[excesses > 0])


def _start_of_tail(ordered: Floats, tail_rows: int) -> int:
    """Place of the smallest value that few enough rows reach; of the largest one if none is so rare."""
    few = max(min(int(TAIL_SHARE * len(ordered)), tail_rows), 1)
    first, after = (int(np.searchsorted(ordered, ordered[-few], side=side)) for side in ("left", "right"))
    return first if len(ordered) - first <= few or after == len(ordered) else after


def _grid(ordered: Floats, start: int) -> tuple[Floats, Floats]:
    """Levels from the smallest value to the start of the tail, by equal steps of surprise, and their surprises."""
    n = len(ordered)
    shares = np.geomspace(1.0, (n - start) / n, GRID)
    places = np.searchsorted(ordered, ordered[np.clip((n * (1 - shares)).astype(np.intp), 0, start)])
    surprises = np.log(n + 1) - np.log(n - places + 1)
    return ordered[places], surprises


def _pareto(excesses: Floats) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto by probability-weighted moments (Hosking and Wallis, 1987).

    `excesses` are positive and ascending. Shapes are held between 0 (an exponential tail) and `MAX_SHAPE`; the scale
    follows from the mean, which is shrunk towards the prior.
    """
    n = len(excesses)
    mean = (excesses.sum() + PRIOR_EXCESSES * PRIOR_SCALE) / (n + PRIOR_EXCESSES)
    shape = _shape(excesses) if n >= MIN_EXCESSES else 0.0
    return shape, max(mean * (1 - shape), MIN_SCALE)


def _shape(excesses: Floats) -> float:
    n = len(excesses)
    mean = excesses.mean()
    weighted = ((1 - (np.arange(1, n + 1) - 0.35) / n) * excesses).mean()
    bend = mean - 2 * weighted
    return float(np.clip(2 - mean / bend, 0.0, MAX_SHAPE)) if bend > 0 else 0.0
