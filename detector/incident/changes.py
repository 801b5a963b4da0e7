"""What has changed since an earlier dossier in the same folder: later logs amend the numbers, and a notice says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from detector.errors import ConfigError
from detector.incident.facts import TIED

MARK = "incident.json"


@dataclass(frozen=True)
class Earlier:
    """An earlier dossier: when the operator became aware, its revisions, its records."""

    aware_at: datetime | None
    revisions: list[dict[str, Any]]
    records: pd.DataFrame


def read_earlier(out: Path) -> Earlier | None:
    """The dossier that a folder holds; None if it holds none.

    Raises
    ------
    ConfigError
        If it is damaged.
    """
    if not (out / MARK).is_file():
        return None
    try:
        document = json.loads((out / MARK).read_text(encoding="utf-8"))
        records = pd.read_parquet(out / "records.parquet", columns=["record", "bound"])
        aware_at = document["aware_at"]
        return Earlier(datetime.fromisoformat(aware_at) if aware_at else None, document["revisions"], records)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{out}: the earlier dossier cannot be read ({error}); name another folder") from error


def revise(earlier: Earlier | None, facts: dict[str, Any], records: pd.DataFrame) -> list[dict[str, Any]]:
    """The revisions, the newest last; without a change there is no new one, and the dossier keeps its bytes."""
    if earlier is None:
        return [{"number": 1, "facts": facts, "changes": None}]
    last = earlier.revisions[-1]
    if last["facts"] == facts:
        return earlier.revisions
    found = differences(last["facts"], facts) | _of_records(earlier.records, records)
    return [*earlier.revisions, {"number": last["number"] + 1, "facts": facts, "changes": found}]


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Accounts and addresses that came and went, and each number before and after."""
    found: dict[str, Any] = {}
    for name in ("accounts", "block", "keep"):
        found[f"{name}_added"] = sorted(set(after[name]) - set(before[name]))
        found[f"{name}_removed"] = sorted(set(before[name]) - set(after[name]))
    changed = {name: [before[name], after[name]] for name in ("start", "end") if before[name] != after[name]}
    numbers = {
        name: [before["counts"].get(name), value]
        for name, value in after["counts"].items()
        if before["counts"].get(name) != value
    }
    return found | {"window": changed, "counts": numbers}


def _of_records(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, int]:
    found = {}
    for name, chosen in (("tied", TIED), ("all", None)):
        was, now = (
            set(table["record"] if chosen is None else table.loc[table["bound"] == chosen, "record"])
            for table in (before, after)
        )
        found[f"records_{name}_added"] = len(now - was)
        found[f"records_{name}_removed"] = len(was - now)
    return found
