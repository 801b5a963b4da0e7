"""Whose people they are: told by the account's own past, and by nothing that the session itself shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from detector.incident import Case, Dossier, prepare_dossier
from detector.reading import Mapping
from detector.settings import Settings
from tests.incident.conftest import KEY
from tests.incident.logs import DAYS, LAST, write_log

NIGHT = datetime(LAST.year, LAST.month, LAST.day, 1, tzinfo=UTC)
Rows = list[tuple[str, ...]]
COUNTRY = range(1, 11)
"""Ten departments, one for each practice."""


def _person(department: int, number: int) -> str:
    body = f"180{number // 900_000 + 1:02d}{department:02d}{number // 900 % 900 + 1:03d}{number % 900 + 1:03d}"
    return f"{body}{97 - int(body) % 97:02d}"


def _row(at: datetime, account: str, record: str, ip: str, agent: str, session: str) -> tuple[str, ...]:
    return (at.isoformat(), account, "lookup", "success", record, ip, agent, session, "infopatient")


def _honest(*, everywhere: bool = False) -> Rows:
    """Ten look-ups a day of each practice's 15 patients, of its department or of all; one account reads nobody."""
    rows: Rows = []
    for back in range(DAYS):
        morning = NIGHT + timedelta(hours=8, days=-back)
        for practice in range(10):
            for turn in range(10):
                number = (turn + back) % 15
                department = COUNTRY[number % 10 if everywhere else practice]
                at, account, ip = morning + timedelta(minutes=turn), f"h{practice}", f"192.0.2.{practice}"
                record = _person(department, 100 * practice + number)
                rows.append(_row(at, account, record, ip, "Firefox", f"s{back}-{practice}"))
        rows.append(_deed("login", morning, "idle", "192.0.3.9", f"i{back}"))
    return rows


def _deed(action: str, at: datetime, account: str, ip: str, session: str = "") -> tuple[str, ...]:
    return (at.isoformat(), account, action, "success", "", ip, "Chrome", session, "")


def _theft(
    account: str, departments: Sequence[int], *, every_s: int, agents: int = 1, ip: str = "198.51.100.9", n: int = 60
) -> Rows:
    """A reset, a sign-in, and strangers at night, one after the other from the departments."""
    session = f"stolen {account}"
    rows = [_deed("password_reset", NIGHT, account, ip), _deed("login", NIGHT, account, ip, session)]
    for turn in range(n):
        record = _person(departments[turn % len(departments)], 10_000 + 100 * sum(map(ord, account + ip)) + turn)
        at = NIGHT + timedelta(minutes=1, seconds=every_s * turn)
        rows.append(_row(at, account, record, ip, f"Browser {'abcdefghij'[turn % agents]}", session))
    return rows


def _dossier(folder: Path, *parts: Rows, accounts: tuple[str, ...]) -> Dossier:
    log, key_file = write_log(folder / "log.csv", *parts), folder / "key"
    key_file.write_bytes(KEY)
    key_file.chmod(0o600)
    settings = Settings()
    settings = settings.model_copy(update={"history": settings.history.model_copy(update={"key_file": key_file})})
    case = Case(accounts, LAST, LAST)
    return prepare_dossier(case, out=folder / "out", dumps=str(log), mapping=Mapping(), settings=settings)


def _tied(dossier: Dossier) -> dict[str, int]:
    return dict(zip(dossier.accounts["account"], dossier.accounts["records_tied"], strict=True))


def test_an_account_without_a_past_is_not_at_home_where_its_thief_reads_most(tmp_path: Path) -> None:
    """A quarter of the list comes from one department, against a tenth of what the portal reads: no home is that."""
    listed = [1, 2, 3, 4, 5, 1, 6, 7, 1, 8, 9, 10]
    dossier = _dossier(tmp_path, _honest(), _theft("idle", listed, every_s=25, n=200), accounts=("idle",))
    assert _tied(dossier) == {"idle": 200}
    assert list(dossier.accounts["door"]) == ["password_reset"]
    assert list(dossier.addresses["decision"]) == ["block"]


def test_of_an_account_without_a_past_a_few_strangers_are_left_open_and_told_of(tmp_path: Path) -> None:
    """A returning owner looks the same: nothing is tied, the way in is not known, and the dossier says why."""
    dossier = _dossier(tmp_path, _honest(), _theft("idle", COUNTRY, every_s=120, n=30), accounts=("idle",))
    assert _tied(dossier) == {"idle": 0}
    assert list(dossier.accounts["door"]) == ["unknown"]
    assert any("(idle)" in english and "(idle)" in french for english, french in dossier.remarks)


@pytest.mark.parametrize(
    ("everywhere", "departments", "tied"),
    [(False, COUNTRY, 60), (False, [4, 4, 4, 9], 0), (True, COUNTRY, 60)],
    ids=["a list", "a locum", "departments that cover the portal"],
)
def test_only_a_place_that_the_past_names_makes_people_of_the_place(
    tmp_path: Path, departments: Sequence[int], *, everywhere: bool, tied: int
) -> None:
    """Slow strangers from a new network: where the practice's people come from everywhere, its place says nothing."""
    parts = _honest(everywhere=everywhere), _theft("h3", departments, every_s=240)
    dossier = _dossier(tmp_path, *parts, accounts=("h3",))
    assert _tied(dossier) == {"h3": tied}
    assert not any("(h3)" in english for english, _french in dossier.remarks)


def test_four_accounts_scraped_alike_are_tied_alike(tmp_path: Path) -> None:
    """Twenty a minute, ten browsers in turn: with a past and without, from an address and from what is none."""
    pairs = {"h3": "198.51.100.9", "h4": "proxy-4", "new 1": "198.51.101.9", "new 2": "proxy-5"}
    thefts = [_theft(name, [1, 2, 3, 4], every_s=3, agents=10, ip=ip, n=150) for name, ip in pairs.items()]
    dossier = _dossier(tmp_path, _honest(), *thefts, accounts=tuple(pairs))
    assert _tied(dossier) == dict.fromkeys(pairs, 150)
