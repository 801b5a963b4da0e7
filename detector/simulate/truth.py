"""The truth of a world: which events are malicious, which campaigns there are, what honest accounts were up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detector.schema import ACTIONS, INSTANT
from detector.simulate.accounts import LONG_AGO, NEVER
from detector.simulate.activity import FIRST_DAYS, day_activity, in_business
from detector.simulate.calendar import RELEASE_EVERY_DAYS, day_facts
from detector.simulate.draws import Flags, Integers
from detector.simulate.events import AUTH_MODES, PWD, Events, pick
from detector.simulate.scene import Population, Scene, scenes
from detector.simulate.sessions import FORCED_RESET_DAYS
from detector.simulate.settings import World
from detector.simulate.text import Names, record_texts
from detector.simulate.victims import Plan

_NETWORKS = ("home", "home_ipv6", "mobile", "hospital", "vpn")


def event_truth(
    world: World,
    population: Population,
    plans: Sequence[Plan],
    names: Names,
    *,
    events: Events,
    campaign: npt.NDArray[np.int32],
    index: int,
) -> pa.Table:
    """Return one row per malicious event of a day: where it stands in the Parquet file, and which campaign it is of."""
    rows = np.flatnonzero(campaign >= 0)
    events = pick(events, rows)
    which = pa.array(campaign[rows])
    accounts = pa.array(events.account, mask=events.account < 0)
    today = world.day(index)
    return pa.table(
        {
            "source": _same(f"{today.isoformat()}.parquet", pa.string(), which),
            "line": pa.array(rows + 1),
            "timestamp": pa.array(events.time_us, INSTANT),
            "day": _same(today, pa.date32(), which),
            "scenario": pa.array([p.attack.scenario for p in plans], pa.string()).take(which),
            "campaign": pa.array([p.campaign for p in plans], pa.string()).take(which),
            "account": names.account.take(accounts),
            "record": record_texts(world, population, events.person),
            "action": pa.array(ACTIONS).take(pa.array(events.action)),
        }
    )


def campaign_truth(plans: Sequence[Plan], names: Names, events: pa.Table) -> pa.Table:
    """Return one row per campaign: its accounts, its first and last event."""
    times = events.group_by("campaign").aggregate([("timestamp", "min"), ("timestamp", "max")])
    span = {
        c: (a, b)
        for c, a, b in zip(*[times[n].to_pylist() for n in ("campaign", "timestamp_min", "timestamp_max")], strict=True)
    }
    return pa.table(
        {
            "campaign": pa.array([p.campaign for p in plans], pa.string()),
            "scenario": pa.array([p.attack.scenario for p in plans], pa.string()),
            "accounts": pa.array(
                [names.account.take(pa.array(p.victims)).to_pylist() for p in plans], pa.list_(pa.string())
            ),
            "start": pa.array([span.get(p.campaign, (None, None))[0] for p in plans], INSTANT),
            "end": pa.array([span.get(p.campaign, (None, None))[1] for p in plans], INSTANT),
        }
    )


def account_truth(world: World, population: Population, names: Names) -> pa.Table:
    """Return one row per account: who it is and which benign traits it carries; days are dates, null for never."""
    accounts = population.accounts
    departments = population.geography.departments
    return pa.table(
        {
            "account": names.account,
            "profession": names.profession,
            "organisation": names.organisation,
            "department": pa.array(departments).take(pa.array(accounts.department)),
            "commune": pa.array(accounts.commune),
            "zone": pa.array(population.geography.zones).take(pa.array(accounts.department)),
            "auth_mode": pa.array(AUTH_MODES).take(pa.array(accounts.auth_mode)),
            "network": pa.array(_NETWORKS).take(pa.array(accounts.network)),
            "activity": pa.array(accounts.activity),
            "lookups_per_day": pa.array(accounts.lookups),
            "created": _dates(world, accounts.created),
            "dormant": pa.array(accounts.sleeps != NEVER),
            "sleeps": _dates(world, accounts.sleeps),
            "wakes": _dates(world, accounts.wakes),
            "taken_over": _dates(world, accounts.taken_over),
            "locum_from": _dates(world, accounts.locum_from),
            "locum_until": _dates(world, accounts.locum_until),
            "software": pa.array(accounts.software_from != NEVER),
            "software_from": _dates(world, accounts.software_from),
            "payments_robot": pa.array(accounts.payments_robot),
        }
    )


def _dates(world: World, index: Integers) -> pa.Array:
    known = np.abs(index) < -LONG_AGO // 2
    days = (world.day(0) - date(1970, 1, 1)).days + np.where(known, index, 0)
    return pa.array(days.astype(np.int32), mask=~known).cast(pa.date32())


def benign_kinds(world: World, population: Population, names: Names) -> pa.Table:
    """Return one row per account, day and kind of honest anomaly."""
    return pa.concat_tables(
        [part for index in range(world.days) for part in _day_kinds(world, population, names, index)]
    )


def _day_kinds(world: World, population: Population, names: Names, index: int) -> Iterator[pa.Table]:
    for scene in scenes(world, population, index=index):
        for kind, flags in _kinds(scene).items():
            account = names.account.take(pa.array(scene.accounts.number[flags]))
            yield pa.table(
                {
                    "account": account,
                    "day": _same(scene.day.date, pa.date32(), account),
                    "kind": _same(kind, pa.string(), account),
                }
            )


def _same(value: str | date, kind: pa.DataType, like: pa.Array) -> pa.Array:
    """Return a column of one value, as long as another."""
    return pc.fill_null(pa.nulls(len(like), kind), pa.scalar(value, kind))


def _kinds(scene: Scene) -> dict[str, Flags]:
    """Tell which accounts of a block are odd in which way that day, as far as they do anything."""
    activity, accounts, day = day_activity(scene), scene.accounts, scene.day
    works, index = activity.works, day.index
    updates = day.number % RELEASE_EVERY_DAYS == accounts.update_lag_days % RELEASE_EVERY_DAYS
    return {
        "duty_night": activity.duty,
        "screening_day": activity.screening > 0,
        "new_account": works & (accounts.created >= 0) & (index < accounts.created + FIRST_DAYS),
        "locum": works & activity.locum,
        "takeover": works & (accounts.taken_over <= index) & (index < accounts.taken_over + FIRST_DAYS),
        "first_robot": in_business(scene) & (accounts.software_from == index),
        "dormant_return": works & (accounts.wakes <= index) & (index < accounts.wakes + FIRST_DAYS),
        "vaccination_day": works & day.campaign,
        "catch_up_day": works & day.catch_up,
        "forced_reset": works & (0 <= day.since_forced_reset < FORCED_RESET_DAYS) & (accounts.auth_mode == PWD),
        "browser_update": works & updates & (accounts.update_lag_days < RELEASE_EVERY_DAYS),
    }


def calendar_facts(world: World) -> dict[str, Any]:
    """Return the days on which something happens to everybody."""
    facts = [day_facts(world, index) for index in range(world.days)]
    return {
        "days": [f.date.isoformat() for f in facts],
        "holidays": [f.date.isoformat() for f in facts if f.holiday],
        "catch_up_days": [f.date.isoformat() for f in facts if f.catch_up],
        "vaccination_day": [f.date.isoformat() for f in facts if f.campaign],
        "forced_reset_day": [f.date.isoformat() for f in facts if f.since_forced_reset == 0],
    }
