"""Judging days that still go on: the accounts that changed, slice by slice; the whole day once it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _
from ibis.backends.duckdb import Backend

from detector import __version__
from detector.alerts import build_alerts, find_evidence
from detector.checks import run_checks
from detector.early import EARLY, bounds_of, find_limits, with_contrasts
from detector.history import History
from detector.history.manifest import digest_of, past_digest
from detector.history.tables import OPEN_EVENTS, read_rows
from detector.joins import to_frame
from detector.ledger import Ledger, excuse, to_rows
from detector.ledger.reviews import review_rows, waits
from detector.ledger.store import EXTRACTION
from detector.model.kept import Model
from detector.novelty import Past
from detector.run.narrowing import named, narrow, own_touches
from detector.run.screening import Screen, new_to_them
from detector.run.sums import Sums, add_up, load_sums, rows_of, save_sums, with_rows_of
from detector.run.together import name_campaigns, share_severity
from detector.scoring import EVENT_CHECKS, SCORES, Scored, is_warm, score_days, score_running
from detector.timeline import Timeline
from detector.workspace import Workspace

JUDGED = "judged"
"""Folder in the history: sums of what was judged, by day. Without it, all accounts are judged again."""
USUAL_DAYS = 7
MOST_LOOKS = 1_000
"""Closer looks in one run: each takes four thousandths of a second, where the whole run should take thirty. Where more
come near a limit at once, as when a region changes its network, those furthest beyond theirs are first."""


def open_events(
    history: History, days: Sequence[date], *, con: Backend, files: Sequence[str] | None = None
) -> ir.Table:
    """Events of days that are not closed, or those in some of their files; file and line are not kept."""
    held = [path for day in days for path in history.paths(OPEN_EVENTS.name, day, day)]
    paths = [path for path in held if files is None or Path(path).name in files]
    rows = read_rows(paths, table=OPEN_EVENTS, con=con)
    return rows.mutate(source=ibis.null("string"), line=ibis.null("int64"))


class Looked(NamedTuple):
    """What judging a slice found.

    rows
        For the ledger.
    keep
        To be called once they are recorded. Killed in between, the next run judges the same accounts again, and finds
        the same alerts.
    n_looked, n_waiting
        Accounts that were looked at closely, and those that wait for the next run.
    """

    rows: list[dict[str, Any]]
    keep: Callable[[], None]
    n_looked: int = 0
    n_waiting: int = 0


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

    def judge_slice(self, day: date) -> Looked:
        """Judge the accounts of an open day that did something since they were judged, or that wait for it."""
        files, past = self._files(day), self._timeline()
        known = load_sums(self._path(day), files=files, past=self._digest(past, day))
        new = [file for file in files if file not in known.files]
        if not new and not known.waiting:
            return Looked([], lambda: None)
        sums, changed = add_up(
            known, self._events(day, new), files=new, canaries=self.place.canaries, con=self.place.con
        )
        found, screen = self._judge(past, day, sums, changed)
        sums = with_rows_of(sums, changed, screen.sums)._replace(waiting=screen.waiting)
        return Looked(found, lambda: save_sums(sums, self._path(day)), screen.n_looked, len(screen.waiting))

    def _digest(self, past: Timeline, day: date) -> str:
        """Tells one past from another: what looks found holds as long as it is the same, and read by the same code."""
        aside = past.set_aside
        aside = aside[pd.to_datetime(aside["day"]).dt.date < day]
        rows = sorted(f"{row.account} {row.day}" for row in aside.itertuples())
        return digest_of((__version__, past_digest(self.history.manifest, day), *rows))

    def _judge(
        self, past: Timeline, day: date, sums: Sums, changed: Sequence[str]
    ) -> tuple[list[dict[str, Any]], Screen]:
        """Rows for the ledger, and the screen of the accounts that changed, with what looks found."""
        fired = self._event_checks(day)
        n_accounts = self._usual_accounts(day)
        limits = self._limits(past, day, n_accounts=n_accounts)
        screen = Screen(rows_of(sums, changed), limits, checks=self.place.settings.score.checks)
        asked, own = self._asked(past, day, screen, fired)
        if not asked:
            nobody = Scored(SCORES.empty().to_pandas(), EARLY.empty().to_pandas(), fired)
            return self._rows(None, nobody, day), screen
        events = self._events(day).semi_join(named(asked), "account").cache()
        timeline = self._timeline(events, given=narrow(past, day, accounts=asked, events=events, own=own))
        found = score_running(
            timeline,
            self.model,
            day,
            settings=self.place.settings.told,
            n_accounts=n_accounts,
            fired=fired,
            limits=limits,
        )
        # Whoever exceeded a limit is told of by now; of look-ups in vain those so far count from here on, less what was
        # found meanwhile.
        vain = with_contrasts(to_frame(timeline.account_days(day).mutate(found=_.lookups - _.misses)))
        screen.spare(to_frame(bounds_of(timeline.account_days(day))).drop(columns="vain_lookups"))
        screen.spare(vain[["account", "channel", "vain_lookups"]])
        screen.note_looked(asked)
        earlier = self.ledger.alerts(since=day, until=day, kind=EXTRACTION)
        together = name_campaigns(
            found.scores,
            earlier,
            sums=sums.rows,
            past=past,
            day=day,
            settings=self.place.settings.score.campaigns,
        )
        rows = self._rows(events, found._replace(scores=together.scores), day)
        return share_severity(rows, together.earlier, earlier), screen

    def _limits(self, past: Timeline, day: date, *, n_accounts: int) -> pd.DataFrame:
        """Early warning's limits, found once a run; empty where nobody can be warned of early."""
        if not is_warm(past, self.model, day):
            return pd.DataFrame()
        alerts = self.place.settings.score.alerts
        return find_limits(past.past(day).account_days, n_accounts=n_accounts, settings=alerts)

    def _asked(self, past: Timeline, day: date, screen: Screen, fired: pd.DataFrame) -> tuple[list[str], ir.Table]:
        """Accounts that a check or early warning could tell of, and what they touched in the past, in numbers.

        Nobody else is looked at closely, nor more than `MOST_LOOKS` in one run.
        """
        screen.tell_sources(past, day)
        alerts = self.ledger.alerts(since=day, until=day, kind=EXTRACTION)
        settled = screen.settled({each.account: each.records_exposed or 0 for each in alerts if each.account})
        touched = {each.account for each in alerts if "canary_record" in each.checks}
        settled -= {*fired["account"].dropna(), *(screen.with_canaries() - touched)}
        certain = {*screen.certain(), *fired["account"].dropna()} - settled
        doubtful = sorted({*screen.doubtful()} - certain - settled)
        own = own_touches(past, day, accounts=[*certain, *doubtful])
        if doubtful:
            new = new_to_them(self._events(day).semi_join(named(doubtful), "account"), own)
            screen.spare_known(doubtful, new)
            certain.update({*screen.doubtful()} - settled)
        first = {*fired["account"].dropna(), *screen.with_canaries()}
        return screen.most_urgent(certain, first=first, most=MOST_LOOKS), own

    def _event_checks(self, day: date) -> pd.DataFrame:
        """What the checks that look at events find in those of all accounts so far."""
        names = [name for name in self.place.settings.score.checks if name in EVENT_CHECKS]
        return run_checks(ibis.memtable({"day": [day]}), self._events(day), names=names)

    def judge_day(self, day: date) -> list[dict[str, Any]]:
        """Judge a day that is over, all accounts together, as `detector score` does; rows for the ledger."""
        timeline = self._timeline(self._events(day))
        if day not in timeline.input_days:
            return []
        return self._rows(
            timeline.events_of(day),
            score_days(timeline, self.model, days=[day], settings=self.place.settings.told),
            day,
        )

    def was_judged_whole(self, day: date) -> bool:
        """Whether nothing came of the day since it was judged as a whole."""
        path = self._whole(day)
        return path.exists() and path.read_text(encoding="ascii") == digest_of(self._files(day))

    def keep_whole(self, day: date) -> None:
        """Remember that the day, as it is, was judged as a whole."""
        path = self._whole(day)
        path.parent.mkdir(exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(digest_of(self._files(day)), encoding="ascii")
        draft.replace(path)

    def forget_day(self, day: date) -> None:
        """Drop what was kept of a day that is closed."""
        self._path(day).unlink(missing_ok=True)
        self._whole(day).unlink(missing_ok=True)

    def _rows(self, events: ir.Table | None, found: Scored, day: date) -> list[dict[str, Any]]:
        scores = excuse(found.scores, levels=self.ledger.excused(), robots=self.ledger.robots())
        accounts = scores.loc[scores["alert"] | waits(scores), "account"].tolist()
        evidence = pd.DataFrame()
        if accounts and events is not None:
            evidence = find_evidence(events, accounts).assign(day=day)
        alerts = to_rows(build_alerts(scores, found.fired, evidence), scores, found.early)
        known = {each.alert_id for each in self.ledger.alerts(since=day, until=day, kind=EXTRACTION)}
        return [*alerts, *review_rows(scores, evidence, known=known)]

    def _files(self, day: date) -> list[str]:
        """Names of the files that hold the day's events."""
        return [part.name for part in self.history.manifest.days[day].tables[OPEN_EVENTS.name].parts]

    def _events(self, day: date, files: Sequence[str] | None = None) -> ir.Table:
        """The day's events, or those in some of its files."""
        return open_events(self.history, [day], files=files, con=self.place.con)

    def _timeline(self, events: ir.Table | None = None, *, given: Past | None = None) -> Timeline:
        return self.place.timeline(self.history, events=events, model=self.model, given=given)

    def _usual_accounts(self, day: date) -> int:
        first, last = day - timedelta(days=USUAL_DAYS), day - timedelta(days=1)
        days = self.history.table(self.place.con, "account_days", first, last)
        counts = days.group_by("day").aggregate(n=_.account.nunique()).to_pandas()["n"]
        return int(counts.max()) if len(counts) else 1

    def _path(self, day: date) -> Path:
        return self.history.folder / JUDGED / f"{day}.parquet"

    def _whole(self, day: date) -> Path:
        return self.history.folder / JUDGED / f"{day}.whole"
