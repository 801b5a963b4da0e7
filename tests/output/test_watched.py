"""Which channels early warning watches, in words."""

from __future__ import annotations

import pandas as pd

from detector.output.watched import say_watched
from detector.scoring import UNCOUNTED


def test_each_channel_says_from_how_many_account_days_its_limits_are_or_how_many_are_wanting() -> None:
    """A thousand are enough; one fewer is not."""
    found = pd.DataFrame({"channel": ["portal", "software"], "account_days": [1_000, 999], "needed": 1_000})
    assert say_watched(found) == [
        "early warning on the channel portal: limits from 1,000 account-days",
        "early warning on the channel software: none yet, 999 of the 1,000 account-days that its limits need",
    ]


def test_without_a_model_nobody_is_warned_of() -> None:
    """Which is said, rather than nothing."""
    assert say_watched(UNCOUNTED) == ["early warning: none without a trained model (detector train)"]
