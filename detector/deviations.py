"""Account-days → deviations: by how much each signal exceeds what its strict past, and its peers, led to expect.

Counts are compared on a scale on which their spread hardly depends on their size (`stabilise`). On it, an account-day
is expected at: its peer group's mean for such a day of the week, plus the account's own effect, shrunk towards zero by
how few days it was seen (a normal hierarchical model: Gelman et al., Bayesian Data Analysis, chapter 5), plus what its
peers show on the very day. What exceeds this, in units of the predictive spread, is the deviation, clipped at zero: a
quiet day is never stranger than a usual one.
"""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from detector.aggregates import ACCOUNT_DAY
from detector.joins import attach
from detector.schema import Column, Table, account_day_columns

PRIOR_DAYS = 10
"""An account's own spread weighs as much as its peers' after this many days: two working weeks."""
PRIOR_GROUP = 50
"""A peer group's mean weighs as much as everyone's after this many account-days."""
MIN_SPREAD = 0.5
"""Half of what a Poisson count has on this scale: a signal that never moved is not certain never to move."""
PRIOR_ACCOUNTS = 20
"""A peer group's spread between accounts, and its effect of the day, weigh half with this many accounts."""
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
ABSOLUTE = ("records", "foreign_records", "writes", "foreign_writes")
WEEKLY = ("records", "new_records", "foreign_records", "writes", "foreign_writes")
MONTHLY = ("foreign_records", "foreign_writes")
SHARES = ("regularity",)
SHARE_SCALE = 10.0
"""A tenth more of the day counts as one."""
SIGNALS = (*COUNTS, *SHARES)
LONG = tuple(dict.fromkeys((*WEEKLY, *MONTHLY)))
KINDS = ("monday", "working", "saturday", "off")

NAMES: tuple[str, ...] = (
    *(f"{name}__own" for name in (*COUNTS, *SHARES)),
    *(f"{name}__largest" for name in LARGEST),
    *(f"{name}__peers" for name in PEERS),
    *(f"{name}__absolute" for name in ABSOLUTE),
    *(f"{name}__week" for name in WEEKLY),
    *(f"{name}__month" for name in MONTHLY),
)
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
    held = _scale(past, past, off_days).cache()
    asked = _scale(today, past, off_days).cache()
    means = _means(held, asked).cache()
    own = _own(held, means).cache()
    rows = _expect(asked, means, _spreads(own, means), own).cache()
    rows = rows.inner_join(_day_effects(rows), "peer_group")
    rows = _add_long_sums(rows, held).mutate(**_clip(_excesses()))
    return rows.select(*DEVIATIONS.names)


def peer_deviations(today: ir.Table, *, off_days: tuple[date, ...] = ()) -> ir.Table:
    """Without any history: compare account-days with their peers of the same day, by median and 90th percentile.

    Order statistics barely move with the tested row, which is one of its own peers here. Every other kind of deviation
    is null, and known days are zero. The table is `DEVIATIONS`, lazy.
    """
    asked = _scale(today, today.limit(0), off_days).cache()
    marks = {f"median_{f}": _[_g(f)].quantile(0.5) for f in PEERS}
    marks |= {f"high_{f}": _[_g(f)].quantile(0.9) for f in PEERS}
    groups = asked.group_by(["peer_group", "day"]).aggregate(**marks)
    rows = asked.inner_join(groups, ["peer_group", "day"])
    excess = {f"{f}__peers": (_[_g(f)] - _[f"median_{f}"]) / _floor(_[f"high_{f}"] - _[f"median_{f}"]) for f in PEERS}
    rest = {name: ibis.null("float64") for name in NAMES if name not in excess}
    return rows.mutate(known_days=ibis.literal(0, "int64"), **_clip(excess), **rest).select(*DEVIATIONS.names)


def stabilise(counts: ir.Value | ibis.Deferred) -> ir.Value:
    """2√k asinh √(x/k): on it a negative binomial count of size k has a spread of about one (Anscombe, 1948)."""
    root = (counts.cast("float64") / CLUMPING).sqrt()
    return (root + (root * root + 1).sqrt()).ln() * (2 * CLUMPING**0.5)


def unstabilise(scaled: ir.Value | ibis.Deferred) -> ir.Value:
    """The count that `stabilise` puts there; none for what lies below zero."""
    half = ibis.greatest(scaled, 0.0) / (2 * CLUMPING**0.5)
    sinh = (half.exp() - (-half).exp()) / 2
    return sinh * sinh * CLUMPING


def _g(name: str) -> str:
    return f"g_{name}"


def _floor(spread: ir.Value) -> ir.Value:
    return ibis.greatest(spread, MIN_SPREAD)


def _clip(excesses: dict[str, ir.Value]) -> dict[str, ir.Value]:
    """What falls short counts as nothing; what is null stays null."""
    return {name: ibis.ifelse(excess.isnull(), None, ibis.greatest(excess, 0.0)) for name, excess in excesses.items()}


