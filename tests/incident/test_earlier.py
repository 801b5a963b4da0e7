"""Days before the window of which no dump is left: the history's sums tell whose they were."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from detector.incident import Case, Dossier, prepare_dossier
from detector.ledger import open_ledger
from detector.verbs import learn
from tests.incident.logs import LAST, MAPPING, honest, theft, write_log
from tests.ledger.made import NOON, row

Rows = list[tuple[str, ...]]
TOOK, ELSEWHERE, SHARED = "198.51.100.9", "198.51.77.1", "198.51.100.50"


def _on(rows: Rows, *, last: bool) -> Rows:
    return [row for row in rows if row[0].startswith(LAST.isoformat()) == last]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Days before the last: two thefts, from two addresses, and six accounts that once came from a third."""
    folder = tmp_path_factory.mktemp("earlier")
    strays = [theft(account=f"h{n}", ip=SHARED, back=4, n=1) for n in range(3)]
    thefts = (theft(account="h8", ip=TOOK, back=3), theft(account="h7", ip=ELSEWHERE, back=2))
    rows = [row for part in (honest(), *thefts, *strays) for row in part]
    learn([str(write_log(folder / "past.csv", _on(rows, last=False)))], history=folder / "history", mapping=MAPPING)
    return folder / "history"


def _dossier(out: Path, history: Path, account: str, ip: str | None) -> Dossier:
    """A dossier of the last day, with its dump if something was taken from an address."""
    case = Case((account,), LAST, LAST, by="tests", why="a test")
    rows = [*_on(honest(), last=True), *(theft(account=account, ip=ip) if ip else ())]
    dump = write_log(out.parent / "last.csv", rows)
    return prepare_dossier(case, out=out, dumps=str(dump), history=history, mapping=MAPPING)


def test_the_attacks_address_on_an_earlier_day_is_told_with_the_account_that_it_drove(
    history: Path, tmp_path: Path
) -> None:
    """The day's dump is gone: the account is to be reset, its look-ups are possible, and nothing of it is certain."""
    dossier = _dossier(tmp_path / "out", history, "h9", TOOK)
    begun = LAST - timedelta(days=3)
    assert dossier.earlier[["day", "account", "sign", "ip", "strangers"]].to_numpy().tolist() == [
        [begun, "h8", "address", TOOK, 200]
    ]
    assert (dossier.start, dossier.end) == (begun, LAST)
    origins = dict(zip(dossier.accounts["account"], dossier.accounts["origin"], strict=True))
    assert origins == {"h8": "earlier", "h9": "asked"}
    assert dossier.counts["records_lower"] == 200
    assert {f"x{TOOK}-{n}-3" for n in range(200)} <= set(dossier.records["record"])
    assert dossier.addresses[["ip", "decision"]].to_numpy().tolist() == [[TOOK, "block"]]
    told = pd.read_csv(tmp_path / "out" / "earlier.csv", dtype=str)
    assert told["signe"].tolist() == ["une adresse de l'attaque"]
    for name, words in (("summary.fr.html", "Traces antérieures"), ("summary.en.html", "Earlier traces")):
        assert words in (tmp_path / "out" / name).read_text()


def test_strangers_that_the_account_itself_read_earlier_are_told_with_their_address(
    history: Path, tmp_path: Path
) -> None:
    """From another address than the last night's; it is not to be blocked on the sums' word alone."""
    dossier = _dossier(tmp_path / "out", history, "h7", "198.51.100.7")
    assert dossier.earlier[["sign", "ip", "strangers"]].to_numpy().tolist() == [["strangers", ELSEWHERE, 200]]
    assert dossier.start == LAST - timedelta(days=2)
    decisions = dict(zip(dossier.addresses["ip"], dossier.addresses["decision"], strict=True))
    assert decisions == {"198.51.100.7": "block", ELSEWHERE: "keep"}
    assert dossier.counts["records_lower"] == 200
    assert dossier.records["record"].nunique() >= 400


@pytest.mark.parametrize("ip", ["198.51.100.6", SHARED])
def test_honest_days_before_are_no_trace(history: Path, tmp_path: Path, ip: str) -> None:
    """Neither of the account, nor of others who once came from the address; the search is told."""
    dossier = _dossier(tmp_path / "out", history, "h9", ip)
    assert dossier.earlier.empty
    assert dossier.start == LAST
    assert any("show no earlier trace" in english for english, _french in dossier.remarks)


def test_the_history_alone_looks_back_as_well(history: Path, tmp_path: Path) -> None:
    """From one day to the first night, as an upper bound."""
    day = LAST - timedelta(days=1)
    case = Case(("h7",), day, day, by="tests", why="a test")
    dossier = prepare_dossier(case, out=tmp_path / "out", history=history, mapping=MAPPING)
    assert dossier.start == LAST - timedelta(days=2)
    assert dossier.counts["records_lower"] is None
    assert {f"x{ELSEWHERE}-{n}-2" for n in range(200)} <= set(dossier.records["record"])


@pytest.mark.parametrize(("verdict", "is_new"), [(None, True), ("benign", False), ("malicious", True)])
def test_an_earlier_day_of_the_attack_makes_its_address_nobodys_own(
    history: Path, tmp_path: Path, verdict: str | None, *, is_new: bool
) -> None:
    """The account alerted three days before, from the same address: unless somebody called that benign, and is told."""
    held = tmp_path / "history"
    shutil.copytree(history, held)
    ledger = open_ledger(history=held)
    alert = row("h8", day=LAST - timedelta(days=3))
    ledger.record([alert], at=NOON)
    if verdict:
        ledger.judge(alert["alert_id"], verdict, author="ana", note="a test", at=NOON)
    dossier = _dossier(tmp_path / "out", held, "h8", TOOK)
    assert ("new_network" in dossier.accounts["signs"].iloc[0]) is is_new
    assert any("is judged benign" in english for english, _french in dossier.remarks) is not is_new
