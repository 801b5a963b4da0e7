"""docs/quality.md: targets beside what was measured, and every table behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from detector.evaluate.bench import ACCOUNTS_PER_DESK, StudySettings
from detector.evaluate.enlarge import ADDED
from detector.evaluate.hardness import check_hardness
from detector.evaluate.labels import FLOORLESS
from detector.evaluate.markup import markdown_table
from detector.evaluate.measures import ALL, LONG
from detector.evaluate.plots import draw_curves, draw_gone, draw_scenarios, save
from detector.evaluate.recall import FALSE_ACCOUNTS_ANY_SIZE, FALSE_ACCOUNTS_PER_3000, FALSE_DAY_SHARES
from detector.evaluate.study import GONE, NO_FOREST, median_gone
from detector.evaluate.summary import in_scenario_order, mean_account_recall, over_seeds, pivot
from detector.evaluate.survey import EVERYTHING, Quality
from detector.evaluate.targets import (
    SHARE,
    SMASH_AND_GRAB,
    compare,
    false_discoveries,
    gone_apart,
    gone_of,
    quiet_kinds,
)

DRAWN = ["score", "own_lookups_z", "forest_counts"]
"""Methods drawn by scenario: the detector and two that everybody knows."""

WHOLE = "all_columns"
"""What logs that lack nothing are called beside those that lack a column."""

HEAD = """\
Made by `make quality`; do not edit. All of it was measured on simulated portals, whose truth is known. It compares
detectors with each other and promises nothing about another portal; `detector drill` measures on your own logs.
"""

PROVENANCE = """\
Seeds {seeds}; development used 1 to 12 and none of these. Each is a portal of {settings.accounts:,} accounts, {desks}
of them large desks that look up some 900 people a day, over {settings.days} days, of which the last
{settings.judged_days} are judged and the days before are learned. The simulator and its defaults are those of commit
`{simulator}`, frozen before these seeds were drawn; the detector is that of commit `{commit}`.
"""

DEFINITIONS = """\
An *account-day* is active when it has an event other than a failed sign-in, and *attacked* when one of those is
malicious. The other days of an attacked account count for nothing, neither false nor true; nor do days on which an
account was only sprayed (all that the attacker did with it is failed sign-ins), which leave its other days honest. All
other active account-days are honest. A threshold is the lowest score that no more than the allowed share of honest
account-days exceed, all judged days of a seed pooled; *above* means strictly above, so ties go against the detector. An
attacked account is found when one of its attacked days is above. A mean is over the scenarios with a floor, each
weighing the same whatever its accounts; {floorless} are reported without one. ± is the standard deviation over
seeds. Where honest accounts count once, the threshold is the lowest score that so many distinct honest accounts a day
exceed over the judged days. What notifies is an alert, a row in a queue that notifies, or an alert inside the day.
Average precision sets the attacked account-days of the scenarios with a floor against the honest ones.
"""


COLUMNS_TEXT = """
What notifies in the same worlds, all attacks planted: recall of own alerts over the scenarios with a floor, honest
account-days that notify, and what was gone before the first alert by the minute (the median of a scenario's accounts).
"""

ADDED_TEXT = """\
{added} look-ups of strangers added to one day of accounts whose day has {usual:.0f} (median), from the owner's own
address, browser and sessions, spread over the owner's day: recall at 0.3 % false account-days.
"""

PARTS_TEXT = """\
On {seeds}. Kinds of evidence left out and left alone, then the families of signals that share one, then kinds of
comparison left out: of all evidence, and of *taken and manner*, which is what a portal has that knows nothing of where
its records are from. Recall at a share of false account-days, mean over the scenarios with a floor, and over those
without; tails are not fitted anew. The forest's
share is the difference between *tail sum* and *score* in the tables above.
"""


class Provenance(NamedTuple):
    """Where the numbers come from: seeds, settings, and the commits of the simulator and of the whole."""

    seeds: list[int]
    settings: StudySettings
    simulator: str
    commit: str


def write_page(quality: Quality, *, provenance: Provenance, docs: Path, notes: str = "") -> Path:
    """Write `quality.md` and its pictures into the folder `docs`, and return its path.

    Parameters
    ----------
    notes : Markdown in a person's words: what was tried where a target is not met, and what limits it.
    """
    for name, figure in _figures(quality).items():
        save(figure, path=docs / "img" / f"{name}.svg")
    path = docs / "quality.md"
    path.write_text("\n".join(_parts(quality, provenance=provenance, notes=notes)), encoding="utf-8")
    return path


def _figures(quality: Quality) -> dict[str, Figure]:
    return {
        "recall_curves": draw_curves(mean_account_recall(quality.order)),
        "recall_scenarios": draw_scenarios(quality.order, share=SHARE, methods=DRAWN),
        "gone": draw_gone(gone_apart(quality)),
    }


def _parts(quality: Quality, *, provenance: Provenance, notes: str) -> Iterator[str]:
    yield from _head(provenance)
    yield from ("## Targets\n", markdown_table(compare(quality), digits=3), notes)
    yield from _order(quality)
    yield from _alerts(quality)
    yield from _parts_of_the_detector(quality)
    yield from _portal(quality)


def _head(provenance: Provenance) -> Iterator[str]:
    yield "# How well it detects\n"
    yield HEAD
    yield PROVENANCE.format(
        seeds=", ".join(str(seed) for seed in provenance.seeds),
        settings=provenance.settings,
        desks=provenance.settings.accounts // ACCOUNTS_PER_DESK,
        simulator=provenance.simulator,
        commit=provenance.commit,
    )
    yield DEFINITIONS.format(floorless=", ".join(FLOORLESS))


def _order(quality: Quality) -> Iterator[str]:
    summary = _summary(quality.order)
    yield "## Order of account-days\n"
    yield "![Mean account recall against false account-days](img/recall_curves.svg)\n"
    yield "![Recall by scenario](img/recall_scenarios.svg)\n"
    for share in FALSE_DAY_SHARES:
        yield f"### Recall at {100 * share:g} % false account-days\n"
        yield markdown_table(pivot(summary, measure="recall_share", level=share))
    yield "### Means and spread\n"
    yield markdown_table(_spread(summary))
    yield "### Average precision\n"
    yield markdown_table(pivot(summary, measure="average_precision"))


def _seeds(table: pd.DataFrame) -> str:
    """Name the seeds that a table is of."""
    return "seeds " + ", ".join(str(seed) for seed in sorted(table["seed"].unique()))


def _spread(summary: pd.DataFrame) -> pd.DataFrame:
    levels = [("recall_share", share, f"{100 * share:g} % of account-days") for share in FALSE_DAY_SHARES]
    levels += [("recall_accounts", a_day, f"{a_day:g} accounts a day per 3,000") for a_day in FALSE_ACCOUNTS_PER_3000]
    levels += [("recall_accounts_fixed", FALSE_ACCOUNTS_ANY_SIZE, f"{FALSE_ACCOUNTS_ANY_SIZE:g} accounts a day")]
    columns = {}
    for measure, level, title in levels:
        rows = summary[(summary["measure"] == measure) & (summary["level"] == level) & (summary["scenario"] == "mean")]
        texts = [f"{mean:.2f} ± {sd:.2f}" for mean, sd in zip(rows["mean"], rows["sd"], strict=True)]
        columns[title] = pd.Series(texts, index=rows["method"])
    return pd.DataFrame(columns).rename_axis(index="method")


def _worth(parts: pd.DataFrame) -> pd.DataFrame:
    """Mean recall of the scenarios with a floor and of those without, and average precision, by part."""
    recalls = parts[parts["measure"] == "recall_share"]
    columns = {}
    for title, wanted in (
        ("with a floor", ~recalls["scenario"].isin(FLOORLESS)),
        ("without", recalls["scenario"].isin(FLOORLESS)),
    ):
        means = recalls[wanted].groupby(["level", "method"], sort=False)["value"].mean()
        for share in FALSE_DAY_SHARES[:2]:
            columns[f"{100 * share:g} %, {title}"] = means[share]
    precision = parts[parts["measure"] == "average_precision"]
    columns["average precision"] = precision.groupby("method", sort=False)["value"].mean()
    return pd.DataFrame(columns).loc[parts["method"].drop_duplicates()].rename_axis(index="part")


def _alerts(quality: Quality) -> Iterator[str]:
    yield "## What notifies\n"
    yield f"One scenario planted at a time, {_seeds(gone_apart(quality))} pooled; the same settings throughout.\n"
    yield markdown_table(false_discoveries(quality))
    yield "## Gone before the first alert\n"
    yield "Shares of the campaign's records, per account (of its writes, where it writes); hours from the first one.\n"
    yield "![Gone before the first alert](img/gone.svg)\n"
    yield markdown_table(gone_of(quality))
    if len(quality.local):
        yield "### People of the victim's own area\n"
        yield "The same attacks, all planted together, whose targets live around the account; mean over seeds.\n"
        yield markdown_table(_told_local(quality.local), digits=3)
    yield "## Honest but odd days\n"
    yield "In worlds without attack: how many account-days of each kind notify.\n"
    yield markdown_table(quiet_kinds(quality), digits=3)


def _told_local(local: pd.DataFrame) -> pd.DataFrame:
    """By scenario: the recall at 0.3 %, the share of accounts that notify, and what was gone before."""
    chosen = {
        "recall at 0.3 %": ("recall_share", SHARE),
        "own recall": ("own_recall", 0.0),
        "gone by minute": (GONE, 0),
    }
    found = {
        title: local[(local["measure"] == measure) & (local["level"] == level) & (local["scenario"] != ALL)]
        .groupby("scenario", observed=True)["value"]
        .mean()
        for title, (measure, level) in chosen.items()
    }
    return in_scenario_order(pd.DataFrame(found).rename_axis(index="scenario").reset_index())


def _parts_of_the_detector(quality: Quality) -> Iterator[str]:
    if len(quality.added):
        yield "## Hidden in a large account\n"
        yield ADDED_TEXT.format(added=ADDED, usual=quality.added["usual"].median())
        yield markdown_table(pivot(_summary(quality.added[[*LONG, "seed"]]), measure="recall_share", level=SHARE))
    yield "## What each part is worth\n"
    if len(quality.parts):
        yield f"### Parts of the tail sum\n\n{PARTS_TEXT.format(seeds=_seeds(quality.parts))}"
        yield markdown_table(_worth(quality.parts), digits=3)
    if len(quality.columns):
        yield f"### Logs without a column\n\nOn {_seeds(quality.columns)}; *{WHOLE}* is the same worlds as they are.\n"
        yield markdown_table(_spread(_summary(_beside_whole(quality))))
        yield COLUMNS_TEXT
        yield markdown_table(_told(quality), digits=3)
    if len(quality.overlap):
        yield "### Another random state\n"
        yield markdown_table(quality.overlap)


def _beside_whole(quality: Quality) -> pd.DataFrame:
    """What was measured without each column, and before it the same seeds' worlds with all of them."""
    order, names = quality.order, {"score": WHOLE, "tail_sum": f"{WHOLE}{NO_FOREST}"}
    same = order["seed"].isin(quality.columns["seed"]) & order["method"].isin(list(names))
    whole = order[same].assign(method=order["method"].replace(names))
    alerts, gone = (
        table[(table["world"] == EVERYTHING) & table["seed"].isin(quality.columns["seed"])]
        for table in (quality.alerts, median_gone(quality.gone))
    )
    told = [table.assign(method=WHOLE).drop(columns="world") for table in (alerts, gone)]
    return pd.concat([whole, *told, quality.columns], ignore_index=True)


def _told(quality: Quality) -> pd.DataFrame:
    """By what is missing: own alerts, honest account-days that notify, and what was gone before."""
    rows = _beside_whole(quality)
    rows = rows[~rows["scenario"].isin(FLOORLESS)]
    is_grab = rows["scenario"].isin(SMASH_AND_GRAB)
    chosen = {
        "own alerts, mean": (rows["measure"] == "own_recall", "mean"),
        "own alerts, worst": (rows["measure"] == "own_recall", "min"),
        "false account-days a seed": (rows["measure"] == "notified_false", "mean"),
        "gone, worst smash-and-grab": ((rows["measure"] == GONE) & is_grab, "max"),
        "gone, median of the others": ((rows["measure"] == GONE) & ~is_grab, "median"),
        "gone, worst of the others": ((rows["measure"] == GONE) & ~is_grab, "max"),
    }
    found = {
        title: rows[wanted].groupby("method", sort=False)["value"].agg(how) for title, (wanted, how) in chosen.items()
    }
    return pd.DataFrame(found).rename_axis(index="method")


def _portal(quality: Quality) -> Iterator[str]:
    yield "## How hard the portal is\n"
    yield "Simple detectors must stay below these limits, else honest life is too tame to measure anything on.\n"
    yield markdown_table(check_hardness(mean_account_recall(quality.order)))


def _summary(order: pd.DataFrame) -> pd.DataFrame:
    return over_seeds(pd.concat([order, mean_account_recall(order)], ignore_index=True))
