"""The estimator: an isolation forest and one-sided tails over deviations, in scikit-learn's contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.ensemble import IsolationForest
from sklearn.utils.validation import check_is_fitted, validate_data

from detector.model.tails import Floats, fit_tails, surprise

HALF_SCORE = 10.0
"""The strangeness that scores one half: about what an honest account-day in ten thousand reaches."""


class ExtractionForest(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Strangeness of account-days: the sum of one-sided tail surprises, plus what an isolation forest adds.

    Each column is a deviation: larger is stranger, and zero is usual. A column's *contribution* is its surprise
    (−log of its tail probability) beyond `allowance`. Columns of one family are views of one behaviour: a family counts
    as its largest contribution, shared out among its columns, so that one strong family is enough and several weak ones
    add up. The forest's own surprise is added with a small weight: it finds odd combinations, but saturates.

    Parameters
    ----------
    families : sequence of str of length n_features, or None
        The family of each column; None makes every column its own.
    allowance : float, default=3.0
        Surprise, in nats, that counts as nothing: one in twenty honest values is above.
    forest_weight : float, default=0.25
        Weight of the forest's surprise beyond the allowance; 0 leaves the forest out.
    n_estimators, max_samples
        Of the isolation forest; fewer samples than rows are drawn for each tree.
    contamination : float, default=0.003
        Share of training rows that `predict` calls outliers.
    random_state, n_jobs
        As in scikit-learn.

    Attributes
    ----------
    forest_ : IsolationForest
    tails_ : Tails
        Of the columns.
    forest_tail_ : Tails
        Of the forest's score.
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
        forest_weight: float = 0.25,
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
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        if self.families is not None and len(self.families) != X.shape[1]:
            raise ValueError(f"families names {len(self.families)} columns, X has {X.shape[1]}")
        self.tails_ = fit_tails(X)
        self.forest_ = IsolationForest(
            n_estimators=self.n_estimators,
            max_samples=min(self.max_samples, len(X)),
            random_state=self.random_state,
            n_jobs=self.n_jobs,
        ).fit(X)
        self.forest_tail_ = fit_tails(self._forest_scores(X)[:, None])
        self.offset_ = float(np.quantile(self.score_samples(X), self.contamination))
        return self

    def score_samples(self, X: Any) -> Floats:
        """Minus the strangeness, shape (n_samples,): the lower, the stranger, as scikit-learn has it."""
        X = self._validated(X)
        return -(self._contributions(X).sum(axis=1) + self.forest_weight * self._forest_surprise(X))

    def decision_function(self, X: Any) -> Floats:
        """`score_samples` minus the threshold: negative for outliers; shape (n_samples,)."""
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Any) -> np.ndarray[Any, np.dtype[np.intp]]:
        """−1 for outliers, 1 for the rest; shape (n_samples,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def contributions(self, X: Any) -> Floats:
        """What each column adds to the tail sum, shape (n_samples, n_features); rows sum to `tail_sum`."""
        return self._contributions(self._validated(X))

    def tail_sum(self, X: Any) -> Floats:
        """The sum of one-sided tail surprises, shape (n_samples,): higher is stranger."""
        return np.asarray(self.contributions(X).sum(axis=1))

    def forest_surprise(self, X: Any) -> Floats:
        """The forest's surprise beyond the allowance, unweighted, shape (n_samples,)."""
        return self._forest_surprise(self._validated(X))

    def _validated(self, X: Any) -> Floats:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=np.float64, reset=False))

    def _contributions(self, X: Floats) -> Floats:
        beyond = np.maximum(surprise(self.tails_, X) - self.allowance, 0.0)
        labels = (
            np.arange(X.shape[1]) if self.families is None else np.unique(list(self.families), return_inverse=True)[1]
        )
        shared = np.zeros_like(beyond)
        for label in np.unique(labels):
            columns = np.flatnonzero(labels == label)
            total = beyond[:, columns].sum(axis=1, keepdims=True)
            largest = beyond[:, columns].max(axis=1, keepdims=True)
            shared[:, columns] = np.divide(
                beyond[:, columns] * largest, total, out=np.zeros_like(beyond[:, columns]), where=total > 0
            )
        return shared

    def _forest_scores(self, X: Floats) -> Floats:
        return np.asarray(-self.forest_.score_samples(X))

    def _forest_surprise(self, X: Floats) -> Floats:
        if not self.forest_weight:
            return np.zeros(len(X))
        rare = surprise(self.forest_tail_, self._forest_scores(X)[:, None])[:, 0]
        return np.maximum(rare - self.allowance, 0.0)


def to_score(samples: Floats) -> Floats:
    """Turn `score_samples` into the score: 0 to 1, higher is stranger. The only place where the sign turns."""
    strangeness = np.maximum(-np.asarray(samples, dtype=np.float64), 0.0)
    return np.asarray(strangeness / (strangeness + HALF_SCORE))
