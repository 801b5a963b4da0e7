"""The pictures of docs/quality.md, as SVG that does not change from run to run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from detector.evaluate.summary import scenario_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE_INCHES = (8.0, 4.2)
WIDE_INCHES = (8.0, 6.0)
OWN = "score"
"""The method that is drawn in front."""


def draw_curves(means: pd.DataFrame) -> Figure:
    """Draw mean account recall against the share of false account-days, a line a method.

    Parameters
    ----------
    means : long table with the column seed, as `mean_account_recall` returns it.
    """
    figure = _figure(SIZE_INCHES)
    axes = figure.add_subplot()
    curve = means[means["measure"] == "recall_curve"]
    for method, rows in curve.groupby("method"):
        line = rows.groupby("level")["value"].mean()
        own = method == OWN
        axes.plot(
            100 * line.index,
            line.to_numpy(),
            label=_words(str(method)),
            linewidth=2.6 if own else 1.2,
            zorder=3 if own else 2,
        )
    axes.set(xscale="log", ylim=(0, 1.02), xlabel="false account-days (%)", ylabel="mean account recall")
    axes.legend(fontsize="small", loc="lower right")
    axes.grid(alpha=0.3)
    return figure


def draw_scenarios(order: pd.DataFrame, *, share: float, methods: list[str]) -> Figure:
    """Draw recall at one share of false account-days, a group of bars a scenario, with the spread over seeds."""
    figure = _figure(SIZE_INCHES)
    axes = figure.add_subplot()
    wanted = order[(order["measure"] == "recall_share") & (order["level"] == share)]
    scenarios = sorted(wanted["scenario"].unique(), key=scenario_order)
    width = 0.8 / len(methods)
    for place, method in enumerate(methods):
        grouped = wanted[wanted["method"] == method].groupby("scenario")["value"]
        means, spreads = grouped.mean().reindex(scenarios), grouped.std().reindex(scenarios).fillna(0)
        at = [index + (place - (len(methods) - 1) / 2) * width for index in range(len(scenarios))]
        axes.bar(at, means, width, yerr=spreads, label=_words(method), error_kw={"linewidth": 0.7})
    axes.set(xticks=range(len(scenarios)), xticklabels=scenarios, ylim=(0, 1.05), ylabel=f"recall at {100 * share:g} %")
    axes.legend(fontsize="small", ncols=len(methods), loc="upper center", bbox_to_anchor=(0.5, 1.13))
    return figure


def draw_gone(gone: pd.DataFrame) -> Figure:
    """Draw what was gone before the first alert, a dot an account: by the end of the day, and by the minute.

    Parameters
    ----------
    gone : one row per campaign and account, as `gone_before_alert` returns it.
    """
    figure = _figure(WIDE_INCHES)
    axes = figure.add_subplot()
    scenarios = sorted(gone["scenario"].unique(), key=scenario_order, reverse=True)
    rows = {scenario: row for row, scenario in enumerate(scenarios)}
    for shift, rule, label in ((0.15, "gone_by_day", "by the day"), (-0.15, "gone_by_minute", "by the minute")):
        at = gone["scenario"].map(rows).astype(float) + shift
        axes.scatter(100 * gone[rule], at, s=14, alpha=0.4, label=label, linewidths=0)
    axes.set(
        yticks=range(len(scenarios)), yticklabels=scenarios, xlim=(-2, 102), xlabel="gone before the first alert (%)"
    )
    axes.legend(fontsize="small")
    axes.grid(axis="x", alpha=0.3)
    return figure


def save(figure: Figure, *, path: Path) -> None:
    """Write a figure as SVG without date and with stable ids: an unchanged picture is an unchanged file."""
    import matplotlib as mpl

    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "path"}):
        figure.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight")


def _figure(size: tuple[float, float]) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=size)


def _words(name: str) -> str:
    return name.replace("_", " ")
