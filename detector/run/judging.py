"""Judging days that still go on: the accounts that changed, slice by slice; the whole day once it is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from ibis import _

from detector.alerts import build_alerts, find_evidence
from detector.history import History
from detector.history.tables import OPEN_EVENTS
from detector.ledger import Ledger, excuse, to_rows
from detector.model.kept import Model
from detector.scoring import Scored, score_days, score_running
from detector.timeline import Timeline
from detector.workspace import Workspace

JUDGED = "judged"
"""Folder in the history: how many events of each account were judged, by day. Without it, all are judged again."""
USUAL_DAYS = 7
_COUNTS = pa.schema([("account", pa.string()), ("n", pa.int64())])


class Judge:
    """What judges the open days of a history.

    Parameters
    ----------
    place, history, ledger, model
        Of the run.
    """

    def __init__(self, place: Workspace, history: History, ledger: Ledger, model: Model) -> None:
        self.place = place
        self.history = history
        self.ledger = ledger
        self.model = model

    def judge_slice(self, day: date) -> tuple[list[dict[str, Any]], Callable[[], None]]:
        """Judge the accounts of an open day that did something since they were judged.

        Returns
        -------
        tuple
            Rows for the ledger, and what to call once they are recorded. Killed in between, the next run judges the
            same accounts again, and finds the same alerts.
        """
        events = self._events(day)
        counts = events.filter(_.account.notnull()).group_by("account").aggregate(n=_.count())
        now = counts.order_by("account").to_pyarrow().cast(_COUNTS)
        changed = _changed(now, _load(self._path(day)))

        def keep() -> None:
            _save(now, self._path(day))

        if not changed:
            return [], keep
        asked = events.semi_join(ibis.memtable({"account": changed}), "account")
        # Failures that name nobody belong to no account, and checks look at them.
        nameless = events.filter(_.account.isnull())
        timeline = self._timeline(ibis.union(asked, nameless).cache())
        settings = self.place.settings.score
        found = score_running(timeline, self.model, day, settings=settings, n_accounts=self._usual_accounts(day))
        return self._rows(timeline, found, day), keep

    def judge_day(self, day: date) -> list[dict[str, Any]]:
        """Judge a day that is over, all accounts together, as `detector score` does; rows for the ledger."""
        timeline = self._timeline(self._events(day))
        if day not in timeline.input_days:
            return []
        return self._rows(
            timeline, score_days(timeline, self.model, days=[day], settings=self.place.settings.score), day
        )

    def forget_day(self, day: date) -> None:
        """Drop what was kept of a day that is closed."""
        self._path(day).unlink(missing_ok=True)

    def _rows(self, timeline: Timeline, found: Scored, day: date) -> list[dict[str, Any]]:
        scores = excuse(found.scores, levels=self.ledger.excused(), robots=self.ledger.robots())
        accounts = scores.loc[scores["alert"], "account"].tolist()
        events = timeline.events_of(day)
        evidence = pd.DataFrame()
        if accounts and events is not None:
            evidence = find_evidence(events, accounts).assign(day=day)
        return to_rows(build_alerts(scores, found.fired, evidence), scores, found.early)

    def _events(self, day: date) -> ir.Table:
        events = self.history.table(self.place.con, OPEN_EVENTS.name, day, day)
        return events.mutate(source=ibis.null("string"), line=ibis.null("int64"))

    def _timeline(self, events: ir.Table) -> Timeline:
        return self.place.timeline(self.history, events=events, model=self.model)

    def _usual_accounts(self, day: date) -> int:
        first, last = day - timedelta(days=USUAL_DAYS), day - timedelta(days=1)
        days = self.history.table(self.place.con, "account_days", first, last)
        counts = days.group_by("day").aggregate(n=_.account.nunique()).to_pandas()["n"]
        return int(counts.max()) if len(counts) else 1

    def _path(self, day: date) -> Path:
        return self.history.folder / JUDGED / f"{day}.parquet"


def _changed(now: pa.Table, before: pa.Table) -> list[str]:
    known = dict(zip(before["account"].to_pylist(), before["n"].to_pylist(), strict=True))
    counts = zip(now["account"].to_pylist(), now["n"].to_pylist(), strict=True)
    return [account for account, n in counts if known.get(account) != n]


def _load(path: Path) -> pa.Table:
    """What was judged; what cannot be read was not judged."""
    try:
        return pq.read_table(path, schema=_COUNTS)
    except (OSError, pa.ArrowException):
        return _COUNTS.empty_table()


def _save(counts: pa.Table, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".new")
    pq.write_table(counts, draft)
    draft.replace(path)
