"""Recognising inputs by content: what was learned once is not learned again, and of a file that grew the rest is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from detector.errors import HistoryError
from detector.history.manifest import Input

_BLOCK_BYTES = 1 << 20
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""How gzip and zstd begin: their bytes tell nothing about lines."""


class Known(NamedTuple):
    """What is held of a file already: the input that it is, or begins with."""

    sha256: str
    lines: int
    is_whole: bool


def recognise(path: Path, *, held: Mapping[str, Input]) -> Known | None:
    """Return what is held of a file, by the longest input that it begins with; null: nothing.

    Parameters
    ----------
    path
        The file.
    held
        Inputs by the SHA-256 of their content.

    Raises
    ------
    HistoryError
        If the file grew in the middle of a line, so that nobody can tell what was learned of that line.
    OSError
        If the file cannot be read.
    """
    size = path.stat().st_size
    lengths = sorted({each.bytes for each in held.values() if 0 < each.bytes <= size or each.bytes == size})
    if not lengths:
        return None
    with path.open("rb") as file:
        found = _longest(file, lengths, held)
        if found is None:
            return None
        length = held[found].bytes
        if length < size:
            _refuse_cut_line(file, path, length)
    return Known(found, held[found].lines, length == size)


def _longest(file: BinaryIO, lengths: list[int], held: Mapping[str, Input]) -> str | None:
    """One pass, which stops at each length that an input has."""
    digest, place, found = hashlib.sha256(), 0, None
    for length in lengths:
        while place < length and (block := file.read(min(_BLOCK_BYTES, length - place))):
            digest.update(block)
            place += len(block)
        name = digest.copy().hexdigest()
        if name in held and held[name].bytes == place == length:
            found = name
    return found


def _refuse_cut_line(file: BinaryIO, path: Path, length: int) -> None:
    file.seek(0)
    if file.read(len(_COMPRESSED[1])).startswith(_COMPRESSED):
        return
    file.seek(length - 1)
    if not any(byte in b"\r\n" for byte in file.read(2)):
        raise HistoryError(
            f"{path} grew since it was learned, and ended in the middle of a line then (byte {length}): rebuild its "
            "days with `detector learn --replace` and all of their files"
        )
