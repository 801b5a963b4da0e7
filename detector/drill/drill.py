"""A drill: the operator's latest days, judged as they are, and again with each attack in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from detector.alerting import too_few
from detector.drill.caps import cap_honest, honest_days
from detector.drill.ground import Ground, Untouched, attacked, from_events, from_history
from detector.drill.injecting import Cells, make_cells, make_events
from detector.drill.outcome import VICTIM, follow_victims, summarise
from detector.drill.scenarios import DrillScenario, chosen
from detector.drill.settings import DrillSettings
from detector.drill.targets import draw, known_records, make_up, pool
from detector.drill.victims import PORTAL, choose_victims, days_at_work, habits_of, why_none
from detector.errors import ConfigError, HistoryError
from detector.history import History
from detector.model.kept import Model
from detector.novelty import MIN_PAST_DAYS, PAST_DAYS
from detector.reading import Mapping
from detector.scoring import Scored, score_days
from detector.settings import Settings, holidays_of
from detector.workspace import Dumps, Workspace, to_inputs, workspace

Progress: TypeAlias = Callable[[str, float | None], None]

COLD = (
    "cold model (no history with a trained model): accounts are compared with the day's peers alone, there are no "
    "p-values and only checks alert; look at the rank, and learn and train on past days for more"
)
FROM_SUMS = (
    "no dumps: attacks were added to sums held in the history, so nothing is told by the minute, and checks that need "
    "events stay silent"
)
SEEN_IN_TRAINING = (
    "the model was trained on some of the days drilled: their own alerts may be fewer than those of days to come"
)


@dataclass(frozen=True)
class Drilled:
    """What a drill found.

    Attributes
    ----------
    summary
        One row per scenario, those that could not be injected too; see `detector.drill.outcome.summarise`.
    victims
        One row per scenario and victim; see `detector.drill.outcome.follow_victims`.
    load
        One row per untouched day: `day`, active `accounts`, `alerts`, `reviews`; alerts of the portal as a whole
        included.
    cap
        One row per untouched day: see `detector.drill.caps.cap_honest`; no row without a cap.
    settings
        Of the drill.
    cold, from_events
        Whether the model knows peers alone, and whether there were events.
    warnings
        What the reader must know.
    """

    summary: pd.DataFrame
    victims: pd.DataFrame
    load: pd.DataFrame
    cap: pd.DataFrame
    settings: DrillSettings
    cold: bool
    from_events: bool
    warnings: tuple[str, ...]


class _Planned(NamedTuple):
    """A scenario's attack on some of the days."""

    scenario: DrillScenario
    days: list[date]
    attack: pa.Table


class _Base(NamedTuple):
    """The untouched days, judged."""

    ground: Ground
    untouched: Untouched
    days: list[date]
    scored: Scored
    model: Model
    settings: Settings
    set_aside: pd.DataFrame
    at_work: pd.DataFrame


def drill(
    dumps: Dumps = (),
    *,
    history: str | Path | None = None,
    model: str | Path | None = None,
    mapping: Mapping | str | Path | None = None,
    drilling: DrillSettings | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Drilled:
    """Inject attacks into copies of the latest days, and tell what would have been caught.

    Parameters
    ----------
    dumps
        As for `detector.verbs.learn`; none, with a history: the days that it holds, as sums.
    history, model, mapping
        As for `detector.verbs.score`. The history is only read.
    drilling
        Which attacks, how many victims, the seed.
    settings
        Of everything else.

    Returns
    -------
    Drilled
        Each scenario is injected alone, or with others (`DrillSettings.together`). Nothing is written but to a scratch
        folder, which is gone afterwards.

    Raises
    ------
    ConfigError
        If there is nothing to drill on, or a scenario is not known.
    ReadError, HistoryError, ModelError
        If a dump, the history or the model cannot be used.
    """
    options = drilling or DrillSettings()
    scenarios = chosen(options.scenarios)
    named = _named(settings or Settings(), history=history, model=model)
    tell = progress or _silent
    with workspace(named) as place:
        base = _judge_untouched(place, dumps, mapping=mapping, options=options, tell=tell)
        parts: list[pd.DataFrame] = []
        missed: dict[str, str] = {}
        size = _at_once(base, options)
        for start in range(0, len(scenarios), size):
            group = scenarios[start : start + size]
            tell(f"drilling: {', '.join(each.name for each in group)}", start / len(scenarios))
            planned, why_not = _plan(base, group, options=options)
            missed |= why_not
            parts += _run(base, planned, explains=options.explains)
        honest = honest_days(base.ground, base.days, base.scored.scores)
    victims = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=VICTIM)
    minutes = base.ground.events is not None
    if not minutes:
        victims = victims.assign(gone_by_minute=np.nan, hours_by_minute=np.nan)
    return Drilled(
        summary=summarise(victims, scenarios=scenarios, not_injected=missed, cap=options.cap),
        victims=victims,
        load=_load(base),
        cap=cap_honest(honest, cap=options.cap),
        settings=options,
        cold=base.model.cold,
        from_events=minutes,
        warnings=tuple(_warnings(base, [each for each in scenarios if each.name not in missed])),
    )


