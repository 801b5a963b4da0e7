from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from detector.campaigns import simes
from detector.model.kept import Model
from detector.reasons import find_unremarkable
from detector.scoring import ScoreSettings, _add_campaigns, stranger_channels, to_scores
from tests.test_campaigns import DAY, SLOW, slow_theft

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


@pytest.mark.parametrize("p_value", [0.004, float("nan")])
def test_a_campaign_is_named_with_its_pooled_p_value(p_value: float) -> None:
    """Simes' of its accounts; of accounts without a p-value there is none, and others have no campaign."""
    judged, today, before = slow_theft(ips=["203.0.113.1"] * 60, begin=np.linspace(0, 400, 60))
    judged = judged.assign(queue=None, alert=judged["account"].isin(SLOW))
    judged.loc[judged["alert"], "p_value"] = p_value
    days: Any = SimpleNamespace(sources=lambda day: today, past=lambda day: SimpleNamespace(sources=before))
    found = _add_campaigns(judged, days, DAY, ScoreSettings()).set_index("account")
    assert found.loc[SLOW, "campaign"].nunique() == 1
    pooled = found.loc[SLOW, "campaign_p_value"]
    assert pooled.isna().all() if np.isnan(p_value) else (pooled == simes(np.full(60, p_value))).all()
    assert found.drop(SLOW)["campaign_p_value"].isna().all()


def test_where_a_check_fired_nothing_would_have_kept_the_day_from_alerting() -> None:
    """Its alert does not rest on being strange."""
    judged = pd.DataFrame({"alert": [True], "queue": ["main"], "checks": [["tool_agent"]]})
    assert find_unremarkable(judged, cast(Model, None), n_accounts=9, rate=0.1).tolist() == [[]]
