"""Early warning: the minute at which an account-day would have alerted, had it been judged every minute.

A whole day of many small oddities cannot be judged before it is over; a theft can. A few counts that honest bulk work
hardly moves are held against whole account-days of the past. The sharpest are of strangers read from a source new to
the account: those for whom no known patient vouches, and by how many those from all over the country exceed those of
the commonest place; those written to, and those asked for by a script or within a session opened elsewhere. Beside
them stand foreign records, writes to them, and look-ups in vain beyond what is mistyped. Where the logs hold no record
tokens, all that a source new to the account does, and the writes among it, stand for them.
An account is told of in the first minute in which one of them exceeds what the extrapolated tail of the past
allows for. Nothing later in the day is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from datetime import date
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
from ibis import _
from numpy.typing import NDArray

from detector.aggregates import WRITES
from detector.alerting import MIN_STRANGEST, NEWCOMER_DAYS, AlertSettings, alert_threshold
from detector.joins import to_frame
from detector.model.tails import MIN_EXCESSES, TAIL_ROWS, fit_tails, rare_count, surprise
from detector.novelty import PAST_DAYS, mark_records, mark_sources, mark_strangers
from detector.schema import INSTANT, Column, Table

if TYPE_CHECKING:
    from detector.timeline import Timeline

Floats = NDArray[np.float64]

EARLY = Table(
    "early",
    "one row per account and day that an evaluation inside the day would have alerted",
    (
        Column("account", pa.string(), "the account"),
        Column("day", pa.date32(), "calendar day in the portal's zone"),
        Column("alert_at", INSTANT, "end of the first minute in which it would have alerted"),
        Column("records_so_far", pa.int64(), "look-ups and writes that succeeded by then"),
        Column("signal", pa.string(), "the signal that exceeded its limit most"),
    ),
    ("account", "day"),
)
PARTS = (
    "stranger_records",
    "far_strangers",
    "stranger_writes",
    "odd_strangers",
    "met_records",
    "misses",
    "found",
)
"""Counts of which the contrasts are made."""
CONTRASTS = {
    "far_excess": "far_strangers",
    "lone_strangers": "stranger_records",
    "lone_writes": "stranger_writes",
    "lone_odd_strangers": "odd_strangers",
    "vain_lookups": "misses",
}
"""What is watched of them, and the count that it never exceeds."""
AS_COUNTED = ("foreign_writes", "foreign_records")
NAMELESS = ("busiest_hour", "new_source_uses", "new_agent_uses", "new_writes")
"""What is watched of a day whose records have no tokens, null on any other: look-ups of the busiest hour, look-ups and
writes from a rare network new to the account, those with an agent new to it, and so many of its writes as may be among
either. Where tokens tell whose records are read, an hour of many look-ups is a robot's or a screening's."""
NAMED = (*CONTRASTS, *AS_COUNTED)
"""What is watched of a day whose records have tokens; look-ups in vain of any."""
WATCHED = (*NAMED, *NAMELESS)
"""Signals that have a limit, counted from minute to minute; each is null where the logs cannot tell it, and then never
warns."""
OF_NEWCOMERS = {
    "portal": ("far_excess", "lone_writes", "lone_odd_strangers", "vain_lookups", "foreign_writes"),
    "software": ("far_excess", "foreign_writes"),
}
"""What is watched of newcomers: to them all is foreign, nobody vouches for anybody on a first day, and a robot's first
batches are strangers by the thousand."""
MIN_PAST_DAYS = PAST_DAYS // 2
"""Account-days compared with less than half of the past that novelty wants are no measure: too much was new to them.
Where enough were compared with all of it, they alone are."""
MIN_LIMIT = 5
"""Fewer records than this are no extraction, however quiet the past was."""
MIN_LONE = 40
"""Strangers whom nobody vouches for, of whom one in two hundred screenings from a new machine begins with as many where
one person in eight is known: (7/8)^40. A month of a portal of 3,000 accounts holds one such day or none, so that
its tail does not tell of them."""
BLUNT, BLUNT_ROWS = NAMELESS, MIN_EXCESSES - 1
"""Counts that bulk work moves: ordinary days and bulk days are two things, and a tail that begins among the former says
nothing of the latter. So few of the largest are bulk days all, and their tail is taken to be exponential."""
N_SHARING = 6
"""Signals that share the rate of false warnings: so many are watched of days with tokens beside `lone_strangers`, whose
limit is another (`MIN_LONE`); of those without, five."""
MINUTE = "min"
_PLACE = ["account", "channel"]
_GROUP = ["channel", "is_newcomer"]


def early_alerts(
    timeline: Timeline, day: date, *, n_accounts: int, settings: AlertSettings, limits: pd.DataFrame | None = None
) -> pd.DataFrame:
    """When each account would have alerted within a day.

    Parameters
    ----------
    timeline
        Days; the day must be one of its input's.
    day
        The day.
    n_accounts
        Accounts that are usually active on a day, among which a false alert is one too many.
    settings
        `early_rate`, which the signals share.
    limits
        `find_limits` of the day's past, where they are known already.

    Returns
    -------
    pd.DataFrame
        The `EARLY` table; no row for an account that never exceeded a limit.
    """
    events = timeline.events_of(day)
    if limits is None:
        limits = find_limits(timeline.past(day).account_days, n_accounts=n_accounts, settings=settings)
    if events is None or limits.empty:
        return _none()
    # No running count exceeds the day's own: who stays below every limit by then need not be followed.
    counts = bounds_of(timeline.account_days(day))
    least = {name: limit for name, limit in limits.min().items() if np.isfinite(limit)}
    near = [(counts[str(name)] >= limit).fill_null(False) for name, limit in least.items()]
    whole = to_frame(counts.filter(ibis.or_(*near))) if near else _none()
    asked = [] if whole.empty else _that_exceed(whole, limits)
    if not asked:
        return _none()
    running = _running(timeline, day, events, accounts=asked)
    running = running.merge(whole[[*_PLACE, "active_days", "is_named"]], on=_PLACE, how="left")
    running[list(NAMELESS)] = running[list(NAMELESS)].mask(running.pop("is_named").eq(True))
    ratios = _ratios(running, limits)
    rows = running[[*_PLACE, "minute", "done"]].assign(ratio=ratios.max(axis=1), signal=ratios.idxmax(axis=1))
    return _first(rows[rows["ratio"] >= 1], day)


def bounds_of(account_days: ir.Table) -> ir.Table:
    """What no signal of `WATCHED` exceeds at any minute, under its name; null where it cannot be told.

    Returns
    -------
    ir.Table
        One row per row given: `account`, `channel`, `active_days`, `is_named` (records have tokens) and `WATCHED`.
    """
    rows = _with_nameless(account_days)
    bounds = {name: CONTRASTS.get(name, name) for name in WATCHED}
    return rows.select(*_PLACE, "active_days", is_named=rows.foreign_records.notnull(), **bounds)


def _with_nameless(rows: ir.Table) -> ir.Table:
    """Account-days with `NAMELESS`. Where no source is logged, any write may be from a new one."""
    uses = ibis.greatest(rows.new_source_uses, rows.new_agent_uses)
    counts = (rows.busiest_hour, rows.new_source_uses, rows.new_agent_uses, ibis.least(rows.writes, uses))
    is_named = rows.foreign_records.notnull()
    values = dict(zip(NAMELESS, counts, strict=True))
    return rows.mutate(**{name: ibis.ifelse(is_named, None, value) for name, value in values.items()})


def find_limits(past: ir.Table, *, n_accounts: int, settings: AlertSettings) -> pd.DataFrame:
    """Counts from which an account is told of, by channel: so rare that `early_rate` accounts a day reach one.

    Newcomers, all of whose records are new, are compared with newcomers. Where too few tell a signal, the comparison is
    with everybody of the channel.

    Parameters
    ----------
    past
        `account_days` of the days before.
    n_accounts
        Accounts active on a day.

    Returns
    -------
    pd.DataFrame
        Indexed by channel and `is_newcomer`, one column per signal of `WATCHED`; infinite where the past is too short
        or cannot tell. A robot's batches are as large as there is work: its busiest hour has no limit.
    """
    return limits_of(compared_days(past), n_accounts=n_accounts, settings=settings)


def compared_days(past: ir.Table) -> pd.DataFrame:
    """Account-days of a past that limits are drawn from: how many (`n`) there are of each kind and set of counts.

    Those with a whole past behind them, of channels that have enough of these; of the others all.
    """
    told = _with_nameless(past.filter(past.past_days >= MIN_PAST_DAYS))
    told = told.mutate(
        found=told.lookups - told.misses,
        past_days=ibis.least(told.past_days, PAST_DAYS),
        active_days=ibis.least(told.active_days.fill_null(0), NEWCOMER_DAYS),
    )
    # Most account-days are like many others: they are counted where they are, and each kind is looked at once.
    kinds = told.group_by(["channel", "past_days", "active_days", *PARTS, *AS_COUNTED, *NAMELESS])
    rows = to_frame(kinds.aggregate(n=_.count()))
    is_full = rows["past_days"] >= PAST_DAYS
    n_full = rows["n"].where(is_full, 0).groupby(rows["channel"]).transform("sum")
    return _with_age(with_contrasts(rows[is_full | (n_full < MIN_STRANGEST)]))


def limits_of(rows: pd.DataFrame, *, n_accounts: int, settings: AlertSettings) -> pd.DataFrame:
    """`find_limits` of what `compared_days` found.

    What the bulk does not explain is no measure here either: one day of three hundred strangers, judged benign or never
    noticed, would hide everything that is smaller from everybody.
    """
    rows = rows[~_stands_out(rows)]
    rate = settings.early_rate / N_SHARING
    found = {}
    for (channel, is_newcomer), of_group in rows.groupby(_GROUP):
        everybody = rows[rows["channel"] == channel]
        settled = [name for name in WATCHED if (channel, name) != ("software", "busiest_hour")]
        watched = OF_NEWCOMERS.get(str(channel), settled) if bool(is_newcomer) else settled
        found[channel, is_newcomer] = {
            name: _limit(name, [_repeated(part, name) for part in (of_group, everybody)], n_tests=n_accounts, rate=rate)
            for name in watched
        }
    index = pd.MultiIndex.from_tuples(list(found) or [(None, None)], names=_GROUP)[: len(found)]
    return pd.DataFrame(list(found.values()), index=index, columns=list(WATCHED), dtype="float64").fillna(np.inf)


def count_watched(rows: pd.DataFrame, *, channels: Iterable[str], nameless: Collection[str] = ()) -> pd.DataFrame:
    """How far the past of each channel goes towards a limit.

    Parameters
    ----------
    rows
        What `compared_days` found.
    channels
        Those in use.
    nameless
        Those whose look-ups tell no records on the day: limits of what records tell serve nobody there.

    Returns
    -------
    pd.DataFrame
        One row per channel, by name: `channel`, `account_days` that tell the signal of `WATCHED` that most tell, and
        `needed`, without which no signal has a limit and nobody on the channel is warned of early.
    """
    told = rows[list(WATCHED)].notna().mul(rows["n"], axis=0).groupby(rows["channel"]).sum()
    told.loc[told.index.isin(list(nameless)), list(NAMED)] = 0
    counts = told.max(axis=1).reindex(sorted(set(channels))).fillna(0).astype("int64")
    return pd.DataFrame({"channel": counts.index, "account_days": counts.to_numpy(), "needed": MIN_STRANGEST})


def find_thefts(past: pd.DataFrame) -> pd.DataFrame:
    """Account-days of a past that may hold attacks whose sharpest counts the bulk of that past does not explain.

    Limits drawn from a past with thefts in it lie above them, and hide the next. So the tail of each of `SHARP` is
    fitted without the largest `LARGEST` of the group's account-days (of the channel's, where the group has too few),
    and what it gives less than one of is a theft.
    Counts that honest bulk work reaches too, such as foreign records, are no ground to leave an account-day out.

    Parameters
    ----------
    past
        Columns `COUNTED` of `ACCOUNT_DAYS`, one row per account, channel and day.

    Returns
    -------
    pd.DataFrame
        `account` and `day`, each pair once.
    """
    rows = past[past["past_days"] >= MIN_PAST_DAYS]
    left = rows = _with_age(with_contrasts(rows.assign(found=rows["lookups"] - rows["misses"], n=1)))
    # Twice: what some thefts hide behind others stands out once these are gone. No oftener: where honest days have a
    # tail, each time takes a part of it.
    for _pass in range(2):
        left = left[~_stands_out(left)]
    return rows.loc[rows.index.difference(left.index), ["account", "day"]].drop_duplicates(ignore_index=True)


def _stands_out(rows: pd.DataFrame) -> pd.Series:
    """Whether the bulk of its group gives less than one of an account-day's sharpest counts."""
    found = pd.Series(False, index=rows.index)
    for _group, of_group in rows.groupby(_GROUP):
        everybody = rows[rows["channel"] == of_group["channel"].iloc[0]]
        for name in SHARP:
            told = [_repeated(part, name) for part in (of_group, everybody)]
            usual = next((values for values in told if len(values) >= MIN_STRANGEST), None)
            if usual is None:
                continue
            bulk = _with_one(usual[usual <= np.quantile(usual, 1 - LARGEST)])
            counts = of_group[name].fillna(0.0).to_numpy(dtype=np.float64)
            rare = surprise(fit_tails(bulk[:, None]), counts[:, None])[:, 0] >= math.log(len(usual))
            found[of_group.index] |= rare & (counts >= MIN_LIMIT)
    return found


