"""Prometheus' text file: renamed into place, so that a scrape never reads half of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime

from detector.errors import RunError
from detector.history import History
from detector.ledger import Ledger
from detector.run.status import Status, status_of
from detector.settings import Settings

_MEANINGS = {
    "last_run_timestamp_seconds": "Start of the newest run.",
    "last_good_run_timestamp_seconds": "Start of the newest run that ended without an error.",
    "runs_interrupted": "Runs of the last eight days that were killed.",
    "newest_event_timestamp_seconds": "When the newest event happened that a run of the last eight days read.",
    "history_days": "Days held.",
    "history_stale_days": "Days whose signals are out of date.",
    "history_bytes": "Size of the history folder.",
    "alerts_open": "Alerts that nobody judged.",
    "faults_open": "Operator's alerts that nobody judged.",
    "notifications_waiting": "Notifications that wait.",
    "notifications_given_up": "Notifications that were given up.",
    "new_events": "Events read by the newest run.",
    "new_rejects": "Lines rejected by the newest run.",
    "healthy": "1: nothing is wrong.",
}


def write_metrics(settings: Settings, ledger: Ledger, history: History, *, now: datetime) -> None:
    """Write the metrics where the settings say; nowhere if they do not.

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    path = settings.run.metrics
    if path is None:
        return
    text = render_metrics(status_of(history, ledger, settings.portal, now=now, watch=settings.watch))
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        raise RunError(f"[run] metrics {path}: cannot be written ({error.strerror})") from error


def render_metrics(status: Status) -> str:
    """The text format of Prometheus, version 0.0.4."""
    lines = []
    for name, value in _values(status):
        lines += [
            f"# HELP detector_{name} {_MEANINGS[name]}",
            f"# TYPE detector_{name} gauge",
            f"detector_{name} {value}",
        ]
    return "\n".join(lines) + "\n"


def _values(status: Status) -> Iterator[tuple[str, float]]:
    for name, run in (("last_run", status.last_run), ("last_good_run", status.last_good)):
        if run is not None:
            yield f"{name}_timestamp_seconds", run.started_at.timestamp()
    yield "runs_interrupted", len(status.interrupted)
    if status.newest_event is not None:
        yield "newest_event_timestamp_seconds", status.newest_event.timestamp()
    yield "history_days", status.days
    yield "history_stale_days", status.stale_days
    yield "history_bytes", status.bytes
    yield "alerts_open", status.open_alerts
    yield "faults_open", status.open_faults
    yield "notifications_waiting", status.waiting
    yield "notifications_given_up", status.given_up
    feeds = (status.last_run.report or {}).get("feeds", {}) if status.last_run is not None else {}
    yield "new_events", sum(each["events"] for each in feeds.values())
    yield "new_rejects", sum(each["rejects"] for each in feeds.values())
    yield "healthy", int(not status.troubles)
