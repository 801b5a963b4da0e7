"""Accounts that share rare sources are found together."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

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


def sources(
    uses: list[tuple[str, str]], day: date = DAY, *, minutes: dict[str, float] | None = None, agent: str = "Mozilla/5.0"
) -> ir.Table:
    """Account-sources: one look-up of each account from each address, so many minutes after nine or at nine."""
    nine = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    begun = {account: nine + timedelta(minutes=(minutes or {}).get(account, 0)) for account, _ip in uses}
    rows = [
        {
            "account": account,
            "channel": "portal",
            "day": day,
            "ip": ip,
            "user_agent": agent,
            "auth_mode": None,
            "logins": 1,
            "failures": 0,
            "lookups": 1,
            "writes": 0,
            "resets": 0,
            "first_at": begun[account],
            "last_at": begun[account],
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
            "lone_strangers": 5,
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


def test_two_that_alert_on_a_new_address_are_a_campaign() -> None:
    """Two are enough where both alert; where they are merely near, two neighbours may have had a busy day."""
    others = [f"h{i}" for i in range(100)]
    today = sources([*own_addresses(others), ("v0", "203.0.113.9"), ("v1", "203.0.113.9")])
    p_values = {"v0": 1e-9, "v1": 1e-9} | dict(zip(others, np.linspace(0.01, 1, 100), strict=True))
    before = sources(own_addresses(others), BEFORE)
    assert find_campaigns(judged(p_values), today, before).empty
    found = find_campaigns(judged(p_values, {"v0", "v1"}), today, before)
    assert found["account"].tolist() == ["v0", "v1"]
    assert found["sources"].iloc[0] == ["address 203.0.113.9", "network 203.0.113"]


def test_two_alerts_behind_a_proxy_are_no_campaign() -> None:
    """An address that a hundred accounts use is no sign, even if two of them alert."""
    staff = [f"h{i}" for i in range(100)]
    today = sources([(account, "192.0.2.8") for account in staff])
    p_values = {"h0": 1e-9, "h1": 1e-9} | dict.fromkeys(staff[2:], 0.5)
    found = find_campaigns(judged(p_values, {"h0", "h1"}), today, sources([("h0", "192.0.2.8")], BEFORE))
    assert found.empty


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


@pytest.mark.parametrize(("strangers", "joined"), [(0, 0), (5, 30), (None, 30)])
def test_a_gateway_with_a_new_address_joins_nobody(strangers: int | None, joined: int) -> None:
    """All who are behind it are strange that day; those who see their own patients are no near-alerts.

    Where records cannot be told, nobody is cleared.
    """
    staff, others = ([f"{name}{i}" for i in range(n)] for name, n in (("s", 30), ("h", 100)))
    today = sources([*own_addresses(others), *((account, "203.0.113.9") for account in staff)])
    p_values = dict.fromkeys(staff, 0.002) | dict(zip(others, np.linspace(0.01, 1, 100), strict=True))
    day = judged(p_values)
    day["lone_strangers"] = [strangers if account in staff else 0 for account in day["account"]]
    found = find_campaigns(day, today, sources(own_addresses([*others, *staff]), BEFORE))
    assert found["account"].tolist() == sorted(staff)[:joined]


def test_nothing_near_is_no_campaign() -> None:
    """Without near-alerts, and with a single one, there is nothing to join."""
    today = sources([("a", "203.0.113.9"), ("b", "203.0.113.9")])
    nothing = sources([], BEFORE)
    assert find_campaigns(judged({"a": 0.5, "b": 0.6}), today, nothing).empty
    assert find_campaigns(judged({"a": 0.001, "b": 0.6}), today, nothing).empty


SLOW = [f"v{i}" for i in range(60)]
STAFF = [f"h{i}" for i in range(1_200)]
STARTS = dict(zip(STAFF, np.random.default_rng(1).uniform(-60, 480, len(STAFF)), strict=True))
"""When honest accounts begin, in minutes after nine: all day long."""


def slow_theft(*, ips: list[str], begin: np.ndarray, p_value: float = 0.004) -> tuple[pd.DataFrame, ir.Table, ir.Table]:
    """Sixty accounts read from new addresses, and none alerts; one honest account in eight has a new network too."""
    office, moved = own_addresses(STAFF), [(account, f"172.16.{i}.1") for i, account in enumerate(STAFF[::8])]
    p_values = dict(zip(STAFF, np.random.default_rng(2).permutation(np.linspace(0.0005, 1, 1_200)), strict=True))
    today = sources(
        [*office, *moved, *zip(SLOW, ips, strict=True)],
        minutes=STARTS | dict(zip(SLOW, begin.tolist(), strict=True)),
    )
    before = sources([*office, *((account, f"192.168.{i}.1") for i, account in enumerate(SLOW))], BEFORE)
    return judged(p_values | dict.fromkeys(SLOW, p_value)), today, before


def test_sixty_slow_accounts_are_found_together_by_their_addresses() -> None:
    """Sixty accounts behind six addresses of one provider, all day long: none alerts, and they are one campaign."""
    ips = [f"203.0.113.{i % 6}" for i in range(60)]
    found = find_campaigns(*slow_theft(ips=ips, begin=np.linspace(0, 400, 60), p_value=0.03))
    assert sorted(found["account"]) == sorted(SLOW)
    assert found["campaign"].nunique() == 1


def test_an_address_that_few_others_knew_still_joins() -> None:
    """A gateway that seven honest accounts used before is no reason to let sixty near-alerts go."""
    table, today, before = slow_theft(ips=["203.0.113.1"] * 60, begin=np.linspace(0, 400, 60), p_value=0.03)
    before = before.union(sources([(account, "203.0.113.1") for account in STAFF[:7]], BEFORE))
    assert sorted(find_campaigns(table, today, before)["account"]) == sorted(SLOW)


def test_sixty_slow_accounts_are_found_together_by_the_moment() -> None:
    """Each from an address and a network of its own, but all within ten minutes: hardly anybody else is joined."""
    ips = [f"203.0.{i}.1" for i in range(60)]
    table, today, before = slow_theft(ips=ips, begin=np.linspace(0, 9, 60))
    found = find_campaigns(table, today, before)
    assert set(SLOW) <= set(found["account"])
    assert len(found) <= 61
    assert found["campaign"].nunique() == 1
    shuffled = find_campaigns(table.sample(frac=1, random_state=0), today.order_by(ibis.desc("account")), before)
    pd.testing.assert_frame_equal(shuffled, found)


def test_accounts_that_begin_all_day_long_are_not_joined() -> None:
    """Without a moment or a source in common there is no campaign; nor is there one when everybody begins at once."""
    ips = [f"203.0.{i}.1" for i in range(60)]
    assert find_campaigns(*slow_theft(ips=ips, begin=np.linspace(0, 480, 60))).empty
    calm = judged(dict(zip(STAFF, np.linspace(0.0005, 1, 1_200), strict=True)))
    moved = [(account, f"172.16.{i // 200}.{i % 200}") for i, account in enumerate(STAFF)]
    assert find_campaigns(calm, sources(moved), sources(own_addresses(STAFF), BEFORE)).empty


def test_carrier_joins_nobody() -> None:
    """A carrier's gateway whose accounts change every day: half of today's are new to it, as everybody's are."""
    table = judged(dict(zip(STAFF, np.random.default_rng(2).permutation(np.linspace(0.0005, 1, 1_200)), strict=True)))
    today = [(account, f"198.51.100.{i % 40}") for i, account in enumerate(STAFF[:300])]
    before = [(account, f"198.51.100.{i % 40}") for i, account in enumerate(STAFF[150:450])]
    assert find_campaigns(table, sources(today, minutes=STARTS), sources(before, BEFORE)).empty


