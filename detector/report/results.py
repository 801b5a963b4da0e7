"""A folder of results, read back: what `score --out` wrote, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from detector.details import DETAILS
from detector.early import EARLY
from detector.errors import ConfigError, SchemaError
from detector.output.files import RUN
from detector.schema import Table
from detector.scoring import SCORES


@dataclass(frozen=True)
class Results:
    """What a folder of results holds.

    Attributes
    ----------
    folder
        The folder.
    run
        How the run came about (`run.json`).
    scores, early, details
        `SCORES`, `EARLY` and `DETAILS`, whose days are dates.
    findings
        The alerts, as OCSF findings.
    """

    folder: Path
    run: dict[str, Any]
    scores: pd.DataFrame
    early: pd.DataFrame
    details: pd.DataFrame
    findings: tuple[dict[str, Any], ...]


def read_results(folder: Path) -> Results:
    """Read a folder of results.

    Raises
    ------
    ConfigError
        If it is no folder of results, or one of its files is missing or not what it should be.
    """
    if not (folder / RUN).is_file():
        raise ConfigError(f"{folder}: no {RUN}; expected a folder that `detector score --out` wrote")
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
        lines = (folder / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
        findings = tuple(json.loads(line) for line in lines)
        scores, early, details = (_table(folder, table) for table in (SCORES, EARLY, DETAILS))
    except (OSError, ValueError, pa.ArrowException, SchemaError) as error:
        raise ConfigError(f"{folder}: these results cannot be read ({error}); score again with --out") from error
    return Results(folder, run, scores, early, details, findings)


def _table(folder: Path, table: Table) -> pd.DataFrame:
    rows: pd.DataFrame = table.check(pq.read_table(folder / f"{table.name}.parquet")).to_pandas()
    return rows
