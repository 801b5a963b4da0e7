"""Days → scores: every account-day of the input, ranked, with the reasons that matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from detector.alerting import AlertSettings, busiest_day, judge_alone, judge_day, queue_slow
from detector.campaigns import CampaignSettings, find_campaigns
from detector.checks import CHECKS, FIRED, run_checks
from detector.deviations import NAMES
from detector.early import COUNTED, EARLY, compared_days, count_watched, early_alerts, find_thefts, limits_of
from detector.errors import ModelError
from detector.history import History
from detector.joins import to_columns, to_frame
from detector.model.forest import CHUNK_ROWS, to_score
from detector.model.kept import Model
from detector.novelty import MIN_PAST_DAYS
from detector.reasons import PLACE, find_reasons, find_unremarkable
from detector.rolling import Rolling
from detector.schema import CHANNELS, QUEUES, Column, Table
from detector.timeline import Timeline
from detector.training import (
    EXACT_DIGITS,
    Examples,
    TrainSettings,
    fit_model,
    kind_of,
    to_examples,
    to_matrix,
    training_days,
)

REASON = pa.struct(
    [
        ("signal", pa.string()),
        ("value", pa.float64()),
        ("usual", pa.float64()),
        ("peers", pa.float64()),
        ("contribution", pa.float64()),
        ("sentence", pa.string()),
    ]
)
CONTRIBUTION = pa.struct([("deviation", pa.string()), ("contribution", pa.float64())])
UNKNOWN = "unknown"
SCORES = Table(
    "scores",
    "one row per account and day, of the stranger of its channels",
    (
        Column("account", pa.string(), "the account"),
        Column("day", pa.date32(), "calendar day in the portal's zone"),
        Column("channel", pa.string(), "the stranger of its channels", values=CHANNELS),
        Column("score", pa.float64(), "0 to 1, higher is stranger"),
        Column(
            "p_value", pa.float64(), "share of past account-days of its kind at least as strange", "cold, or too few"
        ),
        Column("rank", pa.int64(), "1 is the strangest of the day; alerts come first"),
        Column("alert", pa.bool_(), "somebody is told"),
        Column("queue", pa.string(), "where it waits for a person", "nowhere", QUEUES),
        Column(
            "reasons",
            pa.list_(REASON),
            "why: at most five, the weightiest first. Signals that say the same in other words are one reason, whose "
            "`contribution` is the sum of theirs; reasons may add up to less than `tail_sum`, `contributions` do not",
            "it is usual",
        ),
        Column(
            "contributions",
            pa.list_(CONTRIBUTION),
            "what each deviation adds to `tail_sum`, in nats, the weightiest first: together, all of it; of the "
            "account-days that get reasons",
            "it is usual",
        ),
        Column(
            "unremarkable_without",
            pa.list_(pa.string()),
            "fewest kinds of evidence (taken, where, stranger, manner) without which its strangeness would not alert",
            "its strangeness does not alert",
        ),
        Column(
            "campaign",
            pa.string(),
            "other accounts of the day with its rare sources, or begun at the same moment",
            "none",
        ),
        Column(
            "campaign_p_value",
            pa.float64(),
            "pooled p-value of the campaign's accounts (Simes): it orders campaigns, no more, for they were chosen by "
            "their own",
            "no campaign, or none of its accounts has a p-value",
        ),
        Column("checks", pa.list_(pa.string()), "deterministic checks that fired", "none"),
        Column("model_version", pa.string(), "hash of the model"),
        Column("cold", pa.bool_(), "scored without history, against the day's peers alone"),
        Column("kind", pa.string(), "known, newcomer, or robot (a newcomer on the software channel)"),
        Column("peer_group", pa.string(), "whom it was compared with"),
        Column("profession", pa.string(), "the account's profession", "the source has none"),
        Column("lookups", pa.int64(), "look-ups on that channel", "none were logged"),
        Column("records", pa.int64(), "different records shown", "no tokens"),
        Column("known_days", pa.int64(), "active days in the 28 before"),
        Column("strangeness", pa.float64(), "what the score is made of, unbounded: tail sum and forest"),
        Column("tail_sum", pa.float64(), "sum of the one-sided tail surprises, in nats"),
        Column("forest", pa.float64(), "the isolation forest's surprise, in nats"),
        Column("accumulated", pa.float64(), "surprise of what has added up over 7 and 28 days, in nats"),
        Column("largest_tail", pa.float64(), "largest single surprise, in nats"),
        Column("plain_sum", pa.float64(), "plain sum of the excesses"),
        *(Column(name, pa.float64(), "deviation, see deviations", "the signal is null") for name in NAMES),
    ),
    ("account", "day"),
)


class ScoreSettings(BaseModel):
    """How days are scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alerts: AlertSettings = AlertSettings()
    explained: int = Field(default=100, ge=0)
    """Account-days of each day that get reasons, beside all that are in a queue."""
    campaigns: CampaignSettings = CampaignSettings()
    checks: tuple[str, ...] = tuple(check.name for check in CHECKS)
    """Deterministic checks that run."""
    language: str = "en"


