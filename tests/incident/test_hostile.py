"""What an attacker writes into the logs stays harmless in every file of a dossier, and on the terminal."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
import stix2
from typer.testing import CliRunner

from detector.cli import app
from detector.incident import Case, prepare_dossier
from tests.incident.logs import LAST, MAPPING, honest, theft, write_log

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "quotes": "\"'><img src=x onerror=alert(1)>",
    "right-to-left": "abc\u202egnp.exe",
    "formula": '=HYPERLINK("http://evil.example","click")',
    "control": "\x1b[31mred\x07",
    "template": "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "endless": "x" * 100_000,
}
ACTING = set("\x1b\x07\u202e")


class Tags(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element and its attributes."""
        self.found += [tag, *(name for name, _value in attrs)]


def _dossier(folder: Path, hostile: str) -> Path:
    stolen = theft(account=f"v{hostile}", agent=hostile, service=hostile.replace("+", ""))
    own = [(row[0], f"v{hostile}", *row[2:]) for row in honest() if row[1] == "h9"]
    log = write_log(folder / "log.csv", honest(), own, stolen)
    prepare_dossier(Case([f"v{hostile}"], LAST, LAST), out=folder / "out", dumps=str(log), mapping=MAPPING)
    return folder / "out"


@pytest.fixture(scope="module", params=list(HOSTILE.values()), ids=list(HOSTILE))
def out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dossier of an account, an agent and a service that an attacker has named."""
    return _dossier(tmp_path_factory.mktemp("hostile"), str(request.param))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of harmless names."""
    return _dossier(tmp_path_factory.mktemp("plain"), "plain")


def test_pages_and_letters_have_no_element_more(out: Path, plain: Path) -> None:
    """Summary, notices, letters, FAQ: the elements are those of harmless names, and no control character is there."""
    pages = sorted(path.relative_to(plain) for path in plain.rglob("*.html"))
    assert len(pages) >= 12
    for page in pages:
        text = (out / page).read_text()
        assert Tags(text).found == Tags((plain / page).read_text()).found, page
        assert not set(text) & ACTING
        assert len(text) < 100_000


def test_no_cell_of_a_spreadsheet_is_a_formula(out: Path) -> None:
    """In every CSV: no formula, no control character."""
    tables = sorted(out.rglob("*.csv"))
    assert len(tables) == 8
    for table in tables:
        with table.open(newline="", encoding="utf-8") as file:
            csv.field_size_limit(1_000_000)
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t"))], table
        assert not set("".join(cells)) & ACTING


def test_the_bundle_stays_stix(out: Path) -> None:
    """It parses, and its one indicator is about the address."""
    bundle = stix2.parse((out / "stix.json").read_text(), allow_custom=False)
    assert [each.pattern for each in bundle.objects if each.type == "indicator"] == [
        "[ipv4-addr:value = '198.51.100.9']"
    ]
    for name in ("incident.json", "manifest.json"):
        assert (out / name).read_text(encoding="utf-8").isascii()
    assert json.loads((out / "incident.json").read_text())["facts"]["counts"]["records_lower"] == 200


def test_the_terminal_shows_no_control_character(tmp_path: Path) -> None:
    """Neither messages nor errors of the command hold what the attacker wrote, as he wrote it."""
    log = write_log(tmp_path / "log\x1b[31m.csv", honest(), theft())
    (tmp_path / "mapping.toml").write_text('[records]\nkind = "token"\n')
    given = ["incident", str(tmp_path / "out"), str(log), "--mapping", str(tmp_path / "mapping.toml")]
    day = ["--since", str(LAST), "--until", str(LAST)]
    done = CliRunner().invoke(app, [*given, "--account", "h9", *day])
    assert done.exit_code == 0, done.output
    assert "persons: at least 200, at most 210" in done.output
    assert "\x1b" not in done.output
