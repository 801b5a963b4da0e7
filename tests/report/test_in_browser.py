"""The report as a browser shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.report import write_report
from tests.browser import Browser, axe_source, chromium, grave_findings
from tests.report.made import write_made

pytestmark = pytest.mark.browser
TEXTS = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent.trim())"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests here."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with a hundred alerts, one of whose accounts is hostile."""
    folder = tmp_path_factory.mktemp("report") / "out"
    return write_report(write_made(folder, alerts=100, agent="<script>document.title = 'taken'</script>"))


def test_the_page_opens_whole_and_asks_for_nothing_else(browser: Browser, page: Path) -> None:
    """Title, sections, tables and pictures are there; the console is silent; no request leaves the file."""
    browser.complaints(), browser.requests()
    browser.open(page)
    assert browser.run("return document.title").startswith("Unusual activity of professional accounts")
    sections = ["The queue", "Alerts", "What was scored", "The words of this page", "What this method cannot see"]
    assert browser.run(TEXTS, "h2") == sections
    assert len(browser.run(TEXTS, "article")) == 100
    assert browser.run("return [...document.querySelectorAll('svg')].every(e => e.getBBox().height > 50)")
    assert browser.run("return getComputedStyle(document.querySelector('.beyond')).fill") == "rgb(179, 38, 30)"
    assert browser.complaints() == []
    assert {url.partition("#")[0] for url in browser.requests()} == {page.resolve().as_uri()}


def test_paper_has_the_strangest_alerts_in_full_and_that_which_was_asked_for(browser: Browser, page: Path) -> None:
    """Of a hundred alerts ten are printed, and one whose link was followed; the others stand in the queue."""
    shown = "return [...document.querySelectorAll('article')].filter(e => e.getClientRects().length).map(e => e.id)"
    browser.open(page)
    all_of_them = browser.run(shown)
    with browser.on_paper():
        assert browser.run(shown) == all_of_them[:10]
        browser.run("location.hash = arguments[0]", all_of_them[50])
        assert browser.run(shown) == [*all_of_them[:10], all_of_them[50]]
    assert len(all_of_them) == 100
    assert 10 < browser.printed_pages() < 25


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off_at_the_side(browser: Browser, page: Path, width: int, tmp_path: Path) -> None:
    """At the width of a phone and of a screen the page scrolls down only."""
    browser.open(page, width=width)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 50_000


def test_french_words_fit_a_phone(browser: Browser, tmp_path: Path) -> None:
    """They are longer."""
    browser.open(write_report(write_made(tmp_path / "out", alerts=1), language="fr"), width=390)
    assert browser.run("return document.documentElement.scrollWidth") <= 390


def test_dark_is_dark(browser: Browser, page: Path) -> None:
    """The page follows what the reader prefers."""
    ask = "return getComputedStyle(document.body).backgroundColor"
    browser.open(page, dark=True)
    dark = browser.run(ask)
    browser.open(page)
    assert (dark, browser.run(ask)) == ("rgb(22, 24, 28)", "rgb(255, 255, 255)")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What checks accessibility."""
    return axe_source(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_is_accessible(browser: Browser, tmp_path: Path, axe: str, *, dark: bool) -> None:
    """Axe finds nothing serious, contrast included."""
    browser.open(write_report(write_made(tmp_path / "out", alerts=3)), dark=dark)
    assert grave_findings(browser, axe) == []