UNCOUNTED = pd.DataFrame(columns=["channel", "account_days", "needed", "day"])


class Scored(NamedTuple):
    """What scoring found.

    scores
        `SCORES`, as a DataFrame, by day and rank.
    early
        `EARLY`, as a DataFrame: account-days that an evaluation inside the day would have alerted.
    fired
        Deterministic checks that fired, one row each.
    watched
        `day`, and for each channel in use on it what `count_watched` found: whether early warning has limits. Nothing
        of a day that is judged without a model of its own, or goes on.
    """

    scores: pd.DataFrame
    early: pd.DataFrame
    fired: pd.DataFrame
    watched: pd.DataFrame = UNCOUNTED


def train_model(
    history: History,
    timeline: Timeline,
    *,
    settings: TrainSettings | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Model:
    """Fit a model on the latest days of a history.

    Raises
    ------
    HistoryError
        If the history holds too few days, or stale ones.
    """
    settings = settings or TrainSettings()
    days = training_days(history, settings=settings)
    history.require_fresh(days[0], days[-1])
    rows, counted = _gather(timeline, days, progress)
    # What the ledger says was an attack is left out, beside what looks like one.
    timeline.leave_out(find_thefts(counted))
    model = fit_model(rows, settings=settings, set_aside=timeline.set_aside)
    aside = follow_attacks(timeline, model, days=days, progress=progress)
    if len(aside) == len(model.set_aside):
        return model
    return fit_model(rows, settings=settings, set_aside=aside)


def _gather(timeline: Timeline, days: Sequence[date], tell: Callable[[str], None]) -> tuple[Examples, pd.DataFrame]:
    """What to learn from, and the counts that thefts are told by."""
    rolling, counted = Rolling(timeline), []

    def deviations() -> Iterator[pd.DataFrame]:
        for day in days:
            tell(f"training: {day}")
            yield rolling.deviations(day)
            counted.append(to_frame(timeline.account_days(day).select(*COUNTED)))

    return to_examples(deviations()), pd.concat(counted, ignore_index=True)


def follow_attacks(
    timeline: Timeline, model: Model, *, days: Sequence[date], progress: Callable[[str], None] = lambda text: None
) -> pd.DataFrame:
    """Go after the account-days that training set aside: what did the same accounts do on the days after?

    An attack that lasts hides behind itself: its first day is strange, and the ones after it are compared with the
    first. So each set-aside day is taken out of the account's past, and its next days are judged anew, by a looser
    measure since there is a reason to doubt them.

    Returns
    -------
    pd.DataFrame
        `account` and `day` of all that is to be set aside. The timeline leaves them out from now on.
    """
    found = model.set_aside.assign(day=pd.to_datetime(model.set_aside["day"]).dt.date)
    timeline.leave_out(found)
    rolling = Rolling(timeline)
    for day in days:
        doubtful = found.loc[found["day"] < day, "account"].unique()
        known = set(found.loc[found["day"] == day, "account"])
        asked = [account for account in doubtful if account not in known]
        if not asked:
            continue
        progress(f"training: {day}, {len(asked)} accounts once more")
        active = rolling.deviations(day, accounts=asked)
        if active.empty:
            continue
        rows = measure(active, model)
        judged = judge_alone(rows, model.calibration)
        more = rows.loc[judged <= DOUBTFUL_P, ["account"]].drop_duplicates().assign(day=day)
        timeline.leave_out(more)
        found = pd.concat([found, more], ignore_index=True)
    return found


DOUBTFUL_P = 0.01
"""An account that was set aside within the training days is believed only below this p-value."""


def score_days(
    timeline: Timeline,
    model: Model,
    *,
    days: Sequence[date],
    settings: ScoreSettings | None = None,
    progress: Callable[[str], None] = lambda text: None,
    explains: bool = True,
) -> Scored:
    """Score days of the timeline's input, oldest first; whoever is told of is left out of the later days' past.

    Without reasons where nobody reads them (`explains`): on a small portal they take a third of the time.

    Raises
    ------
    ModelError
        If the model was fitted for days with a past and a day has none.
    """
    settings = settings or ScoreSettings()
    parts: list[Scored] = []
    queued: set[str] = set()
    rolling = Rolling(timeline)
    for day in days:
        progress(f"scoring: {day}")
        part = _score_day(
            timeline, model, day, settings, deviations=rolling.deviations(day), queued=queued, explains=explains
        )
        queued.update(part.scores.loc[part.scores["queue"].notna(), "account"])
        for told in (part.scores[part.scores["alert"]], part.early):
            timeline.leave_out(told)
        parts.append(part)
    if not parts:
        return Scored(SCORES.empty().to_pandas(), EARLY.empty().to_pandas(), pd.DataFrame(columns=list(FIRED)))
    return Scored(*(pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True)))


