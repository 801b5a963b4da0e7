"""The estimator: one-sided tails and an isolation forest over deviations, in scikit-learn's contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from detector.model.tails import Floats, Matrix, Tails, fit_tails, surprise
from detector.model.trees import Trees, grow_trees, isolation

HALF_SCORE = 10.0
"""The strangeness that scores one half: about what one honest account-day in a hundred reaches."""
CHUNK_ROWS = 1 << 16
"""Rows scored at once: a column of them still fits a processor's cache, and memory does not grow with the rows."""


class ExtractionForest(OutlierMixin, BaseEstimator):
    """Strangeness of account-days: the sum of one-sided tail surprises, plus what an isolation forest adds.

    Each column is a deviation: larger is stranger, and zero is usual. A column's *contribution* is its surprise
    (−log of its tail probability) beyond `allowance`. Columns of one family are views of one behaviour: a family counts
    as its largest contribution, shared out among its columns, so that one strong family is enough and several weak ones
    add up. The forest's surprise beyond the allowance is added: it finds odd combinations, but saturates. Neither part
    ever falls when a deviation grows. `X` may be sparse everywhere: most deviations are zero.

    Parameters
    ----------
    families : sequence of str of length n_features, or None
        The family of each column; None makes every column its own.
    allowance : float, default=3.0
        Surprise, in nats, that counts as nothing: one in twenty honest values is above.
    forest_weight : float, default=0.5
        Weight of the forest's surprise beyond the allowance, against one family's; 0 leaves the forest out. It sees
        what the families have seen, in odd combinations: half a family is what it adds at best.
    n_estimators, max_samples
        Of the isolation forest; fewer samples than rows are drawn for each tree.
    contamination : float, default=0.003
        Share of training rows that `predict` calls outliers.
    random_state, n_jobs
        As in scikit-learn; the jobs are threads.

    Attributes
    ----------
    tails_ : Tails
        Of the columns.
    trees_ : Trees or None
        Of the isolation forest; None without one.
    forest_tail_ : Tails or None
        Of the forest's isolation.
    offset_ : float
        Threshold on `score_samples`.
    n_features_in_, feature_names_in_
        As in scikit-learn.
    """

    def __init__(
        self,
        *,
        families: Sequence[str] | None = None,
        allowance: float = 3.0,
        forest_weight: float = 0.5,
        n_estimators: int = 300,
        max_samples: int = 1024,
        contamination: float = 0.003,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.families = families
        self.allowance = allowance
        self.forest_weight = forest_weight
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.contamination = contamination
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn from honest account-days; `X` has shape (n_samples, n_features); `y` is ignored."""
        self.fit_score(X)
        return self

    def fit_score(self, X: Any) -> Floats:
        """Fit, and return `score_samples` of `X`, which fitting finds anyhow; shape (n_samples,)."""
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, ensure_min_samples=2)
        if self.families is not None and len(self.families) != X.shape[1]:
            raise ValueError(f"families names {len(self.families)} columns, X has {X.shape[1]}")
        by_column: Matrix = X.tocsc() if hasattr(X, "tocsc") else X
        self.tails_ = fit_tails(by_column)
        self.trees_: Trees | None = None
        self.forest_tail_: Tails | None = None
        samples = -self._in_chunks(self._tail_sum, X)
        if self.forest_weight:
            samples -= self.forest_weight * self._fit_forest(X, by_column)
        self.offset_ = float(np.quantile(samples, self.contamination))
        return samples

    def score_samples(self, X: Any) -> Floats:
        """Minus the strangeness, shape (n_samples,): the lower, the stranger, as scikit-learn has it."""
        return self._in_chunks(self._samples, self._validated(X))

    def decision_function(self, X: Any) -> Floats:
        """`score_samples` minus the threshold: negative for outliers; shape (n_samples,)."""
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Any) -> np.ndarray[Any, np.dtype[np.intp]]:
        """−1 for outliers, 1 for the rest; shape (n_samples,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def contributions(self, X: Any) -> Floats:
        """What each column adds to the tail sum, shape (n_samples, n_features); rows sum to `tail_sum`."""
        return self._in_chunks(self._contributions, self._validated(X))

    def tail_sum(self, X: Any) -> Floats:
        """The sum of one-sided tail surprises, shape (n_samples,): higher is stranger."""
        return self._in_chunks(self._tail_sum, self._validated(X))

    def forest_surprise(self, X: Any) -> Floats:
        """The forest's surprise beyond the allowance, unweighted, shape (n_samples,)."""
        return self._in_chunks(self._forest_surprise, self._validated(X))

    def _fit_forest(self, X: Matrix, by_column: Matrix) -> Floats:
        """Grow the trees, fit the tail of their isolation, and return the surprise of the training rows."""
        grown = grow_trees(
            by_column,
            max_samples=self.max_samples,
            n_estimators=self.n_estimators,
            random_state=self.random_state,
            n_jobs=self.n_jobs,
        )
        isolated = self._in_chunks(lambda rows: isolation(grown, rows), X)[:, None]
        self.trees_, self.forest_tail_ = grown, fit_tails(isolated)
        return self._beyond(self.forest_tail_, isolated)[:, 0]

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()  # type: ignore[no-untyped-call]
        tags.input_tags.sparse = True
        return tags

    def _validated(self, X: Any) -> Matrix:
        check_is_fitted(self)
        # No row is no fault: a day may have nobody left to score.
        found: Matrix = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False, ensure_min_samples=0)
        return found

    def _in_chunks(self, measure: Callable[[Floats], Floats], X: Matrix) -> Floats:
        rows = (X[start : start + CHUNK_ROWS] for start in range(0, max(X.shape[0], 1), CHUNK_ROWS))
        chunks = (each.toarray() if issparse(each) else each for each in rows)
        return np.concatenate(Parallel(n_jobs=self.n_jobs, prefer="threads")(delayed(measure)(c) for c in chunks))

    def _samples(self, X: Floats) -> Floats:
        return -(self._tail_sum(X) + self.forest_weight * self._forest_surprise(X))

    def _tail_sum(self, X: Floats) -> Floats:
        beyond = self._beyond(self.tails_, X)
        return np.asarray(sum(beyond[:, columns].max(axis=1) for columns in self._columns_by_family()))

    def _contributions(self, X: Floats) -> Floats:
        beyond = self._beyond(self.tails_, X)
        for columns in self._columns_by_family():
            beyond[:, columns] = _shared_out(beyond[:, columns])
        return beyond

    def _columns_by_family(self) -> list[NDArray[np.intp]]:
        if self.families is None:
            return [np.array([column]) for column in range(len(self.tails_.scale))]
        families = np.asarray(self.families)
        return [np.flatnonzero(families == family) for family in np.unique(families)]

    def _forest_surprise(self, X: Floats) -> Floats:
        if self.trees_ is None or self.forest_tail_ is None:
            return np.zeros(len(X))
        return self._beyond(self.forest_tail_, isolation(self.trees_, X)[:, None])[:, 0]

    def _beyond(self, tails: Tails, X: Floats) -> Floats:
        return np.maximum(surprise(tails, X) - self.allowance, 0.0)


def to_score(samples: Floats) -> Floats:
    """Turn `score_samples` into the score: 0 to 1, higher is stranger. The only place where the sign turns."""
    strangeness = np.maximum(-np.asarray(samples, dtype=np.float64), 0.0)
    return np.asarray(strangeness / (strangeness + HALF_SCORE))


def _shared_out(beyond: Floats) -> Floats:
    """The largest of each row, shared out among its columns in proportion."""
    total = beyond.sum(axis=1, keepdims=True)
    largest = beyond.max(axis=1, keepdims=True)
    return np.asarray(np.divide(beyond * largest, total, out=np.zeros_like(beyond), where=total > 0))
