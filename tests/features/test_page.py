from __future__ import annotations

from typing import get_args

from detector.deviations import EXCESSES
from detector.features import BY_NAME, CATALOGUE, feature
from detector.features.declaration import Family, Feature
from detector.features.page import FAMILIES, features_page
from detector.schema import EVENTS


def test_every_signal_stands_on_the_page_once_with_its_meaning() -> None:
    """The catalogue page holds each declared signal's name and definition in one row of a table."""
    rows = [line for line in features_page(EXCESSES).splitlines() if line.startswith("| `")]
    assert len(rows) == len(CATALOGUE)
    for declared in CATALOGUE:
        (row,) = [row for row in rows if row.startswith(f"| `{declared.name}` |")]
        assert declared.meaning in row


def test_every_family_has_a_title_and_a_signal() -> None:
    """No family is empty or forgotten."""
    assert set(FAMILIES) == set(get_args(Family)) == {declared.family for declared in CATALOGUE}


def test_names_are_unique() -> None:
    """A name leads to one signal."""
    assert len(BY_NAME) == len(CATALOGUE)
    assert all(feature(declared.name) is declared for declared in CATALOGUE)


def test_a_signal_needs_columns_that_events_have() -> None:
    """What a signal needs is a column of events that a log may lack."""
    nullable = {column.name for column in EVENTS.columns if column.null}
    assert not {column for declared in CATALOGUE for column in declared.needs} - nullable


def test_both_sentences_fill_in_the_same_places() -> None:
    """English and French say the same of a signal."""
    assert not [declared.name for declared in CATALOGUE if _places(declared, "en") != _places(declared, "fr")]


def _places(declared: Feature, language: str) -> list[str]:
    sentence = getattr(declared.sentence, language)
    return [place for place in ("{value}", "{usual}", "{ratio}", "{peers}") if place in sentence]
