"""French for what a run tells in English: nothing that it can say is left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import detector
from detector.checks import CHECKS as RULES
from detector.ledger.reviews import NOTICES
from detector.report.french import CHECKS, OF_ONE, REJECTED, REJECTS, REVIEWS, WARNINGS, check_told, told

PACKAGE = Path(detector.__file__).parent
TELLS: dict[str, tuple[str, ...]] = {
    "reading/concerns.py": ("_clock", "_oddities", "_zones", "_of_inputs", "_of_all"),
    "reading/counts.py": ("repetition",),
    "reading/reading.py": ("_as_copy", "_told_rejects"),
    "reading/staging.py": ("_notes",),
    "reading/keys.py": ("load_key", "_from_file", "_beside"),
    "reading/formats/sshd.py": ("_year_of",),
    "verbs.py": ("_warnings",),
}
"""Functions that make warnings: what they yield, append, return or keep as a note, in words, is one."""


def _forms(node: ast.AST) -> Iterator[str]:
    """The texts within a node, with a hole for each value; what is raised is no warning."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif not isinstance(node, ast.Raise):
        for child in ast.iter_child_nodes(node):
            yield from _forms(child)


def _sentences(path: str, names: tuple[str, ...]) -> set[str]:
    """The texts of some functions of a module that have the form of a sentence; docstrings and SQL have not."""
    functions = [n for n in ast.walk(ast.parse((PACKAGE / path).read_text())) if isinstance(n, ast.FunctionDef)]
    chosen = [function for function in functions if function.name in names]
    assert {function.name for function in chosen} == set(names), path
    bodies = [body for f in chosen for body in f.body if not _is_docstring(body)]
    return {form for body in bodies for form in _forms(body) if _is_sentence(form)}


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_sentence(form: str) -> bool:
    return len(form.split()) > 4 and not any(word in form for word in ("FILTER", "SELECT", "GROUP BY", " > {}"))


@pytest.mark.parametrize("path", sorted(TELLS))
def test_every_warning_of_the_code_has_its_french(path: str) -> None:
    """By its form: a warning that is changed or added is missed here, not by a French reader."""
    sentences = _sentences(path, TELLS[path])
    assert sentences
    known = {english for english, _french in WARNINGS}
    assert not {form for form in sentences if form.removeprefix("{}: ") not in known}


def test_every_check_has_its_french() -> None:
    """What it saw, with its numbers."""
    assert set(CHECKS) == {rule.name for rule in RULES}
    tree = ast.parse((PACKAGE / "checks.py").read_text())
    forms = set(_forms(tree))
    assert {english for english, _french in (*OF_ONE.values(), *CHECKS.values())} <= forms


def test_holes_agree() -> None:
    """As many in French as in English."""
    for english, french in (*CHECKS.values(), *WARNINGS, *REJECTS, REJECTED):
        assert english.count("{}") == french.count("{}"), english


def test_a_sentence_keeps_its_file_and_its_numbers() -> None:
    """The file before the colon, thousands as the language writes them, reasons of rejects each in French."""
    assert told("a: b.csv: it is empty", "fr") == "a: b.csv : il est vide"
    rejects = (
        "x.csv: 3 of 100 lines are rejects (2 × no time, first on line 4; 1 × unknown action foo, first on line 9)"
    )
    assert told(rejects, "fr") == (
        "x.csv : 3 lignes sur 100 sont rejetées (2 × pas d'instant, d'abord à la ligne 4 ; "
        "1 × inconnu : action foo, d'abord à la ligne 9)"
    )
    assert told(rejects, "en") == rejects
    for english, french in (("once", "une fois"), ("3 times", "3 fois")):
        back = f"b.csv: the clock goes back {english}, by 5 minutes at most, first on line 7"
        assert told(back, "fr") == f"b.csv : l'horloge recule {french}, de 5 minutes au plus, d'abord à la ligne 7"
    assert told("something else", "fr") == "something else"


def test_a_check_tells_its_numbers_where_the_title_is_about_it() -> None:
    """Else what it is about, without numbers."""
    title = "1,300 look-ups from a network new to it, within three days of a reset"
    assert check_told("reset_then_bulk", title, "fr").startswith("1\u202f300 consultations depuis un réseau nouveau")
    assert check_told("tool_agent", title, "fr") == "de nombreuses consultations par l'agent d'un script"
    assert check_told("canary_record", "1 canary record looked up", "fr") == "1 dossier témoin consulté"
    assert check_told("canary_record", "2 canary records looked up", "fr") == "2 dossiers témoins consultés"


def test_what_waits_for_review_has_its_form() -> None:
    """The job's notice, before a reason that is in its own language."""
    assert [english for english, _french in REVIEWS] == [f"{notice}: {{}}" for notice in NOTICES.values()]
    first, new = (told(f"{notice}: 250 dossiers", "fr") for notice in NOTICES.values())
    assert first == "premier lot d'un logiciel nouveau, à examiner : 250 dossiers"
    assert new == "nouveau compte, à examiner : 250 dossiers"
