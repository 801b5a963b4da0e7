"""What the verbs do, as functions: dumps and folders in, tables and a report of the run out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from joblib import parallel_config

from detector.alerting import KNOWN, AlertSettings, too_few
from detector.alerts import build_alerts, find_evidence
from detector.details import DETAILS, find_details
from detector.early import compared_days, count_watched
from detector.errors import ConfigError
from detector.history import History
from detector.history.store import MANIFEST
from detector.learning import Learned
from detector.learning import learn as learn_inputs
from detector.ledger import Recorded, excuse, to_rows
from detector.model.kept import Model, save_model
from detector.novelty import PAST_DAYS
from detector.reading import FileCount, Input, Mapping, key_id
from detector.schema import EVENTS, REJECTS
from detector.scoring import UNCOUNTED, score_days, train_model
from detector.scoring import Scored as DaysScored
from detector.settings import Settings
from detector.story import Story, tell_story
from detector.timeline import Timeline
from detector.workspace import MODEL, Dumps, Workspace, ledger_of, to_inputs, workspace

Progress: TypeAlias = Callable[[str, float | None], None]
"""Told what is being done, and the share of it that is done (None: unknown)."""


DAY = "datetime64[s]"
"""How pandas holds a calendar day: midnight of no zone."""


class JudgedDay(NamedTuple):
    """A day that was scored.

    complete
        Nothing more will come: later events exist, or the caller said so. Otherwise the day is judged as it stands.
    last_event_at
        UTC.
    """

    day: date
    complete: bool
    last_event_at: datetime


@dataclass(frozen=True)
class Scored:
    """What `score` found, and how it came about.

    Attributes
    ----------
    scores
        `SCORES`, by day and rank.
    early
        `EARLY`: account-days that an evaluation inside the day would have alerted.
    fired
        Deterministic checks that fired, one row each.
    alerts
        `ALERTS`.
    details
        `DETAILS`: what a report shows of each alerted account-day.
    rejects
        `REJECTS`.
    days
        Days that were scored, oldest first.
    files, warnings
        As reading tells them; warnings of the run included.
    model
        The model used.
    settings
        Resolved.
    """

    scores: pd.DataFrame
    early: pd.DataFrame
    fired: pd.DataFrame
    alerts: pd.DataFrame
    details: pd.DataFrame
    rejects: pd.DataFrame
    days: tuple[JudgedDay, ...]
    files: tuple[FileCount, ...]
    warnings: tuple[str, ...]
    model: Model
    settings: Settings


def learn(
    dumps: Dumps = (),
    *,
    history: str | Path | None = None,
    mapping: Mapping | str | Path | None = None,
    now: datetime | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Learned:
    """Add the days of dumps to a history, which is made where there is none.

    Parameters
    ----------
    dumps
        Paths, globs, folders, `-`, or inputs with their mappings; none: those of the settings, and where these name
        none either, only what is out of date in the history is computed anew.
    history
        The folder; None: that of the settings.
    mapping
        Of all dumps that are paths: a mapping, or a file that holds one.
    now
        The time, with its zone; None: the clock's.
    settings
        None: the defaults.

    Raises
    ------
    ConfigError, ReadError, HistoryError
        See `detector.learning.learn`.
    """
    chosen = _with_history(settings or Settings(), history)
    folder = chosen.history.folder
    is_anew = not dumps and not chosen.input and folder is not None and (folder / MANIFEST).exists()
    inputs = [] if is_anew else to_inputs(dumps, settings=chosen, mapping=mapping)
    with workspace(chosen) as place:
        # What is held makes no token, so that it asks for no key; unless canaries are to become tokens like its own.
        needs_key = not is_anew or place.hashes_canaries
        held = _required(place.history(create=not is_anew, inputs=None if is_anew else inputs))
        if is_anew and needs_key:
            held.require_key(key_id(place.loaded_key.key))
        learned = learn_inputs(
            inputs,
            history=held,
            con=place.con,
            scratch=place.scratch,
            key=place.loaded_key.key if needs_key else b"",
            now=now or datetime.now(UTC),
            settings=chosen.learn.model_copy(update={"canaries": place.canaries}),
            progress=_of_reading(progress),
        )
        notice = place.loaded_key.notice if needs_key else None
        return replace(learned, warnings=(notice, *learned.warnings)) if notice else learned


def train(
    *,
    history: str | Path | None = None,
    model: str | Path | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Model:
    """Fit a model on a history and keep it.

    Parameters
    ----------
    history
        The folder; None: that of the settings.
    model
        Where to keep it; None: that of the settings, else `model` in the history.
    settings
        None: the defaults.

    Raises
    ------
    HistoryError, ModelError
        If the history holds too few days, or stale ones.
    """
    chosen = _with_history(settings or Settings(), history)
    with workspace(chosen) as place:
        held = _required(place.history())
        tell = progress or _silent
        with _in_threads(chosen):
            fitted = train_model(
                held, place.timeline(held), settings=chosen.train, progress=lambda text: tell(text, None)
            )
    save_model(fitted, Path(model or chosen.history.model or held.folder / MODEL))
    return fitted


def watched(*, history: str | Path | None = None, settings: Settings | None = None) -> pd.DataFrame:
    """Which channels early warning has limits for, on the day after the newest of a history.

    Parameters
    ----------
    history
        The folder; None: that of the settings.
    settings
        None: the defaults.

    Returns
    -------
    pd.DataFrame
        One row per channel in use: `channel`, `account_days` that can be compared, and `needed`: with fewer, nobody on
        the channel is warned of early. None where no model is trained, without which nobody is.

    Raises
    ------
    ConfigError, HistoryError, ModelError
        If the history or its model cannot be used.
    """
    chosen = _with_history(settings or Settings(), history)
    with workspace(chosen) as place:
        held = _required(place.history())
        fitted = place.model()
        if fitted.cold or not held.days:
            return UNCOUNTED.drop(columns="day")
        past = place.timeline(held, model=fitted).past(held.days[-1] + timedelta(days=1)).account_days
        channels = past.select("channel").distinct().to_pyarrow()["channel"].to_pylist()
        return count_watched(compared_days(past), channels=channels)


def score(
    dumps: Dumps | pd.DataFrame | pa.Table = (),
    *,
    history: str | Path | None = None,
    model: str | Path | None = None,
    mapping: Mapping | str | Path | None = None,
    days: Sequence[date] = (),
    complete: bool = False,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Scored:
    """Score the days of dumps, oldest first, against a history and the dumps' own earlier days.

    Parameters
    ----------
    dumps
        As for `learn`; or a table of events with the columns of `EVENTS`, whose records are tokens: a pandas DataFrame
        or whatever else Arrow takes. Without `source` and `line`, its rows are numbered.
    history
        The folder; None: that of the settings, or none: then days are ranked against their peers alone.
    model
        The folder; None: that of the settings, else the history's own, else the shipped one.
    mapping
        As for `learn`.
    days
        The days to score; none: all in the dumps.
    complete
        The newest day is over, though no later event shows it.
    settings
        None: the defaults.

    Raises
    ------
    ConfigError
        If a day is not in the dumps.
    ReadError, HistoryError, ModelError
        If a dump, the history or the model cannot be used.
    """
    chosen = _with_history(settings or Settings(), history)
    if model is not None:
        chosen = _over(chosen, "history", model=Path(model))
    with workspace(chosen) as place:
        place.history()  # where there is none, that is told before anything is read, and before a key is made for it
        source = _events_of(dumps, place, mapping=mapping, progress=progress)
        held = place.history(inputs=source.inputs)
        fitted = place.model()
        timeline = place.timeline(held, events=source.events, model=fitted)
        wanted = _chosen_days(timeline, days)
        _require_fresh(held, wanted)
        tell = progress or _silent
        with _in_threads(chosen):
            found = score_days(
                timeline, fitted, days=wanted, settings=chosen.score, progress=lambda text: tell(text, None)
            )
        found = found._replace(scores=_excused(found.scores, place))
        alerts = build_alerts(found.scores, found.fired, _evidence(timeline, found.scores))
        details = _details(timeline, found.scores)
        judged = _judged_days(timeline, wanted, complete=complete)
    return Scored(
        scores=found.scores.astype({"day": DAY}),
        early=found.early.astype({"day": DAY}),
        fired=found.fired.astype({"day": DAY}),
        alerts=alerts.astype({"day": DAY}),
        details=details.astype({"day": DAY}),
        rejects=source.rejects.to_pandas(),
        days=judged,
        files=source.files,
        warnings=(*source.warnings, *_warnings(judged, fitted, found, chosen.score.alerts)),
        model=fitted,
        settings=chosen,
    )


def record(scored: Scored, *, now: datetime | None = None) -> Recorded:
    """Record the alerts of scored days in the ledger, so that they can be judged and are part of no later day's past.

    Without a history or a ledger in its settings, nothing is recorded; done again, nothing changes.

    Parameters
    ----------
    scored
        What `score` returned.
    now
        The time, with its zone; None: the clock's.

    Raises
    ------
    LedgerError
        If the ledger cannot be written.
    """
    ledger = ledger_of(scored.settings, env=os.environ, create=True)
    if ledger is None:
        return Recorded()
    return ledger.record(to_rows(scored.alerts, scored.scores, scored.early), at=now or datetime.now(UTC))


def show(
    account: str,
    *,
    history: str | Path | None = None,
    model: str | Path | None = None,
    day: date | None = None,
    settings: Settings | None = None,
) -> Story:
    """Tell one account's story: its past, how a day of it deviates, and why.

    Parameters
    ----------
    account
        The account, as the history has it.
    history, model
        As for `score`.
    day
        The day to explain; None: the newest closed one on which the account was active.
    settings
        None: the defaults.

    Raises
    ------
    HistoryError
        If the history has no such day, it is not closed, or there is nothing of the account in the 28 days before it.
    """
    chosen = _with_history(settings or Settings(), history)
    if model is not None:
        chosen = _over(chosen, "history", model=Path(model))
    with workspace(chosen) as place:
        fitted = place.model()
        timeline = place.timeline(_required(place.history()), model=fitted)
        return tell_story(timeline, fitted, account, day=day, settings=chosen.score, ledger=place.ledger())


class _Source(NamedTuple):
    """Events, and what is known of where they come from."""

    events: ir.Table
    inputs: list[Input] | None
    rejects: pa.Table
    files: tuple[FileCount, ...] = ()
    warnings: tuple[str, ...] = ()


def _in_threads(settings: Settings) -> parallel_config:
    """The model works in as many threads as DuckDB does; what it finds does not depend on how many."""
    return parallel_config(backend="threading", n_jobs=settings.engine.threads or -1)


def _events_of(
    dumps: Dumps | pd.DataFrame | pa.Table,
    place: Workspace,
    *,
    mapping: Mapping | str | Path | None,
    progress: Progress | None,
) -> _Source:
    if hasattr(dumps, "__arrow_c_stream__"):
        return _Source(place.hold(to_events(dumps)), None, REJECTS.empty())
    inputs = to_inputs(dumps, settings=place.settings, mapping=mapping)
    reading = place.read(inputs, progress=_of_reading(progress))
    told = place.loaded_key.notice
    notice = (told,) if told and place.settings.history.folder and place.key_id(inputs) else ()
    return _Source(reading.events, inputs, reading.rejects, reading.files, (*reading.warnings, *notice))


def to_events(table: Any) -> pa.Table:
    """A table of events (pandas, or whatever Arrow takes), checked; without `source` and `line` it is numbered from 1.

    Raises
    ------
    SchemaError
        If it does not have the columns, types and values of `EVENTS`.
    """
    rows = pa.Table.from_pandas(table, preserve_index=False) if isinstance(table, pd.DataFrame) else pa.table(table)
    if not {"source", "line"} & set(rows.column_names):
        rows = rows.append_column("source", pa.repeat("table", len(rows)))
        rows = rows.append_column("line", pa.array(range(1, len(rows) + 1), pa.int64()))
    checked: pa.Table = EVENTS.check(rows.replace_schema_metadata(None))
    return checked


def _chosen_days(timeline: Timeline, days: Sequence[date]) -> list[date]:
    absent = sorted(set(days) - set(timeline.input_days))
    if absent:
        there = ", ".join(map(str, timeline.input_days)) or "none"
        raise ConfigError(f"--day {absent[0]}: no event of that day in the dumps; they have {there}")
    return sorted(set(days)) or timeline.input_days


def _require_fresh(history: History | None, days: Sequence[date]) -> None:
    if history is not None and days:
        history.require_fresh(days[0] - timedelta(days=PAST_DAYS), days[-1] - timedelta(days=1))


def _excused(scores: pd.DataFrame, place: Workspace) -> pd.DataFrame:
    ledger = place.ledger()
    return scores if ledger is None else excuse(scores, levels=ledger.excused(), robots=ledger.robots())


def _evidence(timeline: Timeline, scores: pd.DataFrame) -> pd.DataFrame:
    """Where to look up what the alerted accounts did, on all days."""
    parts = []
    for day, rows in scores[scores["alert"]].groupby("day"):
        events = timeline.events_of(pd.Timestamp(str(day)).date())
        if events is not None:
            parts.append(find_evidence(events, rows["account"].tolist()).assign(day=day))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _details(timeline: Timeline, scores: pd.DataFrame) -> pd.DataFrame:
    """What a report shows of the alerted accounts, on all days."""
    parts = [
        find_details(timeline, pd.Timestamp(str(day)).date(), rows)
        for day, rows in scores[scores["alert"]].groupby("day")
    ]
    return pd.concat(parts, ignore_index=True) if parts else DETAILS.empty().to_pandas()


def _judged_days(timeline: Timeline, days: Sequence[date], *, complete: bool) -> tuple[JudgedDay, ...]:
    known = [*timeline.input_days, *(timeline.history.days if timeline.history else ())]
    return tuple(JudgedDay(day, complete or day < max(known), _last_event(timeline, day)) for day in days)


def _last_event(timeline: Timeline, day: date) -> datetime:
    events = timeline.events_of(day)
    assert events is not None, "a day that is judged is in the input"  # noqa: S101 - for the type checker
    found = events.aggregate(last=events.timestamp.max()).to_pyarrow()["last"][0].as_py()
    return found.astimezone(UTC)  # type: ignore[no-any-return]


def _warnings(days: Sequence[JudgedDay], model: Model, judged: DaysScored, alerts: AlertSettings) -> list[str]:
    found = [
        f"{each.day} was judged as it stands (last event {each.last_event_at:%H:%M} UTC): it may go on; "
        "--complete says that it is over"
        for each in days
        if not each.complete
    ]
    if model.cold:
        found.append(
            "no trained model: accounts were compared with the day's peers alone, so there are no p-values and only "
            "checks alert; learn past days and train for more (detector learn, detector train)"
        )
    known = judged.scores[judged.scores["kind"] == KNOWN].groupby("day").size()
    text = too_few(model.calibration, accounts=max(known, default=0), settings=alerts)
    found += [text] if text else []
    short = judged.watched[judged.watched["account_days"] < judged.watched["needed"]]
    for channel, of_channel in short.groupby("channel"):
        held, needed, day = (of_channel.iloc[-1][name] for name in ("account_days", "needed", "day"))
        found.append(
            f"no early warning on the channel {channel} on {len(of_channel)} days, the last of them {day}: its limits "
            f"need {needed:,} account-days with enough past, and the 28 days before {day} hold {held:,}"
            if len(of_channel) > 1
            else f"no early warning on the channel {channel}: its limits need {needed:,} account-days with enough "
            f"past, and the 28 days before {day} hold {held:,}"
        )
    return found


def _with_history(settings: Settings, history: str | Path | None) -> Settings:
    return settings if history is None else _over(settings, "history", folder=Path(history))


def _over(settings: Settings, stage: str, **values: Any) -> Settings:
    """The settings with some values of one stage replaced."""
    return settings.model_copy(update={stage: getattr(settings, stage).model_copy(update=values)})


def _required(history: History | None) -> History:
    if history is None:
        raise ConfigError("no history: name its folder (--history DIR, or [history] folder in the settings)")
    return history


def _of_reading(progress: Progress | None) -> Callable[[str, int, int], None] | None:
    if progress is None:
        return None
    return lambda path, before, total: progress(f"reading {path}", before / total if total else None)


def _silent(text: str, share: float | None) -> None:
    """Tell nobody."""
