"""Slow and obvious: deviations of account-days from their past, by loops over rows, to compare the fast code with."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from statistics import fmean, pvariance
from typing import Any

from detector.deviations import EXCESSES, SHARES, SIGNALS

Row = dict[str, Any]
LN = 2 * math.sqrt(2)


def stabilise(x: float) -> float:
    """Where a count stands on the scale."""
    return LN * math.asinh(math.sqrt(x / 2))


def unstabilise(g: float) -> float:
    """The count that stands there."""
    return 2 * math.sinh(max(g, 0) / LN) ** 2


def on_scale(signal: str, x: float | None) -> float | None:
    """Where a signal's value stands."""
    if x is None:
        return None
    return x * 10 if signal in SHARES else stabilise(x)


def kind_of_day(day: date, off_days: tuple[date, ...]) -> str:
    """What kind of day it is for work."""
    if day.weekday() == 6 or day in off_days:
        return "off"
    return {0: "monday", 5: "saturday"}.get(day.weekday(), "working")


def usual_group(rows: list[Row]) -> str:
    """The peer group of an account: its profession told last, or its volume."""
    told = [row for row in sorted(rows, key=lambda row: row["day"]) if row["profession"] is not None]
    if told:
        return f"{told[-1]['profession']} {told[-1]['channel']}"
    return f"volume {math.floor(fmean(stabilise(r['lookups']) for r in rows) / 3)} {rows[0]['channel']}"


class Reference:
    """What the past says of one signal."""

    def __init__(self, signal: str, past: dict[tuple[str, str], list[Row]], kind: Callable[[date], str]) -> None:
        self.signal = signal
        self.past = past
        self.kind = kind
        self.groups = {key: usual_group(rows) for key, rows in past.items()}
        self.values = [
            (key, self.groups[key], kind(row["day"]), g)
            for key, rows in past.items()
            for row in rows
            if (g := on_scale(signal, row[signal])) is not None
        ]
        found = [g for *_, g in self.values]
        self.everyone = fmean(found) if found else None
        self.residuals: dict[tuple[str, str], list[float]] = {key: [] for key in past}
        for key, group, on, g in self.values:
            self.residuals[key].append(g - self.mean(group, on))
        self.all_w, self.all_t = self.variances(past)

    def mean(self, group: str, on: str) -> float:
        """What is usual in a group on a kind of day."""
        assert self.everyone is not None
        of_group = shrink([g for _, name, _, g in self.values if name == group], self.everyone, 50)
        return shrink([g for _, name, kind, g in self.values if (name, kind) == (group, on)], of_group, 50)

    def variances(self, keys: Iterable[tuple[str, str]]) -> tuple[float, float]:
        """Variance within accounts, and between them."""
        rows = [self.residuals[key] for key in keys]
        squares = sum(pvariance(found) * len(found) for found in rows if found)
        within = max(squares / max(sum(max(len(found) - 1, 0) for found in rows), 1), 0.0625)
        some = [found for found in rows if found]
        if not some:
            return within, 0.05
        noise = within * fmean(1 / len(found) for found in some)
        return within, max(pvariance([fmean(found) for found in some]) - noise, 0.05)

    def spreads(self, group: str) -> tuple[float, float]:
        """A group's variances, shrunk to everyone's."""
        keys = [key for key, name in self.groups.items() if name == group]
        within, between = self.variances(keys) if keys else (0.0, 0.0)
        n = len(keys)
        return (within * n + self.all_w * 20) / (n + 20), (between * n + self.all_t * 20) / (n + 20)

    def expect(self, key: tuple[str, str], group: str, on: str) -> tuple[float, float]:
        """The centre and the predictive spread of an account's day."""
        within, between = self.spreads(group)
        residuals = self.residuals.get(key, [])
        n = len(residuals)
        ownness = between / (n * between + within)
        centre = self.mean(group, on) + sum(residuals) * ownness
        squares = pvariance(residuals) * n if residuals else 0.0
        own = (within * 10 + squares) / (max(n - 1, 0) + 10)
        return centre, max(math.sqrt(own + within * ownness), 0.5)

    def rate(self, group: str) -> float:
        """What a peer has on a calendar day."""
        rows = [row for key, found in self.past.items() if self.groups[key] == group for row in found]
        peers, days = sum(name == group for name in self.groups.values()), len({row["day"] for row in rows})
        return sum(row[self.signal] or 0 for row in rows) / (peers * days) if rows else 0.0


