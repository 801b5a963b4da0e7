"""One large day, scored in many ways: the results do not depend on the machine, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from ibis.backends.duckdb import Backend

from benchmarks.score_day import MAPPING, write_day
from detector import score
from detector.settings import EngineSettings, Settings
from detector.workspace import workspace

FILES = 3


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of 20,000 events, whole (`day.parquet`) and in three files, with its mapping."""
    folder = tmp_path_factory.mktemp("day")
    whole = write_day(folder, events=20_000, accounts=400)
    for part in range(FILES):
        rows = duckdb.read_parquet(str(whole)).filter(f"hash(account, timestamp) % {FILES} = {part}")
        rows.write_parquet(str(folder / f"part-{part}.parquet"))
    (folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    return folder


def scores(day: Path, dumps: str, temp: Path, **engine: Any) -> pd.DataFrame:
    """The table of scores, by account."""
    settings = Settings(engine=EngineSettings(temp_folder=temp, **engine))
    found = score(str(day / dumps), mapping=day / "mapping.toml", complete=True, settings=settings)
    ordered: pd.DataFrame = found.scores.sort_values("account", ignore_index=True)
    return ordered


def test_workers_memory_and_files_change_nothing(day: Path, tmp_path: Path) -> None:
    """One worker with much memory, two with little, and the day in three files: the same scores to the last bit."""
    one = scores(day, "day.parquet", tmp_path, threads=1, memory_limit="2GB")
    assert len(one) == 400
    for dumps, engine in (("day.parquet", {"threads": 2, "memory_limit": "200MB"}), ("part-*.parquet", {"threads": 2})):
        pd.testing.assert_frame_equal(scores(day, dumps, tmp_path, **engine), one, check_exact=True)


@pytest.mark.parametrize("queries", [1, 4, 7, 10])
def test_an_interruption_leaves_nothing_in_the_users_folder(
    day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queries: int
) -> None:
    """Whatever query the interruption falls into, the temporary folder was in use, and is empty afterwards."""
    asked: list[list[str]] = []
    run = Backend.raw_sql

    def interrupted(self: Backend, query: Any, **given: Any) -> Any:
        if "CREATE TEMPORARY TABLE" in str(query):
            asked.append([path.name for path in tmp_path.iterdir()])
            if len(asked) == queries:
                raise KeyboardInterrupt
        return run(self, query, **given)

    monkeypatch.setattr(Backend, "raw_sql", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scores(day, "day.parquet", tmp_path)
    assert len(asked) == queries
    assert all(names[0].startswith("detector-") for names in asked)
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_into_memory_spills_into_the_users_folder(tmp_path: Path) -> None:
    """With next to no memory DuckDB writes where the user said, within the folder that vanishes."""
    with workspace(Settings(engine=EngineSettings(temp_folder=tmp_path, memory_limit="64MB", threads=1)), env={}) as at:
        at.con.con.execute("CREATE TEMP TABLE much AS SELECT hash(i) AS a, hash(i, 1) AS b FROM range(8000000) t(i)")
        assert any(path.is_file() for path in (at.scratch / "spill").rglob("*"))
        assert at.scratch.parent == tmp_path
    assert not list(tmp_path.iterdir())
