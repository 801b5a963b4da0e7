"""Accounts that share rare sources are found together."""

from __future__ import annotations

from datetime import UTC, date, datetime

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from detector.campaigns import find_campaigns, simes
from detector.schema import ACCOUNT_SOURCES

DAY = date(2026, 3, 3)
BEFORE = date(2026, 3, 1)


def sources(uses: list[tuple[str, str]], day: date = DAY) -> ir.Table:
    """Account-sources: one look-up of each account from each address."""
    at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    rows = [
        {
            "account": account,
            "channel": "portal",
            "day": day,
            "ip": ip,
            "user_agent": "Mozilla/5.0",
            "auth_mode": None,
            "logins": 1,
            "failures": 0,
            "lookups": 1,
            "writes": 0,
            "resets": 0,
            "first_at": at,
            "last_at": at,
        }
        for account, ip in uses
    ]
    return ibis.memtable(pa.Table.from_pylist(rows, schema=ACCOUNT_SOURCES.arrow))


def judged(p_values: dict[str, float], alerts: set[str] = frozenset()) -> pd.DataFrame:  # type: ignore[assignment]
    """A judged day."""
    return pd.DataFrame(
        {
            "account": list(p_values),
            "day": DAY,
            "p_value": list(p_values.values()),
            "alert": [account in alerts for account in p_values],
        }
    )


def own_addresses(accounts: list[str]) -> list[tuple[str, str]]:
    """Every account from an address and a network of its own."""
    return [(account, f"10.{i // 200}.{i % 200}.1") for i, account in enumerate(accounts)]


def test_near_alerts_on_a_new_address_are_a_campaign() -> None:
    """Six accounts, none of which alerts alone, are joined by an address that nobody else ever used."""
    attacked = [f"v{i}" for i in range(6)]
    others = [f"h{i}" for i in range(100)]
    today = sources([*own_addresses(others), *((account, "203.0.113.9") for account in attacked)])
    p_values = dict.fromkeys(attacked, 0.03) | dict(zip(others, np.linspace(0.01, 1, 100), strict=True))
    found = find_campaigns(judged(p_values), today, sources(own_addresses(others), BEFORE))
    assert found["account"].tolist() == attacked
    assert found["campaign"].nunique() == 1
    assert found["pooled_p_value"].tolist() == pytest.approx([0.03] * 6)
    assert found["sources"].iloc[0] == ["address 203.0.113.9", "network 203.0.113"]


def test_hospital_proxy_joins_nobody() -> None:
    """A proxy with a hundred accounts, five of them near-alerts, joins none of them: it was there before."""
    staff = [f"h{i}" for i in range(100)]
    proxy = [(account, "198.51.100.1") for account in staff]
    p_values = dict(zip(staff, np.linspace(0.01, 1, 100), strict=True))
    assert find_campaigns(judged(p_values), sources(proxy), sources(proxy, BEFORE)).empty


def test_new_proxy_joins_nobody() -> None:
    """Nor does a proxy that is new to all: one in twenty of its accounts is a near-alert, as everywhere."""
    staff = [f"h{i}" for i in range(100)]
    p_values = dict(zip(staff, np.linspace(0.01, 1, 100), strict=True))
    today = sources([(account, "198.51.100.1") for account in staff])
    assert find_campaigns(judged(p_values), today, sources(own_addresses(staff), BEFORE)).empty


def test_nothing_near_is_no_campaign() -> None:
    """Without near-alerts, and with a single one, there is nothing to join."""
    today = sources([("a", "203.0.113.9"), ("b", "203.0.113.9")])
    nothing = sources([], BEFORE)
    assert find_campaigns(judged({"a": 0.5, "b": 0.6}), today, nothing).empty
    assert find_campaigns(judged({"a": 0.001, "b": 0.6}), today, nothing).empty


def test_same_input_gives_the_same_name() -> None:
    """A campaign's name depends on its sources, not on the order of rows."""
    uses = [(f"v{i}", "203.0.113.9") for i in range(6)]
    p_values = {account: 0.01 for account, _ip in uses}
    names = {
        find_campaigns(judged(p_values), sources(order), sources([], BEFORE))["campaign"].iloc[0]
        for order in (uses, uses[::-1])
    }
    assert len(names) == 1


def test_simes_pools_by_ranks() -> None:
    """Simes' value of 0.01, 0.04 and 0.5 is min(3 × 0.01, 1.5 × 0.04, 0.5)."""
    assert simes(np.array([0.5, 0.01, 0.04])) == pytest.approx(0.03)
