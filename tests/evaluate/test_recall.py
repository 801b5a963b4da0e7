"""Recall of hijacked accounts."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from detector.evaluate.recall import (
    account_threshold,
    per_portal,
    recall_above,
    recall_at_accounts,
    recall_at_share,
    share_threshold,
    strongest,
    threshold,
)
from tests import naive_evaluate as naive
from tests.evaluate.tables import D1, D2, D3, attacks, days


def test_threshold_lets_exactly_the_allowed_number_pass() -> None:
    """Of 10 distinct scores, the threshold for 2 leaves 2 above; for 2.9 as well; for 10 it is minus infinity."""
    scores = np.arange(10.0)
    assert threshold(scores, allowed=2) == 7.0
    assert threshold(scores, allowed=2.9) == 7.0
    assert threshold(scores, allowed=10) == -math.inf


def test_threshold_of_nothing_lets_all_pass() -> None:
    """Without honest scores there is nothing to keep below."""
    assert threshold(np.array([]), allowed=0) == -math.inf


def test_ties_at_the_limit_are_not_above() -> None:
    """Five honest days share the largest score and one may be above: none is, nor is an attacked day with it."""
    honest = [(f"h{i}", D1, "honest", 5.0) for i in range(5)] + [(f"l{i}", D1, "honest", 1.0) for i in range(5)]
    attack = attacks(("S1", "tied", D1), ("S1", "over", D1))
    judged = days(*honest, ("tied", D1, "attacked", 5.0), ("over", D1, "attacked", 5.1))
    assert share_threshold(judged, method="score", share=0.1) == 5.0
    assert recall_at_share(judged, attacks=attack, method="score", share=0.1).to_dict() == {"S1": 0.5}


def test_a_share_smaller_than_one_day_allows_none() -> None:
    """0.1 % of 10 honest days is no day: an attacked day must exceed the largest of them."""
    honest = [(f"h{i}", D1, "honest", float(i)) for i in range(10)]
    judged = days(*honest, ("a", D1, "attacked", 9.0))
    assert recall_at_share(judged, attacks=attacks(("S1", "a", D1)), method="score", share=0.001)["S1"] == 0.0


def test_later_days_of_a_compromised_account_count_for_nothing() -> None:
    """A high score on the day after the attack neither finds the account nor raises the threshold."""
    honest = [(f"h{i}", D1, "honest", float(i)) for i in range(10)]
    judged = days(*honest, ("a", D1, "attacked", 0.0), ("a", D2, "set_aside", 100.0))
    assert share_threshold(judged, method="score", share=0.0) == 9.0
    assert recall_at_share(judged, attacks=attacks(("S1", "a", D1)), method="score", share=0.0)["S1"] == 0.0


def test_one_attacked_day_above_finds_the_account() -> None:
    """An account attacked on three days is found when one of them is above; it counts once."""
    judged = days(("h", D1, "honest", 1.0), *(("a", d, "attacked", s) for d, s in ((D1, 0.0), (D2, 2.0), (D3, 0.0))))
    attack = attacks(("S1", "a", D1), ("S1", "a", D2), ("S1", "a", D3), ("S1", "b", D1))
    assert recall_at_share(judged, attacks=attack, method="score", share=0.0)["S1"] == 0.5


def test_a_day_without_score_is_never_above() -> None:
    """A missing score is below every threshold, also below minus infinity, and never hides that a day was honest."""
    judged = days(("h", D1, "honest", math.nan), ("g", D1, "honest", 1.0), ("a", D1, "attacked", math.nan))
    attack = attacks(("S1", "a", D1))
    assert share_threshold(judged, method="score", share=0.5) == -math.inf
    assert recall_at_share(judged, attacks=attack, method="score", share=1.0)["S1"] == 0.0


def test_attacked_days_outside_the_judged_ones_are_left_out() -> None:
    """An account attacked only before the judged days is not in the denominator."""
    judged = days(("h", D2, "honest", 1.0), ("a", D2, "attacked", 2.0))
    attack = attacks(("S1", "a", D2), ("S1", "b", D1))
    found = strongest(judged, attacks=attack, method="score")
    assert found.to_dict() == {("S1", "a"): 2.0}
    assert recall_above(found, above=1.0).to_dict() == {"S1": 1.0}


def test_an_honest_account_counts_once() -> None:
    """An account above on three days uses one of the three false accounts that one a day over three days allows."""
    busy = [("h", day, "honest", 9.0) for day in (D1, D2, D3)]
    others = [("i", D1, "honest", 8.0), ("j", D2, "honest", 7.0), ("k", D3, "honest", 6.0)]
    judged = days(*busy, *others, ("a", D1, "attacked", 6.5), ("b", D1, "attacked", 6.0))
    assert account_threshold(judged, method="score", a_day=1.0) == 6.0
    found = recall_at_accounts(judged, attacks=attacks(("S1", "a", D1), ("S1", "b", D1)), method="score", a_day=1.0)
    assert found["S1"] == 0.5


def test_the_limit_grows_with_the_portal() -> None:
    """One new account a day per 3,000 is two on a portal of 6,000."""
    assert per_portal(1.0, accounts=6000) == 2.0


def random_world(random: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Few distinct scores, so that ties abound; three scenarios; compromised accounts with other days."""
    rows: list[tuple[str, str, str, float]] = []
    attack: list[tuple[str, str, str]] = []
    for i in range(40):
        compromised = random.random() < 0.3
        for day in (D1, D2, D3):
            hit = compromised and random.random() < 0.6
            label = "attacked" if hit else "set_aside" if compromised else "honest"
            rows.append((f"a{i}", day, label, float(random.integers(0, 8)) + 2 * hit))
            if hit:
                attack.append((f"S{i % 3}", f"a{i}", day))
    return days(*rows), attacks(*attack)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.3, 1.0])
def test_recall_agrees_with_the_oracle(share: float) -> None:
    """On random worlds full of ties, thresholds and recalls equal those found by trying every score."""
    random = np.random.default_rng(int(share * 100))
    for _ in range(15):
        judged, attack = random_world(random)
        rows = list(judged.astype({"day": str}).itertuples(index=False, name=None))
        listed = list(attack.astype({"day": str}).itertuples(index=False, name=None))
        above = share_threshold(judged, method="score", share=share)
        assert above == naive.share_threshold(rows, share)
        found = recall_at_share(judged, attacks=attack, method="score", share=share)
        assert found.to_dict() == pytest.approx(naive.recall(rows, listed, above))
        assert account_threshold(judged, method="score", a_day=share * 10) == naive.account_threshold(rows, share * 10)


def test_row_order_is_irrelevant() -> None:
    """Shuffled rows give the same recall."""
    judged, attack = random_world(np.random.default_rng(3))
    expected = recall_at_share(judged, attacks=attack, method="score", share=0.05)
    shuffled = recall_at_share(
        judged.sample(frac=1, random_state=1), attacks=attack.sample(frac=1, random_state=2), method="score", share=0.05
    )
    assert shuffled.to_dict() == expected.to_dict()
