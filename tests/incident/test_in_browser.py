"""The documents of a dossier as a browser shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.incident import Dossier
from tests.browser import Browser, axe_source, chromium, grave_findings

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
