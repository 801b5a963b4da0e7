"""Which accounts and days the alerts of a folder of results are about."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date
from pathlib import Path

from detector.errors import ConfigError


def alerted(results: Path, alerts: Collection[str]) -> tuple[list[str], list[date]]:
    """The accounts and days of some alerts, or of all that name an account.

    Parameters
    ----------
    results
        A folder that `detector score --out` wrote.
    alerts
        Uids; none: all.

    Raises
    ------
    ConfigError
        If the folder holds no results, or not these alerts.
    """
    try:
        lines = (results / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
        findings = {finding["metadata"]["uid"]: finding for finding in map(json.loads, lines)}
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{results}: no alerts to be read ({error}); expected what `score --out` wrote") from error
    unknown = sorted(set(alerts) - set(findings))
    if unknown:
        raise ConfigError(f"--alert {unknown[0]}: not in {results}, which holds {len(findings)} alerts")
    chosen = [finding for uid, finding in findings.items() if (not alerts or uid in alerts) and "resources" in finding]
    if not chosen:
        raise ConfigError(f"{results}: no alert on an account; name accounts (--account)")
    accounts = sorted({finding["resources"][0]["uid"] for finding in chosen})
    return accounts, sorted({date.fromisoformat(finding["unmapped"]["day"]) for finding in chosen})
