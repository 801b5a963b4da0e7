"""Sentences say what is true, with numbers that a person can check, and each thing once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from detector.explain import (
    MAX_REASONS,
    Language,
    Usual,
    reasons_of,
    say_unremarkable,
    sentence,
    topic_of,
    unremarkable_without,
)
from detector.features import BY_NAME, CATALOGUE

NOBODY = pd.DataFrame()


@pytest.mark.parametrize(
    ("name", "value", "usual", "peers", "words"),
    [
        ("records", 1204, 31, 90, "1,204 different records, 39 × its usual 31"),
        ("records", 147, 2.5, None, "147 different records, 59 × its usual 2.5"),
        ("records", 40, 31, 20, "40 different records (99 in 100 peers: at most 20)"),
        ("records", 40, 31, 90, "40 different records (usually 31)"),
        ("records", 40, 0, 90, "40 different records (usually 0)"),
        ("records", 40, 0.3, 90, "40 different records (usually 0)"),
        ("records", 40, None, None, "40 different records"),
        ("records", 20, 31, 19, "20 different records (99 in 100 peers: at most 19)"),
        ("longest_run_min", 1439.9, None, 1439.6, "1,440 minutes without a pause"),
        ("off_hour_uses", 435, None, None, "435 look-ups or writes at hours at which it never works"),
        ("new_source_uses", 1, None, None, "1 look-up or write from a network new to it"),
        (
            "regularity",
            0.91,
            None,
            0.24,
            "91% of its pauses are of the same length, as a machine's (99 in 100 peers: at most 24%)",
        ),
    ],
)
def test_a_sentence_compares_with_what_is_known(
    name: str, value: float, usual: float | None, peers: float | None, words: str
) -> None:
    """A multiple only of something, a usual value only where there is one, peers only where it is above them."""
    assert sentence(BY_NAME[name], value=value, usual=usual, peers=peers) == words


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_signal_can_be_told_in_every_language(language: Language) -> None:
    """No sentence is left with a placeholder, whatever is known."""
    for declared in CATALOGUE:
        for usual in (None, 0.0, 2.0):
            for peers in (None, 3.0):
                told = sentence(declared, value=50.0, usual=usual, peers=peers, language=language)
                assert "{" not in told
                assert "nan" not in told


def test_french_numbers_are_written_in_french() -> None:
    """A comma for decimals, narrow spaces between thousands."""
    told = sentence(BY_NAME["records"], value=1204, usual=300, peers=None, language="fr")
    assert told == "1\u202f204 dossiers différents, 4,0 × ses 300 habituels"


def explained(weights: dict[str, float], *, values: dict[str, float] | None = None) -> list[dict[str, object]]:
    """Reasons of one account-day whose deviations weigh this much."""
    signals = {name.split("__")[0]: 10.0 for name in weights} | (values or {})
    row = pd.DataFrame([{"account": "a", "channel": "portal", "peer_group": "nurse portal", **signals}])
    peers = pd.DataFrame({"records": [4.0]}, index=["everyone portal"])
    spans = pd.DataFrame(
        {"records__week": [900.0], "records__usual_week": [30.0]}, index=pd.MultiIndex.from_tuples([("a", "portal")])
    )
    (reasons,) = reasons_of(
        row, np.array([list(weights.values())]), columns=list(weights), usual=Usual(NOBODY, peers, spans)
    )
    return reasons


def test_signals_that_say_the_same_are_told_once_by_the_weightiest() -> None:
    """Look-ups, records and the busiest hour are one reason, and its contribution is theirs together."""
    reasons = explained({"records__own": 2.0, "busiest_hour__own": 3.0, "lookups__peers": 1.0, "misses__own": 5.0})
    assert [(reason["signal"], reason["contribution"]) for reason in reasons] == [
        ("busiest_hour", 6.0),
        ("misses", 5.0),
    ]


def test_no_contribution_is_lost_while_there_is_room() -> None:
    """What reasons add up to is the tail sum."""
    weights = {"records__own": 2.0, "records__week": 1.0, "foreign_records__own": 4.0, "failures__own": 0.5}
    assert sum(float(str(reason["contribution"])) for reason in explained(weights)) == sum(weights.values())


def test_there_are_at_most_so_many_reasons_and_none_without_weight() -> None:
    """A deviation that adds nothing is no reason."""
    names = ("records", "foreign_records", "misses", "writes", "failures", "regularity", "off_hour_uses")
    assert len(explained({f"{name}__own": 1.0 for name in names})) == MAX_REASONS
    assert explained({"records__own": 0.0}) == []


def test_a_week_is_told_as_a_week() -> None:
    """What has added up is compared with what a week usually holds."""
    (reason,) = explained({"records__week": 2.0})
    assert reason["sentence"] == "over the last 7 days: 900 different records, 30 × its usual 30"


def test_without_its_profession_an_account_is_compared_with_everyone() -> None:
    """Portals that log no profession still tell what is usual."""
    (reason,) = explained({"records__peers": 2.0})
    assert reason["sentence"] == "10 different records (99 in 100 peers: at most 4)"


def test_the_topic_of_a_signal_is_the_first_of_its_line() -> None:
    """Views of a signal share its topic; a signal that stands alone is its own."""
    assert topic_of("busiest_hour__own") == topic_of("records__week") == "records"
    assert topic_of("regularity") == "regularity"


def test_an_attack_is_told_by_the_fewest_kinds_of_evidence() -> None:
    """Each row needs as many kinds taken away as it takes to be below the limit, the weightiest first."""
    kinds = ["taken", "where", "stranger", "taken"]
    rows = np.array([[9.0, 1.0, 0.0, 2.0], [5.0, 6.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0], [8.0, 8.0, 8.0, 0.0]])

    def strangeness(X: np.ndarray) -> np.ndarray:
        total: np.ndarray = np.maximum(X[:, 0], X[:, 3]) + X[:, 1] + X[:, 2]
        return total

    found = unremarkable_without(rows, kinds=kinds, strangeness=strangeness, below=7.0)
    assert found == [["taken"], ["where"], [], ["taken", "where", "stranger"]]
    assert all(strangeness(_without(row, kinds, told)) < 7.0 for row, told in zip(rows, found, strict=True) if told)


def _without(row: np.ndarray, kinds: list[str], told: list[str]) -> np.ndarray:
    left: np.ndarray = row * ~np.isin(kinds, told)
    return left[None, :]


def test_what_stands_out_whatever_it_is_without_is_said_of_nothing() -> None:
    """A limit below zero is never reached, so there is nothing to say."""
    found = unremarkable_without(
        np.ones((1, 2)), kinds=["taken", "where"], strangeness=lambda X: X.sum(axis=1), below=-1
    )
    assert found == [[]]
    assert say_unremarkable([], "en") is None
    assert say_unremarkable(["where", "manner"], "fr") == (
        "La journée n'aurait pas donné d'alerte sans les personnes de lieux qu'il consulte rarement"
        " et les sources et heures inhabituelles, pris ensemble."
    )
    assert say_unremarkable(["stranger", "manner", "taken"], "en") == (
        "The day would not have alerted without strangers read from a source new to it, "
        "the unusual sources and hours and how much it took, all of them together."
    )


@pytest.mark.parametrize(
    ("signal", "english", "french"),
    [
        ("misses", "1 look-up found nothing", "1 consultation sans résultat"),
        ("writes", "1 write or export", "1 écriture ou export"),
        ("new_records", "1 record it had not", "1 dossier qu'il n'avait pas consulté depuis 28 jours"),
        ("n_networks", "1 different network", "1 réseau différent"),
        ("new_ips", "1 address new to it", "1 adresse nouvelle pour lui"),
        ("active_hours", "active in 1 hour", "actif pendant 1 heure"),
        ("odd_department_records", "1 person born in departments", "1 personne née dans des départements"),
        ("ip_fanout", "an address nobody used before, shared today by 1 account", "partagée aujourd'hui par 1 compte"),
        ("busiest_write_hour", "up to 1 write in one hour", "jusqu'à 1 écriture en une heure"),
        ("foreign_writes", "writes on 1 record never touched", "écritures sur 1 dossier jamais touché par lui"),
        ("scattered_records", "1 person whom nobody around it looks up, born elsewhere", "née ailleurs dans le pays"),
        ("lone_far_strangers", "asked for 1 stranger from elsewhere", "1 inconnu d'ailleurs dans le pays demandé,"),
        ("lone_strangers", "asked for 1 stranger and", "1 inconnu demandé et"),
        ("active_days", "active on 1 of the 28 days before", "actif 1 des 28 jours précédents"),
    ],
)
def test_one_of_something_is_told_in_the_singular(signal: str, english: str, french: str) -> None:
    """In both languages, with what agrees with it; what is counted besides stays as it is."""
    told = [sentence(BY_NAME[signal], value=1, usual=0, peers=None, language=each) for each in ("en", "fr")]
    assert told[0].startswith(english)
    assert french in told[1]


def test_a_share_or_a_count_of_several_keeps_its_plural() -> None:
    """One per cent of the look-ups are look-ups, and eleven are many; a run of failures is counted in none."""
    assert "d'échecs" in sentence(BY_NAME["fail_then_ok"], value=1, usual=None, peers=None, language="fr")
    several = sentence(BY_NAME["misses"], value=11, usual=1, peers=None)
    assert several == "11 look-ups found nothing (usually 1)"
    thrice = sentence(BY_NAME["writes"], value=3, usual=1, peers=None, language="fr")
    assert thrice == "3 écritures ou exports (d'habitude 1)"
    assert "consultations" in sentence(BY_NAME["miss_rate"], value=0.01, usual=None, peers=None, language="fr")
