"""Forgetting an account or a record."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend

from detector.errors import HistoryError
from detector.history import History, forget, forget_day, hold, subject_of, transaction
from detector.history.tables import OPEN_EVENTS
from tests.history.made import FIRST, FailingDisk, Killed, add_day, day_number, fingerprint, open_history, record_rows

AT = datetime(2026, 11, 24, 3, 0, tzinfo=timezone(timedelta(hours=1)))
KEY = bytes(range(32))


def _forget(history: History, con: Backend, **subject: str) -> int:
    return forget(history, con=con, at=AT, by="dpo", why="art. 17 request 12", key=KEY, **subject)


def _filled(folder: Path, con: Backend, *, days: int = 3) -> History:
    history = open_history(folder)
    for offset in range(days):
        add_day(history, day_number(offset), con=con)
    last = day_number(days)
    events = [
        {"timestamp": 0, "account": account, "action": "lookup", "outcome": "success", "record": record, **facts}
        for account, record, facts in (
            ("a", "r1", {"record_sex": "1", "delegate": None}),
            ("b", "r1", {"record_sex": "1"}),
            ("b", "r2", {"record_sex": "2", "delegate": "a"}),
            (None, None, {}),
        )
    ]
    with transaction(history, con=con) as change:
        change.put(last, "account_records", record_rows(last, records=("r1", "r2")))
        change.put(last, "open_events", ibis.memtable(OPEN_EVENTS.check(pa.Table.from_pylist(events))))
    return history


def _holds(folder: Path, text: str) -> bool:
    return any(
        text
        in (value for value in pa.parquet.read_table(path).to_pandas().to_numpy().ravel() if isinstance(value, str))
        for path in folder.rglob("*.parquet")
    )


def test_a_history_that_is_named_from_where_one_stands_forgets_as_well(
    tmp_path: Path, con: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--history history`: the engine tells files by their whole paths."""
    monkeypatch.chdir(tmp_path)
    history = _filled(Path("history"), con)
    assert _forget(history, con, account="a") > 0
    assert not _holds(tmp_path / "history", "a")


def test_forgotten_account_is_in_no_file(tmp_path: Path, con: Backend) -> None:
    """All rows of the account, and events that it did for others, leave; others' rows stay."""
    history = _filled(tmp_path, con)
    assert _forget(history, con, account="a") == 3 * 2 + 2 + 2
    assert not _holds(tmp_path, "a")
    assert history.table(con, "account_records", FIRST, day_number(3)).count().to_pyarrow().as_py() == 3 + 2
    events = history.table(con, "open_events", FIRST, day_number(3)).to_pyarrow()
    assert events["record"].to_pylist() == ["r1", None]


def test_forgotten_record_is_in_no_file(tmp_path: Path, con: Backend) -> None:
    """Rows on the record leave; events keep what the account did, without the record and the facts about it."""
    history = _filled(tmp_path, con)
    assert _forget(history, con, record="r1") == 3 * 2 + 2 + 2
    assert not _holds(tmp_path, "r1")
    events = history.table(con, "open_events", FIRST, day_number(3)).order_by("account", "record").to_pyarrow()
    assert events["account"].to_pylist() == ["a", "b", "b", None]
    assert events["record"].to_pylist() == [None, "r2", None, None]
    assert events["record_sex"].to_pylist() == [None, "2", None, None]


def test_forgetting_makes_no_day_stale(tmp_path: Path, con: Backend) -> None:
    """Figures that were computed with the rows stay, so that days older than their past can be used still."""
    history = open_history(tmp_path)
    for offset in range(3):
        add_day(history, day_number(offset), con=con)
    _forget(history, con, account="a")
    assert history.stale == ()


def test_unknown_subject_changes_nothing_but_the_log(tmp_path: Path, con: Backend) -> None:
    """Nobody's request removes nothing, rewrites nothing, and is logged all the same."""
    history = _filled(tmp_path, con)
    before = fingerprint(tmp_path)
    assert _forget(history, con, account="nobody") == 0
    assert fingerprint(tmp_path) == before
    assert len((tmp_path / "actions.jsonl").read_text().splitlines()) == 1


def test_log_tells_who_when_and_why_but_not_whom(tmp_path: Path, con: Backend) -> None:
    """The log is appended to, in UTC, and holds a hash of the subject only, which nobody finds without the key."""
    history = _filled(tmp_path, con)
    _forget(history, con, record="r1")
    _forget(history, con, record="r2")
    lines = [json.loads(line) for line in (tmp_path / "actions.jsonl").read_text().splitlines()]
    assert [line["verb"] for line in lines] == ["forget", "forget"]
    first = lines[0]
    assert (first["at"], first["by"], first["why"]) == ("2026-11-24T02:00:00+00:00", "dpo", "art. 17 request 12")
    assert first["kind"] == "record"
    assert "r1" not in first.values()
    assert [line["subject"] for line in lines] == [subject_of(name, key=KEY)["subject"] for name in ("r1", "r2")]
    assert subject_of("r1", key=bytes(32))["subject"] not in first.values()
    assert hashlib.sha256(b"r1").hexdigest() not in first.values()


