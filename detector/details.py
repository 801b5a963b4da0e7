"""What a person looks at after an alert: hours, days, sources and whom, each beside what was usual before."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis import _

from detector.clock import day_start
from detector.comparison import COMPARISON, compare_days, flagged_days
from detector.joins import to_frame
from detector.novelty import PAST_DAYS, Past, mark_sources
from detector.schema import INSTANT, Column, Table
from detector.timeline import Timeline

BAND = (0.1, 0.9)
"""The usual band of an hour: from the lowest to the highest tenth of the account's active days."""
MOST_SOURCES, MOST_DEPARTMENTS = 40, 8
"""More are counted, and not listed: an attack may change its address every twenty records."""

HOUR = pa.struct(
    [("hour", INSTANT), ("lookups", pa.int64()), ("usual_low", pa.float64()), ("usual_high", pa.float64())]
)
DAY = pa.struct(
    [("day", pa.date32()), ("records", pa.int64()), ("foreign_records", pa.int64()), ("flagged", pa.bool_())]
)
SOURCE = pa.struct(
    [
        ("ip", pa.string()),
        ("network", pa.string()),
        ("user_agent", pa.string()),
        ("auth_mode", pa.string()),
        ("logins", pa.int64()),
        ("failures", pa.int64()),
        ("lookups", pa.int64()),
        ("writes", pa.int64()),
        ("first_at", INSTANT),
        ("last_at", INSTANT),
        ("is_new_ip", pa.bool_()),
        ("is_new_network", pa.bool_()),
        ("is_new_agent", pa.bool_()),
        ("others_today", pa.int64()),
        ("others_before", pa.int64()),
    ]
)
DEPARTMENT = pa.struct([("department", pa.string()), ("records", pa.int64()), ("usual_share", pa.float64())])
WHO = ("lookups", "records", "new_records", "foreign_records", "misses", "writes", "odd_department_records")
DETAILS = Table(
    "details",
    "one row per alerted account and day",
    (
        Column("account", pa.string(), "the account"),
        Column("day", pa.date32(), "calendar day in the portal's zone"),
        Column("hours", pa.list_(HOUR), "look-ups in each hour of the day, and the account's usual band for it"),
        Column(
            "days",
            pa.list_(DAY),
            "records on the day and each of the 28 before; null where a day is not held; flagged: it is part of no "
            "comparison, for it alerted, was warned of early, or was too strange to learn from",
        ),
        Column(
            "compared",
            pa.list_(COMPARISON),
            "signals of the alert's channel beside its own median and largest day, the same weekday last week, and the "
            "99th percentile of its peers, in the 28 days before",
        ),
        Column("sources", pa.list_(SOURCE), "where it came from, the busiest first, and who else comes from there"),
        Column("n_sources", pa.int64(), "how many there are, those not listed included"),
        Column("departments", pa.list_(DEPARTMENT), "birth departments, with their share of its past", "no identifier"),
        *(Column(name, pa.int64(), "see features, on all channels", "the signal is null") for name in WHO),
    ),
    ("account", "day"),
)


def find_details(timeline: Timeline, day: date, alerted: pd.DataFrame) -> pd.DataFrame:
    """What some accounts did on a day of the input, beside what was usual for them.

    Parameters
    ----------
    timeline
        Days; the day must be one of its input's.
    day
        The day.
    alerted
        The accounts that alerted: `account`, `channel` and `peer_group` of `SCORES`.

    Returns
    -------
    pd.DataFrame
        `DETAILS`, by account.
    """
    if alerted.empty:
        return DETAILS.empty().to_pandas()  # type: ignore[no-any-return]
    accounts = sorted(set(alerted["account"]))
    chosen = ibis.memtable({"account": accounts})
    past = timeline.past(day)
    hours = _hours(timeline, day, past, chosen)
    days = _days(timeline, day, chosen)
    compared = _compared(timeline, day, alerted)
    sources = _sources(timeline, day, past, chosen)
    departments = _departments(timeline, day, past, chosen)
    who = _who(timeline, day, chosen)
    rows = [
        {
            "account": account,
            "day": day,
            "hours": hours[account],
            "days": days[account],
            "compared": compared[account],
            "sources": sources.get(account, [])[:MOST_SOURCES],
            "n_sources": len(sources.get(account, [])),
            "departments": departments.get(account),
            **{name: _whole(who.get(account, {}).get(name)) for name in WHO},
        }
        for account in accounts
    ]
    checked: pd.DataFrame = DETAILS.check(pa.Table.from_pylist(rows, schema=DETAILS.arrow)).to_pandas()
    return checked


