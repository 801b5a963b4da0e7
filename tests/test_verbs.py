"""The verbs as functions: tables of any make go in."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pytest
from ibis.backends.duckdb import Backend

import detector
from detector.alerting import AlertSettings
from detector.errors import ConfigError, HistoryError, SchemaError
from detector.history import History, transaction
from detector.reading import Mapping
from detector.scoring import Scored
from detector.verbs import _warnings, to_events

EVENTS = pd.DataFrame(
    {
        "timestamp": pd.date_range("2026-02-12T08:00Z", periods=90, freq="5min", unit="us"),
        "account": [f"a{n % 6}" for n in range(90)],
        "action": "lookup",
        "outcome": "success",
        "record": [f"r{n % 41}" for n in range(90)],
    }
)


class Foreign:
    """A table of another library, which says how Arrow can take it."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Of the Arrow PyCapsule interface."""
        return self._rows.__arrow_c_stream__(requested_schema)


def test_whatever_arrow_takes_is_scored_alike() -> None:
    """A DataFrame, an Arrow table, a reader and a foreign table give the same scores, in any order of their rows."""
    arrow = pa.Table.from_pandas(EVENTS.sample(frac=1, random_state=1), preserve_index=False)
    expected = detector.score(EVENTS, complete=True).scores
    assert len(expected) == 6
    for table in (arrow, arrow.to_reader(), Foreign(arrow)):
        pd.testing.assert_frame_equal(detector.score(table, complete=True).scores, expected)


def test_rows_without_a_source_are_numbered() -> None:
    """What came from no file is numbered, so that evidence names a row; half a place is an error."""
    assert to_events(EVENTS).select(["source", "line"]).slice(89).to_pylist() == [{"source": "table", "line": 90}]
    with pytest.raises(SchemaError, match="missing column 'line'"):
        to_events(EVENTS.assign(source="x"))


def test_a_history_that_is_not_there_is_told_before_anything_is_read(tmp_path: Path) -> None:
    """No key is made for a history that nobody has, and no dump is opened."""
    with pytest.raises(HistoryError, match="holds no history"):
        detector.score(tmp_path / "absent.csv", history=tmp_path / "absent")
    assert not list(tmp_path.iterdir())


def test_a_table_of_events_is_compared_with_a_history(tmp_path: Path) -> None:
    """A DataFrame is told what is new as a dump is, though its columns allow no nulls and a history's do."""
    days = [EVENTS.assign(timestamp=EVENTS["timestamp"] + pd.Timedelta(days=day)) for day in range(8)]
    for number, rows in enumerate(days[:7]):
        rows.to_parquet(tmp_path / f"{number}.parquet", index=False)
    over = datetime(2027, 1, 1, tzinfo=UTC)
    detector.learn(
        str(tmp_path / "*.parquet"),
        history=tmp_path / "history",
        mapping=Mapping.model_validate({"records": {"kind": "token"}}),
        now=over,
    )
    found = detector.build_account_days(to_events(days[7]), history=tmp_path / "history")
    assert found["new_records"].tolist() == [0] * 6


def test_learning_without_dumps_computes_anew_what_is_out_of_date(tmp_path: Path, con: Backend) -> None:
    """A day whose past is another now is compared with it again; of a history that is not there none is made."""
    first, second = (tmp_path / f"{name}.csv" for name in ("first", "second"))
    for path, days in ((first, 0), (second, 1)):
        EVENTS.assign(timestamp=EVENTS["timestamp"] + pd.Timedelta(days=days)).to_csv(path, index=False)
    now, mapping = datetime(2026, 2, 20, tzinfo=UTC), Mapping.model_validate({"records": {"kind": "token"}})
    detector.learn([first, second], history=tmp_path / "history", mapping=mapping, now=now)
    held = History.open(tmp_path / "history")
    with transaction(held, con=con) as change:
        change.set_day(held.days[1], past="another")
    assert History.open(tmp_path / "history").stale == held.days[1:]
    learned = detector.learn(history=tmp_path / "history", now=now)
    assert learned.files == ()
    assert not History.open(tmp_path / "history").stale
    with pytest.raises(ConfigError, match="no dump: name files"):
        detector.learn(history=tmp_path / "absent", now=now)
    assert not (tmp_path / "absent").exists()


def test_a_run_says_on_which_channels_nobody_can_be_warned_of_early() -> None:
    """Of each channel whose past is too short on any day, as the last of these has it."""
    first, last = date(2026, 2, 4), date(2026, 2, 5)
    rows = [("software", 990, first), ("software", 994, last), ("portal", 999, first), ("portal", 1_000, last)]
    watched = pd.DataFrame(rows, columns=["channel", "account_days", "day"]).assign(needed=1_000)
    scores = pd.DataFrame({"day": [last] * 90, "kind": ["known"] * 90})
    model = cast("Any", SimpleNamespace(cold=False, calibration=pd.DataFrame({"kind": ["known"] * 899})))
    short, portal, software = _warnings((), model, Scored(scores, scores, scores, watched), AlertSettings())
    assert short.startswith(
        "the model was calibrated on 899 account-days; with 90 active accounts a day 900 are needed"
    )
    need = "its limits need 1,000 account-days with enough past, and the 28 days before"
    assert portal == f"no early warning on the channel portal: {need} 2026-02-04 hold 999"
    on = "software on 2 days, the last of them 2026-02-05"
    assert software == f"no early warning on the channel {on}: {need} 2026-02-05 hold 994"
