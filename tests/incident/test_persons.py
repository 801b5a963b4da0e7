"""A person has one letter, which tells all that the accounts of the incident did with the record."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from detector.incident import Case, Dossier, prepare_dossier
from detector.incident.persons import with_exposures
from detector.incident.writing import mail_merge
from tests.incident.logs import DAYS, LAST, MAPPING, honest, theft, write_log

ZONE = "Europe/Paris"


def _rows(*rows: tuple[str, str, str, int, str, bool, bool]) -> pd.DataFrame:
    columns = ["account", "record", "bound", "day", "services", "saved", "written"]
    table = pd.DataFrame(rows, columns=columns)
    at = pd.to_datetime([datetime(2026, 3, day, 12, tzinfo=UTC) for day in table["day"]])
    return table.assign(first_at=at, last_at=at + pd.Timedelta(hours=1), queries=table["day"], n_shown=1)


def test_what_another_account_did_is_told_too() -> None:
    """A reads two persons; B reads one of them later, elsewhere, and saves: one letter, both services, all times."""
    records, exposures = with_exposures(
        _rows(
            ("a", "r1", "possible", 2, "one", False, False),
            ("a", "r2", "possible", 2, "one", False, False),
            ("b", "r1", "possible", 5, "one+two", True, False),
        )
    )
    kinds = exposures.set_index("services")
    assert list(kinds.loc["one+two", ["saved", "records", "records_tied"]]) == [True, 1, 0]
    letters = {str(services): str(name) for services, name in kinds["exposure"].items()}
    merge = mail_merge(records, ZONE).set_index("record")
    assert list(merge.loc["r1", ["times", "certain"]]) == [7, "no"]
    assert merge.loc["r1", "letter"] == f"{letters['one+two']}-possible"
    assert merge.loc["r1", "dates_fr"] == "du 2 mars 2026 au 5 mars 2026"
    assert list(merge.loc["r2", ["times", "letter"]]) == [2, f"{letters['one']}-possible"]
    assert set(records.loc[records["record"] == "r1", "exposure"]) == {letters["one+two"]}


def test_what_is_certain_is_not_made_more_of_by_what_is_possible() -> None:
    """B is tied and read; that A wrote, perhaps as its owner, is not part of the certain letter."""
    records, exposures = with_exposures(
        _rows(("a", "r1", "possible", 2, "one", False, True), ("b", "r1", "tied", 5, "one", False, False))
    )
    (row,) = mail_merge(records, ZONE).to_dict("records")
    assert (row["certain"], row["letter"], row["times"], row["dates_en"]) == ("yes", "A", 5, "on 5 March 2026")
    assert exposures[["written", "records", "records_tied"]].to_numpy().tolist() == [[False, 1, 1]]


def test_every_letter_of_the_mail_merge_is_there_with_its_number(tmp_path: Path) -> None:
    """Two accounts read the same sixty persons, and one of them writes to ten: ten letters tell it."""
    rows = []
    for back in range(DAYS):
        for account in ("h1", "h2"):
            for number in range(60):
                at = f"{date.fromordinal(LAST.toordinal() - back)}T09:{number:02}:0{account[1]}Z"
                common = ("success", f"r{number}", f"192.0.2.{account[1]}", "Firefox", f"s{back}{account}", "s")
                rows.append((at, account, "lookup", *common))
                if account == "h2" and number < 10 and not back:
                    rows.append((at.replace("T09", "T10"), account, "write", *common))
    log = write_log(tmp_path / "log.csv", rows)
    prepare_dossier(Case(["h1", "h2"], LAST, LAST), out=tmp_path / "out", dumps=str(log), mapping=MAPPING)
    merge = pd.read_csv(tmp_path / "out" / "letters" / "mail-merge.csv", dtype=str)
    exposures = pd.read_csv(tmp_path / "out" / "exposures.csv").set_index("written")["exposure"]
    assert merge["letter"].value_counts().to_dict() == {
        f"{exposures[False]}-possible": 50,
        f"{exposures[True]}-possible": 10,
    }
    assert set(merge["times"]) == {"2"}
    for name in set(merge["letter"]):
        assert (tmp_path / "out" / "letters" / f"letter-{name}.fr.html").is_file()


def test_a_record_that_was_only_written_has_a_letter_that_counts_no_look_up(tmp_path: Path) -> None:
    """Thirty records are changed at night without having been looked up, beside two hundred look-ups."""
    stolen = theft()
    written = [(row[0], row[1], "write", "success", f"w{n}", *row[5:]) for n, row in enumerate(stolen[-30:])]
    log = write_log(tmp_path / "log.csv", honest(), stolen, written)
    prepare_dossier(Case(["h9"], LAST, LAST), out=tmp_path / "out", dumps=str(log), mapping=MAPPING)
    merge = pd.read_csv(tmp_path / "out" / "letters" / "mail-merge.csv", dtype=str)
    (name,) = set(merge.loc[merge["record"].str.startswith("w"), "letter"])
    for language, told in (("fr", "Votre dossier a été modifié sans droit"), ("en", "Your record was changed without")):
        letter = (tmp_path / "out" / "letters" / f"letter-{name}.{language}.html").read_text()
        assert told in letter
        assert "«times»" not in letter
        others = (tmp_path / "out" / "letters" / f"letter-A.{language}.html").read_text()
        assert "«times»" in others
        assert told not in others


def test_the_guide_tells_of_every_column_of_every_table(made: tuple[Dossier, Path]) -> None:
    """And of no other, in the order in which they stand."""
    out = made[1]
    guide = pd.read_csv(out / "columns.csv")
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.csv"))
    found = {file: list(pd.read_csv(out / file, nrows=1).columns) for file in files if file != "columns.csv"}
    assert {file: list(part["column"]) for file, part in guide.groupby("file")} == found
    assert guide.notna().all(axis=None)


def test_an_account_that_read_nothing_has_a_dossier(tmp_path: Path) -> None:
    """A sign-in alone: no person, no letter, and no error."""
    rows = [("2026-03-11T09:00:00Z", "h1", "login", "success", "", "192.0.2.1", "Firefox", "s", "")]
    log = write_log(tmp_path / "log.csv", rows)
    dossier = prepare_dossier(Case(["h1"], LAST, LAST), out=tmp_path / "out", dumps=str(log), mapping=MAPPING)
    assert dossier.counts["records_upper"] == 0
    assert len(dossier.exposures) == 0
