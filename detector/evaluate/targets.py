"""What the detector must reach, beside what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

import pandas as pd

from detector.evaluate.exposure import summarise_gone
from detector.evaluate.labels import FLOORLESS
from detector.evaluate.summary import in_scenario_order, mean_account_recall
from detector.evaluate.survey import EVERYTHING, NOTHING, Quality

SHARE = 0.003
A_DAY = 1.0
SMASH_AND_GRAB = ("S1", "S5")
"""Scenarios that take all within two to four hours."""

QUIET_KINDS = ("new_account", "duty_night", "screening_day", "vaccination_day", "forced_reset", "browser_update")
"""Honest but odd days of which next to none may notify."""


FALSE_DISCOVERIES = ["scenario", "notified_true", "notified_false", "false_discovery_rate", "own_recall"]


class Target(NamedTuple):
    """One line of the table of targets.

    `at_least` tells on which side of the limit the measured value must lie, `table` what was measured for it.
    `reference` is what an earlier design reached on another simulated portal, for scale; empty: it was not measured.
    """

    measure: str
    limit: float
    at_least: bool
    value: Callable[[Quality], float]
    table: Callable[[Quality], pd.DataFrame]
    reference: str = ""


def recall_mean(quality: Quality) -> float:
    """Return mean account recall at 0.3 % false account-days, over seeds and scenarios with a floor."""
    return _mean_of(quality.order, measure="recall_share", level=SHARE)


def recall_worst(quality: Quality) -> float:
    """Return the lowest recall at 0.3 % of a scenario with a floor, mean over seeds."""
    order = quality.order
    wanted = order[(order["measure"] == "recall_share") & (order["level"] == SHARE) & (order["method"] == "score")]
    floored = wanted[~wanted["scenario"].isin(FLOORLESS)]
    return float(floored.groupby("scenario")["value"].mean().min())


def recall_local(quality: Quality) -> float:
    """Return mean account recall at 0.3 % where attackers read people of the victim's own area."""
    return _mean_of(quality.local, measure="recall_share", level=SHARE)


def recall_accounts(quality: Quality) -> float:
    """Return mean account recall at one new false account a day per 3,000."""
    return _mean_of(quality.order, measure="recall_accounts", level=A_DAY)


def precision(quality: Quality) -> float:
    """Return average precision, mean over seeds."""
    order = quality.order
    wanted = order[(order["measure"] == "average_precision") & (order["method"] == "score")]
    return float(wanted["value"].mean())


def false_discoveries(quality: Quality) -> pd.DataFrame:
    """Return, per scenario planted alone, false-discovery rate of what notifies and recall of it.

    The rate pools the notifying account-days of all seeds: a mean of seeds would give a seed with two alerts the weight
    of one with a hundred.

    Returns
    -------
    frame with one row per scenario: scenario, notified_true, notified_false (account-days), false_discovery_rate,
    own_recall.
    """
    alone = _alone(quality)
    if alone.empty:
        return pd.DataFrame(columns=FALSE_DISCOVERIES).astype(dict.fromkeys(FALSE_DISCOVERIES[1:], float))
    sums = alone.pivot_table(index="world", columns="measure", values="value", aggfunc="sum")
    told = sums["notified_true"] + sums["notified_false"]
    recalls = alone[alone["measure"] == "own_recall"].groupby("world")["value"].mean()
    found = sums[["notified_true", "notified_false"]].assign(
        false_discovery_rate=(sums["notified_false"] / told).where(told > 0, 0.0), own_recall=recalls
    )
    named = found.rename_axis(index="scenario", columns=None).reset_index()
    return in_scenario_order(named)


def _alone(quality: Quality) -> pd.DataFrame:
    return quality.alerts[~quality.alerts["world"].isin([EVERYTHING, NOTHING])]


def worst_false_discovery(quality: Quality) -> float:
    """Return the highest false-discovery rate of a scenario with a floor, planted alone."""
    found = false_discoveries(quality)
    return float(found.loc[~found["scenario"].isin(FLOORLESS), "false_discovery_rate"].max())


def own_recall(quality: Quality) -> float:
    """Return recall of own alerts, one scenario planted at a time, mean over scenarios with a floor."""
    found = false_discoveries(quality)
    return float(found.loc[~found["scenario"].isin(FLOORLESS), "own_recall"].mean())


def false_days(quality: Quality) -> float:
    """Return the share of days with any false notification where there is no attack, over all seeds."""
    alerts = quality.alerts
    wanted = alerts[(alerts["world"] == NOTHING) & (alerts["measure"] == "false_days")]
    return float(wanted["value"].mean())


def lost_to_attacked_past(quality: Quality) -> float:
    """Return how much recall of own alerts is lost when 0.2 % of the account-days in history were attacked.

    On the seeds on which both were measured.
    """
    alerts = quality.alerts
    clean = alerts[(alerts["world"] == EVERYTHING) & alerts["seed"].isin(quality.past["seed"])]
    return _own(clean) - _own(quality.past)


def _own(alerts: pd.DataFrame) -> float:
    means = mean_account_recall(alerts)
    return float(means.loc[means["measure"] == "own_recall", "value"].mean())


def gone_apart(quality: Quality) -> pd.DataFrame:
    """Return what was gone, account by account, each scenario planted alone; together where that was left out."""
    alone = quality.gone["world"] == quality.gone["scenario"]
    return quality.gone[alone if alone.any() else quality.gone["world"] == EVERYTHING]


def gone_of(quality: Quality) -> pd.DataFrame:
    """Return what was gone before the first alert: median and worst of each scenario's accounts."""
    found = summarise_gone(gone_apart(quality))
    return in_scenario_order(found)


