"""Made-up scores for tests of what people see: a row says what matters, the rest is filled in."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from detector.checks import FIRED
from detector.details import DETAILS
from detector.early import EARLY
from detector.model.kept import Model
from detector.schema import REJECTS
from detector.scoring import SCORES
from detector.settings import Settings
from detector.verbs import JudgedDay, Scored

DAY = date(2026, 2, 12)
_FILLED: dict[pa.DataType, Any] = {pa.string(): "x", pa.float64(): 0.0, pa.int64(): 0, pa.bool_(): False}


def reason(signal: str, sentence: str, **given: Any) -> dict[str, Any]:
    """One reason."""
    return {
        "signal": signal,
        "value": 1204.0,
        "usual": 31.0,
        "peers": 90.0,
        "contribution": 5.0,
        "sentence": sentence,
    } | given


def scores(*rows: dict[str, Any]) -> pd.DataFrame:
    """A table of scores; ranks follow the order of the rows."""
    filled = {c.name: _FILLED[c.type] for c in SCORES.columns if not c.null and c.type in _FILLED}
    usual = filled | {"day": DAY, "channel": "portal", "reasons": [], "kind": "known", "records": 9, "lookups": 12}
    made = [usual | {"rank": place} | row for place, row in enumerate(rows, 1)]
    table: pd.DataFrame = pa.Table.from_pylist(made, schema=SCORES.arrow).to_pandas()
    return table.astype({"day": "datetime64[s]"})


def fired(*rows: dict[str, Any]) -> pd.DataFrame:
    """Checks that fired."""
    usual = {"day": DAY, "check": "reset_then_bulk", "severity": "high", "value": 1300, "evidence": "seen"}
    return pd.DataFrame([usual | row for row in rows], columns=list(FIRED)).astype({"day": "datetime64[s]"})


def early(*rows: dict[str, Any]) -> pd.DataFrame:
    """Early warnings."""
    usual = {"day": DAY, "alert_at": datetime(2026, 2, 12, 8, 3, tzinfo=UTC), "records_so_far": 10, "signal": "misses"}
    table: pd.DataFrame = pa.Table.from_pylist([usual | row for row in rows], schema=EARLY.arrow).to_pandas()
    return table.astype({"day": "datetime64[s]"})


def scored(found: pd.DataFrame, alerts: pd.DataFrame, *, model: Model) -> Scored:
    """A whole result of `score`."""
    return Scored(
        scores=found,
        early=early(),
        fired=fired(),
        alerts=alerts,
        details=DETAILS.empty().to_pandas(),
        rejects=REJECTS.empty().to_pandas(),
        days=(JudgedDay(DAY, True, datetime(2026, 2, 12, 22, tzinfo=UTC)),),
        files=(),
        warnings=("a warning",),
        model=model,
        settings=Settings(),
    )


def at(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