def deviations(today: list[Row], past: list[Row], *, off_days: tuple[date, ...] = ()) -> dict[tuple[str, str], Row]:
    """The deviations of a day, by account and channel."""
    known: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in past:
        known[row["account"], row["channel"]].append(row)
    groups = {(row["account"], row["channel"]): group_of(row, known) for row in today}
    result: dict[tuple[str, str], Row] = {
        key: {"peer_group": group, "known_days": len(known.get(key, []))} for key, group in groups.items()
    }
    for signal in SIGNALS:
        reference = Reference(signal, known, lambda day: kind_of_day(day, off_days))
        for key, excesses in judge(signal, today, groups, reference, off_days=off_days).items():
            for kind, signals in EXCESSES.items():
                if signal in signals:
                    excess = excesses.get(kind)
                    result[key][f"{signal}__{kind}"] = None if excess is None else max(excess, 0.0)
    return result


def group_of(row: Row, known: dict[tuple[str, str], list[Row]]) -> str:
    """The peer group of an account on the day."""
    if row["profession"] is not None:
        return f"{row['profession']} {row['channel']}"
    rows = known.get((row["account"], row["channel"]))
    return usual_group(rows) if rows else f"volume unknown {row['channel']}"


def judge(
    signal: str,
    today: list[Row],
    groups: dict[tuple[str, str], str],
    reference: Reference,
    *,
    off_days: tuple[date, ...],
) -> dict[tuple[str, str], dict[str, float | None]]:
    """Each kind of excess of one signal, by account and channel."""
    if reference.everyone is None:
        return {key: {} for key in groups}
    told = {(row["account"], row["channel"]): row for row in today}
    expected = {key: reference.expect(key, groups[key], kind_of_day(row["day"], off_days)) for key, row in told.items()}
    return {
        key: excesses(
            signal, row, groups[key], reference, expected[key], effect(signal, told, groups, expected, key), off_days
        )
        if row[signal] is not None
        else {}
        for key, row in told.items()
    }


def effect(
    signal: str,
    told: dict[tuple[str, str], Row],
    groups: dict[tuple[str, str], str],
    expected: dict[tuple[str, str], tuple[float, float]],
    of: tuple[str, str],
) -> float:
    """By how much the peers of an account are off on the day."""
    peers = [key for key in told if groups[key] == groups[of] and told[key][signal] is not None]
    total = 0.0
    for key in peers:
        centre, spread = expected[key]
        g = on_scale(signal, told[key][signal])
        assert g is not None
        total += min(max((g - centre) / spread, -2), 2) * spread
    return total / (len(peers) + 20)


def excesses(
    signal: str,
    row: Row,
    group: str,
    reference: Reference,
    expected: tuple[float, float],
    day_effect: float,
    off_days: tuple[date, ...],
) -> dict[str, float | None]:
    """One account's excesses of one signal."""
    key, x = (row["account"], row["channel"]), row[signal]
    centre, spread = expected
    within, between = reference.spreads(group)
    g = on_scale(signal, x)
    assert g is not None
    over = g - day_effect
    rows = reference.past.get(key, [])
    tops = [found for past in rows if (found := on_scale(signal, past[signal])) is not None]
    last = sum(past[signal] or 0 for past in rows if (row["day"] - past["day"]).days < 7)
    before = sum(past[signal] or 0 for past in rows if (row["day"] - past["day"]).days >= 7)
    rate, days_before = reference.rate(group), max(min(row["age_days"], 28) - 6, 0)
    return {
        "own": (over - centre) / spread,
        "peers": (over - reference.mean(group, kind_of_day(row["day"], off_days)))
        / max(math.sqrt(within + between), 0.5),
        "largest": (over - max(tops)) / max(math.sqrt(within), 0.5) if len(rows) >= 5 and tops else None,
        "absolute": math.log(max(x - unstabilise(centre + day_effect), 0.0) + 1),
        "week": stabilise(last + x) - stabilise((before + rate * 7) / (days_before + 7) * 7),
        "month": stabilise(before + last + x) - stabilise(rate * 28),
    }


def shrink(values: list[float], towards: float, weight: int) -> float:
    """The mean of some values, shrunk."""
    return (sum(values) + towards * weight) / (len(values) + weight)
