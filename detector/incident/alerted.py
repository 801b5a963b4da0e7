"""Which accounts and days alerts are about: those of a folder of results, or of the ledger."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

from detector.errors import ConfigError
from detector.ledger import Ledger
from detector.ledger.store import SHORTEST_PREFIX


def alerted(results: Path, alerts: Collection[str]) -> tuple[list[str], list[date]]:
    """The accounts and days of some alerts, or of all that name an account.

    Parameters
    ----------
    results
        A folder that `detector score --out` wrote.
    alerts
        Uids, or the beginnings of them; none: all.

    Raises
    ------
    ConfigError
        If the folder holds no results, or not these alerts, or several begin like one of them.
    """
    try:
        lines = (results / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
        findings = {finding["metadata"]["uid"]: finding for finding in map(json.loads, lines)}
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{results}: no alerts to be read ({error}); expected what `score --out` wrote") from error
    named = {_whole(alert, findings, results) for alert in alerts}
    chosen = [finding for uid, finding in findings.items() if (not alerts or uid in named) and "resources" in finding]
    if not chosen:
        raise ConfigError(f"{results}: no alert on an account; name accounts (--account)")
    accounts = sorted({finding["resources"][0]["uid"] for finding in chosen})
    return accounts, sorted({date.fromisoformat(finding["unmapped"]["day"]) for finding in chosen})


def _whole(alert: str, uids: Collection[str], results: Path) -> str:
    """The id that begins so; `detector alerts` shows beginnings."""
    if alert in uids:
        return alert
    found = [uid for uid in uids if uid.startswith(alert)] if len(alert) >= SHORTEST_PREFIX else []
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"--alert {alert}: {len(found)} alerts of {results} begin so; type more of the id")
    raise ConfigError(f"--alert {alert}: not in {results}, which holds {len(uids)} alerts")


def alerted_in_ledger(ledger: Ledger, alerts: Sequence[str]) -> tuple[list[str], list[date]]:
    """The accounts and days of alerts that the ledger holds.

    Parameters
    ----------
    ledger
        The ledger.
    alerts
        Ids, or the beginnings of them.

    Raises
    ------
    LedgerError
        If one of them is not there, or several begin like it.
    ConfigError
        If all are about the portal as a whole.
    """
    found = [ledger.alert(alert) for alert in alerts]
    accounts = {alert.account for alert in found if alert.account is not None}
    if len(accounts) == 0:
        raise ConfigError("these alerts are about the portal as a whole; name accounts (--account)")
    return sorted(accounts), sorted({alert.day for alert in found})
