"""Slow and obvious versions of the measures, in plain loops: what the fast ones must equal.

A judged row is a tuple (account, day, label, score); an attack is a tuple (scenario, account, day).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

Judged = tuple[str, str, str, float]
Attack = tuple[str, str, str]


def label(account: str, day: str, events: Iterable[dict[str, object]]) -> str:
    """Label one active account-day by looking at every malicious event."""
    hijacked = {
        (event["account"], event["day"])
        for event in events
        if not (event["action"] == "login" and event["outcome"] == "failure")
    }
    if (account, day) in hijacked:
        return "attacked"
    if any(account == other for other, _ in hijacked):
        return "set_aside"
    if any((event["account"], event["day"]) == (account, day) for event in events):
        return "set_aside"
    return "honest"


def share_threshold(judged: list[Judged], share: float) -> float:
    """Try every honest score, and −∞, from below: the first that few enough honest account-days exceed."""
    honest = [score for _, _, kind, score in judged if kind == "honest"]
    for candidate in [-math.inf, *sorted(honest)]:
        if sum(score > candidate for score in honest) <= share * len(honest) + 1e-9:
            return candidate
    raise AssertionError("nothing exceeds the largest")


def account_threshold(judged: list[Judged], a_day: float) -> float:
    """Try every honest score, and −∞, from below: the first with few enough distinct honest accounts above it."""
    honest = [(account, score) for account, _, kind, score in judged if kind == "honest"]
    days = {day for _, day, _, _ in judged}
    for candidate in [-math.inf, *sorted(score for _, score in honest)]:
        above = {account for account, score in honest if score > candidate}
        if len(above) <= a_day * len(days) + 1e-9:
            return candidate
    raise AssertionError("nothing exceeds the largest")


def recall(judged: list[Judged], attacks: list[Attack], above: float) -> dict[str, float]:
    """Look at each attacked account's attacked days one by one."""
    days = {day for _, day, _, _ in judged}
    scores = {(account, day): score for account, day, _, score in judged}
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    for scenario, account, day in attacks:
        if day in days:
            hit = scores.get((account, day), -math.inf) > above
            found[scenario][account] = found[scenario].get(account, False) or hit
    return {scenario: sum(accounts.values()) / len(accounts) for scenario, accounts in found.items()}


def average_precision(judged: list[Judged]) -> float:
    """Sum precision times the gain in recall, over the distinct scores in falling order."""
    kept = [(score, kind == "attacked") for _, _, kind, score in judged if kind in ("attacked", "honest")]
    positives = sum(positive for _, positive in kept)
    total, before = 0.0, 0.0
    for limit in sorted({score for score, _ in kept}, reverse=True):
        taken = [positive for score, positive in kept if score >= limit]
        total += (sum(taken) / positives - before) * sum(taken) / len(taken)
        before = sum(taken) / positives
    return total


def gone(items: list[tuple[str, float]], alert: float | None) -> float:
    """Return the share of distinct items first taken at or before the alert; (record, time) each."""
    firsts: dict[str, float] = {}
    for record, time in items:
        firsts[record] = min(time, firsts.get(record, math.inf))
    return sum(alert is None or time <= alert for time in firsts.values()) / len(firsts)
