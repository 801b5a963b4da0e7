"""A search of all output and all state for the identifiers that went in, from learning to the letters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from detector.cli import app
from tests.incident.conftest import FIRST, KEY, LAST, Portal


def identifiers(portal: Portal) -> set[str]:
    """Every identifier in the dumps, with its key and without."""
    whole = {str(nir) for dump in portal.dumps for nir in pd.read_parquet(dump)["record"].dropna()}
    return whole | {nir[:13] for nir in whole}


def words_in(folder: Path) -> set[str]:
    """Everything in a folder that could be an identifier: runs of letters and digits, Parquet decoded, names too."""
    found: set[str] = set()
    for text in _texts(folder):
        words = "".join(character if character.isalnum() else " " for character in text).split()
        found |= {word for word in words if len(word) in (13, 15)}
    return found


def _texts(folder: Path) -> Iterator[str]:
    for path in (path for path in folder.rglob("*") if path.is_file()):
        yield str(path)
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            yield from (" ".join(str(value) for value in frame[name].astype(str).unique()) for name in frame)
        else:
            yield path.read_bytes().decode("utf-8", errors="replace")


@pytest.mark.timeout(300)
def test_no_identifier_that_went_in_is_found_anywhere(portal: Portal, tmp_path: Path) -> None:
    """History, ledger, results, report, dossier, logs of actions, and all that was printed."""
    history = tmp_path / "history"
    (tmp_path / "history.key").write_bytes(KEY)
    (tmp_path / "history.key").chmod(0o600)
    common = ["--mapping", str(portal.mapping), "--history", str(history)]
    numbers = identifiers(portal)
    asked = ["--why", "ticket 42", "--since", str(FIRST), "--until", str(LAST)]
    accounts = [part for victim in portal.victims for part in ("--account", victim)]
    steps = (
        ["learn", *portal.dumps[-9:-2], *common],
        ["score", *portal.dumps[-2:], *common, "--out", str(tmp_path / "out")],
        ["report", str(tmp_path / "out"), "--language", "fr"],
        ["incident", str(tmp_path / "dossier"), *portal.dumps[-2:], *common, *asked, *accounts],
    )
    printed = ""
    for step in steps:
        done = CliRunner().invoke(app, step)
        assert done.exit_code == 0, done.output
        printed += done.output
    (tmp_path / "printed.txt").write_text(printed)
    assert {path.name for path in tmp_path.iterdir()} >= {"history", "out", "dossier", "printed.txt"}
    assert (history / "ledger.sqlite").is_file()
    assert not numbers & words_in(tmp_path)


def test_the_search_would_find_an_identifier(portal: Portal, tmp_path: Path) -> None:
    """In a text, in a table, in a file's name."""
    one, two, three = sorted(identifiers(portal))[:3]
    (tmp_path / "note.txt").write_text(f"see {one}, please")
    pd.DataFrame({"a": [f"x {two}"]}).to_parquet(tmp_path / "table.parquet")
    (tmp_path / f"{three}.bin").write_bytes(b"\xff")
    assert identifiers(portal) & words_in(tmp_path) == {one, two, three}
