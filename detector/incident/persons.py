"""Persons as letters tell them: each once, with all that the accounts of the incident were shown of them."""

from __future__ import annotations

import pandas as pd

from detector.incident.facts import TIED

TRAITS = ["services", "saved", "written"]
"""Of a record, whoever reached it."""
KINDS = [*TRAITS, "displayed"]
"""What a letter depends on."""


def persons_of(records: pd.DataFrame) -> pd.DataFrame:
    """One row per person, over all accounts.

    Parameters
    ----------
    records
        One row per account and record.

    Returns
    -------
    pd.DataFrame
        record; `bound`: tied if any of its rows is; first_at, last_at, queries, services (joined by +), saved,
        written, of the tied rows where there are any: what is certain is not made more of by what is only possible;
        `displayed`: a look-up or a download did, where false the record was only written to.
    """
    best = records["bound"] == TIED
    chosen = best == best.groupby(records["record"]).transform("max")
    rows = records.loc[chosen, ["record", "bound", "first_at", "last_at", "queries", *TRAITS]]
    several = rows["record"].duplicated(keep=False)
    if not several.any():
        return _told(rows)
    sums = {"first_at": "min", "last_at": "max", "queries": "sum", "saved": "any", "written": "any"}
    grouped = rows[several].groupby("record", sort=False)
    merged = grouped.agg({"bound": "first", **sums}).join(_services(rows[several])).reset_index()
    return _told(pd.concat([rows[~several], merged]))


def _told(persons: pd.DataFrame) -> pd.DataFrame:
    displayed = (persons["queries"] > 0) | persons["saved"].astype(bool)
    return persons.assign(displayed=displayed).sort_values("record", ignore_index=True)


def _services(rows: pd.DataFrame) -> pd.Series:
    """Of each record, all services, joined by +; most records have one text, and half a million need no joining."""
    texts = rows[["record", "services"]].drop_duplicates()
    differ = texts["record"].duplicated(keep=False)
    joined = texts[differ].groupby("record", sort=False)["services"].agg("+".join)
    known = {text: "+".join(sorted(set(text.split("+")))) for text in joined.unique()}
    found: pd.Series = pd.concat([texts[~differ].set_index("record")["services"], joined.map(known)])
    return found


def with_exposures(records: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Records with the letter of their person's kind of exposure, and the kinds, the most frequent first.

    Returns
    -------
    tuple
        The records, with `exposure`; the kinds: services, saved, written, displayed, records (persons), exposure,
        records_tied.
    """
    persons = persons_of(records)
    sizes = persons.groupby(KINDS, dropna=False, sort=True).agg(
        records=("record", "size"), records_tied=("bound", lambda bounds: int((bounds == TIED).sum()))
    )
    sizes = sizes.reset_index().sort_values(
        ["records", *KINDS], ascending=[False, True, True, True, False], ignore_index=True
    )
    letters = pd.Series([letter(place) for place in range(len(sizes))], dtype="object")
    sizes.insert(len(KINDS) + 1, "exposure", letters)
    told = persons.merge(sizes[[*KINDS, "exposure"]], on=KINDS, how="left")[["record", "exposure"]]
    return records.merge(told, on="record", how="left"), sizes.astype({"records_tied": "int64"})


def letter(place: int) -> str:
    """A to Z, then AA, AB, …"""
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
