"""Deviations of the past → a model: fitted on account-days that look honest, calibrated on the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import csr_array, vstack

from detector.alerting import NEWCOMER_DAYS
from detector.deviations import NAMES
from detector.errors import HistoryError, ModelError
from detector.features import BY_NAME
from detector.features.declaration import Family
from detector.history import History
from detector.model.forest import ExtractionForest
from detector.model.kept import Model
from detector.model.tails import fit_tails, surprise

Floats = NDArray[np.float64]


class TrainSettings(BaseModel):
    """How a model is fitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(default=28, ge=1)
    """Days of history to learn from, the latest ones: a month holds every kind of day."""
    min_past_days: int = Field(default=14, ge=7)
    """Days that must come before a day of training: with fewer, nearly every record is new to its account."""
    min_rows: int = Field(default=200, ge=2)
    """Account-days without which no model is fitted: a tail of one in a hundred would rest on a single one."""
    set_aside_factor: float = Field(default=0.01, gt=0)
    """An account-day so strange that fewer than this many are expected in the whole training set is set aside."""
    newcomer_days: int = Field(default=NEWCOMER_DAYS, ge=1)
    """An account with fewer active days in the 28 before is a newcomer."""
    seed: int = 0


class Kinds(NamedTuple):
    """Kinds of account-days that are calibrated apart: they have no like among the others."""

    known: str = "known"
    newcomer: str = "newcomer"
    robot: str = "robot"


KINDS = Kinds()


def training_days(history: History, *, settings: TrainSettings) -> list[date]:
    """The latest days with enough past before them."""
    summed = [day for day in history.days if day not in history.pending]
    enough = summed[settings.min_past_days :]
    if not enough:
        raise HistoryError(
            f"training needs more than {settings.min_past_days} days of history, {history.folder} holds "
            f"{len(history.days)}; learn more days first"
        )
    return enough[-settings.days :]


def fit_model(
    deviations: pd.DataFrame | Examples,
    *,
    settings: TrainSettings | None = None,
    set_aside: pd.DataFrame | None = None,
    cold: bool = False,
    card: dict[str, Any] | None = None,
) -> Model:
    """Fit and calibrate a model.

    Parameters
    ----------
    deviations
        `DEVIATIONS` of several days, one row per account, channel and day; or what `to_examples` made of them.
    settings
        How.
    set_aside
        Account-days (account, day) known to be left out, beside those that look like an attack.
    cold
        The deviations are from peers alone.
    card
        What else the model's card shall say.

    Raises
    ------
    ModelError
        If there are too few account-days.
    """
    settings = settings or TrainSettings()
    examples = deviations if isinstance(deviations, Examples) else to_examples([deviations])
    if (n_rows := len(examples.facts)) < settings.min_rows:
        raise ModelError(
            f"training: {n_rows} account-days, at least {settings.min_rows} are needed; learn more days first"
        )
    told = np.flatnonzero(examples.told)
    columns = tuple(NAMES[place] for place in told)
    # In an order of their own, not the database's: the trees are drawn by place.
    rows = examples.facts.sort_values(["day", "account", "channel"])
    X = examples.excess[rows.index][:, told]
    rows = rows.reset_index(drop=True)
    kinds = kind_of(rows, newcomer_days=settings.newcomer_days)
    honest = believed = ~_among(rows, set_aside)
    # By the tail sums alone: chance has no part in what is left out. Twice: what an attack hides behind itself in the
    # first fit stands out in the second.
    for _ in range(2):
        plain = _fit(X, honest, ExtractionForest(families=families_of(columns), forest_weight=0.0))
        before, honest = honest, believed & _looks_honest(plain.strangeness, kinds, factor=settings.set_aside_factor)
        if (honest == before).all():
            break
    fitted = _fit(X, honest, ExtractionForest(families=families_of(columns), random_state=settings.seed))
    calibration = rows.loc[honest, ["day"]].assign(kind=kinds[honest], strangeness=fitted.strangeness[honest])
    described = _describe(rows, honest, settings) | (card or {})
    aside = rows.loc[~honest, ["account", "day"]].drop_duplicates()
    return Model(
        estimator=fitted.estimator,
        columns=columns,
        calibration=calibration.reset_index(drop=True),
        set_aside=aside.reset_index(drop=True),
        cold=cold,
        card=described,
    )


@dataclass(frozen=True)
class Examples:
    """Account-days to learn from, in little memory: most deviations are zero.

    Attributes
    ----------
    facts
        `account`, `channel`, `day` and `known_days`, numbered from 0.
    excess
        What `to_matrix` makes of all deviations, in the order of `NAMES`; a row for each of the facts.
    told
        Of each deviation, whether any account-day has it.
    """

    facts: pd.DataFrame
    excess: csr_array
    told: NDArray[np.bool_]


