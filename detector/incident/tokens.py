"""Identifiers → tokens, in the operator's own hands: the table by which a dossier's tokens become persons there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from detector.errors import ConfigError
from detector.reading.keys import key_id
from detector.reading.records import RECORD_DOMAIN, compact, is_identifier, keyed, record_message, token_sql

BATCH = 100_000
LOG_SUFFIX = ".actions.jsonl"


class Joined(NamedTuple):
    """One line of the operator's file: the text as given, its token, and whether it has the form of an identifier."""

    identifier: str
    token: str
    is_identifier: bool


def join_tokens(identifiers: Iterable[str], *, key: bytes) -> Iterator[Joined]:
    """The token of each identifier, as reading makes it: with gaps or without, with its key or without.

    Parameters
    ----------
    identifiers
        One each; empty ones are left out.
    key
        The portal's key.
    """
    message = record_message("value", "compacted", "is_nir")
    query = (
        f"SELECT value, {token_sql(message, domain=RECORD_DOMAIN)}, is_nir FROM ("  # noqa: S608 - no value stands in it
        f"SELECT *, {is_identifier('compacted')} AS is_nir FROM ("
        f"SELECT place, value, {compact('value')} AS compacted FROM given)) ORDER BY place"
    )
    with duckdb.connect() as con, keyed(con, key):
        for batch in _batches(text for text in identifiers if text):
            given = pa.table({"place": pa.array(range(len(batch)), pa.int64()), "value": pa.array(batch, pa.string())})
            con.register("given", given)
            for row in con.execute(query).fetchall():
                yield Joined(*row)
            con.unregister("given")


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def log_tokens(log: Path, *, key: bytes, at: datetime, by: str, why: str) -> None:
    """Add a line to the append-only log of who asked for a join table, before it is made.

    Raises
    ------
    ConfigError
        If nobody, or no reason, is named, or the log cannot be written.
    """
    if not by.strip() or not why.strip():
        raise ConfigError("tokens needs to know who asks for it and why (--by, --why)")
    instant = at.astimezone(UTC).isoformat(timespec="seconds")
    line = json.dumps({"at": instant, "by": by, "verb": "tokens", "why": why, "key": key_id(key)})
    try:
        with log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise ConfigError(
            f"{log}: the log of actions cannot be written ({error.strerror}); name one (--log)"
        ) from error
