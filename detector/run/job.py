"""One run: read what is new, judge whom it concerns, record, close what is over, train when it is time, tell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from detector.clock import day_start
from detector.errors import DetectorError, ReadError, RunError
from detector.history import History, record_action
from detector.history.days import close_days, keep_judged
from detector.history.retention import counted_from
from detector.learning import Learned, learn
from detector.ledger import Ledger, Receiver, Recorded
from detector.ledger.outbox import hand_over
from detector.ledger.runs import (
    begin_run,
    drop_later_runs,
    drop_runs,
    end_run,
    last_ended,
    last_run,
    latest_start,
    list_runs,
    note_run,
)
from detector.model.kept import Model
from detector.news import FROZEN
from detector.notify import Delivered, deliver
from detector.reading.dumps import is_present
from detector.run.at_once import find_at_once
from detector.run.checking import check_settings
from detector.run.judging import Judge
from detector.run.late import find_late, judge_late, say_late
from detector.run.lock import only_run
from detector.run.lost import find_model
from detector.run.metrics import write_metrics
from detector.run.pauses import newest_event
from detector.run.report import Report
from detector.run.retraining import AUTHOR, is_due, retrain
from detector.run.status import METRICS, TRAINING
from detector.run.versions import put_in_use
from detector.run.watching import Fault, feeds_of, input_faults, operator_rows, watch
from detector.settings import Settings
from detector.workspace import MODEL, Workspace, within_limits, workspace

Tell = Callable[[str], None]
"""Told what is being done."""
RUNS_KEPT = timedelta(days=60)
UNTOLD = timedelta(days=7)
"""How long an alert that `detector score` recorded, and nobody was told of, is still news: a job may rest so long."""
TRAINING_RESTS = timedelta(days=1)
"""How long nothing is trained after that: what takes more memory than there is takes as much in the next run."""
INTERRUPTED = "Query interrupted"
"""What DuckDB says within a query once a signal has come: whoever stops a run need not be told that it ended."""


def _silent(_text: str) -> None:
    """Tell nobody."""


def run_once(
    settings: Settings, *, now: datetime | None = None, tell: Tell = _silent, clock_is_right: bool = False
) -> Report:
    """Do what there is to do, and return what was done.

    What was consumed stands in the history's manifest alone, and alerts have an identity: killed at any instant and run
    again, history and ledger become what an undisturbed run makes them.

    Parameters
    ----------
    settings
        With a history and inputs.
    now
        The time, with its zone; None: the clock's.
    tell
        Told what is being done.
    clock_is_right
        Go on whatever runs and logs say of a later time: somebody looked.

    Raises
    ------
    AlreadyRunningError
        If another run is at work on this history.
    ConfigError
        If the settings cannot work; nothing was done.
    DetectorError
        If the run cannot be done; it is recorded and told, as far as the ledger lets one.
    """
    check_settings(settings)
    folder = settings.history.folder
    assert folder is not None, "it was looked at"  # noqa: S101
    start = now or datetime.now(UTC)
    with only_run(folder), workspace(settings) as place:
        history = place.history(create=True, inputs=settings.input)
        ledger = place.ledger(create=True)
        assert history is not None and ledger is not None, "the folder is named, and both are made"  # noqa: S101, PT018
        return _Run(place, history, ledger, start, tell, is_right=clock_is_right).work()


class _Run:
    """The means of one run, and its steps."""

    def __init__(
        self, place: Workspace, history: History, ledger: Ledger, now: datetime, tell: Tell, *, is_right: bool
    ) -> None:
        self.is_right = is_right
        self.place, self.history, self.ledger, self.now, self.tell = place, history, ledger, now, tell
        self.settings = place.settings
        self.report = Report(now)
        self.receivers = [Receiver(each.name, each.severity) for each in self.settings.notify.receivers]

    def work(self) -> Report:
        """All steps; whatever goes wrong is recorded, and what waits is told all the same."""
        before = last_run(self.ledger)
        number = begin_run(self.ledger, at=self.now)
        error: str | None = None
        try:
            self._check_clock()
            if before is not None and before.ended_at is None:
                # What it found need not wait for what may be killed again.
                self._deliver()
            with within_limits():
                self._steps(number)
        except Exception as caught:
            told = caught.brief if isinstance(caught, ReadError) else str(caught)
            error = told if isinstance(caught, DetectorError) else f"{type(caught).__name__}: {caught}"
            if INTERRUPTED not in error:
                self._record_faults([Fault("failed", error)])
            raise
        except BaseException as caught:
            error = f"interrupted ({type(caught).__name__})"
            raise
        finally:
            report = feeds_of(self.report, self.settings, now=self.now)
            end_run(self.ledger, number, at=self.now, report=report, error=error)
            self._deliver()
            if unwritten := self._write_metrics():
                end_run(self.ledger, number, at=self.now, report={**report, METRICS: unwritten}, error=error)
        return self.report

    def _write_metrics(self) -> str | None:
        """Write them, or say why that cannot be: a run that did its work has not failed for it."""
        try:
            write_metrics(self.settings, self.ledger, self.history, now=self.now)
        except RunError as error:
            self.report.notices = (*self.report.notices, str(error))
            return str(error)
        return None

    def _steps(self, number: int) -> None:
        self.tell("reading")
        before = set(self.history.days)
        self.report.learned = self._learn()
        self._tell_leap(before)
        # Read once, it is never read again: whoever is killed from here on has counted it.
        note_run(self.ledger, number, report=feeds_of(self.report, self.settings, now=self.now))
        if notice := self.place.loaded_key.notice:
            self.report.notices = (notice,)
        absent = [each.path for each in self.settings.input if not is_present(each)]
        self.report.notices += tuple(f"input {path}: there is no file yet" for path in absent)
        self._record_faults(input_faults(self.report.learned.faults, self.settings))
        model = self._model()
        judge = Judge(self.place, self.history, self.ledger, model)
        for day in self._open_days():
            self._judge(judge, day)
        self._judge_late(model)
        self._watch()
        self._train(number)
        drop_runs(self.ledger, before=self.now - RUNS_KEPT)
        self._expire()

    def _tell_leap(self, before: Collection[date]) -> None:
        days = self.history.days
        if before and days[-1] not in before and (last := counted_from(days)) < days[-1]:
            text = (
                f"Events of {days[-1]} came, and {last} is the newest day before: if a clock was ahead where they were "
                "written, mend it. Until another day follows, ages are counted from the day before it"
            )
            self._record_faults([Fault("clock", text, f"leap {days[-1]}")])

    def _expire(self) -> None:
        """The ledger keeps alerts as long as the history keeps account-days, and what an incident holds for longer."""
        if self.history.days:
            first = counted_from(self.history.days) - timedelta(days=self.settings.learn.retention.long_days)
            held = [(each.first, each.last, each.accounts) for each in self.history.manifest.holds.values()]
            self.ledger.expire(first, held=held)

    def _train(self, number: int) -> None:
        """Train if it is time, once what was found has been told: nobody waits for it, or loses by its being killed."""
        if not is_due(self.place, self.history):
            return
        runs = list_runs(self.ledger, since=self.now - TRAINING_RESTS)
        killed = [run.started_at for run in runs if run.ended_at is None and TRAINING in run.report]
        if killed:
            again = killed[-1] + TRAINING_RESTS
            text = (
                f"The run begun {killed[-1]:%Y-%m-%d %H:%M} UTC was killed while it trained (too little memory, or a "
                f"limit of time?): the model in use stays, and nothing is trained before {again:%Y-%m-%d %H:%M} UTC"
            )
            self._record_faults([Fault(TRAINING, text)])
            return
        seen = feeds_of(self.report, self.settings, now=self.now)
        note_run(self.ledger, number, report={**seen, TRAINING: True})
        self._deliver()
        self.report.retrained = found = retrain(self.place, self.history, now=self.now, tell=self.tell)
        if drift := found.drift if found else ():
            title = f"What accounts do has moved: {', '.join(each.partition(':')[0] for each in drift)}"
            self._record_faults([Fault("drift", f"Drift. {'. '.join(drift)}", "signals", title=title)])

    def _check_clock(self) -> None:
        """Refuse a clock that was set back, by which days would be mistaken and events of today lie in the future.

        What the logs say decides: where all of it happened by now, it was the clock of the later run that was wrong.
        """
        latest, slack = latest_start(self.ledger), timedelta(seconds=self.settings.run.clock_slack_s)
        if latest is None or self.now >= latest - slack:
            return
        newest = newest_event(run.report for run in list_runs(self.ledger, since=self.now - RUNS_KEPT))
        began = f"{latest:%Y-%m-%d %H:%M} UTC"
        if newest is not None and newest > self.now + slack and not self.is_right:
            raise RunError(
                f"the clock says {self.now:%Y-%m-%d %H:%M} UTC, a run began at {began}, and events of later than now "
                "were read: the clock was set back; set it right, then run again. If it is right, and was ahead then "
                "where logs are written too, say so: `detector run --once --clock-is-right`"
            )
        drop_later_runs(self.ledger, after=self.now)
        text = (
            f"A run began at {began}, later than now: its clock was ahead, or this one is behind. What it found "
            "stands; nothing is compared with it any more"
        )
        self._record_faults([Fault("clock", text, "ahead")])

    def _learn(self) -> Learned:
        chosen = self.settings.learn.model_copy(
            update={
                "canaries": self.place.canaries,
                "arriving": True,
                "complete": False,
                "replace": False,
                "settle_s": self.settings.run.settle_s,
            }
        )
        return learn(
            [each for each in self.settings.input if is_present(each)],
            history=self.history,
            con=self.place.con,
            scratch=self.place.scratch / "learn",
            key=self.place.loaded_key.key,
            now=self.now,
            settings=chosen,
        )

    def _model(self) -> Model:
        """The model in use; where it was lost an operator is told, before a kept one takes its place."""
        found = find_model(self.place, self.history, self.ledger)
        is_mended = found.is_kept and self.settings.history.model is None
        if found.lost:
            # What is mended at once and lost again is another loss; what lasts is told once a day.
            subject = f"after run {last_ended(self.ledger)}" if is_mended else None
            self._record_faults([Fault("model", found.sentence, subject)])
        if is_mended:
            folder, version = self.history.folder, found.model.version
            record_action(self.history, verb="model", at=self.now, by=AUTHOR, why=found.lost, version=version)
            put_in_use(found.model, folder, model_folder=folder / MODEL)
        self.report.model = found.model.version if found.is_kept or not found.model.cold else None
        return found.model

    def _open_days(self) -> list[date]:
        return [day for day in self.history.days if self.history.is_open(day)]

    def _judge(self, judge: Judge, day: date) -> None:
        if not self._is_over(day):
            self.tell(f"judging {day}, which goes on")
            found = judge.judge_slice(day)
            self._record(found.rows)
            found.keep()
            self.report.n_looked += found.n_looked
            self.report.n_waiting += found.n_waiting
            self.report.judged = (*self.report.judged, day)
            return
        # While no later day has come, more of this one may: it is judged as it is, whenever it grew, and stays open.
        is_newest = day == self.history.days[-1]
        if is_newest and judge.was_judged_whole(day):
            return
        self.tell(f"judging {day}, which is over")
        self._record(judge.judge_day(day))
        if is_newest:
            judge.keep_whole(day)
            self.report.judged = (*self.report.judged, day)
            return
        close_days(self.history, [day], con=self.place.con)
        judge.forget_day(day)
        self.report.closed = (*self.report.closed, day)

    def _judge_late(self, model: Model) -> None:
        """Closed days that were added to or rebuilt; killed in between, the next run finds the same to do."""
        late = find_late(self.history, now=self.now, zone=self.place.zone)
        lost = [each for each in self.report.learned.left_out if each.reason == FROZEN]
        self._record_faults(say_late(late, lost, cold=model.cold))
        for day in late.due:
            self.tell(f"judging {day} anew")
            self._record(judge_late(self.place, self.history, self.ledger, model, day))
            keep_judged(self.history, day, at=self.now, con=self.place.con)
            self.report.late = (*self.report.late, day)
        for day in late.unfit:
            keep_judged(self.history, day, at=None, con=self.place.con)

    def _is_over(self, day: date) -> bool:
        end = day_start(day + timedelta(days=1), zone=self.place.zone)
        return self.now >= end + timedelta(seconds=self.settings.run.close_after_s)

    def _record(self, rows: Sequence[dict[str, Any]]) -> None:
        found = self.ledger.record(rows, at=self.now, receivers=self.receivers)
        known = self.report.recorded
        self.report.recorded = Recorded(
            (*known.raised, *found.raised), (*known.grown, *found.grown), (*known.known, *found.known)
        )

    def _watch(self) -> None:
        self._record_faults(watch(self.report, self.settings, self.ledger, self.history, now=self.now))
        self._record_faults(find_at_once(self.ledger, self.history, now=self.now, con=self.place.con))

    def _record_faults(self, faults: Sequence[Fault]) -> None:
        """Operator's alerts: one a day for each thing that is wrong."""
        if faults:
            self.report.faults = (*self.report.faults, *(each.text for each in faults))
            self._record(operator_rows(faults, now=self.now, zone=self.place.zone))

    def _deliver(self) -> None:
        self.tell("telling")
        more = hand_over(self.ledger, receivers=self.receivers, since=self.now - UNTOLD, at=self.now)
        self.report.handed_over = (*self.report.handed_over, *more)
        told, before = (
            deliver(self.ledger, self.settings.notify, now=self.now, zone=self.place.zone),
            self.report.delivered,
        )
        errors = tuple(dict.fromkeys((*before.errors, *told.errors)))
        self.report.delivered = Delivered(before.delivered + told.delivered, before.failed + told.failed, errors)
