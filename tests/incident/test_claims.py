"""What goes out claims nothing that the evidence does not carry: it is conditional, or marked for a person."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from detector.incident import Case, Dossier, prepare_dossier
from detector.incident.changes import differences
from detector.incident.documents import write_documents
from detector.incident.writing import facts_of
from detector.settings import Settings
from tests.incident.logs import LAST, MAPPING, honest, theft, write_log

MARKED = re.compile(r"<mark>.*?</mark>", flags=re.DOTALL)
Made = tuple[Dossier, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two accounts, one robbed (with ten failed look-ups, and one page saved), one that wrote to its own records."""
    folder = tmp_path_factory.mktemp("claims")
    stolen = theft()
    look = stolen[-1]
    failed = [(*look[:3], "failure", f"none{number}", *look[5:]) for number in range(10)]
    saved = [(*look[:2], "export", *look[3:])]
    own = [(*row[:2], "write", *row[3:]) for row in honest() if row[1] == "h8" and row[0].startswith(str(LAST))]
    log = write_log(folder / "log.csv", honest(), stolen, failed, saved, own)
    case = Case(["h8", "h9"], LAST, LAST)
    return prepare_dossier(case, out=folder / "out", dumps=str(log), mapping=MAPPING), folder / "out"


def _letters(made: Made, *, bound: str) -> dict[str, str]:
    """Letters in both languages by their language."""
    _dossier, out = made
    merge = pd.read_csv(out / "letters" / "mail-merge.csv", dtype=str)
    own = merge["record"].str.match(r"r8-") if bound == "possible" else merge["record"].str.startswith("x")
    name = merge.loc[own, "letter"].mode().iloc[0]
    return {language: (out / "letters" / f"letter-{name}.{language}.html").read_text() for language in ("fr", "en")}


def _plain(text: str) -> str:
    """What stands there without a mark."""
    return MARKED.sub("", text)


def test_what_was_shown_is_for_a_person_to_confirm_where_nobody_has_said_it(made: Made) -> None:
    """A service that is called as the one whose list is shipped need not be it; and nothing else is ruled out."""
    for letter in _letters(made, bound="tied").values():
        assert "sécurité sociale" not in _plain(letter).replace("social-", "")
        assert "social-security number" not in _plain(letter)
    texts = [path.read_text() for path in sorted((made[1] / "letters").glob("*.html"))]
    for claim in ("Aucune autre information", "Rien d'autre n'a été affiché", "Nothing else was shown"):
        assert not any(claim in text for text in texts)


def test_where_the_operator_has_said_it_the_rest_is_ruled_out_with_a_mark(made: Made, tmp_path: Path) -> None:
    """The data stand unmarked; that there was nothing else is still for a person to confirm."""
    told = replace(made[0], settings=Settings(shown={"infopatient": ("name", "doctor")}))
    write_documents(told, tmp_path, aware_at=None, revisions=[{"number": 1, "changes": None}])
    letter = (tmp_path / "letters" / "letter-A.fr.html").read_text()
    assert "nom et prénom, médecin traitant déclaré" in _plain(letter)
    assert "Aucune autre information n'a été affichée." in letter
    assert "Aucune autre information" not in _plain(letter)
    faq = (tmp_path / "letters" / "faq.en.html").read_text()
    assert "Nothing else was shown." in faq
    assert "Nothing else" not in _plain(faq)


def test_a_possible_letter_leaves_open_whose_work_it_was(made: Made) -> None:
    """That the record was changed may be the owner's own doing, and that it was looked up without right as well."""
    letters = _letters(made, bound="possible")
    assert "qui peuvent être le travail du professionnel lui-même" in _plain(letters["fr"])
    assert "which may be the professional's own work" in _plain(letters["en"])
    assert "a pu servir à consulter sans droit" in _plain(letters["fr"])
    for letter in letters.values():
        assert not re.search("malveillant|criminal|Votre dossier a aussi été modifié|record was also changed", letter)


def test_owners_are_neither_cleared_nor_accused_and_learn_nothing_of_others(made: Made) -> None:
    """An insider is possible; the ways in are those of one account, which a person takes from its line."""
    for language, claims in (
        ("fr", ("Vous n'êtes pas mis en cause", "victimes", "réinitialisation du mot de passe")),
        ("en", ("You are not accused", "their owners are victims", "password reset")),
    ):
        texts = [(made[1] / "letters" / f"{name}.{language}.html").read_text() for name in ("professionals", "faq")]
        assert not any(claim in _plain(text) for text in texts for claim in claims)
    assert made[0].accounts.set_index("account")["door"].to_dict() == {"h8": "unknown", "h9": "password_reset"}


