"""The estimator keeps scikit-learn's contract, and its strangeness means what it says."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from detector.model.forest import ExtractionForest


@parametrize_with_checks([ExtractionForest(n_estimators=20, random_state=0)])  # type: ignore[untyped-decorator]
def test_estimator_contract(estimator: ExtractionForest, check: Any) -> None:
    """The estimator passes scikit-learn's common checks."""
    check(estimator)
