"""What the history keeps for a dossier: past the retention, and against erasure, until it is released."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

from ibis.backends.duckdb import Backend

from detector.errors import BusyHistoryError, HistoryError
from detector.history import History, hold, record_action, release
from detector.history.manifest import WINDOW_DAYS, Hold
from detector.incident.case import Dossier
from detector.output.table import counted
from detector.settings import Settings
from detector.workspace import workspace

PATIENCE_S = 60.0
"""A run over a slice ends within a minute; a training does not, and nothing is due for months."""
PAUSE_S = 0.5


def hold_days(history: History, dossier: Dossier, *, out: Path, con: Backend) -> str:
    """Hold the window of a dossier, and the weeks before it that it was compared with, of its accounts alone.

    The hold is named by the dossier's folder, so that an amended dossier amends its hold.

    Parameters
    ----------
    history
        The history that the dossier comes from.
    dossier
        The dossier.
    out
        Its folder.
    con
        Ibis DuckDB backend.

    Returns
    -------
    str
        What is held, or why it could not be: nobody waits for a dossier because a run is at work.
    """
    first, last = dossier.start - timedelta(days=WINDOW_DAYS), dossier.end
    accounts = tuple(sorted(set(dossier.accounts["account"])))
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            hold(history, str(out.resolve()), first=first, last=last, accounts=accounts, con=con)
        except BusyHistoryError as busy:
            if time.monotonic() > until:
                return f"the history keeps nothing for it yet, prepare the dossier again: {busy}"
            time.sleep(PAUSE_S)
        else:
            kept = say_hold(Hold(first=first, last=last, accounts=accounts))
            return f"the history keeps {kept}, until `detector holds release {out}` ends it"


def say_hold(held: Hold) -> str:
    """What it keeps, in words that name no account."""
    return f"{counted(len(held.accounts), 'account') if held.accounts else 'all accounts'}, {held.first} to {held.last}"


def release_days(settings: Settings, name: str, *, at: datetime, by: str, why: str) -> str:
    """End a hold: retention and erasure go on, and what only it kept is dropped. Return its name.

    Who asked, when and why goes to the append-only log first.

    Parameters
    ----------
    settings
        They name the history.
    name
        The hold, or the dossier's folder as it is called from here.
    at, by, why
        When, who asks for it, and the reason.

    Raises
    ------
    HistoryError
        If there is no such hold, or another run is writing.
    """
    with workspace(settings) as place:
        history = place.history()
        if history is None:
            raise HistoryError("no history: name its folder (--history DIR), or [history] folder (--config FILE)")
        holds = history.manifest.holds
        chosen = name if name in holds else str(Path(name).resolve())
        with history.writing():
            if chosen in holds:
                record_action(history, verb="release", at=at, by=by, why=why, days=say_hold(holds[chosen]))
            release(history, chosen if chosen in holds else name, con=place.con)
    return chosen
