"""The estimator keeps scikit-learn's contract, and its strangeness means what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from detector.model import forest
from detector.model.forest import ExtractionForest, to_score
from detector.model.tails import Floats
from tests.model.conftest import FAMILIES, make_deviations


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [
        ExtractionForest(n_estimators=10, random_state=0),
        ExtractionForest(forest_weight=0.0),
    ]
)
def test_contract(estimator: ExtractionForest, check: Any) -> None:
    """The estimator passes scikit-learn's common checks, with and without its forest."""
    check(estimator)


def test_in_a_pipeline(honest: Floats) -> None:
    """At the end of a pipeline it scores what the steps before it made."""
    alone = ExtractionForest(n_estimators=5, random_state=0)
    piped = make_pipeline(FunctionTransformer(lambda X: X / 2), clone(alone)).fit(honest * 2)
    assert (piped.score_samples(honest * 2) == alone.fit(honest).score_samples(honest)).all()


def test_clone_and_parameters() -> None:
    """A clone has the parameters and none of what was learned; parameters that are set are those that are used."""
    X = make_deviations(200, seed=3)
    first = ExtractionForest(n_estimators=5, families=FAMILIES, random_state=0).fit(X)
    copy = clone(first)
    assert vars(copy) == {name: vars(first)[name] for name in vars(copy)}
    assert not hasattr(copy, "tails_")
    copy.set_params(forest_weight=0.0)
    assert copy.fit(X).score_samples(X) == pytest.approx(-copy.tail_sum(X))


def test_fitting_scores_the_rows_on_the_way(fitted: ExtractionForest, honest: Floats) -> None:
    """What fitting returns of its rows is what scoring them afterwards gives, to the bit."""
    assert (clone(fitted).fit_score(honest) == fitted.score_samples(honest)).all()


def test_sparse_rows_are_the_same_rows(fitted: ExtractionForest, honest: Floats) -> None:
    """Fitted on, and scored as, a sparse matrix, everything is as with a dense one, to the bit."""
    sparse = csr_array(honest)
    assert (clone(fitted).fit_score(sparse) == fitted.score_samples(honest)).all()
    assert (fitted.contributions(sparse) == fitted.contributions(honest)).all()


def test_no_row_is_no_fault(fitted: ExtractionForest, honest: Floats) -> None:
    """A day on which nobody is left to score has no scores, in every measure."""
    none = honest[:0]
    assert [m(none).shape for m in (fitted.score_samples, fitted.predict, fitted.tail_sum)] == [(0,)] * 3
    assert fitted.contributions(none).shape == none.shape


def test_contributions_sum_to_the_tail_sum(fitted: ExtractionForest, honest: Floats) -> None:
    """What the columns contribute is not negative, and adds up to the tail sum."""
    contributions = fitted.contributions(honest * 3)
    assert (contributions >= 0).all()
    assert contributions.sum(axis=1) == pytest.approx(fitted.tail_sum(honest * 3))


def test_strangeness_is_tail_sum_and_forest(fitted: ExtractionForest, honest: Floats) -> None:
    """Minus the score of a sample is its tail sum plus the weighted surprise of the forest, which shows."""
    surprise = fitted.forest_surprise(honest)
    assert (surprise > 0).mean() == pytest.approx(0.05, abs=0.01)
    assert -fitted.score_samples(honest) == pytest.approx(fitted.tail_sum(honest) + fitted.forest_weight * surprise)


@given(st.integers(0, 2**32 - 1), st.integers(0, len(FAMILIES) - 1), st.floats(0, 100))
def test_more_is_never_less_strange(fitted: ExtractionForest, seed: int, column: int, added: float) -> None:
    """Raising any one deviation, by however little, lowers neither the tail sum nor the final score."""
    rows = make_deviations(30, seed=seed) * 2
    more = rows.copy()
    more[:, column] += added
    both = np.vstack([rows, more])
    assert (np.diff(fitted.tail_sum(both).reshape(2, -1), axis=0) >= 0).all()
    assert (np.diff(to_score(fitted.score_samples(both)).reshape(2, -1), axis=0) >= 0).all()


def test_one_strong_family_is_enough(fitted: ExtractionForest, honest: Floats) -> None:
    """A row that is extreme in one column alone is stranger than nearly all honest rows."""
    row = np.zeros((1, len(FAMILIES)))
    row[0, 4] = 15.0
    assert fitted.score_samples(row)[0] < np.quantile(fitted.score_samples(honest), 0.002)


