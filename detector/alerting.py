"""Strangeness → p-values, alerts and queues, one day at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import brentq
from scipy.stats import false_discovery_control

from detector.model.tails import TAIL_ROWS, fit_tails, surprise

Floats = NDArray[np.float64]


class AlertSettings(BaseModel):
    """When an account-day alerts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    false_discovery_rate: float = Field(default=0.01, gt=0, lt=1)
    """Aim of the Benjamini–Hochberg procedure, per day and kind of account. What is reached is measured."""
    budget: float = Field(default=1.0, ge=0)
    """Accounts a day, per 3,000 scored, that the slow queue may put before an analyst."""
    early_rate: float = Field(default=0.02, gt=0, lt=1)
    """Accounts a day that may be told of early though nothing is the matter; they come on top of the day's own."""
    min_calibration: int = Field(default=100, ge=1)
    """Past account-days of its kind without which an account-day is left to review."""


BUDGET_ACCOUNTS = 3_000
KNOWN, FIRST_BATCHES = "known", "robot"
"""Kinds of accounts; the latter, newcomers on the software channel, have a queue of that name."""
NEWCOMER_DAYS = 5
"""An account with fewer active days in the 28 before is a newcomer."""
CALIBRATION_DAYS = 10
"""So many times a day's account-days of the kind must have been seen before any alerts for being strange; fewer where a
looser rate asks for larger shares only."""
ODD_SHARE = 0.05
"""A day is odd when more than one in twenty account-days is stranger than one in twenty of the past."""


def judge_day(day: pd.DataFrame, calibration: pd.DataFrame, *, settings: AlertSettings) -> pd.DataFrame:
    """Give the account-days of one day their p-values, alerts and queues.

    Parameters
    ----------
    day
        One row per account with `kind` and `strangeness`.
    calibration
        Past account-days, with the same columns.
    settings
        Rates and budgets.

    Returns
    -------
    pd.DataFrame
        `p_value` (null without enough calibration), `alert` and `queue`, with the index of `day`. Conformal p-values
        are pooled over the past account-days of the same kind (for newcomers the larger of that and the one among known
        accounts), and widened when the day as a whole is odd; all kinds are tested together, as many as on the busiest
        past day at least. A newcomer on the software channel (a robot's first batches) waits for review, and never
        alerts for being strange; another newcomer does if it is stranger than all of the past are, and does not alert.
    """
    found = pd.DataFrame({"p_value": np.nan, "alert": False, "queue": pd.Series(None, dtype="str")}, index=day.index)
    by_kind = {str(kind): rows["strangeness"].to_numpy() for kind, rows in calibration.groupby("kind")}
    everyone = calibration["strangeness"].to_numpy()
    judged = pd.Series(False, index=day.index)
    for kind, rows in day.groupby("kind"):
        strangeness, past = rows["strangeness"].to_numpy(), by_kind.get(str(kind), np.empty(0))
        enough = is_enough(len(past), n_rows=len(rows), settings=settings)
        if len(past) >= settings.min_calibration:
            found.loc[rows.index, "p_value"] = widen(p_values_of(str(kind), strangeness, by_kind, settings=settings))
            judged[rows.index] = enough
        if not enough and kind != KNOWN and len(everyone):
            hits = _discovered(conformal_p_values(strangeness, everyone), settings, n=len(rows))
            found.loc[rows.index[hits], "queue"] = str(kind)
        elif enough and kind not in (KNOWN, FIRST_BATCHES):
            found.loc[rows.index[strangeness > past.max()], "queue"] = str(kind)
    tested = day.index[judged]
    n_tests = max(len(tested), busiest_day(calibration))
    told = tested[_discovered(found.loc[tested, "p_value"].to_numpy(), settings, n=n_tests)] if len(tested) else tested
    # A first batch is a few thousand look-ups at once, and the past of its kind holds hardly a first one.
    first_batch = day.loc[told, "kind"] == FIRST_BATCHES
    found.loc[told, "alert"] = ~first_batch
    found.loc[told, "queue"] = np.where(first_batch, FIRST_BATCHES, "main")
    return found


def is_enough(n_past: int, *, n_rows: int, settings: AlertSettings) -> bool:
    """Whether so many past account-days of a kind are enough for as many of the day to alert for being strange."""
    days = min(CALIBRATION_DAYS, 1 / settings.false_discovery_rate)
    return n_past >= max(settings.min_calibration, n_rows * days)


def too_few(calibration: pd.DataFrame, *, accounts: int, settings: AlertSettings) -> str:
    """A sentence where a model knows too few account-days for anything to alert for being strange; else nothing.

    Parameters
    ----------
    calibration
        Past account-days with `kind`; none at all is a model that is cold, and tells so.
    accounts
        Known accounts that are active on a day.
    """
    held = int((calibration["kind"] == KNOWN).sum()) if len(calibration) else 0
    if not held or is_enough(held, n_rows=accounts, settings=settings):
        return ""
    needed = max(settings.min_calibration, round(accounts * min(CALIBRATION_DAYS, 1 / settings.false_discovery_rate)))
    return (
        f"the model was calibrated on {held:,} account-days; with {accounts:,} active accounts a day {needed:,} are "
        "needed before any alerts for being strange"
    )