def _named(settings: Settings, *, history: str | Path | None, model: str | Path | None) -> Settings:
    said = {"folder": history, "model": model}
    folders = {key: Path(value) for key, value in said.items() if value is not None}
    return settings.model_copy(update={"history": settings.history.model_copy(update=folders)})


def _judge_untouched(
    place: Workspace,
    dumps: Dumps,
    *,
    mapping: Mapping | str | Path | None,
    options: DrillSettings,
    tell: Progress,
) -> _Base:
    reads = bool(dumps) or bool(place.settings.input)
    inputs = to_inputs(dumps, settings=place.settings, mapping=mapping) if reads else None
    held = place.history(inputs=inputs)
    if inputs is None and held is None:
        raise ConfigError("nothing to drill on: name dumps, or a history (--history DIR)")
    fitted = place.model()
    if inputs is None:
        assert held is not None  # noqa: S101 - for the type checker: one of the two is there
        days = _held_days(held, count=options.days)
        given = from_history(held, place.con, days)
    else:
        events = place.read(
            inputs, progress=lambda path, before, total: tell(f"reading {path}", before / total if total else None)
        ).events
        given = from_events(events, zone=place.zone)
    ground = Ground(
        place.con,
        given,
        history=held,
        zone=place.zone,
        canaries=place.canaries,
        set_aside=fitted.set_aside,
        off_days=holidays_of(place.settings.portal.country),
    )
    days = ground.input_days[-options.days :]
    if not days:
        raise ConfigError("nothing to drill on: the dumps name no account")
    return _score_untouched(ground, fitted, days, settings=place.settings, tell=tell)


def _held_days(held: History, *, count: int) -> list[date]:
    """The latest days that are held, those with a past to be judged against where there are any.

    A day that the job still adds to has no signals of its own yet, and is left out.
    """
    told = [day for day in held.days if not (held.is_open(day) and day in held.stale)]
    if not told:
        raise HistoryError(f"history {held.folder} holds no day to drill on; learn some first (detector learn)")
    with_past = told[MIN_PAST_DAYS:] or told
    days = list(with_past[-count:])
    held.require_fresh(told[0], days[-1])
    return days


def _score_untouched(ground: Ground, fitted: Model, days: list[date], *, settings: Settings, tell: Progress) -> _Base:
    scored = score_days(
        ground,
        fitted,
        days=days,
        settings=settings.score,
        progress=lambda text: tell(text, None),
        explains=False,
    )
    alerted = scored.scores.loc[scored.scores["alert"].astype(bool), ["account", "day"]]
    set_aside = pd.concat([fitted.set_aside[["account", "day"]], alerted], ignore_index=True)
    at_work = days_at_work(ground, days)
    return _Base(ground, Untouched(ground), days, scored, fitted, settings, set_aside, at_work)


def _plain(settings: Settings) -> Settings:
    """The same without reasons beyond those of what is queued: nobody reads them here."""
    return settings.model_copy(update={"score": settings.score.model_copy(update={"explained": 0})})