def test_views_of_one_behaviour_count_once(fitted: ExtractionForest) -> None:
    """Four equally extreme columns of one family count as one of them, and share its contribution."""
    one, four = np.zeros((2, 1, len(FAMILIES)))
    one[0, 0] = four[0, :4] = 8.0
    found = fitted.contributions(four)[0]
    assert fitted.tail_sum(four) == pytest.approx(max(fitted.tail_sum(_only(i, 8.0))[0] for i in range(4)))
    assert (found[:4] > 0).all()
    assert (found[4:] == 0).all()


def test_weak_families_add_up(fitted: ExtractionForest) -> None:
    """What is a little strange in three families counts as the three together."""
    weak = _only(0, 4.0) + _only(4, 4.0) + _only(7, 4.0)
    assert fitted.tail_sum(weak)[0] == pytest.approx(sum(fitted.tail_sum(_only(i, 4.0))[0] for i in (0, 4, 7)))


def test_any_number_of_jobs(honest: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread and two, one chunk and many, give the same numbers to the last bit."""
    alone = ExtractionForest(n_estimators=20, random_state=0, n_jobs=1).fit(honest)
    whole = alone.score_samples(honest)
    monkeypatch.setattr(forest, "CHUNK_ROWS", 1_000)
    both = ExtractionForest(n_estimators=20, random_state=0, n_jobs=2).fit(honest)
    assert (both.score_samples(honest) == whole).all()
    assert (both.contributions(honest) == alone.contributions(honest)).all()


def test_deterministic(honest: Floats) -> None:
    """The same random state gives the same scores, another one others."""
    first, again, other = (
        ExtractionForest(n_estimators=20, random_state=seed).fit(honest).score_samples(honest) for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_another_random_state_finds_the_same(honest: Floats) -> None:
    """Under another random state at least 95 % of the strangest 0.3 % of account-days are the same."""
    top = round(0.003 * len(honest))
    sets = [
        set(np.argsort(ExtractionForest(families=FAMILIES, random_state=seed).fit(honest).score_samples(honest))[:top])
        for seed in (0, 1)
    ]
    assert len(sets[0] & sets[1]) >= 0.95 * top


def test_row_order_is_irrelevant(fitted: ExtractionForest, honest: Floats) -> None:
    """A row's score does not depend on the rows it is scored with."""
    backwards = fitted.score_samples(honest[::-1])[::-1]
    assert (backwards == fitted.score_samples(honest)).all()
    assert fitted.score_samples(honest[:1])[0] == fitted.score_samples(honest)[0]


def test_nan_is_refused(fitted: ExtractionForest, honest: Floats) -> None:
    """A missing value is an error that says so, in training and in scoring: it is never taken for zero."""
    gap = honest[:10].copy()
    gap[3, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fitted.score_samples(gap)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        ExtractionForest().fit(gap)


def test_families_must_fit_the_columns(honest: Floats) -> None:
    """Families for another number of columns are an error that counts both."""
    with pytest.raises(ValueError, match="families names 2 columns, X has 12"):
        ExtractionForest(families=("volume", "who")).fit(honest)


def test_column_names_are_checked(honest: Floats) -> None:
    """A table with its columns in another order is refused."""
    table = pd.DataFrame(honest[:500], columns=[f"c{i}" for i in range(12)])
    estimator = ExtractionForest(n_estimators=5, random_state=0).fit(table)
    with pytest.raises(ValueError, match="feature names"):
        estimator.score_samples(table[table.columns[::-1]])


def test_score_is_between_0_and_1_and_ordered(fitted: ExtractionForest) -> None:
    """The score lies between 0 and 1, is 0 where nothing is strange, and ranks as the strangeness does."""
    rows = np.vstack([make_deviations(500, seed=4), np.full((1, 12), 1e9), np.zeros((1, 12))])
    samples = fitted.score_samples(rows)
    scores = to_score(samples)
    assert scores[-1] == 0
    assert 0 <= scores.min() <= scores.max() < 1
    assert (np.diff(scores[np.argsort(-samples)]) >= 0).all()
    assert scores.argmax() == 500


def test_predict_calls_the_wanted_share_outliers(honest: Floats) -> None:
    """About the share of training rows named by `contamination` is called outlying."""
    estimator = ExtractionForest(n_estimators=20, contamination=0.01, random_state=0)
    assert (estimator.fit(honest).predict(honest) == -1).mean() == pytest.approx(0.01, abs=0.001)


def _only(column: int, value: float) -> Floats:
    row = np.zeros((1, len(FAMILIES)))
    row[0, column] = value
    return row
