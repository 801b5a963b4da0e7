"""Deterministic checks beside the model: small rules that a verdict never silences.

Each has a witness that fires and a benign twin that stays silent (tests, and `detector drill --checks`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from detector.clock import MINUTE_US, epoch_us
from detector.joins import attach, to_frame

VOLUME_TIERS = ((100_000, "critical"), (50_000, "high"), (10_000, "medium"))
"""Records of one account in one day (Panther's tiers for bulk reads)."""
RESET_USES = 200
"""Look-ups from a new network just after a reset: more than a professional's busy day, a tenth of what 2022 lost."""
VOUCHED_USES = 5 * RESET_USES
"""So many are told of whoever was read: a list of the account's own area holds people whom colleagues know."""
TOOL_USES = 50
"""Look-ups by a script's agent on the portal made for people; a probe or a monitoring ping makes fewer."""
SPRAY_ACCOUNTS, SPRAY_BIN_US = 10, 5 * MINUTE_US
"""More than ten accounts failing from one address within five minutes (Elastic, Splunk)."""
DISTRIBUTED_BIN_US = 15 * MINUTE_US
DISTRIBUTED_ADDRESSES, DISTRIBUTED_ACCOUNTS, DISTRIBUTED_TRIES, DISTRIBUTED_TRIES_EACH = 5, 8, 25, 5

FIRED = ("account", "day", "check", "severity", "value", "evidence")


@dataclass(frozen=True)
class Check:
    """One rule.

    Attributes
    ----------
    name, meaning
        What it is called, and what it fires on.
    find
        From a day's account-days, or its events, to the `FIRED` columns but `check` and `day`; `account` is null where
        the portal as a whole is concerned.
    of_events
        Whether it looks at events, sign-ins alone, which are not held for ever.
    """

    name: str
    meaning: str
    find: Callable[[ir.Table], pd.DataFrame]
    of_events: bool = False


def run_checks(account_days: ir.Table, events: ir.Table | None, *, names: Sequence[str]) -> pd.DataFrame:
    """Run the named checks on one day; one row per thing that fired, with the `FIRED` columns.

    Parameters
    ----------
    account_days
        `account_days` of the day.
    events
        `events` of the day, or None where they are no longer held: the checks that need them stay silent.
    """
    found = []
    sign_ins = None if events is None else _sign_ins(events).cache()
    for check in CHECKS:
        rows = sign_ins if check.of_events else account_days
        if check.name in names and rows is not None:
            found.append(check.find(rows).assign(check=check.name))
    fired = [frame for frame in found if len(frame)]
    if not fired:
        return pd.DataFrame(columns=list(FIRED))
    return pd.concat(fired, ignore_index=True).assign(day=_day_of(account_days))[list(FIRED)]


def _sign_ins(events: ir.Table) -> ir.Table:
    """All that checks look at of a day's events: one in ten."""
    return events.filter(_.action == "login").select("timestamp", "account", "action", "outcome", "ip")


def _volume(account_days: ir.Table) -> pd.DataFrame:
    lowest = VOLUME_TIERS[-1][0]
    totals = account_days.group_by("account").aggregate(value=_.lookups.sum())
    rows = to_frame(totals.filter(_.value >= lowest))
    severity = [next(name for least, name in VOLUME_TIERS if value >= least) for value in rows["value"]]
    return rows.assign(severity=severity, evidence=[f"{value:,} look-ups in a day" for value in rows["value"]])


def _canary(account_days: ir.Table) -> pd.DataFrame:
    totals = account_days.group_by("account").aggregate(value=_.canary_records.sum().fill_null(0))
    rows = to_frame(totals.filter(_.value > 0))
    evidence = [
        f"{value} canary records looked up" if value > 1 else "1 canary record looked up" for value in rows["value"]
    ]
    return rows.assign(severity="high", evidence=evidence)


def _reset(account_days: ir.Table) -> pd.DataFrame:
    """Whoever moves and resets a password sees known patients at the new address: enough of them vouch for the rest.

    For `VOUCHED_USES` nobody does. Where that cannot be told, without record tokens or a past, all look-ups count.
    """
    is_vouched = (account_days.lone_strangers == 0).fill_null(False)
    uses = account_days.reset_then_new_source.fill_null(0)
    totals = account_days.mutate(uses=uses, strange=ibis.ifelse(is_vouched, 0, uses)).group_by("account")
    sums = totals.aggregate(value=_.uses.sum(), strange=_.strange.sum())
    rows = to_frame(sums.filter((_.strange >= RESET_USES) | (_.value >= VOUCHED_USES)).drop("strange"))
    evidence = [f"{value:,} look-ups from a network new to it, within three days of a reset" for value in rows["value"]]
    return rows.assign(severity="high", evidence=evidence)


def _tool(account_days: ir.Table) -> pd.DataFrame:
    totals = account_days.group_by("account").aggregate(value=_.tool_agent_uses.sum().fill_null(0))
    rows = to_frame(totals.filter(_.value >= TOOL_USES))
    return rows.assign(
        severity="medium", evidence=[f"{value:,} look-ups by a script's agent" for value in rows["value"]]
    )


def _spray(events: ir.Table) -> pd.DataFrame:
    """Failures count by the name tried; those that name nobody count together as one.

    A hospital's proxy after a forced reset fails for many as well, but more of its accounts get in on the same day.
    """
    failed = _failures(events)
    got_in = _successes(events).group_by("ip").aggregate(n_in=_.account.nunique())
    tried = failed.mutate(instant_us=epoch_us(failed.timestamp), name=_.account.fill_null(""))
    bins = tried.group_by(["ip", (_.instant_us // SPRAY_BIN_US).name("bin")]).aggregate(value=_.name.nunique())
    worst = bins.filter(_.value > SPRAY_ACCOUNTS).group_by("ip").aggregate(value=_.value.max())
    rows = to_frame(attach(worst, got_in, "ip").filter(_.n_in.fill_null(0) < _.value).select("ip", "value"))
    evidence = [
        f"{n} accounts failed to sign in from {ip} within five minutes"
        for ip, n in zip(rows["ip"], rows["value"], strict=True)
    ]
    return rows.drop(columns="ip").assign(account=None, severity="medium", evidence=evidence)


def _distributed_spray(events: ir.Table) -> pd.DataFrame:
    """Only addresses from which nobody got in on the day: people who mistype sign in a minute later."""
    failed = _failures(events).anti_join(_successes(events), "ip")
    tried = failed.mutate(bin=epoch_us(failed.timestamp) // DISTRIBUTED_BIN_US, name=_.account.fill_null(""))
    per_address = tried.group_by(["bin", "ip"]).aggregate(tries=_.count())
    few = tried.semi_join(per_address.filter(_.tries <= DISTRIBUTED_TRIES_EACH), ["bin", "ip"])
    bins = few.group_by("bin").aggregate(value=_.count(), addresses=_.ip.nunique(), accounts=_.name.nunique())
    wide = (
        (_.addresses >= DISTRIBUTED_ADDRESSES) & (_.accounts >= DISTRIBUTED_ACCOUNTS) & (_.value >= DISTRIBUTED_TRIES)
    )
    rows = to_frame(bins.filter(wide).order_by(_.value.desc()).limit(1))
    evidence = [
        f"{r.value} failed sign-ins on {r.accounts} accounts from {r.addresses} addresses within 15 minutes"
        for r in rows.itertuples()
    ]
    return rows[["value"]].assign(account=None, severity="medium", evidence=evidence)


def _day_of(account_days: ir.Table) -> date | None:
    days: list[date] = account_days.select("day").distinct().limit(1).to_pyarrow()["day"].to_pylist()
    return days[0] if days else None


def _failures(events: ir.Table) -> ir.Table:
    return events.filter((_.action == "login") & (_.outcome == "failure") & _.ip.notnull())


def _successes(events: ir.Table) -> ir.Table:
    return events.filter((_.action == "login") & (_.outcome == "success")).select("ip", "account")


CHECKS: tuple[Check, ...] = (
    Check("volume_tier", "an account looked up 10,000, 50,000 or 100,000 records in a day", _volume),
    Check("canary_record", "a record that nobody has a reason to look up was looked up", _canary),
    Check(
        "reset_then_bulk",
        "many look-ups from a network new to the account, strangers among them or very many, within days of a reset",
        _reset,
    ),
    Check("tool_agent", "a script's agent looked up records on the channel made for people", _tool),
    Check("spray", "one address tried many accounts within five minutes", _spray, of_events=True),
    Check(
        "distributed_spray",
        "many addresses tried many accounts, a few times each, within 15 minutes",
        _distributed_spray,
        of_events=True,
    ),
)