def _at_once(base: _Base, options: DrillSettings) -> int:
    """How many scenarios are injected into one copy of the days."""
    active = base.scored.scores.groupby("day")["account"].nunique()
    most = options.together * float(active.median()) if len(active) else 0.0
    return max(1, int(most // options.accounts))


def _plan(
    base: _Base, scenarios: Sequence[DrillScenario], *, options: DrillSettings
) -> tuple[list[_Planned], dict[str, str]]:
    """The attacks of some scenarios, no account the victim of two; and by name, why one could not be made."""
    planned: list[_Planned] = []
    missed: dict[str, str] = {}
    busy = set(base.at_work.loc[base.at_work["channel"] == PORTAL, "day"])
    taken: set[str] = set()
    for scenario in scenarios:
        rng = np.random.default_rng([options.seed, *scenario.name.encode()])
        days = _attacked_days(base.days, busy=busy, count=scenario.attack.days, rng=rng)
        victims = choose_victims(
            base.ground,
            base.scored.scores,
            kind=scenario.victims,
            day=days[0],
            count=options.accounts,
            rng=rng,
            apart=taken,
        )
        if victims.empty:
            missed[scenario.name] = why_none(base.ground, base.scored.scores, at_work=base.at_work, day=days[0])
            continue
        taken.update(victims["account"])
        attack = _attack(base, scenario, victims, days=days, options=options, rng=rng)
        planned.append(_Planned(scenario, days, attack))
    return planned, missed


def _run(base: _Base, planned: Sequence[_Planned], *, explains: bool) -> list[pd.DataFrame]:
    """Attacks in one copy of the days: what became of their victims, a table each."""
    if not planned:
        return []
    first, last = min(each.days[0] for each in planned), max(each.days[-1] for each in planned)
    days = [day for day in base.days if first <= day <= last]
    attack = pa.concat_tables([each.attack for each in planned])
    timeline = attacked(base.ground, base.untouched, attack, days=days, set_aside=base.set_aside)
    scored = score_days(timeline, base.model, days=days, settings=_plain(base.settings).score, explains=explains)
    zone = base.ground.zone
    return [follow_victims(each.attack, scored=scored, zone=zone, scenario=each.scenario.name) for each in planned]


def _attacked_days(days: Sequence[date], *, busy: Collection[date], count: int, rng: np.random.Generator) -> list[date]:
    """So many of the days in a row, drawn by chance, from a busy one on; all of them where there are not as many."""
    length = min(count, len(days))
    starts = list(range(len(days) - length + 1))
    starts = [start for start in starts if days[start] in busy] or starts
    first = starts[int(rng.integers(0, len(starts)))]
    return list(days[first : first + length])


def _attack(
    base: _Base,
    scenario: DrillScenario,
    victims: pd.DataFrame,
    *,
    days: Sequence[date],
    options: DrillSettings,
    rng: np.random.Generator,
) -> pa.Table:
    habits = habits_of(base.ground, days[0])
    cells = make_cells(scenario.attack, victims=len(victims), days=days, zone=base.ground.zone, rng=rng)
    records = _records(base, scenario, victims, day=days[-1], cells=cells, options=options, rng=rng)
    return make_events(scenario.attack, victims=victims, records=records, cells=cells, habits=habits, rng=rng)


def _records(
    base: _Base,
    scenario: DrillScenario,
    victims: pd.DataFrame,
    *,
    day: date,
    cells: Cells,
    options: DrillSettings,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Whom each row of an attack is about, and whether there is no such record."""
    count, attack = len(cells.place), scenario.attack
    known = known_records(base.ground, day)
    found = pool(known, victims, local=attack.targets == "local", count=count, seed=options.seed)
    fresh = f"{options.seed}:{scenario.name}"
    missing = rng.random(count) < attack.not_found
    records = draw(found, count=count, fresh=fresh, rng=rng)
    invented = make_up(found, count=count, fresh=f"{fresh}:missing", rng=rng)
    return pd.concat([records[~missing], invented[missing]]).sort_index().assign(missing=missing)


def _load(base: _Base) -> pd.DataFrame:
    scores, fired = base.scored.scores, base.scored.fired
    alert = scores["alert"].astype(bool)
    days = pd.to_datetime(scores["day"])
    rows = pd.DataFrame({"day": days, "alerts": alert, "reviews": ~alert & scores["queue"].notna()})
    found = rows.groupby("day").agg(accounts=("alerts", "size"), alerts=("alerts", "sum"), reviews=("reviews", "sum"))
    portal = pd.to_datetime(fired.loc[fired["account"].isna(), "day"]).value_counts()
    found = found.reindex(pd.DatetimeIndex(base.days, name="day"), fill_value=0)
    return found.assign(alerts=found["alerts"] + portal.reindex(found.index, fill_value=0)).reset_index()


def _warnings(base: _Base, injected: Sequence[DrillScenario]) -> list[str]:
    found = [COLD] if base.model.cold else []
    if base.ground.events is None:
        found.append(FROM_SUMS)
        if not base.model.cold:
            found.append(SEEN_IN_TRAINING)
    active = int(base.scored.scores.groupby("day")["account"].nunique().median()) if len(base.scored.scores) else 0
    if not base.model.cold:
        short = too_few(base.model.calibration, accounts=active, settings=base.settings.score.alerts)
        found += [f"{short}: look at the rank, and train on more days"] if short else []
    longest = max((scenario.attack.days for scenario in injected), default=0)
    if longest > len(base.days):
        found.append(f"{len(base.days)} days to drill on: attacks of up to {longest} days were cut to them")
    if len(base.ground.days_before(base.days[0])) < MIN_PAST_DAYS:
        found.append(
            f"less than {MIN_PAST_DAYS} days before the first day drilled (of {PAST_DAYS} looked at): what is new "
            "to an account cannot be told there"
        )
    return found


def _silent(text: str, share: float | None) -> None:
    """Tell nobody."""
