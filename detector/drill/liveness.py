"""Whether every deterministic check is alive: a witness that it must fire on, and a benign twin that it must not.

They are days of a small portal, made here and judged by the functions that judge the operator's days: on the last day
stand all witnesses, on the day before all twins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import ibis
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend

from detector import checks
from detector.checks import (
    DISTRIBUTED_ACCOUNTS,
    DISTRIBUTED_ADDRESSES,
    DISTRIBUTED_TRIES,
    RESET_USES,
    SPRAY_ACCOUNTS,
    TOOL_USES,
    VOLUME_TIERS,
    run_checks,
)
from detector.novelty import MIN_PAST_DAYS
from detector.schema import EVENTS
from detector.timeline import Timeline

ZONE = "UTC"
DAY = date(2026, 3, 10)
CANARY = "canary-of-the-drill"
USUAL_IP, NEW_IP = "192.0.2.10", "198.51.100.10"
"""Addresses of documentation (RFC 5737)."""
BROWSER, TOOL = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "curl/8.9.1"
TWIN_DAY = DAY - timedelta(days=1)


@dataclass(frozen=True)
class Proof:
    """How one check behaved.

    Attributes
    ----------
    check
        Its name.
    fires, silent
        On the witness, and on the twin.
    """

    check: str
    fires: bool
    silent: bool

    @property
    def holds(self) -> bool:
        """Whether the check is alive."""
        return self.fires and self.silent


@dataclass(frozen=True)
class Pair:
    """A witness of a check and its benign twin.

    Attributes
    ----------
    check
        Name of the check.
    witness, twin
        Their events; columns that are left out are null.
    account
        Whom the check must name; null where it concerns the portal as a whole.
    story
        What tells the two apart.
    """

    check: str
    witness: pd.DataFrame
    twin: pd.DataFrame
    account: str | None
    story: str


def prove_checks(con: Backend) -> tuple[Proof, ...]:
    """Run every check on its witness and on its twin.

    Returns
    -------
    tuple[Proof, ...]
        One per check, in their order; a check without a pair does not hold.
    """
    pairs = {pair.check: pair for pair in build_pairs()}
    back = DAY - TWIN_DAY
    twins = [pair.twin.assign(timestamp=pair.twin["timestamp"] - back) for pair in pairs.values()]
    timeline = _portal(con, [*twins, *(pair.witness for pair in pairs.values())])
    kept, fired = _judge(timeline, TWIN_DAY), _judge(timeline, DAY)
    return tuple(_prove(check.name, pairs.get(check.name), fired, kept) for check in checks.CHECKS)


def _prove(name: str, pair: Pair | None, fired: pd.DataFrame, kept: pd.DataFrame) -> Proof:
    if pair is None:
        return Proof(name, fires=False, silent=False)
    rows = fired[fired["check"] == name]
    named = [None if pd.isna(account) else account for account in rows["account"]]
    return Proof(name, fires=named == [pair.account], silent=not (kept["check"] == name).any())


def _portal(con: Backend, parts: Sequence[pd.DataFrame]) -> Timeline:
    rows = pd.concat([_workers(), *parts], ignore_index=True)
    rows = rows.assign(source="drill", line=range(1, len(rows) + 1))
    table = EVENTS.check(pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None))
    events = con.create_table(ibis.util.gen_name("liveness"), table, temp=True)
    return Timeline(con, events=events, history=None, zone=ZONE, canaries=(CANARY,))


def _judge(timeline: Timeline, day: date) -> pd.DataFrame:
    """What fires on a day, as it would on one of the operator's."""
    names = [check.name for check in checks.CHECKS]
    return run_checks(timeline.account_days(day), timeline.events_of(day), names=names)


