"""What the strict past led to expect, from sums to which days are added and from which they are taken away.

What is computed, and why, is told in `detector.deviations`: these are its tables up to rounding, for whoever goes
through many days. Sums are whole numbers in fixed point, so that a day that is taken away leaves no trace of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from joblib import Parallel, delayed
from numpy.typing import NDArray

from detector.deviations import (
    CLUMPING,
    DAY_EFFECT_CLIP,
    DEVIATIONS,
    EXCESSES,
    KINDS_OF_DAY,
    LARGEST,
    MIN_BETWEEN,
    MIN_KNOWN_DAYS,
    MIN_SPREAD,
    MONTH,
    PRIOR_ACCOUNTS,
    PRIOR_DAYS,
    PRIOR_GROUP,
    SHARE_SCALE,
    SHARES,
    SIGNALS,
    VOLUME_STEP,
    WEEK,
    WEEKLY,
)
from detector.novelty import PAST_DAYS
from detector.schema import CHANNELS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ONE = 2.0**45
"""One in fixed point: what is summed up is below 2**17, and its square's sums below 2**18, for counts up to 10**9."""
_BY_DAY = tuple(dict.fromkeys((*LARGEST, *WEEKLY)))
"""Signals of which the days' values are kept beside their sums."""
_LOOKUPS = SIGNALS.index("lookups")
UNKNOWN, FIRST_LEVEL = -1, -2
"""Groups are numbered by profession, from 0; below zero by volume: unknown, and the levels of it from -2 down."""


@dataclass(frozen=True)
class Rows:
    """Account-days of one day, as arrays; `values` and `scaled` have a row for each signal, NaN where it is null.

    account, channel
        As told; `places` are the accounts' numbers, the same account on another channel has another, and `channels` the
        places in `CHANNELS`.
    professions
        Numbers, -1 where none is told.
    """

    day: date
    kind: int
    account: pa.Array
    channel: pa.Array
    places: Ints
    channels: Ints
    professions: Ints
    age_days: Floats
    values: Floats

    @cached_property
    def scaled(self) -> Floats:
        """The values on the scale of comparison."""
        found = stabilise(self.values)
        for share in map(SIGNALS.index, SHARES):
            found[share] = self.values[share] * SHARE_SCALE
        return found

    @property
    def slot(self) -> int:
        """Where the day is among 28 that follow each other."""
        return self.day.toordinal() % PAST_DAYS

    def only(self, chosen: NDArray[np.bool_]) -> Rows:
        """Some of the rows."""
        if chosen.all():
            return self
        return replace(
            self,
            account=self.account.filter(pa.array(chosen)),
            channel=self.channel.filter(pa.array(chosen)),
            places=self.places[chosen],
            channels=self.channels[chosen],
            professions=self.professions[chosen],
            age_days=self.age_days[chosen],
            values=self.values[:, chosen],
        )


class _Groups(NamedTuple):
    """Who is compared with whom.

    accounts
        Places of the accounts of the past that are in a group.
    of_account, of_row
        Groups of those, and of the day's rows, by number.
    row_at
        Where the row's account is among `accounts`; -1: nowhere, which is the last of an array with one more.
    known_days
        Of each row.
    n_days
        On how many days of the past the group was seen.
    names
        Of each group: that of the profession or volume, and of the channel, in one number.
    """

    accounts: Ints
    of_account: Ints
    of_row: Ints
    row_at: Ints
    known_days: Ints
    n_days: Ints
    names: Ints

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(self.names)


