"""Retraining on a schedule: the challenger takes the champion's place only if it finds as much and errs no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from detector.alerting import judge_alone
from detector.drill import DrillSettings, drill
from detector.errors import DetectorError, ModelError
from detector.history import History, record_action
from detector.joins import to_frame
from detector.model.kept import Model
from detector.run.versions import drop_old, keep_version, put_in_use
from detector.scoring import measure, train_model
from detector.workspace import MODEL, Workspace

AUTHOR = "detector run"
EXPECTED_SHARE = 0.05
"""Of honest account-days, one in twenty has a p-value of at most one in twenty."""
CALIBRATION_DAYS = 7
TOGETHER = 0.01
"""Victims of one drilled copy of the days: so small a share of the accounts that the day as a whole stays as it was."""
DRIFTED = 0.5
"""A signal whose usual excess moved by half a spread is told of."""
DRIFTS_TOLD = 5


@dataclass(frozen=True)
class Retrained:
    """What came of a retraining.

    Attributes
    ----------
    version
        Of the challenger.
    in_use
        Whether it took the champion's place.
    why
        The reason, in a sentence.
    caught, caught_before
        Share of the drill's victims that challenger and champion caught; None: no drill could be held.
    caught_spread
        By how much the two would differ by chance: the standard error of drawing other victims.
    share, share_before
        Share of the latest account-days with a p-value of at most 0.05.
    share_spread
        By how much these would differ by chance: the standard error over the days.
    drift
        Sentences on signals that moved.
    """

    version: str
    in_use: bool
    why: str
    caught: float | None = None
    caught_before: float | None = None
    caught_spread: float = 0.0
    share: float | None = None
    share_before: float | None = None
    share_spread: float = 0.0
    drift: tuple[str, ...] = ()


def retrain(
    place: Workspace, history: History, *, now: datetime, tell: Callable[[str], None], force: bool = False
) -> Retrained | None:
    """Fit a model if it is time, and use it if it holds.

    Parameters
    ----------
    place
        Of the run; a model that its settings name from elsewhere is never replaced.
    history
        The past; days that are still open are no part of it.
    now
        The time, with its zone, for the log.
    tell
        Told what is being done.
    force
        It is time, whatever the schedule says.

    Returns
    -------
    Retrained or None
        None: it is not time yet.
    """
    if not force and not is_due(place, history):
        return None
    champion = _champion(place)
    tell("training")
    timeline = place.timeline(history, model=champion)
    try:
        challenger = train_model(history, timeline, settings=place.settings.train)
    except DetectorError as error:
        return Retrained("", in_use=False, why=f"training failed: {error}")
    outcome = _compare(place, history, challenger, champion)
    folder = place.settings.history.model or history.folder / MODEL
    keep_version(challenger, history.folder)
    verb = "model" if outcome.in_use else "model_refused"
    record_action(history, verb=verb, at=now, by=AUTHOR, why=outcome.why, version=challenger.version)
    if outcome.in_use:
        put_in_use(challenger, history.folder, model_folder=folder)
    drop_old(history.folder, model_folder=folder, keep=place.settings.retrain.keep)
    return outcome


def _champion(place: Workspace) -> Model | None:
    """The history's own model; the shipped one, cold, is nobody's champion."""
    try:
        model = place.model()
    except ModelError:
        return None
    return None if model.cold else model


def is_due(place: Workspace, history: History) -> bool:
    """Whether it is time to fit a model: by the schedule, where there is one in use."""
    champion = _champion(place)
    closed = [day for day in history.days if not history.is_open(day)]
    if len(closed) < place.settings.retrain.first_days:
        return False
    if champion is None:
        return True
    tried = _last_tried(history.folder) or date.fromisoformat(champion.card["last_day"])
    return (closed[-1] - max(tried, date.fromisoformat(champion.card["last_day"]))).days >= (
        place.settings.retrain.every_days
    )


def _last_tried(folder: Path) -> date | None:
    """Last day of the newest kept version: a challenger that lost is not tried again every run."""
    from detector.run.versions import list_versions

    days = [each.about.get("last_day") for each in list_versions(folder, model_folder=folder / MODEL)]
    known = [date.fromisoformat(day) for day in days if day]
    return max(known, default=None)


def _compare(place: Workspace, history: History, challenger: Model, champion: Model | None) -> Retrained:
    if champion is None:
        first = _last_tried(history.folder) is None
        why = "it is the first one here" if first else "none of those fitted before can be used"
        return Retrained(challenger.version, in_use=True, why=why)
    timeline = place.timeline(history, model=champion)
    days = [day for day in history.days if not history.is_open(day)][-CALIBRATION_DAYS:]
    rows = pd.concat([to_frame(timeline.deviations(day)) for day in days], ignore_index=True)
    rows = _without(rows, timeline.set_aside)
    shares, before = _shares(rows, challenger), _shares(rows, champion)
    drilled = [_drill(place, history, model) for model in (challenger, champion)]
    undrilled = next((each for each in drilled if isinstance(each, str)), "")
    told = [each for each in drilled if not isinstance(each, str)]
    caught, caught_before = (
        (float(each["caught"].astype(float).mean()) for each in told) if len(told) == len(drilled) else (None, None)
    )
    found = Retrained(
        challenger.version,
        in_use=False,
        why="",
        caught=caught,
        caught_before=caught_before,
        caught_spread=float(np.sqrt(sum(victim_spread(each) ** 2 for each in told))),
        share=float(shares.mean()) if len(shares) else None,
        share_before=float(before.mean()) if len(before) else None,
        share_spread=_standard_error(shares - before),
        drift=tuple(find_drift(timeline, known=history.days, days=days)),
    )
    why, in_use = _decide(found, spreads=place.settings.retrain.spreads, undrilled=undrilled)
    return replace(found, why=why, in_use=in_use)


def _decide(found: Retrained, *, spreads: float, undrilled: str) -> tuple[str, bool]:
    """Why, and whether, a challenger takes the champion's place."""
    caught, before = found.caught, found.caught_before
    if caught is not None and before is not None and caught < before - spreads * found.caught_spread:
        chance = f"other victims would make a difference of {found.caught_spread:.1%}"
        return f"the drill caught {caught:.0%} with it, {before:.0%} with the one in use; {chance}", False
    share, share_before = found.share or 0.0, found.share_before or 0.0
    allowed = abs(share_before - EXPECTED_SHARE) + spreads * found.share_spread
    if abs(share - EXPECTED_SHARE) > allowed:
        return f"{share:.1%} of account-days have p <= 0.05 with it, {share_before:.1%} with the one in use", False
    if undrilled:
        return f"no drill could be held ({undrilled}); calibration is as good, or better", True
    return f"it caught {caught:.0%} in the drill, the one before {before:.0%}; calibration is as good, or better", True