def _hours(timeline: Timeline, day: date, past: Past, chosen: ir.Table) -> dict[str, list[dict[str, Any]]]:
    """Every hour of the day, those without a look-up too."""
    today = _lookups_by_hour(timeline.today(day).hours, chosen)
    before = _lookups_by_hour(past.hours, chosen)
    zone = ZoneInfo(timeline.zone)
    local = pd.to_datetime(before["hour"], utc=True).dt.tz_convert(zone)
    usual = before.assign(clock=local.dt.hour, day=local.dt.date)
    start, end = (day_start(each, zone=timeline.zone) for each in (day, day + timedelta(days=1)))
    instants = pd.date_range(start, end, freq="h", inclusive="left")
    counts = today.assign(hour=pd.to_datetime(today["hour"], utc=True)).set_index(["account", "hour"])["lookups"]
    return {
        account: _band(instants, counts, usual[usual["account"] == account], account=account, zone=zone)
        for account in _names(chosen)
    }


def _lookups_by_hour(hours: ir.Table, chosen: ir.Table) -> pd.DataFrame:
    rows = hours.semi_join(chosen, "account").group_by(["account", "hour"])
    return to_frame(rows.aggregate(lookups=_.lookups.sum()))


def _band(
    instants: pd.DatetimeIndex, counts: pd.Series, usual: pd.DataFrame, *, account: str, zone: ZoneInfo
) -> list[dict[str, Any]]:
    worked = usual[usual["lookups"] > 0]
    table = worked.pivot_table(index="day", columns="clock", values="lookups", aggfunc="sum", fill_value=0)
    # An hour in which it never worked is usually empty; an account without a past has no usual.
    table = table.reindex(columns=range(24), fill_value=0)
    low, high = (table.quantile(share) for share in BAND)
    return [
        {
            "hour": instant.to_pydatetime(),
            "lookups": int(counts.get((account, instant), 0)),
            "usual_low": float(low[clock]) if len(table) else None,
            "usual_high": float(high[clock]) if len(table) else None,
        }
        for instant, clock in zip(instants, instants.tz_convert(zone).hour, strict=True)
    ]


def _days(timeline: Timeline, day: date, chosen: ir.Table) -> dict[str, list[dict[str, Any]]]:
    held = {*timeline.days_before(day), day}
    wanted = ("account", "day", "records", "foreign_records")
    both = (timeline.all_days_before(day), timeline.account_days(day))
    parts = [to_frame(rows.semi_join(chosen, "account").select(*wanted)) for rows in both]
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.assign(day=pd.to_datetime(rows["day"]).dt.date)
    totals = rows.groupby(["account", "day"])[["records", "foreign_records"]].sum(min_count=1)
    sums = dict(zip(totals.index, totals.to_dict("records"), strict=True))
    flagged = set(flagged_days(timeline, day).itertuples(index=False, name=None))
    span = [day - timedelta(days=back) for back in range(PAST_DAYS, -1, -1)]
    return {
        account: [
            _one_day(sums, account, each, held=each in held) | {"flagged": (account, each) in flagged} for each in span
        ]
        for account in _names(chosen)
    }


def _one_day(sums: dict[Any, dict[str, Any]], account: str, day: date, *, held: bool) -> dict[str, Any]:
    found = sums.get((account, day))
    quiet = 0 if held else None
    return {
        "day": day,
        "records": quiet if found is None else _whole(found["records"]),
        "foreign_records": quiet if found is None else _whole(found["foreign_records"]),
    }


