"""The catalogue of signals as a page of Markdown, made from the declarations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import get_args

from detector.features import CATALOGUE
from detector.features.declaration import Family, Feature

FAMILIES: dict[Family, str] = {
    "volume": "Volume: how much",
    "who": "Who: whose records",
    "where": "Where: how far afield the people were born",
    "stranger": "Strangers: foreign records read from new sources",
    "source": "Source: where from, and how it signed in",
    "rhythm": "Rhythm: when",
    "writes": "Writes: what it changed or carried off",
}
WORSE = {"more": "more is worse", "less": "less is worse", "context": "shown, never scored"}


def features_page(compared: Mapping[str, Collection[str]]) -> str:
    """Return the page: each signal's unit, definition, direction, comparisons, needed columns, and sentence.

    Parameters
    ----------
    compared
        Kind of deviation → signals that have one.
    """
    head = [
        "# Signals",
        "",
        "Made from `detector/features/` by `make docs`. Each is one value per account, channel and day. What is new is",
        "measured against the 28 days before, never the day itself, and is null with less than a week of them. A",
        "signal is null where the log lacks a column that it needs: missing data is never nothing suspicious.",
        "What a signal is compared with is told in [design.md](design.md#deviations), kind by kind.",
    ]
    return "\n".join([*head, *(line for family in get_args(Family) for line in _family(family, compared)), ""])


def _family(family: Family, compared: Mapping[str, Collection[str]]) -> Iterator[str]:
    yield from ("", f"## {FAMILIES[family]}", "")
    yield "| signal | unit | definition | direction | compared | needs | in words |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    yield from (_line(declared, compared) for declared in CATALOGUE if declared.family == family)


def _line(declared: Feature, compared: Mapping[str, Collection[str]]) -> str:
    kinds = ", ".join(kind for kind, signals in compared.items() if declared.name in signals)
    needs = ", ".join(f"`{column}`" for column in declared.needs)
    words = declared.sentence.en.replace("{", "*").replace("}", "*")
    cells = (f"`{declared.name}`", declared.unit, declared.meaning, WORSE[declared.worse], kinds, needs, words)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