def victim_spread(victims: pd.DataFrame) -> float:
    """Standard error of the share of victims caught: what another seed, which draws other victims, would change.

    Of each scenario by itself, since every seed injects all of them. A scenario with one victim tells no spread.

    Parameters
    ----------
    victims
        `scenario` and `caught`, one row per victim.
    """
    groups = victims.astype({"caught": float}).groupby("scenario")["caught"]
    variances = groups.var(ddof=1).fillna(0.0) * groups.size()
    return float(np.sqrt(variances.sum()) / len(victims)) if len(victims) else 0.0


def _standard_error(values: pd.Series) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _without(rows: pd.DataFrame, aside: pd.DataFrame) -> pd.DataFrame:
    keys = [pd.MultiIndex.from_arrays([table["account"], pd.to_datetime(table["day"])]) for table in (rows, aside)]
    return rows[~np.asarray(keys[0].isin(keys[1]))]


def _shares(rows: pd.DataFrame, model: Model) -> pd.Series:
    """Of each day the share of account-days with a low p-value."""
    judged = judge_alone(measure(rows, model), model.calibration)
    found: pd.Series = (judged <= EXPECTED_SHARE).groupby(rows["day"].to_numpy()).mean()
    return found


def _drill(place: Workspace, history: History, model: Model) -> pd.DataFrame | str:
    """Victims of attacks injected into the latest days, caught or not; why not, where none can be held."""
    folder = keep_version(model, history.folder)
    chosen = place.settings.retrain
    drilling = DrillSettings(accounts=chosen.drill_accounts, days=chosen.drill_days, together=TOGETHER, explains=False)
    # On the sums that are held: the job's inputs are all logs that ever came.
    settings = place.settings.model_copy(update={"input": ()})
    try:
        drilled = drill((), history=history.folder, model=folder, drilling=drilling, settings=settings)
    except DetectorError as error:
        # Too few days or accounts: there is nothing to compare by, and calibration decides.
        return str(error)
    return drilled.victims if len(drilled.victims) else "no account to be a victim"


class Deviating(Protocol):
    """What tells the deviations of a day, as `detector.timeline.Timeline` does."""

    def deviations(self, day: date) -> ir.Table:
        """One row per account and channel."""


def find_drift(timeline: Deviating, *, known: Sequence[date], days: Sequence[date]) -> list[str]:
    """Signals whose usual excess over the accounts' own past moved, the most first, in words.

    Parameters
    ----------
    timeline
        Tells the deviations.
    known
        Days that there are.
    days
        The latest ones, which are compared with as many before.
    """
    earlier = [day for day in known if day < days[0]][-CALIBRATION_DAYS:]
    if not earlier:
        return []
    rows = pd.concat([to_frame(timeline.deviations(day)) for day in days], ignore_index=True)
    before = pd.concat([to_frame(timeline.deviations(day)) for day in earlier], ignore_index=True)
    own = [name for name in rows.columns if name.endswith("__own")]
    moved = (rows[own].mean() - before[own].mean()).dropna()
    found = moved[moved.abs() >= DRIFTED].abs().nlargest(DRIFTS_TOLD).index
    return [_in_words(name, rows[name].dropna(), before[name].dropna()) for name in found]


def _in_words(name: str, now: pd.Series, before: pd.Series) -> str:
    signal, moved = name.removesuffix("__own").replace("_", " "), float(now.mean() - before.mean())
    way = "more" if moved > 0 else "less"
    shares = [float((np.sign(moved) * each >= 1).mean()) for each in (now, before)]
    side = "above" if moved > 0 else "below"
    return (
        f"{signal}: accounts exceed their own past by {abs(moved):.1f} spreads {way} than the week before; "
        f"{shares[0]:.0%} of account-days lie a spread or more {side} it, {shares[1]:.0%} did then; something changed "
        "for many at once"
    )
