"""The same days as a portal's own logs: what reading makes of them is what was written."""

from __future__ import annotations

import re
from pathlib import Path

import ibis
import pandas as pd
import pytest

from detector.reading import read
from detector.reading.mapping import Input, load_mapping
from detector.simulate import World, parse_attack, simulate
from detector.simulate.logs import LOGS

ATTACKS = (parse_attack("S17:records=20,days=1,day=-1"), parse_attack("S14"), parse_attack("S12:days=1,day=-1"))
KEY = b"k" * 32
RUNNING = re.compile(r'"trace_id":"\d+"|executor-thread-\d+')
"""Numbers that a log gives its lines one after the other."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world in all formats."""
    out = tmp_path_factory.mktemp("formats")
    simulate(World(accounts=150, days=2, seed=3, attacks=ATTACKS), out, formats=("parquet", "csv", "logs"))
    return out


def events_of(inputs: list[Input], *, scratch: Path) -> pd.DataFrame:
    """Return what reading makes of inputs, all of which it understands."""
    con = ibis.duckdb.connect()
    found = read(inputs, con=con, scratch=scratch, key=KEY, zone="Europe/Paris")
    assert found.rejects.num_rows == 0
    return pd.DataFrame(found.events.to_pandas())


def counts(events: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return how many events there are of each combination of values."""
    sizes = events.groupby(list(columns), dropna=False).size().reset_index(name="events")
    return sizes.sort_values(list(columns), ignore_index=True)


@pytest.fixture(scope="module")
def canonical(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The events as read from Parquet."""
    inputs = [Input(path=str(folder / "events"), mapping=load_mapping(folder / "mapping.toml"))]
    return events_of(inputs, scratch=tmp_path_factory.mktemp("scratch"))


def test_csv(folder: Path, canonical: pd.DataFrame, tmp_path: Path) -> None:
    """CSV gives the same events as Parquet, each one line further down."""
    inputs = [Input(path=str(folder / "csv"), mapping=load_mapping(folder / "mapping.toml"))]
    events = events_of(inputs, scratch=tmp_path).sort_values(["source", "line"], ignore_index=True)
    expected = canonical.sort_values(["source", "line"], ignore_index=True)
    assert (events["line"] == expected["line"] + 1).all()
    rest = [name for name in expected if name not in ("source", "line")]
    pd.testing.assert_frame_equal(events[rest], expected[rest], check_dtype=False)


def test_logs(folder: Path, canonical: pd.DataFrame, tmp_path: Path) -> None:
    """Console and trace together give the same events, and the access log adds none twice."""
    inputs = [
        Input(
            path=str(folder / "logs" / log.name / f"*{log.ending}"),
            mapping=load_mapping(folder / "logs" / f"{log.name}.toml"),
        )
        for log in LOGS
    ]
    events = events_of(inputs, scratch=tmp_path)
    what = ("account", "action", "outcome", "channel", "record")
    pd.testing.assert_frame_equal(counts(events, *what), counts(canonical, *what), check_dtype=False)
    pd.testing.assert_frame_equal(counts(events, "ip"), counts(canonical, "ip"), check_dtype=False)


def test_access_log_alone(folder: Path, canonical: pd.DataFrame, tmp_path: Path) -> None:
    """The access log alone tells who looked up whom from where, to the second, behind the portal's proxy."""
    mapping = folder / "logs" / "access.toml"
    events = events_of([Input(path=str(folder / "logs" / "access"), mapping=load_mapping(mapping))], scratch=tmp_path)
    what = ("account", "action", "channel", "record", "ip", "user_agent")
    pd.testing.assert_frame_equal(counts(events, *what), counts(canonical, *what), check_dtype=False)
    assert (events["timestamp"].dt.microsecond == 0).all()


def test_attacks_only_add_lines(folder: Path, tmp_path: Path) -> None:
    """The benign world's logs stand in the attacked one's, line for line, in order, but for the lines' own numbers."""
    simulate(World(accounts=150, days=2, seed=3), tmp_path, formats=("logs",))
    added = 0
    for path in sorted(file for log in LOGS for file in (tmp_path / "logs" / log.name).glob(f"*{log.ending}")):
        attacked, benign = (
            RUNNING.sub("", (out / path.relative_to(tmp_path)).read_text()).splitlines() for out in (folder, tmp_path)
        )
        rest = iter(attacked)
        assert len(benign) > 100
        assert all(line in rest for line in benign), path.name
        added += len(attacked) - len(benign)
    malicious = pd.read_parquet(folder / "truth" / "events.parquet")
    assert added >= len(malicious) > 0
