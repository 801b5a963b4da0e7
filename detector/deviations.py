"""Account-days → deviations: by how much each signal exceeds what its strict past, and its peers, led to expect.

Counts are compared on a scale on which their spread hardly depends on their size (`stabilise`). On it, an account-day
is expected at: its peer group's mean for such a day of the week, plus the account's own effect, shrunk towards zero by
how few days it was seen (a normal hierarchical model: Gelman et al., Bayesian Data Analysis, chapter 5), plus what its
peers show on the very day. What exceeds this, in units of the predictive spread, is the deviation, clipped at zero: a
quiet day is never stranger than a usual one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from detector.aggregates import ACCOUNT_DAY
from detector.joins import attach
from detector.prepared import hold
from detector.schema import Column, Table, account_day_columns

PRIOR_DAYS = 10
"""An account's own spread weighs as much as its peers' after this many days: two working weeks."""
PRIOR_GROUP = 50
"""A peer group's mean weighs as much as everyone's after this many account-days."""
MIN_SPREAD = 0.5
"""Half of what a Poisson count has on this scale: a signal that never moved is not certain never to move."""
PRIOR_ACCOUNTS = 20
"""A peer group's spread between accounts, and its effect of the day, weigh half with this many accounts."""
MIN_PEERS = 10
"""A 90th percentile of fewer peers is one of them."""
MIN_BETWEEN = 0.05
"""Accounts of one group are never taken to be all alike."""
DAY_EFFECT_CLIP = 2.0
"""A peer's excess counts at most this much (in spreads) in the day's effect, lest an attack excuse itself."""
MIN_KNOWN_DAYS = 5
"""With fewer days, an account's largest day says nothing yet."""
WEEK, MONTH = 7, 28
CLUMPING = 2.0
"""Size of a negative binomial whose spread `stabilise` evens out; counts per account and day have sizes of 1 to 4."""

COUNTS = (
    "lookups",
    "records",
    "busiest_hour",
    "busiest_10_min",
    "busiest_session",
    "new_records",
    "foreign_records",
    "misses",
    "odd_department_records",
    "logins",
    "failures",
    "n_networks",
    "new_source_uses",
    "new_agent_uses",
    "new_auth_uses",
    "reset_then_new_source",
    "ip_fanout",
    "concurrent_ips",
    "active_hours",
    "off_hour_uses",
    "longest_run_min",
    "writes",
    "busiest_write_hour",
    "foreign_writes",
    "scattered_records",
    "lone_strangers",
    "lone_far_strangers",
)
LARGEST = ("records", "foreign_records", "busiest_hour", "writes")
PEERS = (
    "lookups",
    "records",
    "new_records",
    "foreign_records",
    "busiest_hour",
    "busiest_10_min",
    "busiest_session",
    "misses",
    "logins",
    "failures",
    "n_networks",
    "concurrent_ips",
    "active_hours",
    "longest_run_min",
    "writes",
    "busiest_write_hour",
)
ABSOLUTE = (
    "records",
    "foreign_records",
    "writes",
    "foreign_writes",
    "scattered_records",
    "lone_strangers",
    "lone_far_strangers",
)
WEEKLY = ("records", "new_records", "foreign_records", "writes", "foreign_writes")
MONTHLY = ("foreign_records", "foreign_writes")
SHARES = ("regularity",)
SHARE_SCALE = 10.0
"""A tenth more of the day counts as one."""
SIGNALS = (*COUNTS, *SHARES)
_NUMBERS = {signal: number for number, signal in enumerate(SIGNALS)}
"""Numbers are cheaper to group by than names."""
_MONDAY, _WORKING, _SATURDAY, _OFF = KINDS_OF_DAY = range(4)
VOLUME_STEP = 3
"""Accounts whose profession is unknown are peers when their usual look-ups fall into one step of this scale."""

EXCESSES = {
    "own": SIGNALS,
    "largest": LARGEST,
    "peers": PEERS,
    "absolute": ABSOLUTE,
    "week": WEEKLY,
    "month": MONTHLY,
}
"""Kind of deviation → the signals that have it."""
NAMES: tuple[str, ...] = tuple(f"{signal}__{kind}" for kind, signals in EXCESSES.items() for signal in signals)
"""Every deviation, as signal and kind."""

