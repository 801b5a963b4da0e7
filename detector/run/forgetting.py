"""Erasure on request, everywhere: history, and models and ledger where an account is named."""

from __future__ import annotations

import os
from datetime import date, datetime

from detector.errors import ConfigError
from detector.history import forget, forget_day
from detector.run.judging import JUDGED
from detector.run.lock import only_run
from detector.run.versions import forget_set_aside
from detector.settings import Settings
from detector.workspace import MODEL, ledger_of, log_key, workspace


def forget_subject(
    settings: Settings,
    *,
    account: str | None = None,
    record: str | None = None,
    day: date | None = None,
    at: datetime,
    by: str,
    why: str,
) -> tuple[int, int]:
    """Remove what is held on an account, a record or a day; return rows and alerts removed.

    Who asked, when and why goes to the append-only log first, the subject as a hash under the key only. Of a day, the
    ledger keeps its alerts.

    Raises
    ------
    HistoryError
        If an incident holds it, or the day is not held; then nothing was removed.
    AlreadyRunningError
        If a run is at work: try again when it has ended.
    """
    folder = settings.history.folder
    if folder is None:
        raise ConfigError("no history: name its folder (--history DIR), or [history] folder (--config FILE)")
    with workspace(settings) as place:
        history = place.history()
        assert history is not None, "its folder is named"  # noqa: S101 - for the type checker
        with only_run(folder):
            if day is not None:
                rows = forget_day(history, day, con=place.con, at=at, by=by, why=why)
            else:
                key = log_key(settings, env=place.env)
                rows = forget(history, con=place.con, at=at, by=by, why=why, account=account, record=record, key=key)
            # What was judged is counted by account; without it, the day's accounts are judged once more.
            for path in (folder / JUDGED).glob("*.parquet" if day is None else f"{day}.*"):
                path.unlink()
            ledger = ledger_of(settings, env=os.environ)
            alerts = ledger.forget(account) if ledger is not None and account is not None else 0
            if account is not None:
                forget_set_aside(account, folder, model_folder=settings.history.model or folder / MODEL)
    return rows, alerts
