"""The model that ships with the package: trained on simulated portals, for days that nothing came before.

`python -m detector.shipping` makes it again, in `models/default`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ibis
import numpy as np
import pandas as pd
from ibis.backends.duckdb import Backend

from detector.model.kept import Model, save_model
from detector.reading import Input, load_mapping, read
from detector.shipped import models_dir
from detector.simulate import SCENARIOS, World, make_attack, simulate
from detector.timeline import Timeline
from detector.training import TrainSettings, fit_model, to_matrix

DEFAULT = "default"
"""Folder of the shipped model, under `models/`."""

PORTALS = (
    World(seed=101, accounts=600, days=21, start=date(2025, 9, 1), records="token"),
    World(seed=102, accounts=1_500, days=21, start=date(2025, 12, 8), records="token"),
    World(seed=103, accounts=2_500, days=21, start=date(2026, 2, 2), records="token"),
    World(seed=104, accounts=4_000, days=21, start=date(2026, 5, 4), records="token"),
)
"""Small and large ones, in autumn, at Christmas, in winter and among the holidays of May; nobody attacks them."""

_JUDGED_DAYS = 7
_ATTACKS = tuple(
    make_attack(scenario.name, first_day=-_JUDGED_DAYS, days=min(scenario.attack.days, _JUDGED_DAYS))
    for scenario in SCENARIOS
)
JUDGED = World(seed=105, accounts=3_000, days=21, start=date(2026, 3, 9), records="token", attacks=_ATTACKS)
"""Another one, on which the model is measured: every scenario of theft happens within its last week."""
FALSE_SHARE = 0.003
"""Share of honest account-days above the threshold that recall is stated at: nine a day in 3,000."""

_KEY = bytes(32)
"""Simulated tokens are no secret."""


def ship_model(
    folder: Path,
    *,
    portals: Sequence[World] = PORTALS,
    judged: World = JUDGED,
    settings: TrainSettings | None = None,
    progress: Callable[[str], object] = lambda text: None,
) -> Model:
    """Train a model on the peers of simulated portals, measure it on another, and keep it.

    Parameters
    ----------
    folder
        Where the model goes; the one before is kept beside it.
    portals
        What it learns from, without attacks.
    judged
        What it is measured on, with attacks in its last week.
    settings
        How it is fitted.
    progress
        Told of each day.

    Returns
    -------
    Model
        The model. The same arguments give the same model; another processor may round its last digits otherwise.
    """
    learned = pd.concat([_deviations(portal, progress) for portal in portals], ignore_index=True)
    card = {"trained_on": "simulated portals, none attacked", "portals": [_about(portal) for portal in portals]}
    model = fit_model(learned, settings=settings, cold=True, card=card)
    measures = {"portal": _about(judged), "false_share": FALSE_SHARE, "recall": _measure(model, judged, progress)}
    # Accounts of a simulated portal mean nothing elsewhere, and might be somebody's.
    nobody = model.set_aside.iloc[:0]
    model = replace(model, set_aside=nobody, card=model.card | {"measures": measures})
    save_model(model, folder)
    return model


def _deviations(portal: World, progress: Callable[[str], object]) -> pd.DataFrame:
    with TemporaryDirectory() as scratch:
        simulate(portal, Path(scratch))
        return pd.concat(_each_day(portal, Path(scratch), range(portal.days), progress), ignore_index=True)


def _each_day(
    portal: World, folder: Path, days: Sequence[int], progress: Callable[[str], object]
) -> Iterator[pd.DataFrame]:
    """Deviations of each day by itself, as if it were the first that was ever seen."""
    # One thread: what several add up depends on which is first. It closes when the last table in it is forgotten.
    con = ibis.duckdb.connect(threads=1)
    con.con.execute("SET TimeZone = 'UTC'")
    for index in days:
        day = portal.day(index)
        progress(f"portal {portal.seed}: {day}")
        yield _one_day(con, folder, day, portal.zone)


def _one_day(con: Backend, folder: Path, day: date, zone: str) -> pd.DataFrame:
    dump = Input(path=str(folder / "events" / f"{day}.parquet"), mapping=load_mapping(folder / "mapping.toml"))
    reading = read([dump], con=con, scratch=folder / "scratch", key=_KEY, zone=zone)
    timeline = Timeline(con, events=reading.events, history=None, zone=zone)
    rows: pd.DataFrame = timeline.deviations(day).to_pandas()
    return rows.sort_values(["account", "channel"])


def _measure(model: Model, portal: World, progress: Callable[[str], object]) -> dict[str, float]:
    """Share of each scenario's accounts that were above the threshold on one of their days; and the mean of all."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        simulate(portal, folder)
        last = range(portal.days - _JUDGED_DAYS, portal.days)
        rows = pd.concat(_each_day(portal, folder, last, progress), ignore_index=True)
        truth = pd.read_parquet(folder / "truth" / "events.parquet", columns=["account", "day", "scenario"])
    rows["strangeness"] = -model.estimator.score_samples(to_matrix(rows, model.columns))
    scores = rows.groupby(["account", "day"])["strangeness"].max().reset_index()
    stolen = truth.dropna().drop_duplicates()
    judged = _by_date(scores).merge(_by_date(stolen), on=["account", "day"], how="left")
    threshold = np.quantile(judged.loc[judged["scenario"].isna(), "strangeness"], 1 - FALSE_SHARE)
    hits = judged.dropna().assign(found=lambda rows: rows["strangeness"] > threshold)
    recall = hits.groupby(["scenario", "account"])["found"].max().groupby("scenario").mean()
    return {"mean": round(float(recall.mean()), 2)} | {str(name): round(share, 2) for name, share in recall.items()}


def _by_date(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(day=pd.to_datetime(rows["day"]).dt.date)


def _about(portal: World) -> dict[str, Any]:
    return portal.model_dump(mode="json", include={"seed", "accounts", "days", "start"})


def main() -> None:
    """Make the shipped model again."""
    model = ship_model(models_dir() / DEFAULT, progress=lambda text: sys.stderr.write(f"{text}\n"))
    sys.stdout.write(f"model {model.version}: recall {model.card['measures']['recall']}\n")


if __name__ == "__main__":
    main()
