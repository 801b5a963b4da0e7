"""Labels of account-days."""

from __future__ import annotations

import numpy as np
import pandas as pd

from detector.evaluate.labels import attacked_days, label_days
from tests import naive_evaluate as naive
from tests.evaluate.tables import D1, D2, D3, event, events, pairs


def labels(active: pd.DataFrame, malicious: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Labels by account and day."""
    labelled = label_days(active, events=malicious)
    rows = labelled.astype({"day": str}).itertuples(index=False, name=None)
    return {(account, day): label for account, day, label in rows}


def test_other_days_of_a_compromised_account_are_set_aside() -> None:
    """Days before and after the attacked one are neither honest nor attacked, and other accounts stay honest."""
    active = pairs(("a", D1), ("a", D2), ("a", D3), ("b", D2))
    found = labels(active, events(event("a", f"{D2}T10:00")))
    assert found == {("a", D1): "set_aside", ("a", D2): "attacked", ("a", D3): "set_aside", ("b", D2): "honest"}


def test_a_sprayed_account_is_honest_on_other_days() -> None:
    """Malicious failed sign-ins set that day aside, and only that day."""
    sprayed = event("a", f"{D2}T10:00", action="login", outcome="failure", record=None)
    found = labels(pairs(("a", D1), ("a", D2)), events(sprayed))
    assert found == {("a", D1): "honest", ("a", D2): "set_aside"}


def test_a_successful_sign_in_is_an_attack() -> None:
    """A failed sign-in followed by a success makes the day attacked, from the success on."""
    tries = [event("a", f"{D1}T10:0{i}", action="login", outcome=o) for i, o in enumerate(("failure", "success"))]
    found = attacked_days(events(*tries))
    assert found["account"].tolist() == ["a"]
    assert found["first_at"].tolist() == [pd.Timestamp(f"{D1}T10:01", tz="UTC")]


def test_a_failed_sign_in_that_names_nobody_labels_nothing() -> None:
    """A malicious event without account leaves every account honest."""
    nobody = event(None, f"{D1}T10:00", action="login", outcome="failure", record=None)
    assert labels(pairs(("a", D1)), events(nobody)) == {("a", D1): "honest"}


def test_no_attack_leaves_all_honest() -> None:
    """Without malicious events every active account-day is honest."""
    assert set(labels(pairs(("a", D1), ("b", D2)), events()).values()) == {"honest"}


def test_labels_agree_with_the_oracle() -> None:
    """On random worlds the labels equal those found by looking at every event."""
    random = np.random.default_rng(5)
    names, dates = [f"a{i}" for i in range(12)], (D1, D2, D3)
    for _ in range(10):
        raw = [
            event(
                str(random.choice(names)),
                f"{random.choice(dates)}T10:00",
                action=str(random.choice(["login", "lookup"], p=[0.8, 0.2])),
                outcome=str(random.choice(["success", "failure"], p=[0.1, 0.9])),
            )
            for _ in range(random.integers(0, 8))
        ]
        active = pairs(*((name, date) for name in names for date in dates))
        expected = {(name, date): naive.label(name, date, raw) for name in names for date in dates}
        assert labels(active, events(*raw)) == expected
