"""The picture of a drill: what was gone before the first alert."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE_INCHES = (8.0, 4.6)
RULES = (("gone_by_day", "judged at the end of the day", 0.15), ("gone_by_minute", "judged every minute", -0.15))


def draw_drill(victims: pd.DataFrame, *, load: pd.DataFrame) -> Figure:
    """Draw, a dot a victim, the share of its records that was gone before the first alert.

    Parameters
    ----------
    victims
        One row per scenario and victim; a rule that nothing is known of is not drawn.
    load
        One row per untouched day, with `alerts`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES)
    axes = figure.add_subplot()
    names = list(dict.fromkeys(victims["scenario"]))[::-1]
    rows = victims["scenario"].map({name: place for place, name in enumerate(names)}).astype(float)
    for rule, label, shift in RULES:
        share = 100 * victims[rule].astype(float) / victims["records"].astype(float)
        if share.notna().any():
            axes.scatter(share, rows + shift, s=20, alpha=0.5, linewidths=0, label=label)
    axes.set(yticks=range(len(names)), yticklabels=names, xlim=(-2, 102))
    axes.set_xlabel("records gone before the first alert (%); 100: all, or never told of")
    axes.set_title(f"{load['alerts'].mean():.1f} alerts a day without an attack", fontsize="medium", loc="left")
    if axes.get_legend_handles_labels()[0]:
        figure.legend(fontsize="small", loc="upper right", ncols=2, frameon=False)
    axes.grid(axis="x", alpha=0.3)
    return figure