def test_an_account_of_which_nothing_is_tied_is_not_counted_as_used_without_right(made: Made) -> None:
    """One of two is: the other was only asked about."""
    faq, notice = ((made[1] / f"{name}.fr.html").read_text() for name in ("letters/faq", "notices/notice-initial"))
    assert "Des dossiers ont été consultés sans droit avec au moins 1 compte de professionnels" in faq
    assert "Utilisation de au moins 1" not in notice
    assert "Utilisation d'au moins 1 compte de professionnels" in notice
    assert "no sign-in logged" not in (made[1] / "accounts.csv").read_text()


def test_a_letter_says_of_itself_what_is_no_part_of_it_and_does_not_print_it(made: Made) -> None:
    """The line for whoever merges is a note, and the dangers name no data that may not have been shown."""
    for letter in _letters(made, bound="tied").values():
        assert re.search(r'<p class="soft note">\[(Hors lettre|Not part of the letter)', letter)
        assert re.search(r"@media print \{ \.note \{ display: none; \}", letter)
        assert not re.search("connaît votre nom|knows your name", letter)


def test_every_count_of_look_ups_is_of_successful_ones(made: Made) -> None:
    """Accounts, addresses, the timeline and the summary: failed ones showed nobody."""
    dossier, out = made
    accounts = pd.read_csv(out / "accounts.csv").set_index("account")
    timeline = pd.read_csv(out / "timeline.csv")
    addresses = pd.read_csv(out / "addresses.csv")
    assert dossier.counts["queries_lower"] == 200
    assert list(accounts.loc["h9", ["lookups_tied", "lookups_window"]]) == [200, 210]
    assert timeline["lookups"].sum() == 200
    assert addresses["lookups"].tolist() == [200, 10]
    assert "11 mars 2026 : 200" in (out / "summary.fr.html").read_text()


def test_times_in_tables_are_those_of_the_pages(made: Made) -> None:
    """By the portal's clock, to the second, with the offset; reasons stand in French beside the English."""
    accounts = pd.read_csv(made[1] / "accounts.csv", dtype=str).set_index("account")
    assert accounts.loc["h9", "door_at"] == "2026-03-11T02:00:00+01:00"
    assert accounts.loc["h9", "entree"] == "réinitialisation du mot de passe"
    page = (made[1] / "summary.fr.html").read_text()
    assert "Les heures sont celles du fuseau Europe/Paris" in page
    records = pd.read_csv(made[1] / "records.csv", dtype=str)
    assert records["first_at"].str.fullmatch(r"2026-03-11T\d\d:\d\d:\d\d\+01:00").all()


def test_from_history_alone_the_notice_speaks_of_upper_bounds(made: Made, tmp_path: Path) -> None:
    """No number is missing in the middle of a sentence, and no profession is a dash."""
    bare = replace(
        made[0],
        counts={name: None if name.endswith("lower") else n for name, n in made[0].counts.items()},
        exposures=made[0].exposures.assign(records_tied=0),
    )
    write_documents(bare, tmp_path, aware_at=None, revisions=[{"number": 1, "changes": None}])
    french, english = ((tmp_path / "notices" / f"notice-initial.{each}.html").read_text() for each in ("fr", "en"))
    assert re.search(r"Enregistrements : au plus \d+ consultations abouties, nombre minimal inconnu ;", french)
    assert re.search(r"Records: at most \d+ successful look-ups, lower bound unknown;", english)
    assert re.search(r"A \(au plus \d+ personnes\)", french)
    assert "profession inconnue : 2" in french
    assert "profession not known: 2" in english
    assert "Utilisation possible" in _plain(french)
    assert "<h1>Extraction possible de dossiers" in (tmp_path / "summary.fr.html").read_text()
    assert "Possible use" in _plain(english)


@pytest.mark.parametrize(
    ("number", "french", "english"),
    [
        (1, "Première version du dossier : rien à comparer.", "First version of the dossier: nothing to compare with."),
        (2, "Aucune différence avec la version 1 du dossier", "No difference from version 1 of the dossier"),
    ],
)
def test_a_complement_names_the_version_that_it_is_compared_with(
    made: Made, tmp_path: Path, number: int, french: str, english: str
) -> None:
    """The one before, and none for the first."""
    facts = facts_of(made[0])
    nothing = differences(facts, facts) | dict.fromkeys(_NUMBERS, 0)
    revisions = [{"number": number, "changes": nothing if number > 1 else None}]
    write_documents(made[0], tmp_path, aware_at=None, revisions=revisions)
    assert french in (tmp_path / "notices" / "notice-complementary.fr.html").read_text()
    assert english in (tmp_path / "notices" / "notice-complementary.en.html").read_text()


_NUMBERS = tuple(f"records_{bound}_{change}" for bound in ("tied", "all") for change in ("added", "removed"))