def _score_day(
    timeline: Timeline,
    model: Model,
    day: date,
    settings: ScoreSettings,
    *,
    deviations: pd.DataFrame,
    queued: set[str],
    explains: bool,
) -> Scored:
    signals = timeline.account_days(day)
    facts = to_columns(timeline.told(day, [*PLACE, *FACTS])).set_index(PLACE)
    rows = _without_strangers(deviations.join(facts, on=PLACE), timeline, day)
    channels = rows["channel"].unique().tolist()
    rows = stranger_channels(measure(rows, model))
    # What a cold model was calibrated on are other portals: it ranks, and only checks alert.
    calibration = model.calibration.iloc[:0] if model.cold else model.calibration
    judged = rows.join(judge_day(rows, calibration, settings=settings.alerts))
    fired = run_checks(signals, timeline.events_of(day), names=settings.checks)
    judged = _add_campaigns(_add_checks(judged, fired), timeline, day, settings)
    judged = judged.assign(queue=queue_slow(judged, queued=queued, settings=settings.alerts))
    judged = _rank(judged)
    n_accounts = max(len(judged), busiest_day(calibration))
    if explains:
        judged = explain_rows(timeline, model, judged, day, settings=settings, n_accounts=n_accounts)
    else:
        judged = _unexplained(judged, model)
    if model.cold:
        return Scored(to_scores(judged), EARLY.empty().to_pandas(), fired)
    compared = compared_days(timeline.past(day).account_days)
    limits = limits_of(compared, n_accounts=n_accounts, settings=settings.alerts)
    early = early_alerts(timeline, day, n_accounts=n_accounts, settings=settings.alerts, limits=limits)
    watched = count_watched(compared, channels=channels, nameless=_nameless(rows))
    return Scored(to_scores(judged), early, fired, watched.assign(day=day))


def _nameless(rows: pd.DataFrame) -> list[str]:
    """Channels of a day that has look-ups there, none of which tells its record."""
    asked = rows[rows["lookups"] > 0]
    has_record = asked["records"].notna().groupby(asked["channel"]).any()
    return [str(channel) for channel in has_record.index[~has_record]]


def explain_rows(
    timeline: Timeline, model: Model, judged: pd.DataFrame, day: date, *, settings: ScoreSettings, n_accounts: int
) -> pd.DataFrame:
    """Judged and ranked account-days with the model's version and, those that anybody looks at, with their reasons.

    `judged` holds all accounts of the day, or at least those that get reasons; `n_accounts` were tested.
    """
    told = judged.assign(model_version=model.version, cold=model.cold)
    told = told.assign(
        **find_reasons(timeline, model, told, day, explained=settings.explained, language=settings.language)
    )
    return told.assign(
        unremarkable_without=find_unremarkable(
            told, model, n_accounts=n_accounts, rate=settings.alerts.false_discovery_rate
        )
    )