def _scale(days: ir.Table, past: ir.Table, off_days: tuple[date, ...]) -> ir.Table:
    """Account-days with peer group, kind of day, and each signal on the scale of comparison."""
    volumes = past.group_by(["account", "channel"]).aggregate(volume=stabilise(_.lookups).mean())
    rows = attach(days, volumes, ["account", "channel"])
    level = ibis.ifelse(_.volume.isnull(), "unknown", (_.volume / 3).floor().cast("int64").cast("string"))
    values = {_g(name): stabilise(_[name]) for name in COUNTS} | {_g(name): _[name] * SHARE_SCALE for name in SHARES}
    group = ibis.coalesce(_.profession, "volume " + level) + " " + _.channel
    return rows.mutate(peer_group=group, kind=_kind_of_day(rows.day, off_days), **values)


def _kind_of_day(day: ir.DateValue, off_days: tuple[date, ...]) -> ir.StringValue:
    number = day.day_of_week.index()
    off = (number == 6) | (day.isin([ibis.literal(d, "date") for d in off_days]) if off_days else ibis.literal(False))
    return ibis.cases((off, "off"), (number == 0, "monday"), (number == 5, "saturday"), else_="working")


def _means(held: ir.Table, asked: ir.Table) -> ir.Table:
    """What is usual per peer group and kind of day: shrunk to the group's mean, and that to everyone's."""
    groups = ibis.union(held.select("peer_group"), asked.select("peer_group"), distinct=True)
    grid = groups.cross_join(ibis.memtable({"kind": list(KINDS)}))
    everyone = held.aggregate(**{f"all_{f}": _[_g(f)].mean() for f in SIGNALS})
    for keys, mark in ((["peer_group"], "group"), (["peer_group", "kind"], "kind")):
        sums = {f"{mark}_n_{f}": _[_g(f)].count() for f in SIGNALS} | {
            f"{mark}_sum_{f}": _[_g(f)].sum() for f in SIGNALS
        }
        grid = attach(grid, held.group_by(keys).aggregate(**sums), keys)
    grid = grid.cross_join(everyone)
    grid = grid.mutate(**{f"group_{f}": _shrink("group", f, f"all_{f}") for f in SIGNALS})
    return grid.select("peer_group", "kind", **{f"mean_{f}": _shrink("kind", f, f"group_{f}") for f in SIGNALS})


def _shrink(mark: str, name: str, towards: str) -> ir.Value:
    total, n = _[f"{mark}_sum_{name}"].fill_null(0.0), _[f"{mark}_n_{name}"].fill_null(0)
    return (total + _[towards] * PRIOR_GROUP) / (n + PRIOR_GROUP)


def _own(held: ir.Table, means: ir.Table) -> ir.Table:
    """Per account and channel: how many days, the mean residual, and the squares around it."""
    rows = held.inner_join(means, ["peer_group", "kind"])
    residuals = {f"r_{f}": _[_g(f)] - _[f"mean_{f}"] for f in SIGNALS}
    sums = {f"n_{f}": _[f"r_{f}"].count() for f in SIGNALS} | {f"m_{f}": _[f"r_{f}"].mean() for f in SIGNALS}
    sums |= {f"q_{f}": _[f"r_{f}"].var(how="pop") * _[f"r_{f}"].count() for f in SIGNALS}
    tops = {f"top_{f}": _[_g(f)].max() for f in LARGEST}
    grouped = rows.mutate(**residuals).group_by(["account", "channel"])
    return grouped.aggregate(peer_group=_.peer_group.max(), known_days=_.count(), **sums, **tops)


def _spreads(own: ir.Table, means: ir.Table) -> ir.Table:
    """Per peer group: variance within accounts (`w_`) and between them (`t_`), each shrunk to everyone's."""
    per_group = own.group_by("peer_group").aggregate(n_accounts=_.count(), **_variances())
    everyone = own.aggregate(**{f"all_{name}": value for name, value in _variances().items()})
    rows = attach(means.select("peer_group").distinct(), per_group, "peer_group")
    n = _.n_accounts.fill_null(0)
    shrunk = {
        name: (_[name].fill_null(0.0) * n + _[f"all_{name}"] * PRIOR_ACCOUNTS) / (n + PRIOR_ACCOUNTS)
        for name in _variances()
    }
    return rows.cross_join(everyone).select("peer_group", **shrunk)


def _variances() -> dict[str, ir.Value]:
    """Within: pooled squares over their degrees of freedom. Between: what the means vary beyond their own noise."""
    found = {}
    for f in SIGNALS:
        degrees = ibis.greatest(ibis.greatest(_[f"n_{f}"] - 1, 0).sum(), 1)
        within = ibis.greatest(_[f"q_{f}"].sum() / degrees, MIN_SPREAD**2 / 4)
        noise = within * (1.0 / _[f"n_{f}"].nullif(0)).mean()
        found[f"w_{f}"] = within
        found[f"t_{f}"] = ibis.greatest(_[f"m_{f}"].var(how="pop") - noise, MIN_BETWEEN)
    return found


