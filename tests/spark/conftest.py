"""A session of Spark on this machine, and a small portal with an attack on its last day, in canonical Parquet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import detector
from detector.schema import EVENTS
from detector.settings import Settings
from detector.simulate import PRESETS, simulate

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Portal(NamedTuple):
    """Canonical events of the last day in three files, and a history, with its model, of the days before."""

    events: Path
    table: pa.Table
    history: Path

    def settings(self, *, history: bool) -> Settings:
        """With the history, or without."""
        base = Settings()
        folder = self.history if history else None
        return base.model_copy(update={"history": base.history.model_copy(update={"folder": folder})})


@pytest.fixture(scope="session")
def needs_spark() -> None:
    """Skip, and say so, where Spark or Java are absent."""
    pytest.importorskip("pyspark", reason="no PySpark: make env-spark")
    if shutil.which("java") is None:
        pytest.skip("no java on the PATH: Spark runs on it")


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Portal:
    """The portal."""
    folder = tmp_path_factory.mktemp("portal")
    simulate(PRESETS["small"].model_copy(update={"days": 26}), folder / "raw")
    dumps = [str(path) for path in sorted((folder / "raw" / "events").glob("*.parquet"))]
    mapping = folder / "raw" / "mapping.toml"
    history = folder / "history"
    detector.learn(dumps[:-1], mapping=mapping, history=history)
    detector.train(history=history)
    settings = Settings()
    held = settings.history.model_copy(update={"folder": history})
    read = detector.read(dumps[-1:], mapping=mapping, settings=settings.model_copy(update={"history": held}))
    rows = pa.Table.from_pandas(read.events, preserve_index=False).replace_schema_metadata(None)
    table = EVENTS.check(rows)
    events = folder / "events"
    events.mkdir()
    third = table.num_rows // 3 + 1
    for n in range(3):
        pq.write_table(table.slice(n * third, third), events / f"part-{n}.parquet")
    return Portal(events, table, history)


@pytest.fixture(scope="session")
def session() -> Iterator[SparkSession]:
    """Spark in this process, on two threads."""
    from detector.spark.session import spark_session

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_HOSTNAME", "localhost")
        with spark_session("local[2]") as found:
            found.conf.set("spark.sql.shuffle.partitions", "2")
            yield found