DEVIATIONS = Table(
    "deviations",
    "one row per account, channel and day",
    (
        *account_day_columns(),
        Column("peer_group", pa.string(), "profession, or class of volume, with the channel"),
        Column("known_days", pa.int64(), "active days of the account in the 28 before"),
        *(Column(name, pa.float64(), "excess, in spreads, never negative", "the signal is null") for name in NAMES),
    ),
    ACCOUNT_DAY,
)


def deviations(today: ir.Table, past: ir.Table, *, off_days: tuple[date, ...] = ()) -> ir.Table:
    """Compare a day's account-days with the strict past.

    Parameters
    ----------
    today, past
        `account_days` of one day, and of the 28 days before it without those that are set aside (alerted and not
        judged benign). A signal that is null in a row says nothing about that row and is no part of any reference.
    off_days
        Public holidays: they count as Sundays.

    Returns
    -------
    ir.Table
        The `DEVIATIONS` table, lazy.
    """
    baseline = _learn(today, past, off_days)
    rows = hold(_expect, today, *baseline, off_days=off_days)
    return hold(_judge, rows, has_day_effect=True)


def peer_deviations(today: ir.Table, *, off_days: tuple[date, ...] = ()) -> ir.Table:
    """Without any history: compare account-days with their peers of the same day, by median and 90th percentile.

    Order statistics barely move with the tested row, which is one of its own peers here. Every other kind of deviation
    is null, and known days are zero. The table is `DEVIATIONS`, lazy.
    """
    return hold(_compare_with_peers, hold(_day_by_signal, today, off_days=off_days))


def stabilise(counts: ir.Value | ibis.Deferred) -> ir.Value:
    """2√k asinh √(x/k): on it a negative binomial count of size k has a spread of about one (Anscombe, 1948)."""
    root = (counts.cast("float64") / CLUMPING).sqrt()
    return (root + (root * root + 1).sqrt()).ln() * (2 * CLUMPING**0.5)


def unstabilise(scaled: ir.Value | ibis.Deferred) -> ir.Value:
    """The count that `stabilise` puts there; none for what lies below zero."""
    half = ibis.greatest(scaled, 0.0) / (2 * CLUMPING**0.5)
    sinh = (half.exp() - (-half).exp()) / 2
    return sinh * sinh * CLUMPING


class _Baseline(NamedTuple):
    """What the strict past says: about accounts, about their peer groups, and about each account's signals."""

    accounts: ir.Table
    groups: ir.Table
    own: ir.Table
    references: ir.Table


def _learn(today: ir.Table, past: ir.Table, off_days: tuple[date, ...]) -> _Baseline:
    accounts = hold(_accounts, past)
    groups = hold(_groups, accounts, today, past)
    means = hold(_means, past, today, accounts, groups, off_days=off_days)
    own = hold(_own, past, today, accounts, groups, means, off_days=off_days)
    return _Baseline(accounts, groups, own, hold(_references, means, own, groups))


def _accounts(past: ir.Table) -> ir.Table:
    """Per account and channel: a number, its peer group, and how many days it was seen.

    The group is the profession told last, or else what the volume is like.
    """
    grouped = past.group_by(["account", "channel"]).aggregate(
        profession=_.profession.argmax(_.day, where=_.profession.notnull()),
        volume=stabilise(_.lookups).mean(),
        known_days=_.count(),
    )
    level = (_.volume / VOLUME_STEP).floor().cast("int64").cast("string")
    group = ibis.coalesce(_.profession, "volume " + level) + " " + _.channel
    return grouped.select("account", "channel", "known_days", peer_group=group, code=ibis.row_number())


def _groups(accounts: ir.Table, today: ir.Table, past: ir.Table) -> ir.Table:
    """The peer groups by number, and on how many days of the past each was seen."""
    names = ibis.union(accounts.select("peer_group"), _with_group(today, accounts).select("peer_group"), distinct=True)
    seen = past.inner_join(accounts, ["account", "channel"]).group_by("peer_group").aggregate(n_days=_.day.nunique())
    return attach(names.mutate(group=ibis.row_number()), seen, "peer_group")


