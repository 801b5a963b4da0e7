"""What is tied to an attack, and which addresses may be blocked."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from detector.incident import Case, Dossier, prepare_dossier
from detector.incident.blocklists import nftables
from tests.incident.logs import LAST, MAPPING, PROXY, honest, theft, write_log


def _dossier(folder: Path, *parts: list[tuple[str, ...]], accounts: tuple[str, ...] = ("h9",)) -> Dossier:
    log = write_log(folder / "log.csv", honest(), *parts)
    return prepare_dossier(Case(accounts, LAST, LAST), out=folder / "out", dumps=str(log), mapping=MAPPING)


def _decisions(dossier: Dossier) -> dict[str, tuple[str, str]]:
    rows = dossier.addresses.to_dict("records")
    return {row["ip"]: (row["decision"], row["reason"]) for row in rows}


def test_the_owners_own_work_is_not_tied(tmp_path: Path) -> None:
    """Of the day of the attack, the owner's ten look-ups are only possible, and the owner was not there at night."""
    dossier = _dossier(tmp_path, theft())
    (account,) = dossier.accounts.to_dict("records")
    assert (account["records_tied"], account["records_window"]) == (200, 210)
    assert account["owner_active"] == "same_days"
    assert (account["door"], account["door_ip"]) == ("password_reset", "198.51.100.9")
    assert _decisions(dossier) == {"198.51.100.9": ("block", "alone")}


def test_the_address_that_honest_accounts_share_is_never_to_be_blocked(tmp_path: Path) -> None:
    """An attack through a hospital's proxy: it is listed, with who else uses it, and kept out of every list."""
    dossier = _dossier(tmp_path, theft(ip=PROXY))
    assert _decisions(dossier) == {PROXY: ("keep", "others")}
    (row,) = dossier.addresses.to_dict("records")
    assert (row["others"], row["examples"]) == (6, [f"h{n}" for n in range(6)])
    out = tmp_path / "out"
    assert (out / "addresses.txt").read_text() == ""
    assert PROXY not in (out / "nftables.conf").read_text()
    stix = (out / "stix.json").read_text()
    assert "Do not block" in stix
    assert '"type": "indicator"' not in stix
    assert "do not block" in (out / "addresses.csv").read_text()


def test_an_address_of_a_carriers_network_is_not_to_be_blocked(tmp_path: Path) -> None:
    """Nobody else has this very address today, but somebody will have it tomorrow."""
    assert _decisions(_dossier(tmp_path, theft(ip="203.0.113.77"))) == {"203.0.113.77": ("keep", "network")}


@pytest.mark.parametrize(
    ("ip", "reason"), [("10.1.2.3", "internal"), ("fe80::1", "internal"), ("proxy-7", "unreadable")]
)
def test_what_is_no_address_of_the_outside_is_not_to_be_blocked(tmp_path: Path, ip: str, reason: str) -> None:
    """Internal addresses, and what is no address at all."""
    dossier = _dossier(tmp_path, theft(ip=ip))
    assert _decisions(dossier) == {ip: ("keep", reason)}


def test_another_victim_on_the_same_address_is_found(tmp_path: Path) -> None:
    """Asked about one account, the dossier names the other that the same address drives; nobody else."""
    dossier = _dossier(tmp_path, theft(), theft(account="h8"))
    assert dict(zip(dossier.accounts["account"], dossier.accounts["origin"], strict=True)) == {
        "h8": "found",
        "h9": "asked",
    }
    assert dossier.counts["records_lower"] == 200
    assert dossier.counts["queries_lower"] == 400


def test_a_few_look_ups_from_a_new_address_tie_nothing(tmp_path: Path) -> None:
    """One sign alone is an owner at home; the lower bound is none, and the upper one holds."""
    rows = [row for row in theft(n=2) if row[2] == "lookup"]
    dossier = _dossier(tmp_path, rows)
    assert dossier.counts["records_lower"] == 0
    assert dossier.counts["records_upper"] == 12
    assert set(dossier.addresses["decision"]) == {"keep"}


def test_where_nothing_is_tied_the_accounts_addresses_are_listed_and_none_is_to_be_blocked(tmp_path: Path) -> None:
    """The owner's, the hospital's proxy with who else uses it, and the new one, each with the reason."""
    rows = [row for row in theft(n=2) if row[2] == "lookup"]
    dossier = _dossier(tmp_path, rows, accounts=("h0", "h9"))
    kept = ("keep", "nothing_tied")
    assert _decisions(dossier) == {"198.51.100.9": kept, "192.0.2.9": kept, PROXY: kept}
    assert dossier.addresses.set_index("ip").loc[PROXY, "others"] == 5
    listed = (tmp_path / "out" / "addresses.csv").read_text()
    assert listed.count('"do not block","nothing that was done from it is tied to the attack"') == 3
    assert (tmp_path / "out" / "addresses.txt").read_text() == ""
    stix = (tmp_path / "out" / "stix.json").read_text()
    assert "203.0.113.5: nothing that was done from it is tied to the attack. 5 other accounts use it" in stix
    assert '"type": "indicator"' not in stix


def test_where_others_are_tied_the_addresses_of_an_untied_account_are_listed_too(tmp_path: Path) -> None:
    """One account is robbed, of the other nothing is tied: its own address and its proxy are not to be blocked."""
    dossier = _dossier(tmp_path, theft(), accounts=("h0", "h9"))
    assert _decisions(dossier) == {"198.51.100.9": ("block", "alone"), PROXY: ("keep", "nothing_tied")}
    assert dossier.addresses.set_index("ip")["lookups"].to_dict() == {"198.51.100.9": 200, PROXY: 10}
    assert (tmp_path / "out" / "addresses.txt").read_text() == "198.51.100.9\n"
    stix = (tmp_path / "out" / "stix.json").read_text()
    assert "200 look-ups tied to an attack, by 1 account; no other account uses it." in stix
    assert "hijack" not in stix


def test_the_file_for_nft_takes_the_place_of_the_one_before() -> None:
    """One load: the table is declared, deleted, and made anew with what is to be blocked now, so nothing is left."""
    decided = pd.DataFrame({"ip": ["198.51.100.9", "198.51.100.10"], "decision": ["keep", "block"]})
    lines = nftables(decided).splitlines()
    assert lines[:3] == ["table inet extraction", "delete table inet extraction", "table inet extraction {"]
    assert "198.51.100.9 " not in nftables(decided)
    nobody = nftables(decided.assign(decision="keep"))
    assert "elements" not in nobody
    assert nobody.startswith("table inet extraction\ndelete table inet extraction\n")


def test_nft_takes_the_set(tmp_path: Path) -> None:
    """Where nft is installed, it accepts the file; both versions of addresses are in it."""
    _dossier(tmp_path, theft(), theft(account="h8", ip="2001:db8::9"), accounts=("h8", "h9"))
    path = tmp_path / "out" / "nftables.conf"
    text = path.read_text()
    assert "elements = { 198.51.100.9 }" in text
    assert "elements = { 2001:db8::9 }" in text
    nft = shutil.which("nft")
    if nft is None:
        pytest.skip("no nft: the set is only looked at")
    done = subprocess.run([nft, "--check", "--file", str(path)], capture_output=True, text=True, check=False)
    if "not permitted" in done.stderr:
        pytest.skip(f"nft may not be used here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
