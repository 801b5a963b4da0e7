"""Average precision, and what notifies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detector.evaluate.precision import (
    average_precision,
    count_notified,
    false_days,
    false_discovery_rate,
    notifying,
    own_recall,
)
from tests import naive_evaluate as naive
from tests.evaluate.tables import D1, D2, attacks, days, early, pairs, scores
from tests.evaluate.test_recall import random_world


def test_average_precision_of_a_known_order() -> None:
    """Attacked, honest, attacked, in falling order: (1 + 2/3) / 2; a day set aside above them all changes nothing."""
    judged = days(
        ("s", D1, "set_aside", 9.0),
        ("a", D1, "attacked", 3.0),
        ("h", D1, "honest", 2.0),
        ("b", D1, "attacked", 1.0),
    )
    found = average_precision(judged, method="score", positives=pairs(("a", D1), ("b", D1)))
    assert found == pytest.approx((1 + 2 / 3) / 2)


def test_tied_days_enter_together() -> None:
    """An attacked and an honest day with the same score give one half, in either order."""
    rows = [("a", D1, "attacked", 1.0), ("h", D1, "honest", 1.0)]
    for order in (rows, rows[::-1]):
        assert average_precision(days(*order), method="score", positives=pairs(("a", D1))) == 0.5


def test_attacked_days_that_are_not_asked_for_are_left_out() -> None:
    """An attacked day of a scenario without floor is neither positive nor negative."""
    judged = days(("x", D1, "attacked", 9.0), ("a", D1, "attacked", 3.0), ("h", D1, "honest", 2.0))
    assert average_precision(judged, method="score", positives=pairs(("a", D1))) == 1.0


def test_a_missing_score_ranks_last() -> None:
    """An attacked day without score comes after every honest day."""
    judged = days(("a", D1, "attacked", math.nan), ("h", D1, "honest", -5.0))
    assert average_precision(judged, method="score", positives=pairs(("a", D1))) == 0.5


def test_average_precision_without_attack_is_undefined() -> None:
    """Nothing to find: not a number, rather than a perfect or a worthless order."""
    judged = days(("h", D1, "honest", 1.0))
    assert math.isnan(average_precision(judged, method="score", positives=pairs()))


def test_average_precision_agrees_with_the_oracle() -> None:
    """On random worlds full of ties it equals the sum over distinct scores."""
    random = np.random.default_rng(11)
    for _ in range(15):
        judged, attack = random_world(random)
        rows = list(judged.astype({"day": str}).itertuples(index=False, name=None))
        found = average_precision(judged, method="score", positives=attack)
        assert found == pytest.approx(naive.average_precision(rows))


def test_alerts_notifying_queues_and_early_alerts_notify_once() -> None:
    """An alert, a row in a queue that notifies and an alert inside the day notify; a row for review does not."""
    scored = scores(
        ("a", D1, True, "main"), ("b", D1, False, "check"), ("c", D1, False, "budget"), ("d", D1, False, None)
    )
    told = notifying(scored, early=early(("a", f"{D1}T09:00"), ("e", f"{D1}T09:00")))
    assert told["account"].tolist() == ["a", "b", "e"]
    more = notifying(scored, early=early(), queues=("main", "check", "budget"))
    assert more["account"].tolist() == ["a", "b", "c"]


def test_false_discovery_rate_leaves_out_days_set_aside() -> None:
    """One attacked, one honest and one day set aside notify: half of what counts is false."""
    judged = days(
        ("a", D1, "attacked", 1.0), ("a", D2, "set_aside", 1.0), ("h", D2, "honest", 1.0), ("i", D1, "honest", 0.0)
    )
    told = pairs(("a", D1), ("a", D2), ("h", D2))
    counts = count_notified(judged, notified=told)
    assert counts.to_dict() == {"attacked": 1, "honest": 1}
    assert false_discovery_rate(counts) == 0.5
    assert false_days(judged, notified=told) == 0.5


def test_nothing_notifies() -> None:
    """Without notification nothing is false and nothing is found."""
    judged = days(("a", D1, "attacked", 1.0), ("h", D1, "honest", 1.0))
    assert false_discovery_rate(count_notified(judged, notified=pairs())) == 0.0
    assert false_days(judged, notified=pairs()) == 0.0
    assert own_recall(judged, attacks=attacks(("S1", "a", D1)), notified=pairs()).to_dict() == {"S1": 0.0}


def test_own_recall_counts_attacked_days_only() -> None:
    """An account told of on another day than its attacked one is not found."""
    judged = days(("a", D1, "attacked", 1.0), ("a", D2, "set_aside", 1.0), ("b", D1, "attacked", 1.0))
    attack = attacks(("S1", "a", D1), ("S1", "b", D1))
    assert own_recall(judged, attacks=attack, notified=pairs(("a", D2), ("b", D1)))["S1"] == 0.5