def build_pairs() -> tuple[Pair, ...]:
    """Every check's witness and twin, at the edge of what the check says: one less, or the same in a benign place."""
    least = VOLUME_TIERS[-1][0]
    return (
        Pair(
            "volume_tier",
            _uses("volume", count=least),
            _uses("volume", count=least - 1),
            "volume",
            "one look-up less",
        ),
        Pair(
            "canary_record",
            _uses("canary", count=3).assign(record=["a", CANARY, "b"]),
            _uses("canary", count=3),
            "canary",
            "the same look-ups without the canary",
        ),
        Pair(
            "reset_then_bulk",
            _reset("reset", ip=NEW_IP),
            _reset("reset", ip=USUAL_IP),
            "reset",
            "after the reset, the account's usual network",
        ),
        Pair(
            "tool_agent",
            _uses("tool", count=TOOL_USES).assign(user_agent=TOOL),
            _uses("tool", count=TOOL_USES).assign(user_agent=TOOL, channel="software"),
            "tool",
            "the same agent on the channel made for software",
        ),
        Pair(
            "spray",
            _failures(names=SPRAY_ACCOUNTS + 1, tries=SPRAY_ACCOUNTS + 1, addresses=1, hour=3),
            _with_success(_failures(names=SPRAY_ACCOUNTS + 1, tries=SPRAY_ACCOUNTS + 1, addresses=1, hour=3)),
            None,
            "everybody gets in afterwards, as behind the one address of a hospital",
        ),
        Pair(
            "distributed_spray",
            _wide(),
            _with_success(_wide()),
            None,
            "everybody gets in afterwards, as people do who mistype",
        ),
    )


def _uses(account: str, *, count: int, ip: str = USUAL_IP, day: date = DAY) -> pd.DataFrame:
    """Look-ups of different records by an account, two seconds apart from 8:00, by a browser on the portal."""
    start = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
    times = pd.date_range(start, periods=count, freq="2s").as_unit("us")
    return pd.DataFrame(
        {
            "timestamp": times,
            "account": account,
            "action": "lookup",
            "outcome": "success",
            "ip": ip,
            "record": [f"{account}-{number}" for number in range(count)],
            "channel": "portal",
            "user_agent": BROWSER,
        }
    )


def _workers() -> pd.DataFrame:
    """A past for the account that is reset."""
    days = [TWIN_DAY - timedelta(days=back) for back in range(MIN_PAST_DAYS, 0, -1)]
    return pd.concat([_uses("reset", count=2, day=day) for day in days], ignore_index=True)


def _reset(account: str, *, ip: str) -> pd.DataFrame:
    uses = _uses(account, count=RESET_USES, ip=ip)
    uses = uses.assign(record=ip + "-" + uses["record"])  # nobody's that the account knows from its usual network
    first = uses.head(1)
    before = first["timestamp"] - pd.Timedelta(minutes=5)
    reset = first.assign(action="password_reset", timestamp=before, record=None)
    return pd.concat([reset, uses], ignore_index=True)


def _failures(*, names: int, tries: int, addresses: int, hour: int) -> pd.DataFrame:
    """Failed sign-ins within one minute, names and addresses in turn."""
    start = datetime(DAY.year, DAY.month, DAY.day, hour, tzinfo=UTC)
    numbers = range(tries)
    return pd.DataFrame(
        {
            "timestamp": pd.date_range(start, periods=tries, freq="1s").as_unit("us"),
            "account": [f"tried-{hour}-{number % names}" for number in numbers],
            "action": "login",
            "outcome": "failure",
            "ip": [f"203.0.113.{hour * 10 + number % addresses}" for number in numbers],
        }
    )


def _wide() -> pd.DataFrame:
    return _failures(names=DISTRIBUTED_ACCOUNTS, tries=DISTRIBUTED_TRIES, addresses=DISTRIBUTED_ADDRESSES, hour=5)


def _with_success(failures: pd.DataFrame) -> pd.DataFrame:
    """Each failure is followed, ten minutes later, by a sign-in of the same name from the same address."""
    later = failures["timestamp"] + pd.Timedelta(minutes=10)
    return pd.concat([failures, failures.assign(timestamp=later, outcome="success")], ignore_index=True)