class Sums:
    """Sums of the past by account; arrays end in the account's place, and have some room for more."""

    def __init__(self) -> None:
        signals, kinds = len(SIGNALS), len(KINDS_OF_DAY)
        self.n = np.zeros((signals, kinds, 0), dtype=np.int8)
        self.totals = np.zeros((signals, kinds, 0), dtype=np.int64)
        self.squares = np.zeros((signals, 0), dtype=np.int64)
        self.by_day = np.zeros((len(_BY_DAY), PAST_DAYS, 0), dtype=np.float32)  # exact up to 16 million a day
        self.seen = np.zeros((PAST_DAYS, 0), dtype=bool)
        self.channels, self.professions, self.told_on = (np.zeros(0, dtype=np.int64) for _ in range(3))

    def grow(self, n_accounts: int) -> None:
        """Make room for so many accounts."""
        more = n_accounts - self.seen.shape[-1]
        if more <= 0:
            return
        for name, array in vars(self).items():
            room = np.zeros((*array.shape[:-1], more + n_accounts // 8), dtype=array.dtype)
            setattr(self, name, np.concatenate([array, room], axis=-1))

    def add(self, rows: Rows) -> None:
        """Add a day that lies after those that were added before."""
        self._count(rows, sign=1)
        self.seen[rows.slot, rows.places] = True
        self.channels[rows.places] = rows.channels
        tells = rows.professions >= 0
        self.professions[rows.places[tells]] = rows.professions[tells]
        self.told_on[rows.places[tells]] = rows.day.toordinal()
        for place, signal in enumerate(_BY_DAY):
            self.by_day[place, rows.slot, rows.places] = rows.values[SIGNALS.index(signal)]

    def take_away(self, rows: Rows) -> None:
        """Take a day away: of its rows, those that were added."""
        self._count(rows.only(self.seen[rows.slot, rows.places]), sign=-1)
        self.seen[rows.slot] = False

    def _count(self, rows: Rows, *, sign: int) -> None:
        for signal, scaled in enumerate(rows.scaled):
            told = np.flatnonzero(~np.isnan(scaled))
            places, values = rows.places[told], scaled[told]
            self.n[signal, rows.kind, places] += sign
            self.totals[signal, rows.kind, places] += sign * _fixed(values)
            self.squares[signal, places] += sign * _fixed(values * values)

    def compare(self, rows: Rows, *, professions: Sequence[str]) -> pd.DataFrame:
        """The `DEVIATIONS` of a day from these sums; `professions` by their numbers."""
        groups = self._groups(rows)
        by_signal = Parallel(prefer="threads")(
            delayed(self._compare_signal)(signal, rows, groups) for signal in range(len(SIGNALS))
        )
        found = {
            f"{name}__{kind}": excess
            for name, excesses in zip(SIGNALS, by_signal, strict=True)
            for kind, excess in excesses.items()
        }
        names = np.array([_name(int(number), professions) for number in groups.names], dtype=object)
        found |= {
            "account": rows.account.to_pandas(),
            "channel": rows.channel.to_pandas(),
            "day": np.full(len(rows.places), rows.day, dtype="datetime64[s]"),
            "peer_group": pd.Series(names[groups.of_row], dtype="str"),
            "known_days": groups.known_days,
        }
        return pd.DataFrame({name: found[name] for name in DEVIATIONS.names})

    def _groups(self, rows: Rows) -> _Groups:
        known_days = self.seen.sum(axis=0)
        with np.errstate(invalid="ignore"):
            volume = self.totals[_LOOKUPS].sum(axis=0) / ONE / self.n[_LOOKUPS].sum(axis=0)
        has_volume = np.isfinite(volume)
        level = np.floor(np.where(has_volume, volume, 0.0) / VOLUME_STEP).astype(np.int64)
        # Of a day that is no longer part of the past, nothing is told.
        tells = self.told_on >= rows.day.toordinal() - PAST_DAYS
        number = np.where(tells, self.professions, np.where(has_volume, FIRST_LEVEL - level, UNKNOWN))
        is_in = (known_days > 0) & (tells | has_volume)
        number[~is_in] = UNKNOWN
        accounts = np.flatnonzero(is_in)
        of_rows = np.where(rows.professions >= 0, rows.professions, number[rows.places])
        keys = (number[accounts] * len(CHANNELS) + self.channels[accounts], of_rows * len(CHANNELS) + rows.channels)
        names, numbered = np.unique(np.concatenate(keys), return_inverse=True)
        of_account, of_row = numbered[: len(accounts)], numbered[len(accounts) :]
        at = np.full(len(is_in), -1, dtype=np.int64)
        at[accounts] = np.arange(len(accounts))
        seen = [np.bincount(of_account[day[accounts]], minlength=len(names)) > 0 for day in self.seen]
        n_days = np.sum(seen, axis=0)
        return _Groups(accounts, of_account, of_row, at[rows.places], known_days[rows.places], n_days, names)

    def _compare_signal(self, signal: int, rows: Rows, groups: _Groups) -> dict[str, Floats]:
        """Kind of deviation → what one signal of each row exceeds."""
        name = SIGNALS[signal]
        kinds = [kind for kind, signals in EXCESSES.items() if name in signals]
        usual = self._usual(signal, rows, groups)
        if usual is None:
            return {kind: np.full(len(rows.places), np.nan) for kind in kinds}
        found = _excesses(usual, rows, groups, signal=signal, kinds=kinds)
        return {kind: np.maximum(each, 0.0) for kind, each in found.items()}

    def _usual(self, signal: int, rows: Rows, groups: _Groups) -> _Usual | None:
        """What the past tells of a signal; None where it never had it."""
        n = self.n[signal][:, groups.accounts].astype(np.float64)
        totals = self.totals[signal][:, groups.accounts] / ONE
        counts, sums = (_by_group(groups, each) for each in (n, totals))
        if not counts.sum():
            return None
        group_mean = _shrink(sums.sum(axis=0), counts.sum(axis=0), sums.sum() / counts.sum(), PRIOR_GROUP)
        means = _shrink(sums, counts, group_mean, PRIOR_GROUP)
        expected = means[:, groups.of_account]
        days = n.sum(axis=0)
        residual = np.divide((totals - n * expected).sum(axis=0), days, out=np.zeros(len(days)), where=days > 0)
        squares = self.squares[signal][groups.accounts] / ONE + ((n * expected - 2 * totals) * expected).sum(axis=0)
        squares = np.maximum(squares - days * residual * residual, 0.0)
        nothing = np.zeros(len(days))
        of_days = self._of_days(signal, rows, groups) if SIGNALS[signal] in _BY_DAY else (nothing,) * 3
        own = _Own(days, residual, squares, *of_days)
        everyone = _variances(own, np.zeros_like(groups.of_account), 1)
        peers = _variances(own, groups.of_account, groups.n_groups)
        rate = np.divide(
            peers.total, peers.n * groups.n_days, out=np.zeros(groups.n_groups), where=peers.n * groups.n_days > 0
        )
        within, between = (
            _shrink(getattr(peers, part) * peers.n, peers.n, getattr(everyone, part), PRIOR_ACCOUNTS)
            for part in ("within", "between")
        )
        return _Usual(own, means, within, between, rate)

    def _of_days(self, signal: int, rows: Rows, groups: _Groups) -> tuple[Floats, Floats, Floats]:
        """Of each account the sum of the last days, that of the days before, and its largest day, scaled."""
        backs = np.arange(1, PAST_DAYS + 1)
        slots = (rows.day.toordinal() - backs) % PAST_DAYS
        values = self.by_day[_BY_DAY.index(SIGNALS[signal])][:, groups.accounts].astype(np.float64)
        values[~self.seen[:, groups.accounts]] = np.nan
        last, before = (np.nansum(values[slots[chosen]], axis=0) for chosen in (backs < WEEK, backs >= WEEK))
        return last, before, stabilise(np.fmax.reduce(values, axis=0))


class _Own(NamedTuple):
    """What the past tells of one signal of each account: see `detector.deviations`; 0 where it was never told."""

    n: Floats
    residual: Floats
    squares: Floats
    last: Floats
    before: Floats
    top: Floats

    def at(self, places: Ints) -> _Own:
        """Of these accounts; nothing is known of those at -1."""
        nothing = (0.0, 0.0, 0.0, 0.0, 0.0, np.nan)
        return _Own._make(np.append(each, none)[places] for each, none in zip(self, nothing, strict=True))


class _Variances(NamedTuple):
    """How much accounts vary, each around itself and among each other, by group; and their sum over all days."""

    n: Floats
    within: Floats
    between: Floats
    total: Floats


class _Usual(NamedTuple):
    """What the past tells of one signal: of accounts; by kind of day and group; and by group."""

    own: _Own
    means: Floats
    within: Floats
    between: Floats
    rate: Floats


def _excesses(usual: _Usual, rows: Rows, groups: _Groups, *, signal: int, kinds: Sequence[str]) -> dict[str, Floats]:
    """By how much one signal of each row exceeds what was expected, for some kinds of deviation."""
    own, (x, g) = usual.own.at(groups.row_at), (rows.values[signal], rows.scaled[signal])
    mean, within, between, rate = (
        each[groups.of_row] for each in (usual.means[rows.kind], usual.within, usual.between, usual.rate)
    )
    ownness = between / (own.n * between + within)
    spread_of_days = (within * PRIOR_DAYS + own.squares) / (np.maximum(own.n - 1, 0) + PRIOR_DAYS)
    centre = mean + own.residual * own.n * ownness
    spread = _floor(np.sqrt(spread_of_days + within * ownness))
    effect = _day_effect((g - centre) / spread, spread, groups)
    over = g - effect
    found: dict[str, Floats] = {}
    for kind in kinds:
        match kind:
            case "own":
                found[kind] = (over - centre) / spread
            case "largest":
                largest = (over - own.top) / _floor(np.sqrt(within))
                found[kind] = np.where(groups.known_days >= MIN_KNOWN_DAYS, largest, np.nan)
            case "peers":
                found[kind] = (over - mean) / _floor(np.sqrt(within + between))
            case "absolute":
                found[kind] = np.log(np.maximum(x - unstabilise(centre + effect), 0.0) + 1)
            case "week":
                days_before = np.maximum(np.fmin(rows.age_days, MONTH) - (WEEK - 1), 0)
                week_rate = (own.before + rate * WEEK) / (days_before + WEEK)
                found[kind] = stabilise(own.last + x) - stabilise(week_rate * WEEK)
            case "month":
                found[kind] = stabilise(own.before + own.last + x) - stabilise(rate * MONTH)
    return found


def _day_effect(excess: Floats, spread: Floats, groups: _Groups) -> Floats:
    """By how much each row's peer group as a whole is off on the day."""
    told = ~np.isnan(excess)
    clipped = np.where(told, np.clip(excess, -DAY_EFFECT_CLIP, DAY_EFFECT_CLIP) * spread, 0.0)
    total, n = (np.bincount(groups.of_row, each, minlength=groups.n_groups) for each in (clipped, told))
    return np.asarray((total / (n + PRIOR_ACCOUNTS))[groups.of_row])


def _variances(own: _Own, group: Ints, n_groups: int) -> _Variances:
    def summed(values: NDArray[Any]) -> Floats:
        return np.asarray(np.bincount(group, values, minlength=n_groups), dtype=np.float64)

    told = own.n > 0
    n_told = np.maximum(summed(told), 1)
    mean = summed(own.residual) / n_told
    between = summed(np.where(told, own.residual - mean[group], 0.0) ** 2) / n_told
    inverse = summed(np.divide(1.0, own.n, out=np.zeros(len(told)), where=told)) / n_told
    within = np.maximum(summed(own.squares) / np.maximum(summed(np.maximum(own.n - 1, 0)), 1), MIN_SPREAD**2 / 4)
    return _Variances(
        n=np.bincount(group, minlength=n_groups).astype(np.float64),
        within=within,
        between=np.maximum(between - within * inverse, MIN_BETWEEN),
        total=summed(own.last + own.before),
    )


def stabilise(counts: Floats) -> Floats:
    """As `detector.deviations.stabilise`, of numbers."""
    root = np.sqrt(counts / CLUMPING)
    return np.asarray(np.log(root + np.sqrt(root * root + 1)) * (2 * CLUMPING**0.5))


def unstabilise(scaled: Floats) -> Floats:
    """As `detector.deviations.unstabilise`, of numbers."""
    half = np.maximum(scaled, 0.0) / (2 * CLUMPING**0.5)
    sinh = (np.exp(half) - np.exp(-half)) / 2
    return np.asarray(sinh * sinh * CLUMPING)


def _name(group: int, professions: Sequence[str]) -> str:
    """A peer group's name, from its number and its channel's."""
    number, channel = divmod(group, len(CHANNELS))
    if number > UNKNOWN:
        return f"{professions[number]} {CHANNELS[channel]}"
    return f"volume {'unknown' if number == UNKNOWN else FIRST_LEVEL - number} {CHANNELS[channel]}"


def _by_group(groups: _Groups, values: Floats) -> Floats:
    """Sums by group, one row for each row of values."""
    return np.array([np.bincount(groups.of_account, each, minlength=groups.n_groups) for each in values])


def _shrink(total: Floats, n: Floats, towards: Floats, weight: int) -> Floats:
    return (total + towards * weight) / (n + weight)


def _floor(spread: Floats) -> Floats:
    return np.maximum(spread, MIN_SPREAD)


def _fixed(values: Floats) -> Ints:
    return np.rint(values * ONE).astype(np.int64)
