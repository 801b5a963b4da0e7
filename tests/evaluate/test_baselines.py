"""The simple detectors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from detector.evaluate.baselines import baseline_scores, own_past
from detector.evaluate.counts import COUNTED
from detector.evaluate.frames import DAY_TYPE


def portal(*, last: dict[str, float]) -> pd.DataFrame:
    """Twenty accounts, twelve days, five to seven look-ups each; `last` sets some of the last day's look-ups."""
    days = pd.date_range("2026-03-02", periods=12, freq="D")
    index = pd.MultiIndex.from_product([[f"a{i}" for i in range(20)], days], names=["account", "day"])
    counts = pd.DataFrame(0, index=index, columns=list(COUNTED)).reset_index().astype({"day": DAY_TYPE})
    lookups = 5.0 + np.arange(len(counts)) % 3
    final = counts["day"] == counts["day"].max()
    raised = counts["account"].map(last).where(final)
    return counts.assign(lookups=raised.fillna(pd.Series(lookups)), profession="nurse", active=True)


def scored(counts: pd.DataFrame, foreign: dict[str, int] | None = None) -> pd.DataFrame:
    """Score the last day."""
    last = counts["day"].max()
    noted = foreign or {}
    rows = pd.DataFrame({"account": list(noted), "foreign_records": list(noted.values()), "day": last})
    days = pd.Series([last], dtype=DAY_TYPE)
    return baseline_scores(counts, foreign=rows.astype({"day": DAY_TYPE}), days=days, seed=1).set_index("account")


@pytest.mark.parametrize("method", ["profession_lookups", "own_lookups_z"])
def test_more_look_ups_than_ever_are_strangest(method: str) -> None:
    """An account with 500 look-ups has the highest score of the day, and only the judged day is scored."""
    found = scored(portal(last={"a7": 500.0}))
    assert len(found) == 20
    assert found[method].idxmax() == "a7"


def test_the_forest_finds_a_day_odd_in_several_counts() -> None:
    """Where all counts vary a little, a day with 50 of everything is strangest to the forest."""
    counts = portal(last={})
    random = np.random.default_rng(4)
    varied = counts.assign(**{name: random.poisson(4, len(counts)) for name in COUNTED})
    varied.loc[(varied["account"] == "a7") & (varied["day"] == varied["day"].max()), list(COUNTED)] = 50
    assert scored(varied)["forest_counts"].idxmax() == "a7"


def test_foreign_records_beyond_the_own_past_are_strangest() -> None:
    """Nine foreign records where there were none before rank first; without any the excess is nought."""
    found = scored(portal(last={}), {"a3": 9})["foreign_excess"]
    assert found.idxmax() == "a3"
    assert found["a4"] == pytest.approx(0.0)


def test_the_judged_day_is_not_in_its_own_past() -> None:
    """However large the last day, mean and spread of the days before stay as they are."""
    calm, raised = portal(last={}), portal(last={"a7": 1e6})
    pasts = [own_past(c[c["day"] == c["day"].max()], full=c, column="lookups") for c in (calm, raised)]
    np.testing.assert_array_equal(pasts[0].mean, pasts[1].mean)
    np.testing.assert_array_equal(pasts[0].sd, pasts[1].sd)


def test_days_without_an_event_are_noughts() -> None:
    """An account seen on one of the eleven days before has the mean of one day over eleven; a newcomer has 0."""
    counts = portal(last={})
    first, last = counts["day"].min(), counts["day"].max()
    sparse = counts[(counts["account"] != "a0") | counts["day"].isin([first, last])]
    sparse = sparse[(sparse["account"] != "a1") | (sparse["day"] == last)]
    past = own_past(sparse[sparse["day"] == last], full=sparse, column="lookups")
    assert past.mean[0] == pytest.approx(float(counts["lookups"].iloc[0]) / 11)
    assert (past.mean[1], past.sd[1]) == (0.0, 0.0)


def test_inactive_days_are_not_scored() -> None:
    """A day of failed sign-ins only gets no score."""
    counts = portal(last={})
    counts.loc[(counts["account"] == "a2") & (counts["day"] == counts["day"].max()), "active"] = False
    assert "a2" not in scored(counts).index


def test_an_unknown_profession_is_judged_against_all() -> None:
    """Without professions every account-day still gets a finite score."""
    found = scored(portal(last={}).assign(profession=None))
    assert np.isfinite(found["profession_lookups"]).all()
