"""What an inquiry starts from, and what a dossier holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pandas as pd

from detector.incident.inquiry import Remark
from detector.reading import FileCount
from detector.settings import Settings


@dataclass(frozen=True)
class Case:
    """What an inquiry starts from.

    Attributes
    ----------
    accounts
        The accounts that alerted; others that the evidence leads to are added.
    first, last
        The days of their alerts, ends included; the window is widened while earlier traces are found.
    aware_at
        When the operator became aware, with its zone: the notice's deadline counts from there. None: as an earlier
        dossier in the folder has it.
    by, why
        Who asks for it and the reason, for the history's log of actions; required with a history.
    """

    accounts: Sequence[str]
    first: date
    last: date
    aware_at: datetime | None = None
    by: str = ""
    why: str = ""


@dataclass(frozen=True)
class Dossier:
    """What a dossier holds, as tables.

    Attributes
    ----------
    start, end
        First and last day of the window, the widened one.
    read_days
        Days of which dumps were read.
    accounts, addresses, records, exposures, timeline
        See `detector.incident.facts`, and `detector.incident.persons`.
    evidence
        The tied events, tokenised, each with the fingerprint of its original line.
    counts
        Persons and queries, lower and upper bounds; a lower bound is None where the dumps were not given.
    earlier
        Traces on days of which no dump was read (`detector.incident.earlier`).
    remarks
        What whoever reads the numbers must know, in English and French.
    files
        The dumps that were read.
    aware_at
        When the operator became aware; None: not told.
    settings
        Resolved.
    held
        What the history keeps for it from now on, or why it could not; empty without a history.
    """

    start: date
    end: date
    read_days: frozenset[date]
    accounts: pd.DataFrame
    addresses: pd.DataFrame
    records: pd.DataFrame
    exposures: pd.DataFrame
    timeline: pd.DataFrame
    evidence: pd.DataFrame
    counts: dict[str, int | None]
    earlier: pd.DataFrame
    remarks: tuple[Remark, ...]
    files: tuple[FileCount, ...]
    aware_at: datetime | None
    settings: Settings
    held: str = ""


def deadline_of(aware_at: datetime, *, hours: int) -> datetime:
    """So many hours later, in UTC: hours of the wall clock are not all there on the day when it is changed."""
    return aware_at.astimezone(UTC) + timedelta(hours=hours)