def _unexplained(judged: pd.DataFrame, model: Model) -> pd.DataFrame:
    nothing = pd.Series([[] for _row in range(len(judged))], index=judged.index)
    empty = dict.fromkeys(("reasons", "contributions", "unremarkable_without"), nothing)
    return judged.assign(model_version=model.version, cold=model.cold, **empty)


def score_running(
    timeline: Timeline,
    model: Model,
    day: date,
    *,
    settings: ScoreSettings,
    n_accounts: int,
    fired: pd.DataFrame,
    limits: pd.DataFrame | None = None,
) -> Scored:
    """Judge accounts within a day that still goes on: those that early warning or a check tells of, and no other.

    Parameters
    ----------
    timeline
        Its input holds all of the day's events so far of the accounts that are asked for, and may lack other accounts.
    model
        A cold one, or a day without enough past, leaves the checks alone.
    day
        The day.
    n_accounts
        Accounts that are usually active on a day, among which a false alert is one too many.
    fired
        What the checks that look at events (`EVENT_CHECKS`) found in those of all accounts.
    limits
        Early warning's, where they are known already.

    Returns
    -------
    Scored
        No p-value, for nothing is known of the rest of the day; `early` tells the minute. Strangeness is measured among
        a sample of peers where there are many.
    """
    signals = timeline.account_days(day).cache()
    names = [name for name in settings.checks if name not in EVENT_CHECKS]
    found = [frame for frame in (fired, run_checks(signals, None, names=names)) if len(frame)]
    fired = pd.concat(found, ignore_index=True) if found else fired
    early = EARLY.empty().to_pandas()
    if is_warm(timeline, model, day):
        # Among as many as on a whole day, lest an account be told of because few others were active yet.
        early = early_alerts(timeline, day, n_accounts=n_accounts, settings=settings.alerts, limits=limits)
    told = sorted({*early["account"], *fired["account"].dropna()})
    if not told:
        return Scored(SCORES.empty().to_pandas(), early, fired)
    rows = to_frame(timeline.hasty_deviations(day, accounts=told)).merge(
        to_frame(signals), on=["account", "channel", "day"]
    )
    rows = _without_strangers(rows, timeline, day)
    if rows.empty:
        return Scored(SCORES.empty().to_pandas(), early, fired)
    rows = stranger_channels(measure(rows, model))
    warned = rows["account"].isin(early["account"])
    queue = pd.Series("main", index=rows.index).where(warned, None)
    judged = _rank(_add_checks(rows.assign(p_value=np.nan, alert=warned, queue=queue), fired).assign(campaign=None))
    judged = judged[judged["alert"]].assign(model_version=model.version, cold=model.cold)
    judged = judged.assign(unremarkable_without=pd.Series([[]] * len(judged), index=judged.index))
    past = timeline.sample(day, accounts=told)
    judged = judged.assign(
        **find_reasons(
            timeline, model, judged, day, explained=settings.explained, language=settings.language, past=past
        )
    )
    return Scored(to_scores(judged), early, fired)


EVENT_CHECKS = tuple(check.name for check in CHECKS if check.of_events)
"""Checks that look at the events of all accounts together."""


def is_warm(timeline: Timeline, model: Model, day: date) -> bool:
    """Whether accounts can be compared with their past on that day: else only checks tell anything within it."""
    return not model.cold and len(timeline.days_before(day)) >= MIN_PAST_DAYS


DEEDS = ("logins", "lookups", "writes", "resets")
FACTS = ("profession", "records", "lone_strangers", *DEEDS)
"""What is asked of every account-day beside its deviations; the other signals only where there are reasons to give."""


def _without_strangers(rows: pd.DataFrame, timeline: Timeline, day: date) -> pd.DataFrame:
    """Leave out names that only ever failed to sign in: they say something of who tries them, nothing of an account."""
    idle = rows[list(DEEDS)].fillna(0).sum(axis=1) == 0
    if not idle.any():
        return rows
    past = timeline.past(day).account_days
    did = past.filter(ibis.or_(*(past[name] > 0 for name in DEEDS)))
    known = did.select("account").distinct().to_pandas()["account"]
    return rows[~idle | rows["account"].isin(known)]


