"""The append-only log of who did what with the history, when and why."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import suppress
from datetime import UTC, datetime

from detector.errors import HistoryError
from detector.history.disk import explained
from detector.history.store import History

LOG = "actions.jsonl"
DOMAIN = b"subject:"
"""What the key makes of a name here is the token of no record."""


def record_action(history: History, *, verb: str, at: datetime, by: str, why: str, **details: str | int) -> None:
    """Add an action to the history's log, one JSON object a line, before it is done: none may go unrecorded.

    Parameters
    ----------
    history
        The history, whose folder holds the log.
    verb
        What is done.
    at
        When, with its zone; written in UTC.
    by, why
        Who does it, and the reason; neither may be empty.
    details
        More about it; never a record token, an account or an identifier.

    Raises
    ------
    HistoryError
        If `by` or `why` is empty, or the log cannot be written.
    """
    if not by.strip() or not why.strip():
        raise HistoryError(f"{verb} needs to know who asks for it and why")
    instant = at.astimezone(UTC).isoformat(timespec="seconds")
    line = json.dumps({"at": instant, "by": by, "verb": verb, "why": why, **details})
    with explained(f"writing {history.folder / LOG}"):
        history.disk.append(history.folder / LOG, line=line)


def list_actions(history: History) -> list[dict[str, str | int]]:
    """What the log holds, the oldest first; a line that was cut short is left out.

    Raises
    ------
    HistoryError
        If the log cannot be read.
    """
    path = history.folder / LOG
    if not path.exists():
        return []
    with explained(f"reading {path}"):
        lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def subject_of(name: str, *, key: bytes | None) -> dict[str, str]:
    """An account or a record token as the log names it: a detail for `record_action`, none without a key.

    HMAC-SHA-256 under the history's key, in hexadecimal. Accounts are short numbers, of which a hash without a key
    tells each: all of them are soon tried.
    """
    if key is None:
        return {}
    return {"subject": hmac.new(key, DOMAIN + name.encode(), hashlib.sha256).hexdigest()}
