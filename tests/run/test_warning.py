"""Attacks that only early warning sees, one for each signal it watches: told within the day, by the job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, isfinite
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detector.alerting import NEWCOMER_DAYS
from detector.early import NAMED, NAMELESS, WATCHED, find_limits
from detector.ledger import open_ledger
from detector.run import run_once
from detector.run.judging import Judge
from detector.simulate import World
from detector.workspace import workspace
from tests.run.replaying import Portal, day_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


PLACES = [f"{place:02}" for place in range(1, 96) if place != 20]
"""Departments by their numbers; Corsica's have letters."""


@dataclass(frozen=True)
class Victim:
    """An account with a past: a row of its own to copy, and a record that it knows for each vouching one needed."""

    row: dict[str, Any]
    known: list[str]


@pytest.fixture(scope="module")
def portal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Portal:
    """A portal with three weeks of history and a model, whose logs name records or do not."""
    made = Portal.make(tmp_path_factory.mktemp("portal"), World(accounts=500, days=23, attacks=()))
    if not request.param:
        for day in made.days:
            rows = pq.read_table(day)
            place = rows.schema.get_field_index("record")
            pq.write_table(rows.set_column(place, rows.field(place), pa.nulls(len(rows), pa.string())), day)
    made.learn(made.days[:-1])
    return made


@pytest.fixture(scope="module")
def limits(portal: Portal) -> dict[str, int]:
    """Early warning's limits of accounts of the portal with a past."""
    with workspace(portal.settings) as place:
        history = place.history()
        assert history is not None
        day = day_of(portal.days[-1])
        judge = Judge(place, history, place.ledger(create=True), place.model())  # type: ignore[arg-type]
        n_accounts = judge._usual_accounts(day)
        past = judge._timeline().past(day).account_days
        found = find_limits(past, n_accounts=n_accounts, settings=place.settings.score.alerts)
    (row,) = found.query("channel == 'portal' and not is_newcomer").to_dict("records")
    return {str(name): ceil(count) for name, count in row.items() if isfinite(count)}


@pytest.fixture(scope="module")
def victims(portal: Portal) -> list[Victim]:
    """Accounts at work on the portal in the last week and not on the last day, with the records that they looked up."""
    week = pd.concat([pd.read_parquet(path) for path in portal.days[-8:-1]], ignore_index=True)
    last = pd.read_parquet(portal.days[-1])["account"].unique()
    looked = week[(week["action"] == "lookup") & (week["outcome"] == "success") & (week["channel"] == "portal")]
    looked = looked[~looked["account"].isin(last)]
    # Newcomers have no limit of foreign records.
    past = pd.concat([pd.read_parquet(path, columns=["account"]).assign(day=path.name) for path in portal.days[:-1]])
    n_days = past.drop_duplicates().groupby("account").size()
    looked = looked[looked["account"].isin(n_days.index[n_days >= NEWCOMER_DAYS])]
    by_account = looked.groupby("account")
    chosen = by_account.size().nlargest(len(WATCHED)).index
    return [
        Victim(
            {str(name): plain(value) for name, value in rows.iloc[-1].items()},
            rows["record"].dropna().drop_duplicates().tolist(),
        )
        for rows in (by_account.get_group(account) for account in chosen)
    ]


def plain(value: Any) -> Any:
    """A value as Arrow takes it: what pandas has for a null is none."""
    return None if pd.isna(value) else value


def stranger(number: int, department: str) -> str:
    """The identifier of nobody: serial 000, with its key."""
    digits = int(f"1{number // 12 % 80 + 10:02}{number % 12 + 1:02}{department}{number % 990 + 1:03}000")
    return f"{digits}{97 - digits % 97:02}"


ELSEWHERE = {"ip": "203.0.113.77", "user_agent": "Mozilla/5.0 (X11; Haiku) Strange/1.0"}
CHANGES = {
    "vain_lookups": {"outcome": "failure"},
    "foreign_writes": {"action": "write"},
    "foreign_records": {},
    "lone_strangers": ELSEWHERE,
    "lone_writes": {**ELSEWHERE, "action": "write"},
    "lone_odd_strangers": ELSEWHERE,
    "far_excess": ELSEWHERE,
    "busiest_hour": {},
    "new_source_uses": {"ip": ELSEWHERE["ip"]},
    "new_agent_uses": {"user_agent": ELSEWHERE["user_agent"]},
    "new_writes": {"ip": ELSEWHERE["ip"], "action": "write"},
}
"""What differs from the owner's own rows in an attack that one signal sees."""


