"""The folder of a dossier: tables, lists, documents, and a manifest of hashes; whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from detector import __version__
from detector.errors import ConfigError
from detector.incident import changes
from detector.incident.attribution import SIGNS
from detector.incident.blocklists import nftables, plain_list, stix_bundle
from detector.incident.case import Dossier
from detector.incident.columns import GUIDE, guide
from detector.incident.documents import write_documents
from detector.incident.earlier import TELLING
from detector.incident.facts import DEEDS, POSSIBLE, REASONS, TIED
from detector.incident.persons import TRAITS, persons_of
from detector.incident.shown import shown_texts
from detector.output.folders import whole_folder
from detector.output.rows import plain
from detector.output.text import cell
from detector.report import words
from detector.report.words import LANGUAGES

MARK = "incident.json"
MANIFEST = "manifest.json"
FORMAT = 1
ORIGIN = {
    "asked": ("alerted, or asked about", "en alerte, ou demandé"),
    "found": ("found through the addresses of the attack", "trouvé par les adresses de l'attaque"),
    "earlier": (
        "found through the addresses of the attack, on earlier days of the history",
        "trouvé par les adresses de l'attaque, à des jours antérieurs de l'historique",
    ),
}


def write_dossier(dossier: Dossier, out: Path) -> datetime | None:
    """Write a dossier to a folder; an earlier one there is amended: the new one says what has changed.

    Returns
    -------
    datetime or None
        When the operator became aware: as told now, else as the earlier dossier has it.

    Raises
    ------
    ConfigError
        If the folder holds other things, or cannot be written.
    """
    earlier = changes.read_earlier(out)
    aware_at = dossier.aware_at or (earlier.aware_at if earlier else None)
    revisions = changes.revise(earlier, facts_of(dossier), dossier.records)
    with whole_folder(out, mark=MARK) as folder:
        _write_tables(dossier, folder)
        _write_lists(dossier, folder)
        write_documents(dossier, folder, aware_at=aware_at, revisions=revisions)
        document = {
            "format": FORMAT,
            "version": __version__,
            "aware_at": None if aware_at is None else aware_at.astimezone(UTC).isoformat(),
            "facts": facts_of(dossier),
            "remarks": [english for english, _french in dossier.remarks],
            "revisions": revisions,
        }
        _write(folder / MARK, json.dumps(plain(document), indent=1, allow_nan=False) + "\n")
        _write(folder / MANIFEST, _manifest(dossier, folder))
    return aware_at


def facts_of(dossier: Dossier) -> dict[str, Any]:
    """What a revision is told apart by."""
    tied = dossier.accounts["first_at"].dropna()
    facts: dict[str, Any] = plain(
        {
            "start": dossier.start,
            "end": dossier.end,
            "first_at": tied.min() if len(tied) else None,
            "last_at": dossier.accounts["last_at"].dropna().max() if len(tied) else None,
            "accounts": sorted(dossier.accounts["account"]),
            "block": sorted(dossier.addresses.loc[dossier.addresses["decision"] == "block", "ip"]),
            "keep": sorted(dossier.addresses.loc[dossier.addresses["decision"] == "keep", "ip"]),
            "counts": dossier.counts,
            "dumps": [{"name": Path(file.path).name, "sha256": file.sha256} for file in dossier.files],
        }
    )
    return facts


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _write_tables(dossier: Dossier, folder: Path) -> None:
    zone, accounts = dossier.settings.portal.zone, dossier.accounts
    told = accounts.assign(
        action="reset",
        origin=[ORIGIN[origin][0] for origin in accounts["origin"]],
        origine=[ORIGIN[origin][1] for origin in accounts["origin"]],
        why=[", ".join(SIGNS[name][0] for name in signs) for signs in accounts["signs"]],
        pourquoi=[", ".join(SIGNS[name][1] for name in signs) for signs in accounts["signs"]],
        door=[DEEDS[door][0] if door in DEEDS else door for door in accounts["door"]],
        entree=[DEEDS[door][1] if door in DEEDS else "inconnue" for door in accounts["door"]],
    )
    write_csv(told.drop(columns="signs"), folder / "accounts.csv", zone)
    addresses = dossier.addresses.assign(
        decision=dossier.addresses["decision"].map({"block": "block", "keep": "do not block"}),
        reason=[REASONS[reason][0] for reason in dossier.addresses["reason"]],
        motif=[REASONS[reason][1] for reason in dossier.addresses["reason"]],
        examples=[" ".join(names) for names in dossier.addresses["examples"]],
    )
    write_csv(addresses, folder / "addresses.csv", zone)
    timeline = dossier.timeline.assign(
        event=[DEEDS[deed][0] for deed in dossier.timeline["deed"]],
        evenement=[DEEDS[deed][1] for deed in dossier.timeline["deed"]],
    ).drop(columns="deed")
    write_csv(timeline, folder / "timeline.csv", zone)
    signs = pd.DataFrame([TELLING[sign] for sign in dossier.earlier["sign"]], columns=["sign", "signe"])
    write_csv(dossier.earlier.drop(columns="sign").join(signs), folder / "earlier.csv", zone)
    _write_records(dossier, folder)
    write_csv(guide(), folder / GUIDE)
    _write_parquet(dossier.evidence, folder / "evidence.parquet")


def _write_records(dossier: Dossier, folder: Path) -> None:
    columns = ["account", "record", "bound", "first_at", "last_at", "queries", "n_shown", *TRAITS, "exposure"]
    records = dossier.records[columns]
    _write_parquet(records, folder / "records.parquet")
    write_csv(records, folder / "records.csv", dossier.settings.portal.zone)
    texts = shown_texts(dossier.exposures, dossier.settings)
    exposures = dossier.exposures.assign(**{name: [each[name] for each in texts] for name in ("shown_en", "shown_fr")})
    write_csv(exposures, folder / "exposures.csv")
    (folder / "letters").mkdir(exist_ok=True)
    write_csv(mail_merge(dossier.records, dossier.settings.portal.zone), folder / "letters" / "mail-merge.csv")


def mail_merge(records: pd.DataFrame, zone: str) -> pd.DataFrame:
    """One letter a person, over all accounts that looked it up."""
    letters = records[["record", "exposure"]].drop_duplicates("record")
    persons = persons_of(records).merge(letters, on="record", how="left")
    days = {
        name: persons[name].dt.tz_convert(zone).dt.tz_localize(None).dt.normalize() for name in ("first_at", "last_at")
    }
    certain = persons["bound"] == TIED
    merge = pd.DataFrame(
        {
            "record": persons["record"],
            "letter": persons["exposure"].where(certain, persons["exposure"] + "-" + POSSIBLE),
            "certain": certain.map({True: "yes", False: "no"}),
            "first_day": days["first_at"],
            "last_day": days["last_at"],
            "times": persons["queries"],
        }
    )
    return merge.join(_dates(days["first_at"], days["last_at"]))


def _dates(first: pd.Series, last: pd.Series) -> pd.DataFrame:
    """When, in the words of the letters; half a million rows have few spans of days."""
    spans = pd.DataFrame({"first": first, "last": last})
    known = spans.drop_duplicates()
    for language in LANGUAGES:
        pairs = zip(known["first"].dt.date, known["last"].dt.date, strict=True)
        known = known.assign(**{f"dates_{language}": [words.span(*pair, language) for pair in pairs]})
    told: pd.DataFrame = spans.merge(known, on=["first", "last"], how="left").set_axis(spans.index)
    return told[[f"dates_{language}" for language in LANGUAGES]]


def write_csv(table: pd.DataFrame, path: Path, zone: str = "UTC") -> None:
    """Write a table as CSV that a spreadsheet may open: no cell is a formula, no control character gets through.

    Instants are told by the clock of the zone, to the second, with their offset: `2026-03-12T00:57:00+01:00`.
    """
    pacsv.write_csv(
        pa.table({str(name): _safe(table[name], zone) for name in table.columns}),
        path,
        pacsv.WriteOptions(quoting_style="needed"),
    )


HARMLESS = r"^[0-9A-Za-z][0-9A-Za-z ._:/-]*$"
"""Tokens, days and most names: half a million of them need no closer look."""


def _safe(column: pd.Series, zone: str) -> pa.Array | pa.ChunkedArray:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        seconds = pa.array(column.dt.floor("s").dt.tz_convert(zone)).cast(pa.timestamp("s", zone))
        told = pc.strftime(seconds, format="%Y-%m-%dT%H:%M:%S%z")
        return pc.replace_substring_regex(told, r"(\d\d)$", r":\1")
    if isinstance(column.dtype, pd.StringDtype):
        texts = pa.array(column, pa.string(), from_pandas=True)
    elif column.dtype == "object":
        texts = pa.array([None if _absent(value) else str(value) for value in column], pa.string())
    elif column.dtype.kind == "M":
        return pa.array(column).cast(pa.date32())
    else:
        return pa.array(column, from_pandas=True)
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    doubtful = pc.invert(pc.fill_null(pc.match_substring_regex(texts, HARMLESS), True))
    if not pc.any(doubtful).as_py():
        return texts
    return pc.replace_with_mask(texts, doubtful, pa.array([cell(t) for t in texts.filter(doubtful).to_pylist()]))


def _absent(value: Any) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    rows = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(rows, path, compression="zstd", store_schema=False)


def _write_lists(dossier: Dossier, folder: Path) -> None:
    _write(folder / "addresses.txt", plain_list(dossier.addresses))
    _write(folder / "nftables.conf", nftables(dossier.addresses))
    seen = dossier.addresses["last_at"].dropna()
    at = seen.max().to_pydatetime() if len(seen) else datetime.combine(dossier.end, datetime.min.time(), UTC)
    about = f"{dossier.start}|{dossier.end}|{'|'.join(sorted(dossier.accounts['account']))}"
    producer = dossier.settings.incident.controller or "The portal's operator"
    _write(folder / "stix.json", stix_bundle(dossier.addresses, producer=producer, about=about, at=at))


def _manifest(dossier: Dossier, folder: Path) -> str:
    """Hashes of all files of the dossier, and of the originals, which stay with the operator."""
    files = {path.relative_to(folder).as_posix(): _sha256(path) for path in _files(folder)}
    originals = [
        {"name": file.path, "sha256": file.sha256, "bytes": file.size, "lines": file.lines} for file in dossier.files
    ]
    return json.dumps({"format": FORMAT, "files": files, "originals": originals}, indent=1) + "\n"


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_strange(out: Path) -> None:
    """Refuse a folder that holds something else before the work is done.

    Raises
    ------
    ConfigError
        If it does.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        raise ConfigError(f"{out}: found other things, and no {MARK} of an earlier dossier; name another folder")