def test_browser_update_joins_nobody() -> None:
    """A browser's new release is an agent that nobody used before, and its users are near-alerts thrice as often."""
    updated = STAFF[:300]
    p_values = dict(zip(STAFF, np.linspace(0.0005, 1, 1_200), strict=True)) | dict.fromkeys(updated, 0.5)
    p_values |= dict.fromkeys(updated[:45], 0.03)
    office = own_addresses(STAFF)
    today = sources(office[:300], minutes=STARTS, agent="Mozilla/6.0").union(sources(office[300:], minutes=STARTS))
    assert find_campaigns(judged(p_values), today, sources(office, BEFORE)).empty


def test_where_a_quarter_alerts_what_everybody_has_joins_nobody_to_a_thief() -> None:
    """A new browser joins 25 offices; a thief with the browser that eight of them have as well is no member."""
    offices = [f"h{i}" for i in range(100)]
    addresses = own_addresses(offices)
    changed, thief = set(offices[:25]), "h99"
    usual = {account: f"Browser {i % 3}" for i, account in enumerate(offices)}
    rows = [sources([use], agent="New" if use[0] in changed else usual[use[0]]) for use in addresses]
    rows += [sources([(thief, "203.0.113.9")], agent=usual[thief])]
    rows += [sources([use], agent=usual[use[0]]) for use in addresses if use[0] in changed]
    before = [sources([use], BEFORE, agent=usual[use[0]]) for use in addresses]
    p_values = dict.fromkeys(offices, 0.5) | dict.fromkeys([*changed, thief], 1e-6)
    day = judged(p_values, alerts={*changed, thief})
    found = find_campaigns(day, ibis.union(*rows), ibis.union(*before))
    assert set(found["account"]) == changed
    assert found["campaign"].nunique() == 1
    assert set(found["sources"].iloc[0]) == {"agent New"}


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