def _with_one(counts: Floats) -> Floats:
    """Counts of account-days and, beside them, a count of one: never seen among so many, it is rare all the same."""
    return np.append(counts, 1.0)


SHARP = ("far_excess", "lone_writes", "lone_odd_strangers", "vain_lookups", "foreign_writes")
"""Signals of `WATCHED` that honest account-days hardly ever have at all: one never seen is rare, and their tail is that
of a count. One fitted to hundreds of ones as if they were no whole numbers says that forty are as likely as five."""
LARGEST = 0.005
"""More account-days than are attacked, even where one in five hundred is."""
COUNTED = ("account", "channel", "day", "past_days", "active_days", "lookups", *PARTS[:-1], *AS_COUNTED)
"""What `find_thefts` needs of `ACCOUNT_DAYS`."""


def with_contrasts(counts: pd.DataFrame) -> pd.DataFrame:
    """Counts (`PARTS`, foreign writes) with `CONTRASTS`; null where what they are made of cannot be told.

    A practice that reads its area from a new machine has far strangers by the dozen, but near ones by the hundred, and
    known patients among them. So has who moves on with a session, from one network to another. Of foreign writes those
    are left that look-ups do not bring.
    """
    strangers, far, written, odd, met, misses, found = (counts[name].astype("float64") for name in PARTS)
    vouched, found = MET_OF_FAR * met.fillna(0.0), found.fillna(0.0)
    return counts.assign(
        far_excess=(2 * far - strangers - vouched).clip(lower=0.0),
        lone_strangers=(strangers - MET_OF_ALL * met.fillna(0.0)).clip(lower=0.0),
        lone_writes=(written - vouched).clip(lower=0.0),
        lone_odd_strangers=(odd - vouched).clip(lower=0.0),
        vain_lookups=(misses - MISSED * found).clip(lower=0.0),
        foreign_writes=(counts["foreign_writes"].astype("float64") - WRITTEN * found).clip(lower=0.0),
    )


