from __future__ import annotations

import itertools

import pandas as pd

from detector.scoring import stranger_channels, to_scores

ROWS = pd.DataFrame(
    {
        "account": ["a", "a", "b", "b", "c"],
        "channel": ["software", "portal", "portal", "software", "portal"],
        "strangeness": [2.0, 2.0, 1.0, 3.0, 2.0],
    }
)


def test_order_of_rows_is_irrelevant_to_the_channel_that_stands_for_an_account() -> None:
    """The stranger channel stands for an account, the first by name where both are as strange, in whatever order."""
    expected = [("b", "software"), ("a", "portal"), ("c", "portal")]
    for order in itertools.permutations(range(len(ROWS))):
        found = stranger_channels(ROWS.iloc[list(order)])
        assert list(found[["account", "channel"]].itertuples(index=False, name=None)) == expected
        assert found.index.tolist() == [0, 1, 2]


def test_the_order_in_which_a_database_adds_up_is_not_told() -> None:
    """Two sums of the same numbers, added in another order, are the same deviation in the scores."""
    sums = [0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1]
    assert sums[0] != sums[1]
    rows = ROWS.head(2).assign(records__own=sums, writes__week=[float("nan"), 2.5])
    found = to_scores(rows)
    assert found["records__own"].tolist() == [0.6, 0.6]
    assert found["writes__week"].isna().tolist() == [True, False]
