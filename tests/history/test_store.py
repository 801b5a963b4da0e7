"""Opening a history, and reading from it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from ibis.backends.duckdb import Backend

from detector.errors import HistoryError
from detector.history import History, sweep
from detector.history.tables import TABLES
from tests.history.made import FIRST, FailingDisk, add_day, day_number, open_history


def test_no_history_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    """A folder without a manifest is no history, and the message says how to make one."""
    with pytest.raises(HistoryError, match=r"holds no history \(manifest.json is not there\).*detector learn DUMPS"):
        History.open(tmp_path / "none")


def test_new_history_is_empty(tmp_path: Path, con: Backend) -> None:
    """A new history holds no day, and its tables have their columns and no row."""
    history = open_history(tmp_path / "new")
    assert not history.days
    assert not history.stale
    for name, table in TABLES.items():
        rows = history.table(con, name, date.min, date.max).to_pyarrow()
        assert rows.num_rows == 0
        assert rows.schema.equals(table.arrow)


def test_opening_again_makes_nothing_anew(tmp_path: Path, con: Backend) -> None:
    """`create` leaves a history that is there alone."""
    add_day(open_history(tmp_path), FIRST, con=con)
    assert open_history(tmp_path).days == (FIRST,)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"zone": "Indian/Reunion"}, "zone is 'Europe/Paris' there and 'Indian/Reunion' here"),
        ({"key_id": "k2"}, "key_id is 'k1' there and 'k2' here; name the key that it was made with"),
        ({"key_id": ""}, "key_id is 'k1' there and '' here; .* mend the mapping"),
        ({"token_fraction": 0.5}, "token_fraction is 1.0 there and 0.5 here"),
    ],
)
def test_mismatch_tells_both_values(tmp_path: Path, changed: dict[str, str | float], told: str) -> None:
    """A history that was made with another zone, key or fraction is refused, both values told."""
    open_history(tmp_path)
    with pytest.raises(HistoryError, match=told):
        History.open(tmp_path, **{"zone": "Europe/Paris", "key_id": "k1", **changed})  # type: ignore[arg-type]


def test_all_mismatches_are_told_together(tmp_path: Path) -> None:
    """Two values that differ are told in one message."""
    open_history(tmp_path)
    with pytest.raises(HistoryError, match=r"zone is .*; key_id is "):
        History.open(tmp_path, zone="UTC", key_id="k2")


def test_other_format_is_refused(tmp_path: Path) -> None:
    """A manifest of another format is refused, both versions told."""
    open_history(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "format": 7, "later": True}))
    with pytest.raises(HistoryError, match="is of format 7, this program reads format 1"):
        History.open(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 1}', '{"format": 1, "zone": "UTC", "key_id": "", "x": 1}']
)
def test_damaged_manifest_is_refused(tmp_path: Path, content: str) -> None:
    """A manifest that is cut, of another shape, or holds an unknown key is refused."""
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(HistoryError, match=r"damaged|format None"):
        History.open(tmp_path)


def test_lost_manifest_is_not_made_anew(tmp_path: Path, con: Backend) -> None:
    """Tables without a manifest are not buried under a new, empty history."""
    add_day(open_history(tmp_path), FIRST, con=con)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(HistoryError, match=r"manifest.json is missing though account_sources"):
        open_history(tmp_path)


def test_table_gives_the_days_asked_for(tmp_path: Path, con: Backend) -> None:
    """Both ends of the span are included, and days outside it are not."""
    history = open_history(tmp_path)
    for offset in range(4):
        add_day(history, day_number(offset), con=con)
    rows = history.table(con, "account_sources", day_number(1), day_number(2)).to_pyarrow()
    assert set(rows["day"].to_pylist()) == {day_number(1), day_number(2)}
    assert rows.num_rows == 4


def test_missing_file_is_told(tmp_path: Path, con: Backend) -> None:
    """A file that the manifest names and that is gone is an error, never an absence of events."""
    history = open_history(tmp_path)
    add_day(history, FIRST, con=con)
    Path(history.paths("account_sources", FIRST, FIRST)[0]).unlink()
    with pytest.raises(HistoryError, match="is gone, though"):
        history.table(con, "account_sources", FIRST, FIRST)


def test_reader_keeps_its_state_while_a_writer_commits(tmp_path: Path, con: Backend) -> None:
    """A reader goes on with the state that it opened, files and all, after a writer replaced it and swept."""
    add_day(open_history(tmp_path), FIRST, con=con, lookups=3)
    reader = History.open(tmp_path)
    writer = History.open(tmp_path)
    add_day(writer, FIRST, con=con, lookups=8)
    written = max(path.stat().st_mtime for path in (tmp_path / "account_sources").iterdir())
    sweep(writer, before_s=written - 3540)
    before = reader.table(con, "account_sources", FIRST, FIRST).to_pyarrow()["lookups"].to_pylist()
    after = History.open(tmp_path).table(con, "account_sources", FIRST, FIRST).to_pyarrow()["lookups"].to_pylist()
    assert (before, after) == ([3, 3], [8, 8])


def test_changed_past_makes_a_day_stale(tmp_path: Path, con: Backend) -> None:
    """Changing a day makes stale the 28 days after it that are held, and not the 29th."""
    history = open_history(tmp_path)
    for offset in (0, 1, 28, 29):
        add_day(history, day_number(offset), con=con)
    assert not history.stale
    add_day(history, FIRST, con=con, lookups=9)
    assert history.stale == (day_number(1), day_number(28))
    history.require_fresh(day_number(29), day_number(40))
    with pytest.raises(
        HistoryError, match=r"2 days .* are stale \(2026-03-02 to 2026-03-29\).*detector learn --history"
    ):
        history.require_fresh(FIRST, day_number(29))


def test_day_inserted_into_the_past_makes_later_days_stale(tmp_path: Path, con: Backend) -> None:
    """A day that arrives late makes stale the days after it, which were computed without it."""
    history = open_history(tmp_path)
    add_day(history, day_number(2), con=con)
    add_day(history, day_number(1), con=con)
    assert history.stale == (day_number(2),)


def test_reading_writes_nothing(tmp_path: Path, con: Backend) -> None:
    """Opening and reading do no file operation that changes anything: a read-only state can be read."""
    add_day(open_history(tmp_path), FIRST, con=con)
    disk = FailingDisk(at=0)
    history = History.open(tmp_path, zone="Europe/Paris", key_id="k1", disk=disk)
    assert history.table(con, "account_sources", FIRST, FIRST).count().to_pyarrow().as_py() == 2
    assert disk.steps == []