MET_OF_FAR, MET_OF_ALL = 2, 7
"""Strangers for whom one met record vouches, among those from elsewhere and among all: of the people at a screening one
in six or eight is known."""
MISSED = 0.1
"""Look-ups in vain for each that finds somebody: people mistype one number in thirty, and busy ones hardly one in ten;
of made-up numbers a third and more belong to nobody."""
WRITTEN = 0.01
"""Writes to foreign people for each look-up that finds somebody: a desk that sees a thousand people a day writes to
some whom nobody knows, a practice with thirty hardly to one."""


def _repeated(counted: pd.DataFrame, name: str) -> Floats:
    """The values of a column that can be told, each as often as it was counted."""
    told = counted[counted[name].notna()]
    return np.repeat(told[name].to_numpy(dtype=np.float64), told["n"].to_numpy(dtype=np.int64))


def _limit(name: str, pasts: list[Floats], *, n_tests: int, rate: float) -> float:
    """From the first past that is long enough; infinite without one."""
    past = next((values for values in pasts if len(values) >= MIN_STRANGEST), None)
    if past is None:
        return np.inf
    if name in SHARP:
        found = rare_count(_with_one(past), probability=rate / max(n_tests, 1))
    else:
        found = alert_threshold(past, n_tests=n_tests, rate=rate, tail_rows=BLUNT_ROWS if name in BLUNT else TAIL_ROWS)
    return max(math.ceil(found), MIN_LONE if name == "lone_strangers" else MIN_LIMIT)


