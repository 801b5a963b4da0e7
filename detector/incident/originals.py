"""Fingerprints of original log lines: they prove that a line was not changed, and give away nothing of what it holds.

A line holds an identifier, of which there are some 4 × 10¹⁰: whoever has the rest of a line, as a dossier does, could
try them all against a plain hash within a minute. So lines that hold identifiers are hashed with the operator's key.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from detector.errors import ReadError
from detector.reading.dumps import Opened, decompressed, expand
from detector.reading.mapping import Input

DOMAIN = b"line:"
ROWS = 20_000


def fingerprint(line: bytes, *, key: bytes | None) -> str:
    """SHA-256 of a line without its line feed; with a key, HMAC-SHA-256 of `line:` and the line."""
    if key is None:
        return hashlib.sha256(line).hexdigest()
    return hmac.new(key, DOMAIN + line, hashlib.sha256).hexdigest()


def fingerprints(evidence: pd.DataFrame, *, key: bytes | None) -> list[str]:
    """The fingerprint of each row's original line, found by `source` and `line`.

    A row of a Parquet file counts as its values in the order of the columns, as compact JSON (instants and other
    values without a JSON form as Python writes them).

    Raises
    ------
    ReadError
        If a file is gone, or shorter than it was.
    """
    found = pd.Series("", index=evidence.index, dtype="object")
    for source, lines in evidence.groupby("source")["line"]:
        wanted = sorted(set(lines))
        told = {number: fingerprint(text, key=key) for number, text in _lines(str(source), wanted)}
        if wanted[-1] not in told:
            raise ReadError(f"{source}: line {wanted[-1]} is gone; was the file changed since it was read?")
        found.loc[lines.index] = lines.map(told)
    return found.tolist()


def _lines(path: str, wanted: list[int]) -> Iterator[tuple[int, bytes]]:
    if not Path(path).is_file():
        raise ReadError(f"{path}: gone, or never a file; evidence needs dumps that can be read twice")
    (dump,) = expand([Input(path=path)])
    opened = Opened(dump)
    if opened.head.startswith(b"PAR1"):
        yield from _rows(path, wanted)
        return
    chosen = set(wanted)
    with opened.tally() as tally, io.BufferedReader(_readable(tally, opened.compression), 1 << 20) as file:
        for number, line in enumerate(file, 1):
            if number in chosen:
                yield number, line.rstrip(b"\r\n")
            if number >= wanted[-1]:
                return


def _readable(tally: Any, compression: str | None) -> Any:
    import pyarrow as pa

    return decompressed(pa.PythonFile(tally, mode="r"), compression)


def _rows(path: str, wanted: list[int]) -> Iterator[tuple[int, bytes]]:
    file, first, place = pq.ParquetFile(path), 1, 0
    for batch in file.iter_batches(batch_size=ROWS):
        end = first + batch.num_rows
        stop = place
        while stop < len(wanted) and wanted[stop] < end:
            stop += 1
        numbers, place = wanted[place:stop], stop
        if numbers:
            columns = [column.to_pylist() for column in batch.take([number - first for number in numbers]).columns]
            for number, row in zip(numbers, zip(*columns, strict=True), strict=True):
                yield number, json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=str).encode()
        first = end
        if place == len(wanted):
            return