def _with_group(rows: ir.Table, accounts: ir.Table) -> ir.Table:
    """Rows with their account's number and peer group; the row's own profession, where it tells one, goes first."""
    found = attach(rows, accounts, ["account", "channel"])
    group = ibis.coalesce(found.profession + " " + found.channel, found.peer_group, "volume unknown " + found.channel)
    return found.mutate(peer_group=group, known_days=found.known_days.fill_null(0))


def _asked(rows: ir.Table, accounts: ir.Table, off_days: tuple[date, ...]) -> ir.Table:
    """What is compared of the rows, with peer group and kind of day."""
    found = _with_group(rows, accounts)
    kept = (*ACCOUNT_DAY, "minute", "peer_group", "known_days", "age_days", "code", *SIGNALS)
    return found.select(*(n for n in kept if n in found.columns), kind=_kind_of_day(found.day, off_days))


def _held(
    past: ir.Table, today: ir.Table, accounts: ir.Table, groups: ir.Table, off_days: tuple[date, ...]
) -> ir.Table:
    """The past by account-day and signal: numbers, the kind of day, and whether it is one of the last week."""
    numbers = accounts.inner_join(groups, "peer_group").select("account", "channel", "code", "group")
    rows = past.inner_join(numbers, ["account", "channel"])
    is_recent = today.day.max().as_scalar().delta(rows.day, unit="day") < WEEK
    kind = _kind_of_day(rows.day, off_days)
    return _long(rows.select("code", "group", *SIGNALS, kind=kind, is_recent=is_recent), SIGNALS)


def _kind_of_day(day: ir.DateValue, off_days: tuple[date, ...]) -> ir.IntegerValue:
    number = day.day_of_week.index()
    off = (number == 6) | (day.isin([ibis.literal(d, "date") for d in off_days]) if off_days else ibis.literal(False))
    return ibis.cases((off, _OFF), (number == 0, _MONDAY), (number == 5, _SATURDAY), else_=_WORKING)


def kind_of_day(day: date, *, off_days: tuple[date, ...]) -> int:
    """What kind of day it is for work, one of `KINDS_OF_DAY`."""
    if day.weekday() == 6 or day in off_days:
        return _OFF
    return {0: _MONDAY, 5: _SATURDAY}.get(day.weekday(), _WORKING)


def _long(rows: ir.Table, signals: tuple[str, ...]) -> ir.Table:
    """One row per row and signal: its value `x`, and where that stands on the scale of comparison, `g`."""
    rest = [name for name in rows.columns if name not in SIGNALS]
    cells = [ibis.struct({"signal": _NUMBERS[name], "x": rows[name].cast("float64")}) for name in signals]
    long = rows.select(*rest, cell=ibis.array(cells).unnest()).unpack("cell")
    return long.mutate(g=ibis.ifelse(_is_any(long, SHARES), long.x * SHARE_SCALE, stabilise(long.x)))


def _is_any(rows: ir.Table, signals: tuple[str, ...]) -> ir.BooleanValue:
    return rows.signal.isin([_NUMBERS[signal] for signal in signals])


def _means(
    past: ir.Table, today: ir.Table, accounts: ir.Table, groups: ir.Table, *, off_days: tuple[date, ...]
) -> ir.Table:
    """What is usual per peer group, kind of day and signal: shrunk to the group's mean, and that to everyone's."""
    keys = ["group", "kind", "signal"]
    held = _held(past, today, accounts, groups, off_days)
    grid = groups.select("group", kind=_each(KINDS_OF_DAY)).mutate(signal=_each(_NUMBERS.values()))
    found = attach(grid, held.group_by(keys).aggregate(n=_.g.count(), total=_.g.sum()), keys)
    sums = found.mutate(n=_.n.fill_null(0), total=_.total.fill_null(0.0))
    of_all, of_group = ibis.window(group_by="signal"), ibis.window(group_by=["signal", "group"])
    everyone = _.total.sum().over(of_all) / _.n.sum().over(of_all).nullif(0)
    group = _shrink(_.total.sum().over(of_group), _.n.sum().over(of_group), everyone, PRIOR_GROUP)
    return sums.mutate(group_mean=group).select(*keys, mean=_shrink(_.total, _.n, _.group_mean, PRIOR_GROUP))


