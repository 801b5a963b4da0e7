"""How long what is kept, and what incidents hold back."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

import pytest
from ibis.backends.duckdb import Backend

from detector.errors import HistoryError
from detector.history import History, RetentionSettings, expire, hold, release, sweep, transaction
from detector.history.manifest import Input, is_frozen
from tests.history.made import FIRST, add_day, day_number, fingerprint, open_history

SETTINGS = RetentionSettings()


def _accounts(history: History, con: Backend, table: str, day: date) -> set[str]:
    files = history.paths(table, day, day, held=True)
    return set(con.read_parquet(files).to_pyarrow()["account"].to_pylist()) if files else set()


def test_brief_tables_go_after_90_days_and_long_ones_stay(tmp_path: Path, con: Backend) -> None:
    """At 90 days before the newest day, records and sources go and hours stay; at 89 days everything stays."""
    history = open_history(tmp_path)
    for offset in (0, 1, 90):
        add_day(history, day_number(offset), con=con)
    assert expire(history, con=con, settings=SETTINGS) == (FIRST,)
    assert history.paths("account_records", FIRST, FIRST) == history.paths("account_sources", FIRST, FIRST) == []
    assert len(history.paths("account_hours", FIRST, FIRST)) == 1
    assert len(history.paths("account_records", day_number(1), day_number(1))) == 1
    assert expire(history, con=con, settings=SETTINGS) == ()


def test_long_tables_go_after_a_year(tmp_path: Path, con: Backend) -> None:
    """At 365 days the rest goes, and 28 days later the day is no longer known; its successors stay fresh."""
    history = open_history(tmp_path)
    for offset in (0, 1, 28):
        add_day(history, day_number(offset), con=con)
    for age, known in ((364, True), (365, True), (392, True), (393, False)):
        add_day(history, day_number(age), con=con)
        expire(history, con=con, settings=SETTINGS)
        assert (FIRST in history.days) is known, age
        assert history.stale == ()
        assert bool(history.paths("account_hours", FIRST, FIRST)) is (age < 365)


def test_expiry_of_the_past_makes_no_day_stale_but_freezes_it(tmp_path: Path, con: Backend) -> None:
    """A day whose past was dropped stays fresh, and is frozen: its novelty can no longer be computed."""
    history = open_history(tmp_path)
    for offset in (0, 28, 29, 90):
        add_day(history, day_number(offset), con=con)
    expire(history, con=con, settings=SETTINGS)
    assert history.stale == ()
    frozen = [offset for offset in (-29, -28, 0, 28, 29, 90) if is_frozen(history.manifest, day_number(offset))]
    assert frozen == [-28, 0, 28]


def test_stale_days_keep_their_past(tmp_path: Path, con: Backend) -> None:
    """Nothing is dropped while a day is stale, for its novelty could never be computed afterwards."""
    history = open_history(tmp_path)
    for offset in (0, 1, 90):
        add_day(history, day_number(offset), con=con)
    add_day(history, FIRST, con=con, lookups=8)
    with pytest.raises(HistoryError, match="stale"):
        expire(history, con=con, settings=SETTINGS)
    assert len(history.paths("account_records", FIRST, FIRST)) == 1


def test_hold_keeps_whole_days(tmp_path: Path, con: Backend) -> None:
    """A day that an incident holds keeps its files past retention, for those who ask for them, until it is released."""
    history = open_history(tmp_path)
    for offset in (0, 1, 120):
        add_day(history, day_number(offset), con=con)
    hold(history, "INC-1", first=FIRST, last=FIRST, con=con)
    expire(history, con=con, settings=SETTINGS)
    assert history.paths("account_records", FIRST, day_number(1)) == []
    assert len(history.paths("account_records", FIRST, day_number(1), held=True)) == 1
    release(history, "INC-1", con=con)
    assert history.paths("account_records", FIRST, day_number(1), held=True) == []


def test_hold_keeps_only_its_accounts(tmp_path: Path, con: Backend) -> None:
    """A hold that names accounts keeps the other accounts' rows no longer than the retention says."""
    history = open_history(tmp_path)
    for offset in (0, 120):
        add_day(history, day_number(offset), con=con)
    hold(history, "INC-1", first=FIRST, last=day_number(3), accounts=("a",), con=con)
    assert _accounts(history, con, "account_records", FIRST) == {"a", "b"}
    expire(history, con=con, settings=SETTINGS)
    assert _accounts(history, con, "account_records", FIRST) == {"a"}
    hold(history, "INC-2", first=FIRST, last=FIRST, accounts=("b",), con=con)
    release(history, "INC-1", con=con)
    assert _accounts(history, con, "account_records", FIRST) == set()


def test_releasing_an_unknown_hold_is_told(tmp_path: Path, con: Backend) -> None:
    """The message names the holds that there are."""
    history = open_history(tmp_path)
    hold(history, "INC-1", first=FIRST, last=FIRST, con=con)
    with pytest.raises(HistoryError, match=r"no hold 'INC-2'; it has INC-1"):
        release(history, "INC-2", con=con)


def test_inputs_are_forgotten_with_their_days(tmp_path: Path, con: Backend) -> None:
    """An input is held as long as one of its days could be added to."""
    history = open_history(tmp_path)
    for offset in (0, 1, 90):
        add_day(history, day_number(offset), con=con)
    with transaction(history, con=con) as change:
        for name, days in (("old", (FIRST,)), ("both", (FIRST, day_number(1)))):
            change.manifest = change.manifest.with_input(name, Input(bytes=1, lines=1, days=days))
        change.set_day(FIRST, inputs=("both", "old"))
        change.set_day(day_number(1), inputs=("both",))
    expire(history, con=con, settings=SETTINGS)
    assert set(history.manifest.inputs) == {"both"}
    assert history.manifest.days[FIRST].inputs == ("both",)


def test_sweep_removes_what_is_out_of_use_after_the_grace(tmp_path: Path, con: Backend) -> None:
    """A replaced file goes an hour after its replacement, however old it is itself; files in use never go."""
    history = open_history(tmp_path)
    add_day(history, FIRST, con=con)
    for path in (tmp_path / "account_sources").iterdir():
        os.utime(path, (0, 0))
    (tmp_path / "tmp" / "1-0.parquet").write_bytes(b"half")
    add_day(history, FIRST, con=con, lookups=8)
    expected = fingerprint(tmp_path)
    replaced_at = max(path.stat().st_mtime for path in (tmp_path / "account_sources").iterdir())
    assert sweep(history, before_s=replaced_at - 10) == 0
    assert sweep(history, before_s=replaced_at + 10) == 2
    assert sweep(history, before_s=replaced_at + 10) == 0
    assert fingerprint(tmp_path) == expected
    assert len(list((tmp_path / "account_sources").iterdir())) == 1


def test_retention_shorter_than_two_windows_is_refused() -> None:
    """A retention under 57 days would drop the past of days that late lines may still change."""
    with pytest.raises(ValueError, match="greater than or equal to 57"):
        RetentionSettings(brief_days=56)


def test_ages_count_from_the_newest_day(tmp_path: Path, con: Backend) -> None:
    """A dump of long ago keeps its days: only newer days of the same history age them."""
    history = open_history(tmp_path)
    add_day(history, date(2017, 1, 1), con=con)
    add_day(history, date(2017, 1, 1) + timedelta(days=30), con=con)
    assert expire(history, con=con, settings=SETTINGS) == ()
