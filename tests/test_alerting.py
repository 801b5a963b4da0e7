"""Strangeness becomes p-values, alerts and queues."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from detector.alerting import (
    AlertSettings,
    alert_threshold,
    conformal_p_values,
    discovery_level,
    judge_alone,
    judge_day,
    queue_slow,
    widen,
)
from detector.model.tails import fit_tails, surprise


def past(n: int = 20_000, kind: str = "known") -> pd.DataFrame:
    """Past account-days whose strangeness is exponential."""
    drawn = np.random.default_rng(7).exponential(size=n)
    return pd.DataFrame({"kind": kind, "strangeness": drawn})


def a_day(strangeness: list[float], kind: str = "known") -> pd.DataFrame:
    """A day with one row per value."""
    names = [f"a{i}" for i in range(len(strangeness))]
    return pd.DataFrame({"account": names, "kind": kind, "strangeness": strangeness})


def test_p_value_is_the_share_of_the_past_at_least_as_strange() -> None:
    """Of nine past values three are at or above 7, so with the row itself the share is 4 in 10."""
    found = conformal_p_values(np.array([7.0]), np.arange(1.0, 10.0))
    assert found == pytest.approx([0.4])


def test_p_values_beyond_the_past_stay_in_order() -> None:
    """What is stranger than all of the past has a p-value below its smallest share, the stranger the smaller."""
    found = conformal_p_values(np.array([12.0, 30.0, 60.0]), past()["strangeness"].to_numpy())
    assert found[0] <= 1 / 20_001
    assert found[0] > found[1] > found[2]


def test_odd_day_widens_p_values() -> None:
    """When half a day is in the strangest twentieth of the past, p-values grow tenfold; an even day keeps its own."""
    odd = np.concatenate([np.full(50, 0.01), np.full(50, 0.5)])
    assert widen(odd)[0] == pytest.approx(0.1)
    even = np.linspace(0.01, 1, 100)
    assert widen(even) == pytest.approx(even)


def test_only_the_strange_account_alerts() -> None:
    """Among honest account-days one far beyond the past alerts, in the main queue, and nobody else does."""
    honest = [float(value) for value in -np.log(np.linspace(0.01, 1, 300))]
    found = judge_day(a_day([*honest, 60.0]), past(), settings=AlertSettings())
    assert found.index[found["alert"]].tolist() == [300]
    assert found.loc[300, "queue"] == "main"


def test_few_active_accounts_are_tested_as_many_as_on_the_busiest_past_day() -> None:
    """What alerts among a Sunday's thirty does not, where the past has days of a thousand."""
    rows = past()
    strange = float(np.quantile(rows["strangeness"], 0.9999))
    day = a_day([*np.linspace(0.1, 1, 29), strange])
    assert judge_day(day, rows, settings=AlertSettings()).loc[29, "alert"]
    busy = rows.assign(day=np.arange(len(rows)) // 1_000)
    assert not judge_day(day, busy, settings=AlertSettings())["alert"].any()
    assert judge_day(day.assign(strangeness=60.0), busy, settings=AlertSettings())["alert"].all()


def test_without_enough_past_nothing_alerts() -> None:
    """With fewer past account-days than are needed to tell one in so many, no p-value makes an alert."""
    found = judge_day(a_day([1.0, 60.0]), past(50), settings=AlertSettings())
    assert not found["alert"].any()
    assert found["p_value"].isna().all()


def test_newcomer_without_newcomers_before_is_left_to_review() -> None:
    """A kind of account that the past does not know cannot alert; a strange one waits in the queue of its kind."""
    day = pd.concat([a_day([1.0] * 50), a_day([60.0], kind="newcomer").assign(account="new")], ignore_index=True)
    found = judge_day(day, past(), settings=AlertSettings())
    assert not found["alert"].any()
    assert found["queue"].dropna().to_dict() == {50: "newcomer"}


@pytest.mark.parametrize(("strangeness", "queue"), [(0.1, {}), (0.3, {50: "newcomer"}), (60.0, {50: "main"})])
def test_newcomer_beyond_all_newcomers_is_left_to_review(strangeness: float, queue: dict[int, str]) -> None:
    """Where the past knows its kind: stranger than all of them, though not strange among everybody."""
    day = pd.concat([a_day([1.0] * 50), a_day([strangeness], kind="newcomer").assign(account="new")], ignore_index=True)
    firsts = past(kind="newcomer")
    known = pd.concat([past(), firsts.assign(strangeness=firsts["strangeness"] / firsts["strangeness"].max() / 5)])
    assert judge_day(day, known, settings=AlertSettings())["queue"].dropna().to_dict() == queue


def test_first_batch_waits_for_review_however_strange() -> None:
    """A robot's first batch never alerts for being strange, even where the past knows many of its kind."""
    day = pd.concat([a_day([1.0] * 50), a_day([60.0], kind="robot").assign(account="new")], ignore_index=True)
    known = pd.concat([past(), past(kind="robot")], ignore_index=True)
    found = judge_day(day, known, settings=AlertSettings())
    assert not found["alert"].any()
    assert found["queue"].dropna().to_dict() == {50: "robot"}
    assert found["p_value"].min() < 1e-4


def test_threshold_is_where_one_account_in_so_many_is_expected() -> None:
    """The threshold has a tail probability of the rate by the tests, beyond all of the past where it is that rare."""
    strangeness = past()["strangeness"].to_numpy()
    limits = [alert_threshold(strangeness, n_tests=n, rate=0.1) for n in (10, 100, 10_000)]
    tails = fit_tails(strangeness[:, None])
    found = np.exp(-surprise(tails, np.array(limits)[:, None]))[:, 0]
    assert found == pytest.approx([0.01, 0.001, 0.00001], rel=1e-6)
    assert limits[0] < strangeness.max() < limits[2]


def test_threshold_of_a_short_past_is_out_of_reach() -> None:
    """A hundred past account-days say nothing of one in a thousand."""
    assert alert_threshold(np.arange(100.0), n_tests=10, rate=0.1) == float("inf")


def test_judged_alone_without_past_is_believed() -> None:
    """Where no past of its kind is known, a row's p-value is one."""
    assert judge_alone(a_day([60.0], kind="robot"), past()).tolist() == [1.0]


def test_slow_queue_keeps_to_its_budget() -> None:
    """One account per 3,000 takes a place in the slow queue: the one that accumulated most and was in no queue yet."""
    rows = pd.DataFrame(
        {"account": ["a", "b", "c", "d"], "queue": [None, None, None, "main"], "accumulated": [9.0, 12.0, 11.0, 20.0]}
    )
    found = queue_slow(rows, queued={"b"}, settings=AlertSettings(budget=1.0))
    assert found.fillna("-").tolist() == ["-", "-", "budget", "main"]
    assert queue_slow(rows, queued=set(), settings=AlertSettings(budget=0.0)).notna().sum() == 1


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=60), st.sampled_from([0.01, 0.1, 0.5]))
def test_counting_finds_the_level_that_sorting_finds(p_values: list[float], rate: float) -> None:
    """Benjamini–Hochberg by counting alone discovers what it discovers by sorting."""
    found = np.array(p_values)
    level = discovery_level(lambda most: int((found <= most).sum()), n=len(found), rate=rate)
    assert (found <= level).tolist() == (false_discovery_control(found) <= rate).tolist()


def test_counting_none_discovers_none() -> None:
    """Among no p-value at all nothing is discovered."""
    assert discovery_level(lambda most: 0, n=0, rate=0.1) < 0