def _expect(asked: ir.Table, means: ir.Table, spreads: ir.Table, own: ir.Table) -> ir.Table:
    """Each signal's centre and predictive spread, from what the group and the account itself showed."""
    rows = asked.inner_join(means, ["peer_group", "kind"])
    rows = rows.inner_join(spreads, "peer_group")
    rows = attach(rows, own.drop("peer_group"), ["account", "channel"])
    rows = rows.mutate(known_days=_.known_days.fill_null(0))
    return rows.mutate(
        **{f"centre_{f}": _centre(f) for f in SIGNALS}, **{f"spread_{f}": _predictive_spread(f) for f in SIGNALS}
    )


def _centre(name: str) -> ir.Value:
    n, within, between = _[f"n_{name}"].fill_null(0), _[f"w_{name}"], _[f"t_{name}"]
    return _[f"mean_{name}"] + _[f"m_{name}"].fill_null(0.0) * (n * between / (n * between + within))


def _predictive_spread(name: str) -> ir.Value:
    n, within, between = _[f"n_{name}"].fill_null(0), _[f"w_{name}"], _[f"t_{name}"]
    own = (within * PRIOR_DAYS + _[f"q_{name}"].fill_null(0.0)) / (ibis.greatest(n - 1, 0) + PRIOR_DAYS)
    return _floor((own + between * within / (n * between + within)).sqrt())


def _day_effects(rows: ir.Table) -> ir.Table:
    """By how much a peer group as a whole is off on the day, per signal."""
    effects = {}
    for f in SIGNALS:
        excess = (_[_g(f)] - _[f"centre_{f}"]) / _[f"spread_{f}"]
        clipped = ibis.least(ibis.greatest(excess, -DAY_EFFECT_CLIP), DAY_EFFECT_CLIP) * _[f"spread_{f}"]
        effects[f"effect_{f}"] = (clipped.sum() / (_[_g(f)].count() + PRIOR_ACCOUNTS)).fill_null(0.0)
    return rows.group_by("peer_group").aggregate(**effects)


def _excesses() -> dict[str, ir.Value]:
    over = {f: _[_g(f)] - _[f"effect_{f}"] for f in SIGNALS}
    own = {f"{f}__own": (over[f] - _[f"centre_{f}"]) / _[f"spread_{f}"] for f in SIGNALS}
    peers = {f"{f}__peers": (over[f] - _[f"mean_{f}"]) / _floor((_[f"w_{f}"] + _[f"t_{f}"]).sqrt()) for f in PEERS}
    known = _.known_days >= MIN_KNOWN_DAYS
    largest = {
        f"{f}__largest": ibis.ifelse(known, (over[f] - _[f"top_{f}"]) / _floor(_[f"w_{f}"].sqrt()), None)
        for f in LARGEST
    }
    absolute = {
        f"{f}__absolute": (ibis.greatest(_[f] - unstabilise(_[f"centre_{f}"] + _[f"effect_{f}"]), 0.0) + 1).ln()
        for f in ABSOLUTE
    }
    return own | peers | largest | absolute | _long_excesses()


def _long_excesses() -> dict[str, ir.Value]:
    """The last 7 days against the 21 before (and the peers' rate, as if 7 more days), 28 days against the peers."""
    before = ibis.greatest(ibis.least(_.age_days, MONTH) - (WEEK - 1), 0)
    found = {}
    for f in WEEKLY:
        rate = (_[f"before_{f}"].fill_null(0) + _[f"rate_{f}"] * WEEK) / (before + WEEK)
        found[f"{f}__week"] = stabilise(_[f"last_{f}"].fill_null(0) + _[f]) - stabilise(rate * WEEK)
    for f in MONTHLY:
        total = _[f"before_{f}"].fill_null(0) + _[f"last_{f}"].fill_null(0) + _[f]
        found[f"{f}__month"] = stabilise(total) - stabilise(_[f"rate_{f}"] * MONTH)
    return found


def _add_long_sums(rows: ir.Table, held: ir.Table) -> ir.Table:
    """Sums over the 6 days before (`last_`), the 22 before those (`before_`), and the peers' rate a calendar day."""
    age = rows.day.max().as_scalar().delta(held.day, unit="day")
    recent = {f"last_{f}": ibis.ifelse(age < WEEK, held[f], 0).sum() for f in LONG}
    earlier = {f"before_{f}": ibis.ifelse(age >= WEEK, held[f], 0).sum() for f in LONG}
    own = held.group_by(["account", "channel"]).aggregate(**recent, **earlier)
    n_days = ibis.greatest(held.day.nunique(), 1)
    rates = held.group_by("peer_group").aggregate(
        **{f"rate_{f}": (held[f].sum() / (held.account.nunique() * n_days)).fill_null(0.0) for f in LONG}
    )
    joined = attach(attach(rows, own, ["account", "channel"]), rates, "peer_group")
    return joined.mutate(**{f"rate_{f}": _[f"rate_{f}"].fill_null(0.0) for f in LONG})
