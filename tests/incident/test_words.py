"""Severity, exposures and what services show."""

from __future__ import annotations

import pandas as pd
import pytest

from detector.incident.persons import letter
from detector.incident.severity import assess
from detector.incident.shown import data_of, shown_texts
from detector.settings import Settings


@pytest.mark.parametrize(
    ("dpc", "ei", "written", "score", "level"),
    [
        (3.0, 1.0, False, 4.0, "very_high"),
        (3.0, 1.0, True, 4.25, "very_high"),
        (2.0, 1.0, False, 3.0, "high"),
        (1.0, 1.0, False, 2.0, "medium"),
        (1.0, 0.5, False, 1.5, "low"),
    ],
)
def test_severity_is_enisas_sum(dpc: float, ei: float, score: float, level: str, *, written: bool) -> None:
    """SE = DPC × EI + CB; the case of 2022 comes to 4.0, very high."""
    found = assess(dpc=dpc, ei=ei, written=written)
    assert (found.score, found.level) == (score, level)


def test_letters_go_on_after_z() -> None:
    """A to Z, then AA, AB."""
    assert [letter(place) for place in (0, 25, 26, 27, 51, 52)] == ["A", "Z", "AA", "AB", "AZ", "BA"]


def test_what_a_service_shows_is_told_in_words_and_the_unknown_is_marked() -> None:
    """Names of data in both languages, an operator's own words as they are, an unknown service to be completed."""
    shown = Settings(shown={"a": ("name", "nir"), "b": ("nir", "la photo")})
    found = data_of("a+b", shown, place=1)
    assert [data.text for data in found] == ["nom et prénom", "numéro de sécurité sociale", "la photo"]
    assert all(data.is_told for data in found)
    assert data_of("c", shown, place=0) == [("[to be completed: what c shows]", False)]
    (texts,) = shown_texts(pd.DataFrame({"services": ["a"]}), shown)
    assert texts == {
        "shown_en": "surname and first name; social-security number",
        "shown_fr": "nom et prénom ; numéro de sécurité sociale",
    }


def test_what_nobody_has_said_of_a_service_is_for_a_person_to_confirm() -> None:
    """Without `[shown]`, the shipped list is a proposal; with it, a service that is not in it is to be completed."""
    (proposed,) = data_of("infopatient", Settings(), place=1)
    assert proposed.text.startswith("[à confirmer : nom et prénom, ")
    assert not proposed.is_told
    (missing,) = data_of("infopatient", Settings(shown={"other": ("name",)}), place=0)
    assert missing == ("[to be completed: what infopatient shows]", False)
