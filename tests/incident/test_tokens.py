"""The join table: the tokens of a dossier become persons in the operator's own hands."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
from typer.testing import CliRunner

from detector.cli import app
from detector.incident import Dossier, join_tokens
from detector.reading.records import token
from tests.incident.conftest import KEY, Portal

NIR = "184127645100020"
"""Serial 000: nobody's."""


def _run(key_file: Path, given: str, *more: str) -> tuple[int, list[list[str]], str]:
    arguments = ["tokens", "--key-file", str(key_file), "--why", "a test", "--by", "tests", *more]
    done = CliRunner().invoke(app, arguments, input=given)
    return done.exit_code, list(csv.reader(io.StringIO(done.stdout))), done.stderr


def test_a_number_has_one_token_however_it_is_written() -> None:
    """With its key or without, with gaps or without: what reading makes of it."""
    spelt = [NIR, NIR[:13], "1 84 12 76 451 000 20", "1-84-12-76-451-000"]
    assert {joined.token for joined in join_tokens(spelt, key=KEY)} == {token(NIR[:13], key=KEY)}
    assert all(joined.is_identifier for joined in join_tokens(spelt, key=KEY))


def test_persons_of_a_dossier_are_found_in_the_operators_file(portal: Portal, made: tuple[Dossier, Path]) -> None:
    """Each record of the dossier is one of the identifiers that were logged."""
    given = sorted({str(nir) for dump in portal.dumps for nir in pd.read_parquet(dump)["record"].dropna()})
    code, rows, _errors = _run(portal.key_file, "\n".join(given))
    assert code == 0
    assert rows[0] == ["identifier", "record"]
    known = {record: identifier for identifier, record in rows[1:]}
    assert set(made[0].records["record"]) <= set(known)


def test_who_asked_is_logged_and_no_identifier_is(portal: Portal) -> None:
    """One line each time, appended; without a reason nothing is made."""
    log = portal.key_file.with_name("asked.jsonl")
    for _time in range(2):
        assert _run(portal.key_file, NIR, "--log", str(log))[0] == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["verb"], line["by"], line["why"]) for line in lines] == [("tokens", "tests", "a test")] * 2
    assert NIR[:13] not in log.read_text()
    done = CliRunner().invoke(app, ["tokens", "--key-file", str(portal.key_file)], input=NIR)
    assert done.exit_code != 0
    assert token(NIR[:13], key=KEY) not in done.output


def test_what_is_no_identifier_is_told_and_never_a_formula(portal: Portal) -> None:
    """A token of its text all the same, as reading would make it; the cell is harmless."""
    code, rows, errors = _run(portal.key_file, "=1+1\n" + NIR + "\n\n")
    assert code == 0
    assert [row[0] for row in rows[1:]] == ["'=1+1", NIR]
    assert rows[1][1] == token("=1+1", key=KEY)
    assert "1 lines do not have the form of an identifier" in errors