def _each(numbers: Iterable[int]) -> ir.IntegerValue:
    """A row for each number."""
    return ibis.array(list(numbers)).unnest()


def _shrink(total: ir.Value, n: ir.Value, towards: ir.Value, weight: int) -> ir.Value:
    return (total + towards * weight) / (n + weight)


def _own(
    past: ir.Table,
    today: ir.Table,
    accounts: ir.Table,
    groups: ir.Table,
    means: ir.Table,
    *,
    off_days: tuple[date, ...],
) -> ir.Table:
    """Per account, channel and signal: how many days, the mean residual `m`, the squares around it `q`, and sums."""
    rows = _held(past, today, accounts, groups, off_days).inner_join(means, ["group", "kind", "signal"])
    residual = rows.g - rows.mean
    return (
        rows.mutate(residual=residual)
        .group_by(["code", "group", "signal"])
        .aggregate(
            n=_.residual.count(),
            m=_.residual.mean(),
            q=_.residual.var(how="pop") * _.residual.count(),
            top=_.g.max(),
            last=_.x.sum(where=_.is_recent),
            before=_.x.sum(where=~_.is_recent),
        )
    )


def _references(means: ir.Table, own: ir.Table, groups: ir.Table) -> ir.Table:
    """`means` with the variance within accounts `w` and between them `t`, each shrunk to everyone's.

    And with the peers' `rate`: what one of them has on a calendar day.
    """
    everyone = _variances(own, ["signal"]).select("signal", all_w=_.w, all_t=_.t)
    rows = attach(attach(means, everyone, "signal"), _variances(own, ["group", "signal"]), ["group", "signal"])
    rows = rows.inner_join(groups.select("group", "n_days"), "group")
    rows = rows.mutate(n=_.n.fill_null(0), w=_.w.fill_null(0.0), t=_.t.fill_null(0.0))
    return rows.select(
        "group",
        "kind",
        "signal",
        "mean",
        w=_shrink(_.w * _.n, _.n, _.all_w, PRIOR_ACCOUNTS),
        t=_shrink(_.t * _.n, _.n, _.all_t, PRIOR_ACCOUNTS),
        rate=(_.total / (_.n * _.n_days)).fill_null(0.0),
    )


def _variances(own: ir.Table, keys: list[str]) -> ir.Table:
    """Within: pooled squares over their degrees of freedom. Between: what the means vary beyond their own noise."""
    sums = own.group_by(keys).aggregate(
        n=_.count(),
        degrees=ibis.greatest(_.n - 1, 0).sum(),
        squares=_.q.sum(),
        inverse=(1.0 / _.n.nullif(0)).mean(),
        between=_.m.var(how="pop"),
        total=(_.last.fill_null(0.0) + _.before.fill_null(0.0)).sum(),
    )
    within = ibis.greatest(sums.squares / ibis.greatest(sums.degrees, 1), MIN_SPREAD**2 / 4)
    between = ibis.greatest(sums.between - within * sums.inverse, MIN_BETWEEN)
    return sums.select(*keys, "n", "total", w=within, t=between)


def _expect(
    rows: ir.Table,
    accounts: ir.Table,
    groups: ir.Table,
    own: ir.Table,
    references: ir.Table,
    *,
    off_days: tuple[date, ...],
) -> ir.Table:
    """Each signal's `centre` and predictive `spread`, from what the group and the account itself showed."""
    asked = _asked(rows, accounts, off_days).inner_join(groups, "peer_group")
    long = _long(asked, tuple(name for name in SIGNALS if name in rows.columns))
    known = attach(long, references, ["group", "kind", "signal"])
    known = attach(known, own.drop("group"), ["code", "signal"])
    # A signal of which the past knows nothing, as on the first day of a new column, has nothing to be compared with.
    known = known.mutate(**{name: ibis.ifelse(known.mean.isnull(), None, known[name]) for name in ("x", "g")})
    n = known.n.fill_null(0)
    ownness = known.t / (n * known.t + known.w)
    within = (known.w * PRIOR_DAYS + known.q.fill_null(0.0)) / (ibis.greatest(n - 1, 0) + PRIOR_DAYS)
    return known.mutate(
        centre=known.mean + known.m.fill_null(0.0) * n * ownness,
        spread=_floor((within + known.w * ownness).sqrt()),
        last=known.last.fill_null(0.0),
        before=known.before.fill_null(0.0),
    )


