"""A dossier keeps what the history holds of its accounts, until somebody releases it and says why."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from ibis.backends.duckdb import Backend
from typer.testing import CliRunner, Result

from detector.cli import app
from detector.errors import HistoryError
from detector.history import History, RetentionSettings, expire
from detector.history.lock import locked
from detector.incident import holding
from detector.verbs import learn
from tests.history.made import add_day
from tests.incident.logs import LAST, MAPPING, honest, theft, write_log


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve days of ten practices, and a theft by one of them on the last."""
    folder = tmp_path_factory.mktemp("holding")
    learn([str(write_log(folder / "log.csv", honest(), theft()))], history=folder / "history", mapping=MAPPING)
    return folder / "history"


@pytest.fixture
def history(learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, in the working folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(learned, tmp_path / "history")
    return tmp_path / "history"


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--history", "history", "--by", "tests"])


def _dossier(*accounts: str) -> Result:
    named = [word for account in accounts for word in ("--account", account)]
    return _run("incident", "case", *named, "--since", str(LAST), "--until", str(LAST), "--why", "ticket 42")


def _accounts(history: Path, con: Backend) -> set[str]:
    held = History.open(history).paths("account_records", LAST, LAST, held=True)
    return set(con.read_parquet(held).to_pyarrow()["account"].to_pylist()) if held else set()


def test_a_dossier_holds_its_accounts_against_erasure_until_it_is_released(history: Path) -> None:
    """Others are forgotten meanwhile; the hold is listed, counted in the status, and its end is logged."""
    made = _dossier("h9")
    assert made.exit_code == 0, made.output
    span = f"1 account, {LAST - timedelta(days=28)} to {LAST}"
    assert f"the history keeps {span}, until `detector holds release case` ends it" in made.output
    assert _run("holds").output == f"{history.parent / 'case'}: {span}\n"
    refused = _run("forget", "--account", "h9", "--note", "art. 17")
    assert isinstance(refused.exception, HistoryError)
    assert "holds days with what is to be forgotten" in str(refused.exception)
    assert "removed" in _run("forget", "--account", "h3", "--note", "art. 17").output
    done = _run("holds", "release", "case", "--note", "the procedure is over")
    assert done.output == f"{history.parent / 'case'} is released\n"
    logged = json.loads((history / "actions.jsonl").read_text().splitlines()[-1])
    assert (logged["verb"], logged["by"], logged["why"]) == ("release", "tests", "the procedure is over")
    assert _run("holds").output == "no incident holds anything\n"
    assert "removed" in _run("forget", "--account", "h9", "--note", "art. 17").output


def test_what_a_dossier_holds_outlives_the_retention_and_goes_when_it_is_released(history: Path, con: Backend) -> None:
    """Of its accounts alone; an amended dossier holds what it has come to be about, under the same name."""
    _dossier("h9")
    _dossier("h9", "h8")
    held = History.open(history)
    assert [each.accounts for each in held.manifest.holds.values()] == [("h8", "h9")]
    add_day(held, LAST + timedelta(days=120), con=con)
    expire(held, con=con, settings=RetentionSettings())
    assert _accounts(history, con) == {"h8", "h9"}
    _run("holds", "release", "case", "--note", "over")
    assert _accounts(history, con) == set()


def test_a_dossier_does_not_wait_for_a_run_that_is_at_work(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made all the same, and says that nothing is kept for it yet."""
    monkeypatch.setattr(holding, "PATIENCE_S", 0.0)
    with locked(history / "lock"):
        made = _dossier("h9")
    assert made.exit_code == 0, made.output
    assert "the history keeps nothing for it yet, prepare the dossier again: another run is writing" in made.output
    assert (history.parent / "case" / "summary.en.html").is_file()
    assert _run("holds").output == "no incident holds anything\n"


def test_a_dossier_that_cannot_be_made_is_not_logged_as_made(history: Path) -> None:
    """Nobody looked into the history: the dump could not be read."""
    (history.parent / "empty.csv").write_text("")
    done = _run(
        "incident", "case", "empty.csv", "--account", "h9", "--since", str(LAST), "--until", str(LAST), "--why", "x"
    )
    assert done.exit_code != 0
    assert not (history / "actions.jsonl").exists()
    assert _run("holds").output == "no incident holds anything\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("release", "other", "--note", "x"), r"has no hold 'other'; it has .*/case"),
        (("release", "case"), "--note WHY"),
        (("release", "case", "--note", " "), "who asks for it and why"),
        (("drop",), "expected `detector holds list`"),
    ],
)
def test_a_release_names_what_and_why(history: Path, words: tuple[str, ...], told: str) -> None:
    """Otherwise nothing is released."""
    _dossier("h9")
    done = _run("holds", *words)
    assert done.exit_code != 0
    with pytest.raises(Exception, match=told):
        raise done.exception or AssertionError
    assert len(History.open(history).manifest.holds) == 1