def attack(signal: str, victim: Victim, limits: dict[str, int]) -> list[dict[str, Any]]:
    """What exceeds one signal's limit and none of the others'."""
    row, count = {**victim.row, **CHANGES[signal]}, limits[signal]
    if signal in NAMELESS:
        return [row] * count
    if signal == "far_excess":
        return [{**row, "record": record} for record in vouched_for(victim, limits)]
    count = ceil(1.2 * count) if signal == "foreign_records" else count
    rows = [{**row, "record": stranger(n, "75")} for n in range(count)]
    # A session that the owner opened elsewhere makes the source an odd one.
    signed_in = {**victim.row, "action": "login", "record": None}
    return [signed_in, *rows] if signal == "lone_odd_strangers" else rows


def vouched_for(victim: Victim, limits: dict[str, int]) -> list[str]:
    """Known patients, so many that strangers in general stay below their limit; strangers from all over the country.

    Of the strangers, seven must be met by one known patient, and of the far ones two: whoever copies some of the
    account's own patients is seen by the far ones alone.
    """
    count, same_place = limits["far_excess"], 2
    n_known = max(count + 2 * same_place - limits["lone_strangers"] + 1, 3)
    n_strangers = count + 2 * (n_known + same_place)
    assert n_known <= len(victim.known)
    assert n_strangers <= min(same_place * len(PLACES), limits["foreign_records"] - 1)
    return [*victim.known[:n_known], *(stranger(n, PLACES[n % len(PLACES)]) for n in range(n_strangers))]


@pytest.mark.parametrize(
    ("portal", "signal"),
    [(name in NAMED, name) for name in (*NAMED, *NAMELESS)],
    indirect=["portal"],
    scope="module",
)
def test_an_attack_that_one_signal_alone_sees_is_told_within_the_day(
    portal: Portal, limits: dict[str, int], victims: list[Victim], signal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account alerts by the run that reads it, for that signal, and no check fires; without limits nobody does."""
    victim = victims[WATCHED.index(signal)]
    rows = attack(signal, victim, limits)
    begin = datetime.combine(day_of(portal.days[-1]), datetime.min.time(), UTC) + timedelta(hours=9)
    slice_end = begin + timedelta(minutes=30 + 5 * len(list(portal.folder.glob("incoming/*"))))
    # What is foreign is spread over the night, lest an hour of it be too busy.
    span = timedelta(hours=9 if signal == "foreign_records" else 0, seconds=len(rows) / 100)
    times = [slice_end - timedelta(minutes=4) - span + n / len(rows) * span for n in range(len(rows))]
    schema = pq.read_schema(portal.days[-1])
    table = pa.Table.from_pylist(
        [{**row, "timestamp": at, "record_id_mode": "typed"} for row, at in zip(rows, times, strict=True)], schema
    )
    found: list[Any] = []
    real = Judge._rows

    def watched(self: Judge, events: Any, scored: Any, day: Any) -> Any:
        found.append(scored)
        return real(self, events, scored, day)

    monkeypatch.setattr(Judge, "_rows", watched)
    portal.put(slice_end, table)
    report = run_once(portal.settings, now=slice_end)
    alerts = [each for each in open_ledger(history=portal.folder / "history").alerts() if each.account]
    mine = [each for each in alerts if each.account == victim.row["account"]]
    assert len(mine) == len(report.recorded.raised) == 1
    assert (mine[0].queue, mine[0].checks, mine[0].raised_at) == ("main", [], slice_end)
    early = found[-1].early.set_index("account")["signal"]
    assert early[victim.row["account"]] == signal
    with workspace(portal.settings) as place, monkeypatch.context() as patch:
        patch.setattr(Judge, "_limits", lambda *_arguments, **_rest: pd.DataFrame())
        patch.setattr("detector.scoring.is_warm", lambda *_arguments: False)
        history, ledger = place.history(), place.ledger()
        assert history is not None
        assert ledger is not None
        for path in (history.folder / "judged").glob("*"):
            path.unlink()
        assert Judge(place, history, ledger, place.model()).judge_slice(day_of(portal.days[-1]))[0] == []
