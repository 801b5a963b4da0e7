"""The files in `--out`: scores, early alerts, alerts, rejects, and how the run came about."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from detector import __version__
from detector.details import DETAILS
from detector.early import EARLY
from detector.output.folders import whole_folder
from detector.output.ocsf import to_jsonl
from detector.output.rows import plain
from detector.schema import REJECTS, Table
from detector.scoring import SCORES
from detector.verbs import Scored

RUN = "run.json"
FORMAT = 1
LIBRARIES = ("duckdb", "ibis-framework", "numpy", "pandas", "pyarrow", "scikit-learn")


def write_results(scored: Scored, out: Path, *, started_with: Sequence[str] = (), now: datetime | None = None) -> None:
    """Write all results to the folder `out`, which appears whole or not at all.

    The same input gives the same bytes, but for `run.json`, which says when and how.

    Parameters
    ----------
    scored
        What was found.
    out
        The folder; results of an earlier run there are replaced.
    started_with
        The command's arguments.
    now
        The time, with its zone; None: the clock's.

    Raises
    ------
    ConfigError
        If the folder holds other things, or cannot be written.
    """
    zone = scored.settings.portal.zone
    with whole_folder(out, mark=RUN) as folder:
        write_table(scored.scores, SCORES, folder / "scores.parquet")
        write_table(scored.early, EARLY, folder / "early.parquet")
        write_table(scored.details, DETAILS, folder / "details.parquet")
        write_table(scored.rejects, REJECTS, folder / "rejects.parquet")
        (folder / "alerts.jsonl").write_text(to_jsonl(scored.alerts, scored.scores, zone=zone), encoding="utf-8")
        report = report_run(scored, started_with=started_with, now=now or datetime.now(UTC))
        text = json.dumps(plain(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / RUN).write_text(text, encoding="utf-8")


def write_table(frame: pd.DataFrame, table: Table, path: Path) -> None:
    """Write a table, checked, as Parquet: equal rows give equal bytes."""
    rows = pa.Table.from_pandas(_with_lists(frame, table), schema=table.arrow, preserve_index=False)
    pq.write_table(table.check(rows.replace_schema_metadata(None)), path, compression="zstd", store_schema=False)


def _with_lists(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """A column of lists that has none is a column of NaN to pandas, which Arrow does not take for lists."""
    names = [column.name for column in table.columns if pa.types.is_list(column.type) and column.name in frame]
    lists = {name: pd.Series(list(frame[name]), dtype="object", index=frame.index) for name in names}
    return frame.assign(**{name: values.where(values.notna(), None) for name, values in lists.items()})


def report_run(scored: Scored, *, started_with: Sequence[str], now: datetime) -> dict[str, Any]:
    """How a run came about: settings, versions, days, counts per file, warnings, the model."""
    return {
        "format": FORMAT,
        "written_at": now,
        "arguments": list(started_with),
        "versions": versions(),
        "days": [day._asdict() | _counts(scored, day.day) for day in scored.days],
        "files": [asdict(file) for file in scored.files],
        "rejects": len(scored.rejects),
        "warnings": list(scored.warnings),
        "model": {"version": scored.model.version, "cold": scored.model.cold, "card": scored.model.card},
        "settings": json.loads(scored.settings.model_dump_json()),
    }


def versions() -> dict[str, str]:
    """Of the program, of Python and of the libraries that results depend on."""
    python = {"detector": __version__, "python": platform.python_version(), "platform": sys.platform}
    return python | {name: version(name) for name in LIBRARIES}


def _counts(scored: Scored, day: Any) -> dict[str, Any]:
    rows = scored.scores[scored.scores["day"] == pd.Timestamp(day)]
    queues = rows["queue"].value_counts().sort_index()
    return {
        "accounts": len(rows),
        "alerts": int(rows["alert"].sum()),
        "early": int((scored.early["day"] == pd.Timestamp(day)).sum()),
        "queues": {str(name): int(count) for name, count in queues.items()},
    }