def _day_effect(rows: ir.Table) -> ir.Value:
    """By how much a peer group as a whole is off on the day."""
    group = ibis.window(group_by=["group", "signal"])
    excess = ((rows.g - rows.centre) / rows.spread).clip(-DAY_EFFECT_CLIP, DAY_EFFECT_CLIP) * rows.spread
    return excess.sum().over(group).fill_null(0.0) / (rows.g.count().over(group) + PRIOR_ACCOUNTS)


def _judge(rows: ir.Table, *, has_day_effect: bool) -> ir.Table:
    """The table of deviations, from what was expected."""
    rows = rows.mutate(effect=_day_effect(rows) if has_day_effect else ibis.literal(0.0))
    over, expected = rows.g - rows.effect, unstabilise(rows.centre + rows.effect)
    is_known = rows.known_days >= MIN_KNOWN_DAYS
    days_before = ibis.greatest(ibis.least(rows.age_days, MONTH) - (WEEK - 1), 0)
    week_rate = (rows.before + rows.rate * WEEK) / (days_before + WEEK)
    excesses = {
        "own": (over - rows.centre) / rows.spread,
        "largest": ibis.ifelse(is_known, (over - rows.top) / _floor(rows.w.sqrt()), None),
        "peers": (over - rows.mean) / _floor((rows.w + rows.t).sqrt()),
        "absolute": ibis.ifelse(over.isnull(), None, (ibis.greatest(rows.x - expected, 0.0) + 1).ln()),
        # The last 7 days against the 21 before, and the peers' daily rate as if it were 7 more days.
        "week": stabilise(rows.last + rows.x) - stabilise(week_rate * WEEK),
        "month": stabilise(rows.before + rows.last + rows.x) - stabilise(rows.rate * MONTH),
    }
    return _pivot(rows.mutate(**{kind: _clip(excess) for kind, excess in excesses.items()}), EXCESSES)


def _day_by_signal(today: ir.Table, *, off_days: tuple[date, ...]) -> ir.Table:
    return _long(_asked(today, _accounts(today.limit(0)), off_days), PEERS)


def _compare_with_peers(rows: ir.Table) -> ir.Table:
    """By the marks of the peer group, or of everyone on the channel where the group is small.

    Else whoever is the only one of its profession would be its own measure, and never strange.
    """
    own, all_of = ["peer_group", "signal"], ["channel", "signal"]
    marks = rows.group_by(own).aggregate(n=_.g.count(), median=_.g.quantile(0.5), high=_.g.quantile(0.9))
    everyone = rows.group_by(all_of).aggregate(all_median=_.g.quantile(0.5), all_high=_.g.quantile(0.9))
    compared = attach(attach(rows, marks, own), everyone, all_of)
    is_small = compared.n < MIN_PEERS
    median = ibis.ifelse(is_small, compared.all_median, compared.median)
    high = ibis.ifelse(is_small, compared.all_high, compared.high)
    excess = (compared.g - median) / _floor(high - median)
    return _pivot(compared.mutate(peers=_clip(excess)), {"peers": PEERS})


def _clip(excess: ir.Value) -> ir.Value:
    """What falls short counts as nothing; what is null stays null."""
    return ibis.ifelse(excess.isnull(), None, ibis.greatest(excess, 0.0))


def _floor(spread: ir.Value) -> ir.Value:
    return ibis.greatest(spread, MIN_SPREAD)


def _pivot(rows: ir.Table, kinds: Mapping[str, tuple[str, ...]]) -> ir.Table:
    """One row per account-day (and minute); a kind of deviation that is not among `kinds` is null."""
    found = {
        f"{signal}__{kind}": rows[kind].max(where=rows.signal == _NUMBERS[signal])
        for kind, signals in kinds.items()
        for signal in signals
    }
    minute = [name for name in rows.columns if name == "minute"]
    wide = rows.group_by([*minute, *ACCOUNT_DAY, "peer_group", "known_days"]).aggregate(**found)
    rest = {name: ibis.null("float64") for name in NAMES if name not in found}
    return wide.mutate(**rest).select(*minute, *DEVIATIONS.names)