def p_values_of(kind: str, strangeness: Floats, past: Mapping[str, Floats], *, settings: AlertSettings) -> Floats:
    """P-values of account-days of one kind among the past ones of each kind, before the day as a whole is looked at."""
    found = conformal_p_values(strangeness, past[kind])
    if kind != KNOWN and len(past.get(KNOWN, ())) >= settings.min_calibration:
        # A few hundred first days say little of one in ten thousand: it must be that strange among all.
        found = np.maximum(found, conformal_p_values(strangeness, past[KNOWN]))
    return found


def busiest_day(calibration: pd.DataFrame) -> int:
    """Account-days of the busiest past day (`day`), none without one.

    The past is of all days of the week: where few are active, on a Sunday, one of them must be as strange as on a
    Monday to stand out, for what is odd about a Sunday's few is not told by what everybody does in the week.
    """
    return int(calibration["day"].value_counts().max()) if len(calibration) and "day" in calibration else 0


def _discovered(p_values: Floats, settings: AlertSettings, *, n: int) -> NDArray[np.bool_]:
    """Those discovered among `n`, of which the others have a p-value of one."""
    padded = np.concatenate([p_values, np.ones(n - len(p_values))])
    return np.asarray(false_discovery_control(padded)[: len(p_values)] <= settings.false_discovery_rate)


def discovery_level(n_at_most: Callable[[float], int], *, n: int, rate: float) -> float:
    """The p-value up to which Benjamini–Hochberg discovers among `n`; below zero for none.

    The procedure looks for the largest k of which the k smallest p-values are at most rate · k / n. Asking again and
    again how many are, from k = n downwards, ends there, and sorts nothing.
    """
    k = n
    while k:
        level = rate * k / n
        found = n_at_most(level)
        if found >= k:
            return level
        k = found
    return -1.0


def judge_alone(rows: pd.DataFrame, calibration: pd.DataFrame) -> pd.Series:
    """The p-value of each row (`kind`, `strangeness`) among the past account-days of its kind; one without any."""
    found = pd.Series(1.0, index=rows.index)
    for kind, part in rows.groupby("kind"):
        past = calibration.loc[calibration["kind"] == kind, "strangeness"].to_numpy()
        if len(past):
            found.loc[part.index] = conformal_p_values(part["strangeness"].to_numpy(), past)
    return found


def conformal_p_values(strangeness: Floats, past: Floats) -> Floats:
    """Share of the past, the row itself counted in, that is at least as strange (Vovk et al., 2005).

    Beyond the strangest past row, where all would share one smallest value, the extrapolated tail orders them.
    """
    ordered = np.sort(past)
    at_least = len(ordered) - np.searchsorted(ordered, strangeness, side="left")
    empirical = (at_least + 1) / (len(ordered) + 1)
    extrapolated = np.exp(-surprise(fit_tails(ordered[:, None]), strangeness[:, None])[:, 0])
    return np.asarray(np.where(at_least == 0, np.minimum(empirical, extrapolated), empirical))


def widen(p_values: Floats) -> Floats:
    """Multiply p-values by how many times too many are small, when the whole day is odd; never below the original."""
    return np.minimum(p_values * inflation(float((p_values <= ODD_SHARE).mean())), 1.0)


def inflation(small_share: float) -> float:
    """How many times too many of a day's p-values are small (at most `ODD_SHARE`); at least one."""
    return max(1.0, small_share / ODD_SHARE)


MIN_STRANGEST = 1_000
"""Past account-days without which the strangest of them says too little."""


def alert_threshold(past: Floats, *, n_tests: int, rate: float, tail_rows: int = TAIL_ROWS) -> float:
    """Strangeness above which one account-day alerts alone among `n_tests`; infinite where the past is too short.

    A tail probability of `rate` / `n_tests`, the first step of Benjamini–Hochberg, in the extrapolated tail of at least
    `MIN_STRANGEST` past account-days: the share asked for is smaller than what can be counted in a month.
    """
    if len(past) < MIN_STRANGEST:
        return float("inf")
    tails, wanted = fit_tails(past[:, None], tail_rows=tail_rows), math.log(max(n_tests, 1) / rate)
    if wanted <= 0:
        return 0.0

    def beyond(strangeness: float) -> float:
        return float(surprise(tails, np.array([[strangeness]]))[0, 0]) - wanted

    high = max(float(past.max()), 1.0)
    while beyond(high) < 0:
        high *= 2
    return float(brentq(beyond, 0.0, high))


def queue_slow(judged: pd.DataFrame, *, queued: set[str], settings: AlertSettings) -> pd.Series:
    """Queues of a day, with the accounts that accumulated most put before an analyst as far as the budget goes.

    Only accounts that are in no queue and were in none of the days before (`queued`) take a place; what adds up to less
    than `MIN_ACCUMULATED` is not worth one.
    """
    free = judged["queue"].isna() & ~judged["account"].isin(queued) & (judged["accumulated"] >= MIN_ACCUMULATED)
    places = math.ceil(settings.budget * len(judged) / BUDGET_ACCOUNTS)
    chosen = judged.loc[free, "accumulated"].nlargest(places).index
    return judged["queue"].where(~judged.index.isin(chosen), "budget")


MIN_ACCUMULATED = 6.0
"""Surprise in nats, beyond the allowance: one account-day in eight thousand."""
