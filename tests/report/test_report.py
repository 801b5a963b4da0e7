"""The report: made from a folder of results alone, small, quick, the same each time, in two languages."""

from __future__ import annotations

import csv
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import ConfigError
from detector.report import write_report
from detector.report.figures import Bar, draw_bars
from detector.report.words import LANGUAGES, WORDS
from tests.report.made import write_made


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Remember text."""
        self.text += data


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of results with two alerts."""
    return write_made(tmp_path / "out")


def test_the_report_tells_all_that_an_analyst_asks_of_an_alert(results: Path) -> None:
    """Reasons, hours, days, sources and who shares them, whom, campaign, what to check, where it stands, limits."""
    text = Page(write_report(results).read_text()).text
    for told in (
        "Alerts: 2. Early warnings alone: 1. For review: 1. Account-days scored: 4.",
        "early warning at 09:03, after 10 records",
        "1,300 look-ups from a network new to it, within three days of a reset",
        "1,204 records never looked up before by it or anyone around",
        "over the last 7 days: 1,204 different records",
        "at most 650, at 01:00; usually at most 0 at that hour",
        "1,204 on 12 February 2026; at most 31 on a day before",
        "1 that day, 0 in 28 days",
        "and 8 more",
        "C-1 (all together p = 0.00123): driven from the same rare sources, or begun at the same moment, as",
        "Find who asked for the reset",
        "day.csv, lines 7 to 1,400",
        "a warning",
        "clears nobody",
        "first batch",
        "Who was looked up (on all channels)",
        "The words of this page",
        "Reasons are of the alert's channel alone",
    ):
        assert told in text


def test_the_report_speaks_french_whatever_the_results_were_scored_in(results: Path) -> None:
    """Sentences are made anew from the reasons' numbers, spans included."""
    text = Page(write_report(results, language="fr").read_text()).text
    assert "jeudi 12 février 2026" in text
    assert "sur les 7 derniers jours : 1\u202f204 dossiers différents" in text
    assert "jamais consultés" in text
    assert "1\u202f300 consultations depuis un réseau nouveau, moins de trois jours après une réinitialisation" in text
    assert "médecin généraliste" in text
    assert "alerte précoce à 09:03, après 10 dossiers" in text
    assert "never looked up" not in text


def test_each_alert_stands_beside_what_an_analyst_compares_it_with(results: Path) -> None:
    """Median, largest day, last week, peers; what there is none of is left out; what exceeds all of them is marked."""
    english, french = (write_report(results, language=language).read_text() for language in LANGUAGES)
    for page, cells in (
        (english, ("1,204", "30.5", "44", "31", "90.2")),
        (french, ("1\u202f204", "30,5", "44", "31", "90,2")),
    ):
        rows = _rows_of(page, "compared")
        assert rows[1][1:] == list(cells)
        assert rows[2][1:] == ["2", "–", "–", "–", "4"]
        assert len(rows) == 5
        assert page.count('<tr class="over">') == 2 * 2
    assert _rows_of(english, "compared")[0] == [
        "Signal",
        "that day",
        "usual",
        "largest",
        "a week before",
        "99 % of peers",
    ]
    assert "Left out, since flagged before: 11 February 2026." in english
    assert "Laissés de côté, car déjà signalés : 11 février 2026." in french


def _rows_of(page: str, kind: str) -> list[list[str]]:
    """The cells of the first table of a class."""
    table = page.partition(f'<table class="{kind}"')[2].partition("</table>")[0]
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in table.split("<tr")[1:]]


def test_writes_of_a_source_are_told_where_there_are_any(tmp_path: Path) -> None:
    """A source that only writes has not done nothing."""
    reads, writes = (write_report(write_made(tmp_path / str(n), writes=n)).read_text() for n in (0, 605))
    assert '<td class="n" data-head="Writes">605</td>' in writes
    assert "Writes" not in reads


def test_a_flagged_day_is_drawn_hollow_and_is_no_largest_day(results: Path) -> None:
    """950 records on the day before, of which the picture's sentence says nothing, and its own key does."""
    page = write_report(results).read_text()
    assert page.count('<rect class="hollow"') == 2
    assert "at most 31 on a day before" in page
    assert '<span class="key key-hollow"></span>flagged before' in page


