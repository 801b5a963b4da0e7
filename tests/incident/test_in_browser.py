"""The documents of a dossier as a browser shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.incident import Case, Dossier, prepare_dossier
from tests.browser import Browser, axe_source, chromium, grave_findings
from tests.incident.logs import LAST, MAPPING, honest, theft, write_log

pytestmark = pytest.mark.browser
PAGES = ("summary.fr.html", "notices/notice-initial.fr.html", "letters/letter-A.fr.html", "letters/faq.en.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests here."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What checks accessibility."""
    return axe_source(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("name", PAGES)
def test_a_document_opens_alone_and_fits_a_phone(browser: Browser, made: tuple[Dossier, Path], name: str) -> None:
    """It has a title, a silent console, asks for nothing, and scrolls down only."""
    page = made[1] / name
    browser.complaints()
    browser.requests()
    browser.open(page, width=390)
    assert browser.run("return document.title")
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    assert browser.complaints() == []
    assert set(browser.requests()) == {page.resolve().as_uri()}


@pytest.mark.parametrize("name", PAGES)
def test_a_document_is_accessible(browser: Browser, made: tuple[Dossier, Path], axe: str, name: str) -> None:
    """Axe finds nothing serious."""
    browser.open(made[1] / name)
    assert grave_findings(browser, axe) == []


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_summary_of_a_small_incident_is_one_page_of_paper(browser: Browser, tmp_path: Path, language: str) -> None:
    """Two accounts: what is sent and pinned up is one sheet, with its pictures; the letter takes one too."""
    log = write_log(tmp_path / "log.csv", honest(), theft(), theft(account="h8", ip="198.51.100.10"))
    prepare_dossier(Case(["h8", "h9"], LAST, LAST), out=tmp_path / "out", dumps=str(log), mapping=MAPPING)
    for name in ("summary", "letters/letter-A"):
        browser.open(tmp_path / "out" / f"{name}.{language}.html")
        assert browser.printed_pages() == 1, name