def _with_age(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(is_newcomer=rows["active_days"].fillna(0) < NEWCOMER_DAYS)


def _ratios(counts: pd.DataFrame, limits: pd.DataFrame) -> pd.DataFrame:
    """Each count, divided by its limit; a count that cannot be told, or has no limit, exceeds nothing."""
    groups = pd.MultiIndex.from_frame(_with_age(counts)[_GROUP])
    allowed = limits.reindex(groups).set_index(counts.index)
    return (counts[list(WATCHED)].astype("float64") / allowed).fillna(0.0)


def _that_exceed(rows: pd.DataFrame, limits: pd.DataFrame) -> list[str]:
    """Accounts that exceed a limit by the end of the day: no other can have done so within it."""
    return sorted(rows.loc[(_ratios(rows, limits) >= 1).any(axis=1), "account"].unique())


def _running(timeline: Timeline, day: date, events: ir.Table, *, accounts: list[str]) -> pd.DataFrame:
    chosen = ibis.memtable({"account": accounts})
    today, past = timeline.today(day), timeline.past(day)
    sources = mark_sources(today.sources.semi_join(chosen, "account"), past)
    records = mark_records(today.records.semi_join(chosen, "account"), past)
    marked = mark_strangers(records, sources, past)
    return count_minutes(events.semi_join(chosen, "account"), records=to_frame(marked), sources=to_frame(sources))


def count_minutes(events: ir.Table, *, records: pd.DataFrame, sources: pd.DataFrame) -> pd.DataFrame:
    """Running counts of the watched signals at the end of every minute with an event.

    Parameters
    ----------
    events
        Events of the accounts on the day.
    records, sources
        Their account-records and -sources of the day, marked with what is new (`detector.novelty`).

    Returns
    -------
    pd.DataFrame
        `account`, `channel`, `minute` (its start, UTC), `done` (successful look-ups and writes so far), and `WATCHED`,
        of which none ever falls.
    """
    deeds = _deeds(events, sources)
    keys = [*_PLACE, "minute"]
    touches = _first_touches(records, deeds)
    uses = ["new_source_uses", "new_agent_uses"]
    sums = deeds.groupby(keys)[["misses", "found", "done", "written", *uses]].sum()
    firsts = touches.groupby(keys)[list(_TOUCHED)].sum()
    minutes = sums.join(firsts, how="outer").fillna(0).reset_index().sort_values(keys)
    names = [name for name in minutes.columns if name not in keys]
    so_far = minutes.groupby(_PLACE)[names].cumsum()
    far = _scattered(touches[touches["stranger_records"]], minutes[keys])
    counted = with_contrasts(minutes[keys].assign(**so_far, far_strangers=far))
    counted["new_writes"] = counted[uses].max(axis=1).clip(upper=counted.pop("written"))
    looked = minutes["misses"] + minutes["found"]
    within_hour = looked.groupby([minutes[name] for name in _PLACE] + [minutes["minute"].dt.floor("h")]).cumsum()
    counted["busiest_hour"] = within_hour.groupby([minutes[name] for name in _PLACE]).cummax()
    # The most so far: who was met later takes nothing back.
    return counted.assign(**counted.groupby(_PLACE)[[*CONTRASTS, "foreign_writes"]].cummax())


def _deeds(events: ir.Table, sources: pd.DataFrame) -> pd.DataFrame:
    """Look-ups and writes with their minute, and whether they came from a source new to the account."""
    columns = ("account", "channel", "timestamp", "action", "outcome", "ip", "user_agent", "record")
    rows = to_frame(events.mutate(channel=_.channel.fill_null("portal")).select(*columns))
    success, lookup = rows["outcome"] == "success", rows["action"] == "lookup"
    write = rows["action"].isin(WRITES) & success
    source = [*_PLACE, "ip", "user_agent"]
    by = {
        name: (lookup | write) & _among(rows, sources.loc[is_new, source].drop_duplicates(), source)
        for name, is_new in _is_new(sources).items()
    }
    return rows.assign(
        minute=rows["timestamp"].dt.floor(MINUTE),
        misses=lookup & ~success,
        found=lookup & success,
        done=(lookup & success) | write,
        written=write,
        **by,
    )


def _is_new(sources: pd.DataFrame) -> dict[str, pd.Series]:
    """Which sources are new by their network, by their agent, at all, and at all where no person opened them.

    The third as in `detector.novelty.mark_strangers`: of an account without a known source, any rare network is new.
    """
    told = sources["is_new_network"].notna() | sources["is_new_agent"].notna()
    is_told = told.groupby([sources["account"], sources["channel"]]).transform("any")
    is_rare = sources["is_rare_network"].eq(True) & sources["network"].notna()
    by_network, by_agent = sources["is_new_network"].eq(True) & is_rare, sources["is_new_agent"].eq(True)
    by_any = (by_network | by_agent).where(is_told, is_rare)
    by_odd = by_any & sources["is_odd_source"].eq(True)
    return {"new_source_uses": by_network, "new_agent_uses": by_agent, "by_new": by_any, "by_odd": by_odd}


def _among(rows: pd.DataFrame, keys: pd.DataFrame, columns: list[str]) -> pd.Series:
    found = pd.MultiIndex.from_frame(rows[columns]).isin(pd.MultiIndex.from_frame(keys[columns]))
    return pd.Series(found, index=rows.index)


def _first_touches(records: pd.DataFrame, deeds: pd.DataFrame) -> pd.DataFrame:
    """A record counts from the minute in which it was first touched; as a stranger, if a new source touched it then."""
    first = [*_PLACE, "record", "first_at"]
    named = deeds.rename(columns={"timestamp": "first_at"})
    is_from_new, is_odd = (
        _among(records, named.loc[named[by], first].drop_duplicates(), first) for by in ("by_new", "by_odd")
    )
    foreign, shown, written = records["is_foreign"].eq(True), records["lookups"] > 0, records["writes"] > 0
    return records.assign(
        minute=records["first_at"].dt.floor(MINUTE),
        foreign_records=foreign & shown,
        foreign_writes=foreign & written,
        stranger_records=foreign & is_from_new,
        stranger_writes=foreign & is_from_new & written,
        odd_strangers=foreign & is_odd,
        met_records=records["is_foreign"].eq(False) & is_from_new,
    )


_TOUCHED = (
    "foreign_records",
    "foreign_writes",
    "stranger_records",
    "stranger_writes",
    "odd_strangers",
    "met_records",
)


def _scattered(touches: pd.DataFrame, minutes: pd.DataFrame) -> pd.Series:
    """Those of the touched records that were born elsewhere than most of them so far, at the end of each minute."""
    keys = [*_PLACE, "minute"]
    born = touches[touches["record_department"].notna()].sort_values("first_at")
    so_far = born.groupby(_PLACE).cumcount() + 1
    of_place = born.groupby([*_PLACE, "record_department"]).cumcount() + 1
    most = of_place.groupby([born["account"], born["channel"]]).cummax()
    ends = born[keys].assign(n=so_far - most).groupby(keys)["n"].max().reset_index()
    found = minutes.merge(ends, on=keys, how="left").set_index(minutes.index)["n"]
    return found.groupby([minutes["account"], minutes["channel"]]).ffill().fillna(0)


def _none() -> pd.DataFrame:
    return pd.DataFrame(EARLY.empty().to_pandas())


def _first(rows: pd.DataFrame, day: date) -> pd.DataFrame:
    first = rows.sort_values(["minute", "channel"]).drop_duplicates("account").sort_values("account")
    found = pd.DataFrame(
        {
            "account": first["account"],
            "day": day,
            "alert_at": first["minute"] + pd.Timedelta(minutes=1),
            "records_so_far": first["done"].astype("int64"),
            "signal": first["signal"],
        }
    )
    return found.reset_index(drop=True)
