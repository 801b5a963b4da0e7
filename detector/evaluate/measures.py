"""All measures of one scored world as one long table, so that seeds stack and tables pivot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from detector.evaluate.benign import benign_kinds_notified
from detector.evaluate.exposure import first_alerts, gone_before_alert
from detector.evaluate.frames import ACCOUNT_DAY
from detector.evaluate.labels import ATTACKED, FLOORLESS, HONEST, attacked_days, label_days
from detector.evaluate.precision import (
    NOTIFYING_QUEUES,
    average_precision,
    count_notified,
    false_days,
    false_discovery_rate,
    notifying,
    own_recall,
)
from detector.evaluate.recall import (
    FALSE_ACCOUNTS_ANY_SIZE,
    FALSE_ACCOUNTS_PER_3000,
    FALSE_DAY_SHARES,
    account_threshold,
    per_portal,
    recall_above,
    share_threshold,
    strongest,
)
from detector.evaluate.scored import METHODS, Scored

LONG = ["measure", "method", "level", "scenario", "value"]
"""Columns of a long table: what is measured, of which score, at which limit, for which scenario, and the value."""

ALL = "all"
"""The scenario of a measure that is not of one scenario."""


CURVE_SHARES = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05)
"""Shares of false account-days at which recall is drawn."""


class Case(NamedTuple):
    """What one world's judged days are measured against.

    judged : one row per active account-day: account, day, label, and a column per method.
    events : one row per malicious event of any day, with its outcome.
    accounts : the portal's size, for limits that grow with it.
    zone : the portal's time zone.
    """

    judged: pd.DataFrame
    events: pd.DataFrame
    accounts: int
    zone: str

    @property
    def attacks(self) -> pd.DataFrame:
        """One row per scenario, account and attacked day."""
        return attacked_days(self.events)

    @property
    def methods(self) -> list[str]:
        """The columns of `judged` that are scores."""
        return [str(name) for name in self.judged if name not in (*ACCOUNT_DAY, "label")]


def build_case(
    active: pd.DataFrame, *, events: pd.DataFrame, tables: Iterable[pd.DataFrame], accounts: int, zone: str
) -> Case:
    """Label the active account-days and put beside them the scores of every table given.

    Parameters
    ----------
    active : one row per active account-day of the judged days: account, day.
    tables : frames with one row per account-day: account, day and columns of scores; an account-day without a row has
        no score, and ranks below all others.
    """
    judged = label_days(active, events=events)
    for table in tables:
        names = [name for name in table if name not in (*ACCOUNT_DAY, "label")]
        judged = judged.merge(table[[*ACCOUNT_DAY, *names]], on=ACCOUNT_DAY, how="left", validate="one_to_one")
    return Case(judged=judged, events=events, accounts=accounts, zone=zone)


def ranking_scores(scored: Scored) -> pd.DataFrame:
    """Return the columns of the scores that order account-days, as doubles."""
    names = [name for name in METHODS if name in scored.scores]
    return scored.scores[[*ACCOUNT_DAY, *names]].astype(dict.fromkeys(names, float))


def measure_order(case: Case) -> pd.DataFrame:
    """Measure how well each method orders account-days: recall per scenario at every limit, and average precision.

    Returns
    -------
    long table (`LONG`) with the measures recall_share (level: share of honest account-days above), recall_curve (the
    same at more shares, to be drawn), recall_accounts (level: new false accounts a day per 3,000),
    recall_accounts_fixed (level: the same at any size) and average_precision, which counts the attacked days of
    scenarios with a floor.
    """
    return pd.concat([_order_of(case, method) for method in case.methods], ignore_index=True)


def _order_of(case: Case, method: str) -> pd.DataFrame:
    judged, attacks = case.judged, case.attacks
    scores = strongest(judged, attacks=attacks, method=method)
    rows = [
        _long(recall_above(scores, above=above), measure=measure, method=method, level=level)
        for measure, level, above in _thresholds(case, method)
    ]
    precision = average_precision(judged, method=method, positives=attacks[~attacks["scenario"].isin(FLOORLESS)])
    return pd.concat([*rows, _long(pd.Series({ALL: precision}), measure="average_precision", method=method)])


def _thresholds(case: Case, method: str) -> Iterator[tuple[str, float, float]]:
    """Name each measure of recall, its level, and the score that must be exceeded."""
    judged = case.judged
    for measure, shares in (("recall_share", FALSE_DAY_SHARES), ("recall_curve", CURVE_SHARES)):
        for share in shares:
            yield measure, share, share_threshold(judged, method=method, share=share)
    for per_3000 in FALSE_ACCOUNTS_PER_3000:
        a_day = per_portal(per_3000, accounts=case.accounts)
        yield "recall_accounts", per_3000, account_threshold(judged, method=method, a_day=a_day)
    fixed = FALSE_ACCOUNTS_ANY_SIZE
    yield "recall_accounts_fixed", fixed, account_threshold(judged, method=method, a_day=fixed)


def measure_alerts(case: Case, *, scored: Scored, queues: Sequence[str] = NOTIFYING_QUEUES) -> pd.DataFrame:
    """Measure what notifies: recall of own alerts, true and false account-days, false-discovery rate, false days.

    Returns
    -------
    long table (`LONG`) with the measures own_recall, notified_true, notified_false (account-days), false_discovery_rate
    and false_days (share of judged days with any false notification).
    """
    notified = notifying(scored.scores, early=scored.early, queues=queues)
    counts = count_notified(case.judged, notified=notified)
    wholes = {
        "notified_true": float(counts[ATTACKED]),
        "notified_false": float(counts[HONEST]),
        "false_discovery_rate": false_discovery_rate(counts),
        "false_days": false_days(case.judged, notified=notified),
    }
    rows = [_long(pd.Series({ALL: value}), measure=name) for name, value in wholes.items()]
    found = own_recall(case.judged, attacks=case.attacks, notified=notified)
    return pd.concat([_long(found, measure="own_recall"), *rows], ignore_index=True)


def measure_gone(case: Case, *, scored: Scored, queues: Sequence[str] = NOTIFYING_QUEUES) -> pd.DataFrame:
    """Return what was gone before the first alert, for each account of each campaign; see `gone_before_alert`.

    Only campaigns that lie wholly in the judged days are measured: of one that began before them, the first alert is
    unknown.
    """
    first = case.judged["day"].min()
    begun = case.events.groupby("campaign")["day"].transform("min")
    events = case.events[begun >= first]
    alerts = first_alerts(scored.scores, early=scored.early, events=events, zone=case.zone, queues=queues)
    return gone_before_alert(events, alerts=alerts)


def measure_benign(
    case: Case, *, scored: Scored, kinds: pd.DataFrame, queues: Sequence[str] = NOTIFYING_QUEUES
) -> pd.DataFrame:
    """Return, per kind of benign oddity, how many of its account-days notify; see `benign_kinds_notified`."""
    notified = notifying(scored.scores, early=scored.early, queues=queues)
    return benign_kinds_notified(case.judged, kinds=kinds, notified=notified)


def _long(values: pd.Series[float], *, measure: str, method: str = "", level: float = 0.0) -> pd.DataFrame:
    found = pd.DataFrame({"scenario": values.index.astype(str), "value": values.to_numpy(dtype=float)})
    return found.assign(measure=measure, method=method, level=level)[LONG]
