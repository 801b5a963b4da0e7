"""Over seeds: means and spread."""

from __future__ import annotations

from typing import Any

import pandas as pd

from detector.evaluate.labels import FLOORLESS


def over_seeds(measured: pd.DataFrame) -> pd.DataFrame:
    """Return mean, standard deviation, lowest and highest over seeds.

    Parameters
    ----------
    measured : long table with the column seed.

    Returns
    -------
    frame with one row per measure, method, level, scenario (and world): mean, sd (0 with one seed), lowest, highest,
    seeds. A seed in which the measure is not defined (no account of the scenario) is left out.
    """
    keys = [name for name in measured if name not in ("seed", "value")]
    grouped = measured.dropna(subset="value").groupby(keys, as_index=False, observed=True)["value"]
    found = grouped.agg(["mean", "std", "min", "max", "size"])
    named = pd.DataFrame(found).rename(columns={"std": "sd", "min": "lowest", "max": "highest", "size": "seeds"})
    return named.fillna({"sd": 0.0})


def mean_account_recall(measured: pd.DataFrame) -> pd.DataFrame:
    """Return, per seed, each recall's mean over the scenarios with a floor; a scenario weighs 1 whatever its size.

    Returns
    -------
    long table with the column seed, scenario `mean`.
    """
    floored = measured[measured["measure"].str.contains("recall") & ~measured["scenario"].isin((*FLOORLESS, "all"))]
    keys = [name for name in measured if name not in ("scenario", "value")]
    means = floored.groupby(keys, as_index=False, observed=True).agg(value=("value", "mean"))
    return means.assign(scenario="mean")


def pivot(summary: pd.DataFrame, *, measure: str, level: float = 0.0) -> pd.DataFrame:
    """Return the means of one measure at one level: one row per scenario, one column per method."""
    wanted = summary[(summary["measure"] == measure) & (summary["level"] == level)]
    wide = wanted.pivot_table(index="scenario", columns="method", values="mean", observed=True)
    return wide.loc[sorted(wide.index, key=scenario_order)]


def in_scenario_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by scenario, S2 before S10 and what is no scenario last, else in the order they had."""
    return table.sort_values("scenario", key=_orders, kind="stable", ignore_index=True)


def _orders(names: pd.Series[Any]) -> pd.Series[Any]:
    return pd.Series([scenario_order(name) for name in names], index=names.index, dtype=object)


def scenario_order(name: str) -> tuple[int, int, str]:
    """Sort S2 before S10, and what is no scenario last."""
    number = name[1:].split("-", maxsplit=1)[0]
    return (0, int(number), name) if name[:1] == "S" and number.isdigit() else (1, 0, name)