def to_examples(deviations: Iterable[pd.DataFrame]) -> Examples:
    """Gather the `DEVIATIONS` of several days, a part after the other."""
    facts, excess, told = [], [], np.zeros(len(NAMES), dtype=bool)
    for part in deviations:
        facts.append(part[["account", "channel", "day", "known_days"]])
        excess.append(csr_array(to_matrix(part, NAMES)))
        told |= part[list(NAMES)].notna().any().to_numpy()
    return Examples(pd.concat(facts, ignore_index=True), vstack(excess, format="csr"), told)


class _Fitted(NamedTuple):
    """An estimator, and the strangeness of all rows by it, those that it was not fitted on included."""

    estimator: ExtractionForest
    strangeness: Floats


def _fit(X: csr_array, honest: NDArray[np.bool_], estimator: ExtractionForest) -> _Fitted:
    strangeness = np.empty(X.shape[0])
    strangeness[honest] = -estimator.fit_score(X[honest])
    strangeness[~honest] = -estimator.score_samples(X[~honest])
    return _Fitted(estimator, strangeness)


def to_matrix(deviations: pd.DataFrame, columns: Iterable[str]) -> Floats:
    """The estimator's input, shape (n_account_days, n_columns): deviations beyond what is usual.

    A null signal exceeds nothing. Nor does what lies within one spread of what is expected, however rare it is that
    others come even that far: a second address is no sign of anything because nobody else had one today.
    """
    excess = deviations[list(columns)].fillna(0.0).to_numpy(dtype=np.float64)
    return np.asarray(np.round(np.maximum(excess - USUAL_SPREADS, 0.0), EXACT_DIGITS), dtype=np.float64)


USUAL_SPREADS = 1.0
EXACT_DIGITS = 9
"""Decimals of a deviation: beyond them is the order in which a database's threads happened to add up."""


EVIDENCE: dict[Family, str] = {
    "volume": "taken",
    "who": "taken",
    "writes": "taken",
    "where": "where",
    "stranger": "stranger",
    "source": "manner",
    "rhythm": "manner",
}
"""What the families of signals are evidence of. Look-ups, new records and writes all tell how much was taken, and a
practice that screens its patients has all of them at once; that they were strangers' from all over the country, and
that the account was used in an unusual manner, are matters of their own, which add up with it."""


def families_of(columns: Iterable[str]) -> list[str]:
    """The kind of evidence that each deviation is."""
    return [EVIDENCE[BY_NAME[name.split("__")[0]].family] for name in columns]


def kind_of(deviations: pd.DataFrame, *, newcomer_days: int) -> NDArray[np.str_]:
    """Known, newcomer, or robot (a newcomer on the software channel), per row."""
    new = deviations["known_days"].to_numpy() < newcomer_days
    software = (deviations["channel"] == "software").to_numpy()
    return np.where(new, np.where(software, KINDS.robot, KINDS.newcomer), KINDS.known)


def _among(rows: pd.DataFrame, account_days: pd.DataFrame | None) -> NDArray[np.bool_]:
    if account_days is None or account_days.empty:
        return np.zeros(len(rows), dtype=bool)
    found = np.zeros(len(rows), dtype=bool)
    asked = np.flatnonzero(rows["account"].isin(account_days["account"]))
    tables = (rows.iloc[asked], account_days)
    keys = [pd.MultiIndex.from_arrays([t["account"], pd.to_datetime(t["day"])]) for t in tables]
    found[asked] = keys[0].isin(keys[1])
    return found


def _looks_honest(strangeness: Floats, kinds: NDArray[np.str_], *, factor: float) -> NDArray[np.bool_]:
    """All but the rows that the extrapolated tail of their kind's bulk does not explain."""
    honest = np.ones(len(strangeness), dtype=bool)
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        if len(rows) < 100:
            continue
        values = strangeness[rows]
        bulk = values[values <= np.quantile(values, 1 - BULK_CUT)]
        rare = surprise(fit_tails(bulk[:, None]), values[:, None])[:, 0]
        honest[rows] = rare < np.log(len(rows) / factor)
    return honest


BULK_CUT = 0.002
"""Share of the strangest rows left out when the tail is fitted that judges them: an attack shall not explain itself."""


def _describe(rows: pd.DataFrame, honest: NDArray[np.bool_], settings: TrainSettings) -> dict[str, Any]:
    days: list[date] = sorted(pd.to_datetime(rows["day"].unique()).date)
    return {
        "first_day": str(days[0]),
        "last_day": str(days[-1]),
        "days": len(days),
        "account_days": len(rows),
        "set_aside": int((~honest).sum()),
        "settings": settings.model_dump(),
    }