def gone_grabbed(quality: Quality) -> float:
    """Return the highest median, over smash-and-grab scenarios, of the share gone by the minute."""
    return _worst_gone(quality, among=SMASH_AND_GRAB, apart=False)


def gone_otherwise(quality: Quality) -> float:
    """Return the highest median, over all other scenarios with a floor, of the share gone by the minute."""
    return _worst_gone(quality, among=(*SMASH_AND_GRAB, *FLOORLESS), apart=True)


def _worst_gone(quality: Quality, *, among: tuple[str, ...], apart: bool) -> float:
    found = gone_of(quality)
    chosen = found["scenario"].isin(among) != apart
    return float(found.loc[chosen, "gone_by_minute_median"].max())


def quiet_kinds(quality: Quality) -> pd.DataFrame:
    """Return, per benign kind, how many of its account-days notify in worlds without attack, over all seeds.

    Returns
    -------
    frame with one row per kind: kind, days, notified, share.
    """
    calm = quality.benign[quality.benign["world"] == NOTHING]
    sums = calm.groupby("kind", as_index=False).agg(days=("days", "sum"), notified=("notified", "sum"))
    return sums.assign(share=sums["notified"] / sums["days"])


def loudest_kind(quality: Quality) -> float:
    """Return the largest share of notifying account-days among the kinds that must stay quiet."""
    found = quiet_kinds(quality)
    return float(found.loc[found["kind"].isin(QUIET_KINDS), "share"].max())


def recall_added(quality: Quality) -> float:
    """Return recall at 0.3 % of large accounts to whose look-ups others were added on one day, all seeds pooled."""
    added = quality.added
    wanted = added[(added["measure"] == "recall_share") & (added["level"] == SHARE) & (added["method"] == "score")]
    return float((wanted["value"] * wanted["accounts"]).sum() / wanted["accounts"].sum())


def overlap(quality: Quality) -> float:
    """Return the smallest overlap of the strangest 0.3 % of account-days under another random state."""
    return float(quality.overlap["overlap"].min())


TARGETS = (
    Target("mean account recall at 0.3 % false account-days", 0.95, True, recall_mean, attrgetter("order"), "0.89"),
    Target("the same, worst scenario", 0.80, True, recall_worst, attrgetter("order"), "0.70"),
    Target(
        "the same, attackers reading people of the victim's own area",
        0.90,
        True,
        recall_local,
        attrgetter("local"),
        "0.82",
    ),
    Target("recall at 1 new false account a day per 3,000", 0.92, True, recall_accounts, attrgetter("order"), "0.84"),
    Target("average precision", 0.95, True, precision, attrgetter("order"), "0.92"),
    Target(
        "false-discovery rate of what notifies, worst scenario planted alone",
        0.10,
        False,
        worst_false_discovery,
        _alone,
        "0.19 to 0.31",
    ),
    Target("recall of own alerts, same settings", 0.85, True, own_recall, _alone),
    Target(
        "days with any false notification, no attack, same settings",
        0.10,
        False,
        false_days,
        attrgetter("alerts"),
        "0.40",
    ),
    Target(
        "loss of own-alert recall with 0.2 % attacked days in history",
        0.03,
        False,
        lost_to_attacked_past,
        attrgetter("past"),
        "0.09",
    ),
    Target("gone before the first alert, median, worst smash-and-grab", 0.02, False, gone_grabbed, gone_apart),
    Target(
        "gone before the first alert, median, worst other scenario",
        0.05,
        False,
        gone_otherwise,
        gone_apart,
        "0 to 0.10 by the hour, of writes 1.00",
    ),
    Target("notifying share of the loudest benign kind", 0.01, False, loudest_kind, attrgetter("benign")),
    Target("recall at 0.3 % of 400 look-ups added to a day of some 900", 0.70, True, recall_added, attrgetter("added")),
    Target("overlap of the strangest 0.3 % under another random state", 0.95, True, overlap, attrgetter("overlap")),
)
"""What must be shown, with the same settings throughout."""


def compare(quality: Quality) -> pd.DataFrame:
    """Compare what was measured with the targets.

    Returns
    -------
    frame with one row per target: measure, target (as text), measured (NaN when it was left out), met (null then), on
    how many seeds, and what an earlier design reached on another portal.
    """
    rows = []
    for target in TARGETS:
        value = _value(target, quality)
        met = _meets(target, value)
        limit = f"{'≥' if target.at_least else '≤'} {target.limit:.2f}"
        rows.append(
            {
                "measure": target.measure,
                "target": limit,
                "measured": value,
                "met": met,
                "seeds": _seeds(target, quality),
                "an earlier design": target.reference,
            }
        )
    return pd.DataFrame(rows).astype({"met": object})


def _seeds(target: Target, quality: Quality) -> int:
    try:
        return int(target.table(quality)["seed"].nunique())
    except KeyError:  # left out, as below
        return 0


def _meets(target: Target, value: float) -> bool | None:
    if math.isnan(value):
        return None
    return value >= target.limit if target.at_least else value <= target.limit


def _value(target: Target, quality: Quality) -> float:
    try:
        return target.value(quality)
    except KeyError:  # the plan left its table out: an empty frame has no columns
        return float("nan")


def _mean_of(order: pd.DataFrame, *, measure: str, level: float) -> float:
    means = mean_account_recall(order)
    wanted = means[(means["measure"] == measure) & (means["level"] == level) & (means["method"] == "score")]
    return float(wanted["value"].mean())