def _compared(timeline: Timeline, day: date, alerted: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in compare_days(timeline, day, alerted.drop_duplicates("account")).to_dict("records"):
        told = {str(name): _known(value) for name, value in row.items() if name != "account"}
        found.setdefault(row["account"], []).append(told)
    return found


def _sources(timeline: Timeline, day: date, past: Past, chosen: ir.Table) -> dict[str, list[dict[str, Any]]]:
    own = timeline.sources(day).semi_join(chosen, "account")
    marked = to_frame(mark_sources(own, past))
    asked = ibis.memtable({"ip": sorted(set(marked["ip"].dropna()))}, schema={"ip": "string"})
    users = {
        name: _users(rows, asked)
        for name, rows in (("others_today", timeline.sources(day)), ("others_before", past.sources))
    }
    for name, table in users.items():
        marked[name] = [
            _others(table, row["ip"], row["account"]) for row in marked[["ip", "account"]].to_dict("records")
        ]
    ordered = marked.sort_values(["lookups", "writes", "first_at", "ip"], ascending=[False, False, True, True])
    names = [field.name for field in SOURCE]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in ordered[["account", *names]].to_dict("records"):
        found.setdefault(row["account"], []).append({name: _known(row[name]) for name in names})
    return found


def _users(sources: ir.Table, asked: ir.Table) -> dict[str, set[str]]:
    """The accounts that come from each address."""
    pairs = to_frame(sources.semi_join(asked, "ip").select("ip", "account").distinct())
    return {str(ip): set(part["account"]) for ip, part in pairs.groupby("ip")}


def _others(users: dict[str, set[str]], ip: Any, account: str) -> int | None:
    return len(users.get(ip, set()) - {account}) if isinstance(ip, str) else None


def _departments(timeline: Timeline, day: date, past: Past, chosen: ir.Table) -> dict[str, list[dict[str, Any]]]:
    # From the events: what sums them up by record cannot skip the accounts that nobody asks for.
    events = timeline.events_of(day)
    rows = timeline.today(day).records if events is None else _looked_up(events, _names(chosen))
    today, before = (_by_department(each, chosen) for each in (rows, past.records))
    totals = before.groupby("account")["records"].sum()
    usual = before.set_index(["account", "department"])["records"]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in today.sort_values(["records", "department"], ascending=[False, True]).to_dict("records"):
        listed = found.setdefault(row["account"], [])
        if len(listed) < MOST_DEPARTMENTS:
            total = totals.get(row["account"])
            share = usual.get((row["account"], row["department"]), 0) / total if total else None
            listed.append({"department": row["department"], "records": row["records"], "usual_share": share})
    return found


def _looked_up(events: ir.Table, accounts: list[str]) -> ir.Table:
    return events.filter(_.account.isin(accounts)).mutate(
        lookups=((_.action == "lookup") & (_.outcome == "success")).cast("int64")
    )


def _by_department(records: ir.Table, chosen: ir.Table) -> pd.DataFrame:
    seen = records.semi_join(chosen, "account").filter(_.record_department.notnull() & (_.lookups > 0))
    counted = seen.group_by(["account", seen.record_department.name("department")])
    return to_frame(counted.aggregate(records=_.record.nunique()))


def _who(timeline: Timeline, day: date, chosen: ir.Table) -> dict[str, dict[str, Any]]:
    rows = to_frame(timeline.account_days(day).semi_join(chosen, "account").select("account", *WHO))
    sums = rows.groupby("account")[list(WHO)].sum(min_count=1)
    return {str(account): {str(key): value for key, value in row.items()} for account, row in sums.iterrows()}


def _names(chosen: ir.Table) -> list[str]:
    return sorted(to_frame(chosen)["account"])


def _whole(value: Any) -> int | None:
    return None if value is None or pd.isna(value) else int(value)


def _known(value: Any) -> Any:
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    return value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
