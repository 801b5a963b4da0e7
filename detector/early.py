"""Early warning: the minute at which an account-day would have alerted, had it been judged every minute.

Counts only grow during a day, and so does the tail sum of their deviations: an account is told of in the first minute
in which what it has done so far is stranger than all but a few whole days of the past. Nothing later in the day is
looked at, the peers' effect of the day is taken for none, and signals that need whole days (gaps, rhythm, fan-out)
are left out, so the warning comes late rather than wrongly.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
from ibis import _

from detector.account_days import RECENT_DAYS
from detector.aggregates import RESETS, WRITES
from detector.joins import to_frame
from detector.novelty import mark_hours, mark_records, mark_sources
from detector.schema import INSTANT, Column, Table
from detector.training import to_matrix

if TYPE_CHECKING:
    from detector.model.kept import Model
    from detector.timeline import Timeline

EARLY = Table(
    "early",
    "one row per account and day that an evaluation inside the day would have alerted",
    (
        Column("account", pa.string(), "the account"),
        Column("day", pa.date32(), "calendar day in the portal's zone"),
        Column("alert_at", INSTANT, "end of the first minute in which it would have alerted"),
        Column("records_so_far", pa.int64(), "look-ups and writes that succeeded by then"),
        Column("signal", pa.string(), "the signal that weighed most"),
    ),
    ("account", "day"),
)
MINUTE = "min"


def early_alerts(timeline: Timeline, model: Model, day: date, *, thresholds: pd.Series) -> pd.DataFrame:
    """When each of some accounts would have alerted within a day.

    Parameters
    ----------
    timeline
        Days; the day must be one of its input's.
    model
        What weighs deviations.
    day
        The day.
    thresholds
        By account, the running tail sum from which it alerts. Only accounts that are strange at the end of the day can
        have been strange within it, so the others need not be asked for.

    Returns
    -------
    pd.DataFrame
        The `EARLY` table; no row for an account that never reached its threshold.
    """
    events = timeline.events_of(day)
    asked = thresholds[np.isfinite(thresholds)]
    if events is None or asked.empty:
        return _none()
    running = _running(timeline, day, events, accounts=list(asked.index))
    if running.empty:
        return _none()
    excesses = timeline.running_deviations(day, running)
    contributions = model.estimator.contributions(to_matrix(excesses, model.columns))
    rows = excesses[["account", "channel", "minute"]].assign(
        strangeness=contributions.sum(axis=1),
        signal=[model.columns[best].split("__")[0] for best in contributions.argmax(axis=1)],
    )
    rows = rows.merge(running[["account", "channel", "minute", "done"]], on=["account", "channel", "minute"])
    return _first(rows[rows["strangeness"] >= rows["account"].map(asked)], day)


def _running(timeline: Timeline, day: date, events: ir.Table, *, accounts: list[str]) -> pd.DataFrame:
    chosen = ibis.memtable({"account": accounts})
    today, past = timeline.today(day), timeline.past(day)
    marked = mark_records(today.records.semi_join(chosen, "account"), past)
    hours = mark_hours(today.hours.semi_join(chosen, "account"), marked, past, zone=timeline.zone)
    recent = past.account_days.filter(past.account_days.day >= day - timedelta(days=RECENT_DAYS))
    resets = to_frame(recent.semi_join(chosen, "account").group_by("account").aggregate(resets=_.resets.sum()))
    return count_minutes(
        events.semi_join(chosen, "account"),
        records=to_frame(marked),
        sources=to_frame(mark_sources(today.sources.semi_join(chosen, "account"), past)),
        hours=to_frame(hours),
        recent_resets=resets.set_index("account")["resets"],
    )


def count_minutes(
    events: ir.Table, *, records: pd.DataFrame, sources: pd.DataFrame, hours: pd.DataFrame, recent_resets: pd.Series
) -> pd.DataFrame:
    """Running counts of the signals in `detector.training.RUNNING` at the end of every minute with an event.

    Parameters
    ----------
    events
        Events of the accounts on the day.
    records, sources, hours
        Their account-records, -sources and -hours of the day, marked with what is new (`detector.novelty`).
    recent_resets
        Resets of the three days before, by account.

    Returns
    -------
    pd.DataFrame
        `account`, `channel`, `minute` (its start, UTC), `done` (successful look-ups and writes so far), and signals.
    """
    deeds = _mark(_deeds(events), sources, hours)
    keys = ["account", "channel", "minute"]
    sums = deeds.groupby(keys)[["lookup", "miss", "write", "done", "reset", "network", "agent", "auth", "off"]].sum()
    firsts = _first_touches(records).groupby(keys)[["records", "new", "foreign", "odd", "foreign_write"]].sum()
    per_minute = sums.join(firsts, how="outer").fillna(0).reset_index().sort_values(keys)
    accounts = per_minute.groupby(["account", "channel"])
    so_far = accounts[[name for name in per_minute.columns if name not in keys]].cumsum()
    resets = so_far["reset"] + per_minute["account"].map(recent_resets).fillna(0)
    return per_minute[keys].assign(
        done=so_far["done"],
        lookups=so_far["lookup"],
        records=so_far["records"],
        busiest_hour=_busiest_hour(per_minute, "lookup"),
        new_records=so_far["new"],
        foreign_records=so_far["foreign"],
        misses=so_far["miss"],
        odd_department_records=so_far["odd"],
        new_source_uses=so_far["network"],
        new_agent_uses=so_far["agent"],
        new_auth_uses=so_far["auth"],
        reset_then_new_source=so_far["network"].where(resets > 0, 0),
        active_hours=_active_hours(per_minute),
        off_hour_uses=so_far["off"],
        writes=so_far["write"],
        busiest_write_hour=_busiest_hour(per_minute, "write"),
        foreign_writes=so_far["foreign_write"],
    )


def _deeds(events: ir.Table) -> pd.DataFrame:
    columns = ("account", "channel", "timestamp", "action", "outcome", "ip", "user_agent", "auth_mode")
    rows = to_frame(events.mutate(channel=_.channel.fill_null("portal")).select(*columns))
    success, lookup = rows["outcome"] == "success", rows["action"] == "lookup"
    write = rows["action"].isin(WRITES) & success
    return rows.assign(
        minute=rows["timestamp"].dt.floor(MINUTE),
        lookup=lookup,
        miss=lookup & ~success,
        write=write,
        done=(lookup & success) | write,
        reset=rows["action"].isin(RESETS) & success,
        use=lookup | write,
    )


def _mark(deeds: pd.DataFrame, sources: pd.DataFrame, hours: pd.DataFrame) -> pd.DataFrame:
    rare = sources["is_new_network"].eq(True) & sources["is_rare_network"].eq(True)
    marks = (("ip", "network", rare), ("user_agent", "agent", None), ("auth_mode", "auth", None))
    for column, name, new in marks:
        is_new = sources[f"is_new_{name}"].eq(True) if new is None else new
        found = sources.loc[is_new, ["account", column]].drop_duplicates()
        deeds[name] = _among(deeds, found, ["account", column]) & deeds["use"]
    off = hours.loc[hours["is_off_hour"].eq(True), ["account", "hour"]]
    deeds["hour"] = deeds["timestamp"].dt.floor("h")
    deeds["off"] = _among(deeds, off, ["account", "hour"]) & deeds["use"]
    return deeds


def _among(rows: pd.DataFrame, keys: pd.DataFrame, columns: list[str]) -> pd.Series:
    return pd.Series(
        pd.MultiIndex.from_frame(rows[columns]).isin(pd.MultiIndex.from_frame(keys[columns])), index=rows.index
    )


def _first_touches(records: pd.DataFrame) -> pd.DataFrame:
    """A record counts from the minute in which it was first touched."""
    shown = records["lookups"] > 0
    new, foreign = records["is_new"].eq(True), records["is_foreign"].eq(True)
    return records.assign(
        minute=records["first_at"].dt.floor(MINUTE),
        records=shown,
        new=new & shown,
        foreign=foreign & shown,
        odd=records["is_odd_department"].eq(True),
        foreign_write=foreign & (records["writes"] > 0),
    )


def _busiest_hour(per_minute: pd.DataFrame, name: str) -> pd.Series:
    hour = per_minute["minute"].dt.floor("h")
    within = per_minute.groupby([per_minute["account"], per_minute["channel"], hour])[name].cumsum()
    return within.groupby([per_minute["account"], per_minute["channel"]]).cummax()


def _active_hours(per_minute: pd.DataFrame) -> pd.Series:
    hour = per_minute["minute"].dt.floor("h")
    keys = [per_minute["account"], per_minute["channel"]]
    seen = (per_minute["lookup"] > 0).groupby([*keys, hour]).cumsum()
    starts = (per_minute["lookup"] > 0) & (seen == 1)
    return starts.groupby(keys).cumsum()


def _none() -> pd.DataFrame:
    found: pd.DataFrame = EARLY.empty().to_pandas()
    return found


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