def test_without_a_key_the_log_names_nobody(tmp_path: Path, con: Backend) -> None:
    """A hash of a short number would name it: all of them are soon tried."""
    forget(_filled(tmp_path, con), con=con, at=AT, by="dpo", why="request", account="a")
    assert "subject" not in json.loads((tmp_path / "actions.jsonl").read_text())


@pytest.mark.parametrize("missing", ["by", "why"])
def test_nameless_request_is_refused(tmp_path: Path, con: Backend, missing: str) -> None:
    """Without a name or a reason nothing is removed."""
    history = _filled(tmp_path, con)
    before = fingerprint(tmp_path)
    arguments: dict[str, Any] = {"by": "dpo", "why": "request", missing: " "}
    with pytest.raises(HistoryError, match="who asks for it and why"):
        forget(history, con=con, at=AT, account="a", **arguments)
    assert fingerprint(tmp_path) == before


@pytest.mark.parametrize("subject", [{}, {"account": "a", "record": "r1"}])
def test_subject_is_an_account_or_a_record(tmp_path: Path, con: Backend, subject: dict[str, str]) -> None:
    """Neither, or both, is an error."""
    with pytest.raises(HistoryError, match="either an account or a record"):
        _forget(open_history(tmp_path), con, **subject)


def test_held_days_are_not_forgotten(tmp_path: Path, con: Backend) -> None:
    """What an incident holds is evidence: the request is refused as a whole, naming the incident, and not logged."""
    history = _filled(tmp_path, con)
    hold(history, "INC-1", first=FIRST, last=FIRST, con=con)
    before = fingerprint(tmp_path)
    with pytest.raises(HistoryError, match="INC-1 holds days"):
        _forget(history, con, account="a")
    assert fingerprint(tmp_path) == before
    assert not (tmp_path / "actions.jsonl").exists()


def test_a_hold_of_one_account_bars_no_other(tmp_path: Path, con: Backend) -> None:
    """Whoever is no part of the incident is forgotten on its days too; a record that both read is not."""
    history = _filled(tmp_path, con)
    hold(history, "INC-1", first=FIRST, last=FIRST, accounts=("a",), con=con)
    for subject in ({"account": "a"}, {"record": "r1"}):
        with pytest.raises(HistoryError, match="INC-1 holds days"):
            _forget(history, con, **subject)
    assert _forget(history, con, account="b") > 0
    assert _holds(tmp_path, "a")
    assert not _holds(tmp_path, "b")


def test_kill_before_any_operation_forgets_all_or_nothing(tmp_path: Path, con: Backend) -> None:
    """A request that is killed anywhere is logged if anything was removed, and can be made again."""
    count = FailingDisk()
    _filled(tmp_path / "filled", con, days=1)
    before = fingerprint(tmp_path / "filled")
    shutil.copytree(tmp_path / "filled", tmp_path / "count")
    _forget(open_history(tmp_path / "count", disk=count), con, account="a")
    done = fingerprint(tmp_path / "count")
    for at in (0, *range(3, len(count.steps), 4), len(count.steps) - 1):
        folder = tmp_path / str(at)
        shutil.copytree(tmp_path / "filled", folder)
        with pytest.raises(Killed):
            _forget(open_history(folder, disk=FailingDisk(at=at)), con, account="a")
        after = fingerprint(folder)
        assert after == before or (after == done and (folder / "actions.jsonl").exists())
        _forget(open_history(folder), con, account="a")
        assert fingerprint(folder) == done


def test_utc_is_written(tmp_path: Path, con: Backend) -> None:
    """A time of any zone is written in UTC."""
    history = open_history(tmp_path)
    forget(history, con=con, at=AT.astimezone(UTC), by="dpo", why="request", account="a")
    assert '"at": "2026-11-24T02:00:00+00:00"' in (tmp_path / "actions.jsonl").read_text()


def test_a_forgotten_day_is_in_no_file(tmp_path: Path, con: Backend) -> None:
    """The others are as they were, those after it stale; the log says which day."""
    history = _filled(tmp_path, con)
    day = day_number(1)
    before = sum(part.rows for stored in history.manifest.days[day].tables.values() for part in stored.parts)
    assert forget_day(history, day, con=con, at=AT, by="ops", why="the clock was wrong") == before > 0
    assert history.days == (FIRST, day_number(2), day_number(3))
    assert not list(tmp_path.rglob(f"{day}-*.parquet"))
    assert set(history.stale) >= {day_number(2)}
    logged = json.loads((tmp_path / "actions.jsonl").read_text().splitlines()[-1])
    assert (logged["kind"], logged["day"], logged["why"]) == ("day", str(day), "the clock was wrong")


def test_a_day_that_is_not_held_or_is_kept_for_an_incident_is_not_forgotten(tmp_path: Path, con: Backend) -> None:
    """It is said, and nothing is logged as done."""
    history = _filled(tmp_path, con)
    hold(history, "case", first=FIRST, last=FIRST, con=con)
    for day, reason in ((FIRST, "case holds"), (day_number(9), "is not held")):
        with pytest.raises(HistoryError, match=reason):
            forget_day(history, day, con=con, at=AT, by="ops", why="the clock was wrong")
    assert FIRST in history.days
    assert not (tmp_path / "actions.jsonl").exists()