def measure(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    """Deviations with their strangeness and what it is made of, and the kind of account they are calibrated with."""
    missing = [name for name in model.columns if name not in rows.columns]
    if missing:
        raise ModelError(f"model {model.version} needs {', '.join(missing[:3])}…, which these deviations do not have")
    # Some rows at a time: the estimator's input and what each column contributes are as large as all deviations.
    starts = range(0, max(len(rows), 1), CHUNK_ROWS)
    measured = pd.concat([_strangeness(rows.iloc[start : start + CHUNK_ROWS], model) for start in starts])
    kinds = kind_of(rows, newcomer_days=TrainSettings().newcomer_days)
    return rows.assign(kind=kinds, **{name: measured[name] for name in measured.columns})


def _strangeness(rows: pd.DataFrame, model: Model) -> pd.DataFrame:
    X = to_matrix(rows, model.columns)
    forest = model.estimator.forest_surprise(X)
    # What `score_samples` says; asking it would grow the longest step, the forest, twice.
    samples = -(model.estimator.tail_sum(X) + model.estimator.forest_weight * forest)
    contributions = model.estimator.contributions(X)
    slow = [i for i, name in enumerate(model.columns) if name.endswith(("__week", "__month"))]
    found = {
        "score": to_score(samples),
        "strangeness": -samples,
        "tail_sum": contributions.sum(axis=1),
        "forest": forest,
        "accumulated": contributions[:, slow].sum(axis=1),
        "largest_tail": contributions.max(axis=1, initial=0.0),
        "plain_sum": X.sum(axis=1),
    }
    return pd.DataFrame(found, index=rows.index)


def stranger_channels(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per account, the strangest first: of its channels the stranger, of equals the first by name.

    Whatever order the rows come in, which a database does not promise.
    """
    keys = rows[["strangeness", "account", "channel"]].reset_index(drop=True)
    ordered = keys.sort_values(list(keys.columns), ascending=[False, True, True])
    return rows.take(ordered.drop_duplicates("account").index.to_numpy()).reset_index(drop=True)


def _add_checks(judged: pd.DataFrame, fired: pd.DataFrame) -> pd.DataFrame:
    """A check that fires alerts on its own; an account that alerted already stays where it is."""
    names = fired.dropna(subset="account").groupby("account")["check"].agg(lambda found: sorted(set(found)))
    checks = judged["account"].map(names)
    only_check = checks.notna() & ~judged["alert"]
    queue = judged["queue"].where(~only_check, "check")
    return judged.assign(checks=checks.where(checks.notna(), None), queue=queue, alert=judged["alert"] | checks.notna())


def _add_campaigns(judged: pd.DataFrame, timeline: Timeline, day: date, settings: ScoreSettings) -> pd.DataFrame:
    """Accounts that share rare sources, or began at one moment, alert together, though some would not alone."""
    found = find_campaigns(judged, timeline.sources(day), timeline.past(day).sources, settings=settings.campaigns)
    campaigns = found.set_index("account")
    campaign, pooled = (judged["account"].map(campaigns[name]) for name in ("campaign", "pooled_p_value"))
    joined = campaign.notna()
    queue = judged["queue"].where(judged["alert"] | ~joined, "main")
    told = {"campaign": campaign, "campaign_p_value": pooled.astype("float64")}
    return judged.assign(queue=queue, alert=judged["alert"] | joined, **told)


def _rank(judged: pd.DataFrame) -> pd.DataFrame:
    ordered = judged.sort_values(["alert", "strangeness", "account"], ascending=[False, False, True])
    return ordered.assign(rank=np.arange(1, len(ordered) + 1)).reset_index(drop=True)


def to_scores(judged: pd.DataFrame) -> pd.DataFrame:
    """The columns of `SCORES`, in order; deviations to the digits that are the same in every run, known or not."""
    exact = judged[[name for name in NAMES if name in judged]].round(EXACT_DIGITS)
    return judged.assign(**exact).reindex(columns=list(SCORES.names))
