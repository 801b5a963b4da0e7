"""Every deterministic check has a witness that fires and a benign twin that stays silent."""

from __future__ import annotations

import pandas as pd
import pytest
from ibis.backends.duckdb import Backend
from typer.testing import CliRunner

import detector.drill
from detector.checks import CHECKS
from detector.cli.app import app
from detector.drill.liveness import Pair, Proof, _prove, build_pairs, prove_checks

NOTHING = pd.DataFrame({"check": [], "account": []})
PAIR = Pair("tool_agent", witness=NOTHING, twin=NOTHING, account="tool", story="")


def fired(account: str | None, check: str = "tool_agent") -> pd.DataFrame:
    """One check that fired."""
    return pd.DataFrame({"check": [check], "account": [account]})


def test_every_check_is_alive(con: Backend) -> None:
    """Each fires on its witness, naming whom it should and nobody else, and is silent on its twin."""
    proofs = prove_checks(con)
    assert [proof.check for proof in proofs] == [check.name for check in CHECKS]
    assert not [proof for proof in proofs if not proof.holds]


def test_every_check_has_a_witness_and_a_twin_that_differ() -> None:
    """A new check without a pair is found here, and a twin that is its witness proves nothing."""
    pairs = build_pairs()
    assert {pair.check for pair in pairs} == {check.name for check in CHECKS}
    assert not [pair.check for pair in pairs if pair.witness.equals(pair.twin)]


@pytest.mark.parametrize(
    ("on_witness", "on_twin", "expected"),
    [
        (fired("tool"), NOTHING, (True, True)),
        (NOTHING, NOTHING, (False, True)),
        (fired("somebody else"), NOTHING, (False, True)),
        (fired("tool", check="spray"), NOTHING, (False, True)),
        (fired("tool"), fired("anybody"), (True, False)),
    ],
)
def test_a_check_that_is_dead_blind_or_talkative_is_told(
    on_witness: pd.DataFrame, on_twin: pd.DataFrame, expected: tuple[bool, bool]
) -> None:
    """A check holds only when it names the witness alone, and says nothing of the twin."""
    proof = _prove("tool_agent", PAIR, on_witness, on_twin)
    assert (proof.fires, proof.silent) == expected
    assert proof.holds == all(expected)


def test_a_check_without_a_pair_does_not_hold() -> None:
    """What was never tried is not alive."""
    assert not _prove("new_check", None, NOTHING, NOTHING).holds


def test_the_command_fails_and_names_the_check_that_does_not_behave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 1 with the name on stderr; the others are told as they are."""
    proofs = (Proof("spray", fires=True, silent=True), Proof("tool_agent", fires=False, silent=True))
    monkeypatch.setattr(detector.drill, "prove_checks", lambda con: proofs)
    done = CliRunner().invoke(app, ["drill", "--checks"])
    assert done.exit_code == 1
    assert "spray: fires on its witness, silent on its benign twin" in done.stdout
    assert done.stderr == "error: checks that do not behave: tool_agent\n"