def test_every_word_is_there_in_both_languages() -> None:
    """No key lacks a language, and placeholders agree."""
    for key, both in WORDS.items():
        assert len(both) == len(LANGUAGES), key
        assert all(both), key
        assert sorted(re.findall(r"\{\w*\}", both[0])) == sorted(re.findall(r"\{\w*\}", both[1])), key


def test_the_same_results_give_the_same_report(tmp_path: Path) -> None:
    """Byte for byte."""
    first, second = (write_report(write_made(tmp_path / name)).read_bytes() for name in ("a", "b"))
    assert first == second


def test_the_page_asks_nobody_for_anything_and_runs_nothing(results: Path) -> None:
    """No script, no handler, no address, no style outside the one its policy names."""
    text = write_report(results).read_text()
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    assert not [name for name, _value in page.attributes if name.startswith("on") or name in ("src", "style")]
    assert {value for name, value in page.attributes if name == "href" and not (value or "").startswith("#")} == set()
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in text


def test_a_hundred_alerts_make_a_small_page_quickly(tmp_path: Path) -> None:
    """Under 5 MB and 20 seconds."""
    folder = write_made(tmp_path / "out", alerts=100)
    start = time.monotonic()
    page = write_report(folder)
    assert time.monotonic() - start < 20
    assert page.stat().st_size < 5_000_000
    assert Page(page.read_text()).tags.count("svg") == 200


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>' onload='x",
        "abc\u202egnp.exe",
        '=HYPERLINK("http://evil.example","click")',
        "\x1b[31mred\x07\x00",
        "</style><style>*{display:none}",
        "{{ 7 * 7 }}{% raw %}",
        "x" * 100_000,
    ],
    ids=["script", "quotes", "right-to-left", "formula", "control", "style", "template", "endless"],
)
def test_text_of_an_attacker_stays_text(tmp_path: Path, hostile: str) -> None:
    """As account, user agent and file name alike, in the page and in the spreadsheet."""
    spelt = hostile.replace("{", "{{").replace("}", "}}")
    folder = write_made(tmp_path / "out", alerts=1, account=spelt, agent=hostile, source=hostile)
    text = write_report(folder).read_text()
    page, plain = Page(text), Page(write_report(write_made(tmp_path / "plain", alerts=1)).read_text())
    assert page.tags == plain.tags
    assert [name for name, _ in page.attributes] == [name for name, _ in plain.attributes]
    assert not set(page.text) & set("\x1b\x07\x00\u202e")
    assert len(text) < 100_000
    with (folder / "queue.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t"))]
    assert not set("".join(cells)) & set("\x1b\x07\x00\u202e")


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    """It says what was expected; damaged results as well."""
    with pytest.raises(ConfigError, match=r"no run.json; expected a folder that `detector score --out` wrote"):
        write_report(tmp_path)
    folder = write_made(tmp_path / "out")
    (folder / "details.parquet").write_bytes(b"no table")
    with pytest.raises(ConfigError, match="these results cannot be read"):
        write_report(folder)


def test_the_command_writes_the_report_and_says_where(results: Path) -> None:
    """`detector report OUT --language fr`."""
    done = CliRunner().invoke(app, ["report", str(results), "--language", "fr"])
    assert done.output.strip() == str(results / "report.html")
    assert 'lang="fr"' in (results / "report.html").read_text()


def test_bars_reach_as_high_as_their_values() -> None:
    """Heights are in proportion, what exceeds its band is marked, the unknown is a dot, zero is nothing."""
    picture = draw_bars([Bar(50, 0, 60), Bar(100, 0, 60), Bar(None), Bar(0)], title="t <b>", name="n")
    heights = [float(h) for h in re.findall(r'class="(?:bar|beyond)"[^>]*height="([\d.]+)"', picture)]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert picture.count('class="beyond"') == 1
    assert picture.count("·") == 1
    assert "t &lt;b&gt;" in picture
