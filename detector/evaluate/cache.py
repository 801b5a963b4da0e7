"""What is slow to make is made once: results kept in a scratch folder under the fingerprint of what made them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import detector
from detector.evaluate.frames import as_frame

FINGERPRINT_CHARACTERS = 16
"""Half a name of 64 bits: a clash between a few thousand results is out of the question."""


def fingerprint(*parts: str, code: Sequence[str] = ()) -> str:
    """Return a short name for these settings and this code.

    Parameters
    ----------
    parts : settings, in their order.
    code : folders or modules of the package (`simulate`, `scoring.py`) whose source is part of the name.
    """
    return hashlib.sha256("\0".join((*parts, _code(tuple(code)))).encode()).hexdigest()[:FINGERPRINT_CHARACTERS]


@cache
def _code(names: tuple[str, ...]) -> str:
    """Hash sources once a process: what was imported stays what runs, whatever is edited meanwhile."""
    root = Path(detector.__file__).parent
    digest = hashlib.sha256()
    for path in sorted({path for name in names for path in _sources(root / name)}):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sources(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def content_of(files: Sequence[Path]) -> str:
    """Return a hash of what is in these files, whatever they are called."""
    return hashlib.sha256("".join(_sha256(path) for path in files).encode()).hexdigest()


@cache
def _sha256(path: Path) -> str:
    """Hash a file once a process: files in the scratch folder never change once they are there."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def kept_folder(folder: Path, *, make: Callable[[Path], None]) -> Path:
    """Return `folder`, made first if absent; it appears whole or not at all, whatever interrupts the making."""
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make(unfinished)
        unfinished.rename(folder)
    return folder


def kept_frame(path: Path, *, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return the frame stored at `path`, made and stored first if it is absent."""
    if not path.exists():
        unfinished = path.with_name(path.name + ".unfinished")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pandas(make(), preserve_index=False), unfinished)
        unfinished.rename(path)
    return stored_frame(path)


def stored_frame(path: Path) -> pd.DataFrame:
    """Return the frame stored at `path`."""
    return as_frame(pq.ParquetFile(path).read())
