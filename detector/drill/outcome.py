"""What became of the victims: caught or not, when, and what was gone by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa

from detector.drill.scenarios import DrillScenario
from detector.evaluate.exposure import first_alerts, gone_before_alert
from detector.evaluate.frames import DAY_TYPE
from detector.scoring import Scored

VICTIM = [
    "scenario",
    "account",
    "records",
    "caught",
    "review",
    "queue",
    "check",
    "rank",
    "accounts",
    "hours_by_day",
    "hours_by_minute",
    "gone_by_day",
    "gone_by_minute",
    "signal",
]


def follow_victims(attack: pa.Table, *, scored: Scored, zone: str, scenario: str) -> pd.DataFrame:
    """One row per victim of a scenario.

    Parameters
    ----------
    attack
        Malicious `EVENTS`.
    scored
        The attacked days, scored.
    zone
        The portal's.
    scenario
        Its name.

    Returns
    -------
    pd.DataFrame
        `scenario`, `account`; `records` that the attack took (distinct ones read, or writes); `caught` (it alerted on
        an attacked day) and `review` (it only waits in a queue for review); the `queue`, the first `check` and the
        weightiest `signal` of its strangest attacked day; its best `rank` among the day's `accounts`; from the first
        record to the alert, `hours_by_day` when the day is judged at its end and `hours_by_minute` when it is judged
        every minute (null: never); and the records `gone_by_day` and `gone_by_minute`, all where nobody was told.
    """
    events = _events(attack, zone=zone, scenario=scenario)
    if events.empty:
        return pd.DataFrame(columns=VICTIM)
    scores = scored.scores.astype({"day": DAY_TYPE})
    alerts = first_alerts(scores, early=scored.early.astype({"day": DAY_TYPE}), events=events, zone=zone)
    gone = gone_before_alert(events, alerts=alerts)
    for rule in ("gone_by_day", "gone_by_minute"):
        gone[rule] = (gone[rule] * gone["taken"]).round().astype("int64")
    found = gone.rename(columns={"taken": "records"}).merge(_best_days(scores, events), on="account", how="left")
    early = scored.early.sort_values("alert_at").drop_duplicates("account").set_index("account")["signal"]
    found["signal"] = found["account"].map(early).where(lambda own: own.notna(), found["signal"])
    return found[VICTIM]


def _events(attack: pa.Table, *, zone: str, scenario: str) -> pd.DataFrame:
    rows: pd.DataFrame = attack.select(["timestamp", "account", "action", "outcome", "record"]).to_pandas()
    local = rows["timestamp"].dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    return rows.assign(scenario=scenario, campaign=scenario, day=local.astype(DAY_TYPE))


def _best_days(scores: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Of each victim its attacked day with the best rank, alerts first."""
    sizes = scores.groupby("day")["account"].size()
    rows = scores.merge(events[["account", "day"]].drop_duplicates(), on=["account", "day"])
    rows = rows.assign(accounts=rows["day"].map(sizes), alert=rows["alert"].astype(bool))
    queued = rows["queue"].notna() & ~rows["alert"]
    both = rows.assign(queued=queued).groupby("account").agg(caught=("alert", "max"), queued=("queued", "max"))
    best = rows.sort_values(["account", "rank"]).drop_duplicates("account")
    best = best.drop(columns=["alert"]).merge(both, on="account")
    return pd.DataFrame(
        {
            "account": best["account"],
            "caught": best["caught"],
            "review": best["queued"] & ~best["caught"],
            "queue": best["queue"],
            "check": [next(iter(checks), None) if _is_list(checks) else None for checks in best["checks"]],
            "rank": best["rank"],
            "accounts": best["accounts"],
            "signal": [
                reasons[0]["signal"] if _is_list(reasons) and len(reasons) else None for reasons in best["reasons"]
            ],
        }
    )


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def summarise(
    victims: pd.DataFrame,
    *,
    scenarios: Sequence[DrillScenario],
    not_injected: Mapping[str, str] = MappingProxyType({}),
    cap: int | None = None,
) -> pd.DataFrame:
    """One row per scenario that had a victim or could not be injected, in their usual order.

    Parameters
    ----------
    victims
        `follow_victims` of all scenarios.
    scenarios
        Those that were asked for.
    not_injected
        Why, by name, of those that had no victim.
    cap
        A limit of records a day.

    Returns
    -------
    pd.DataFrame
        `scenario`, `title`, `victims`, `caught`, `review` (counts); medians over the victims of `records`, `rank`,
        `hours_by_day` and `hours_by_minute` (of those caught); median and worst of the records `gone_by_day` and
        `gone_by_minute`; `not_injected`, why there was no attack (null: there was one, else all numbers are null or
        0); with a cap, `capped_days`: the days that the median attack would have taken at least.
    """
    rows = victims.astype({"records": float, "rank": float, "caught": float, "review": float})
    numbers = ["hours_by_day", "hours_by_minute", "gone_by_day", "gone_by_minute"]
    rows[numbers] = rows[numbers].astype(float)
    found = rows.groupby("scenario").agg(
        victims=("account", "size"),
        caught=("caught", "sum"),
        review=("review", "sum"),
        records=("records", "median"),
        rank=("rank", "median"),
        hours_by_day=("hours_by_day", "median"),
        hours_by_minute=("hours_by_minute", "median"),
        gone_by_day_median=("gone_by_day", "median"),
        gone_by_day_worst=("gone_by_day", "max"),
        gone_by_minute_median=("gone_by_minute", "median"),
        gone_by_minute_worst=("gone_by_minute", "max"),
    )
    titles = {scenario.name: scenario.title for scenario in scenarios}
    told = [name for name in titles if name in found.index or name in not_injected]
    ordered = found.reindex(told).reset_index(names="scenario")
    ordered.insert(1, "title", ordered["scenario"].map(titles))
    why = ordered["scenario"].map(dict(not_injected)).astype(object)
    counts = ordered[["victims", "caught", "review"]].fillna(0).astype("int64")
    ordered = ordered.assign(**counts, not_injected=why.where(why.notna(), None))
    return ordered if cap is None else ordered.assign(capped_days=np.ceil(ordered["records"] / cap).astype("Int64"))
