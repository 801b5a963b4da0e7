"""A model and the folder it is kept in: estimator, calibration, and a card with the hash of every file."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from detector.errors import ModelError, SchemaError
from detector.model.forest import ExtractionForest
from detector.model.packing import pack, unpack
from detector.schema import Column, Table

FORMAT = 1
"""Version of the layout; it changes when an older program could misread what a newer one wrote."""
CARD, ESTIMATOR = "card.json", "model.skops"
PREVIOUS = ".previous"
"""Ending of the folder that a model replaced is kept in."""
KINDS = ("known", "newcomer", "robot")
CALIBRATION = Table(
    "calibration",
    "one row per past account-day, channel and day",
    (
        Column("day", pa.date32(), "calendar day in the portal's zone"),
        Column("kind", pa.string(), "account-days that are calibrated apart", values=KINDS),
        Column("strangeness", pa.float64(), "minus `score_samples`, at least 0"),
    ),
)
SET_ASIDE = Table(
    "set_aside",
    "one row per account and day",
    (
        Column("account", pa.string(), "left out of training"),
        Column("day", pa.date32(), "since it looked like an attack on that day"),
    ),
    ("account", "day"),
)
_TABLES = {f"{table.name}.parquet": table for table in (CALIBRATION, SET_ASIDE)}
_SOFTWARE = ("numpy", "pandas", "pyarrow", "scikit-learn", "skops")
_NEXT = "train again (`detector train`), or put back the model before (docs/models.md)"


@dataclass(frozen=True)
class Model:
    """A fitted estimator and what scores are compared with.

    Attributes
    ----------
    estimator
        The fitted estimator.
    columns
        Names of the deviations in the estimator's input order; those null everywhere at training are left out.
    calibration
        `CALIBRATION`: what past account-days reached.
    set_aside
        `SET_ASIDE`: account-days left out of training because they looked like an attack.
    cold
        Trained on peers' deviations alone, for want of a history.
    card
        What else is told about the model: data span, counts, settings, measures. JSON.
    """

    estimator: ExtractionForest
    columns: tuple[str, ...]
    calibration: pd.DataFrame
    set_aside: pd.DataFrame
    cold: bool
    card: dict[str, Any]

    @cached_property
    def version(self) -> str:
        """Twelve hexadecimal digits that identify what the model computes, whatever stored it."""
        digest = hashlib.sha256()
        for part in _content(self):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()[:12]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    bytes: int


class _Card(BaseModel):
    """What `card.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    version: str
    cold: bool
    columns: tuple[str, ...]
    about: dict[str, Any]
    software: Mapping[str, str]
    files: Mapping[str, _File]


def save_model(model: Model, folder: Path) -> Path:
    """Write a model to a folder; the one it replaces is kept beside it, as `NAME.previous`.

    It is written to a temporary folder, read again, and renamed: whoever loads it sees the old model or the new one. A
    run killed between the two renames leaves the old one as `NAME.previous`, which `load_model` then says.

    Parameters
    ----------
    model
        The model.
    folder
        Where it goes. Its parent is made if need be.

    Raises
    ------
    ModelError
        If the model could not be read back, the folder holds something else, or the disk refuses.
    SchemaError
        If calibration or set-aside are not the tables they should be.
    """
    files = {ESTIMATOR: pack(model.estimator)}
    files |= {name: _to_parquet(table, getattr(model, table.name)) for name, table in _TABLES.items()}
    files[CARD] = _to_card(model, files)
    if folder.exists() and not (folder / CARD).is_file():
        raise ModelError(f"{folder}: is there and holds no model; name another folder, or remove it")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _write(fresh, files)
            load_model(fresh)
            _put_in_place(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise ModelError(
            f"{folder}: the model could not be written ({error}); the one before, if any, is intact"
        ) from error
    return folder


def load_model(folder: Path) -> Model:
    """Read a model: hashes first, then types, then every array that scoring will follow.

    Raises
    ------
    ModelError
        If a file is missing, does not match the card, or holds what no model does; no pickle is ever read.
    """
    card = _read_card(folder)
    contents = {name: _read_file(folder / name, card.files[name]) for name in (ESTIMATOR, *_TABLES)}
    tables = {table.name: _from_parquet(folder / name, contents[name], table) for name, table in _TABLES.items()}
    model = Model(
        estimator=_parsed(folder / ESTIMATOR, lambda: unpack(contents[ESTIMATOR])),
        columns=card.columns,
        cold=card.cold,
        card=card.about,
        **tables,
    )
    _refuse_mixture(folder, model, card)
    return model


def _content(model: Model) -> Iterator[bytes]:
    estimator = model.estimator
    # What is learned, but for the offset, is hashed as arrays; the number of jobs changes nothing.
    settings = {name: value for name, value in vars(estimator).items() if not name.endswith("_") and name != "n_jobs"}
    settings |= {"columns": model.columns, "cold": model.cold, "offset": estimator.offset_}
    yield json.dumps(settings, default=list, sort_keys=True).encode()
    for part in (estimator.tails_, estimator.trees_, estimator.forest_tail_):
        for name, value in sorted(vars(part).items()) if part is not None else ():
            array = np.asarray(value)
            yield f"{name} {array.dtype.str} {array.shape}".encode()
            yield array.tobytes()
    for table in _TABLES.values():
        for column in _to_arrow(table, getattr(model, table.name)).columns:
            # A column that was never computed says nothing: models from before it was thought of keep their version.
            if not len(column) or column.null_count < len(column):
                yield _column_bytes(column)


def _to_card(model: Model, files: Mapping[str, bytes]) -> bytes:
    card = _Card(
        format=FORMAT,
        version=model.version,
        cold=model.cold,
        columns=model.columns,
        about=model.card,
        software={"python": platform.python_version()} | {name: installed(name) for name in _SOFTWARE},
        files={name: _File(sha256=_sha256(data), bytes=len(data)) for name, data in files.items()},
    )
    return (card.model_dump_json(indent=2) + "\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _to_arrow(table: Table, rows: pd.DataFrame) -> pa.Table:
    held = pa.Table.from_pandas(rows[[name for name in table.names if name in rows]], preserve_index=False)
    return table.check(held.replace_schema_metadata())


def _column_bytes(column: pa.ChunkedArray) -> bytes:
    if pa.types.is_string(column.type):
        return "\0".join(column.to_pylist()).encode()
    numbers = column.cast(pa.int32()) if pa.types.is_date32(column.type) else column
    return bytes(numbers.to_numpy().tobytes())


def _to_parquet(table: Table, rows: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    pq.write_table(_to_arrow(table, rows), content, compression="zstd")
    return content.getvalue()


def _from_parquet(path: Path, content: bytes, table: Table) -> pd.DataFrame:
    rows: pd.DataFrame = _parsed(path, lambda: table.check(pq.read_table(io.BytesIO(content)))).to_pandas()
    if table is CALIBRATION and not (np.isfinite(rows["strangeness"]) & (rows["strangeness"] >= 0)).all():
        raise _refusal(path, "a strangeness that is negative or no number", "what the estimator gives")
    return rows


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files that have reached the disk before any folder is renamed."""
    for name, content in files.items():
        with (folder / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    # mkdtemp lets nobody else in; a model may be read by whoever may read the files beside it.
    folder.chmod(0o755)


def _put_in_place(fresh: Path, folder: Path) -> None:
    previous = folder.with_name(folder.name + PREVIOUS)
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    fresh.rename(folder)
    descriptor = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_card(folder: Path) -> _Card:
    path = folder / CARD
    if not path.is_file():
        kept = folder.with_name(folder.name + PREVIOUS)
        found = f"only the model before, as {kept}: rename it to use it" if kept.is_dir() else "none"
        raise _refusal(path, found, "the card of a model")
    try:
        held = json.loads(path.read_bytes())
        if isinstance(held, dict) and held.get("format") != FORMAT:
            raise _refusal(path, f"format {held.get('format')!r}", f"format {FORMAT}, which this version reads")
        card = _Card.model_validate(held)
    except (OSError, ValueError, RecursionError) as error:
        detail = error.errors()[0] if isinstance(error, ValidationError) else error
        raise _refusal(path, f"what cannot be read as a card ({detail})", "the JSON that training wrote") from error
    if set(card.files) != {ESTIMATOR, *_TABLES}:
        raise _refusal(path, f"files {sorted(card.files)}", f"{sorted((ESTIMATOR, *_TABLES))}")
    return card


def _read_file(path: Path, told: _File) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _refusal(path, f"no file that can be read ({error.strerror})", "the file that the card names") from error
    if len(content) != told.bytes or _sha256(content) != told.sha256:
        found = f"{len(content)} bytes with SHA-256 {_sha256(content)[:12]}…"
        raise _refusal(path, found, f"{told.bytes} with {told.sha256[:12]}…, as the card says")
    return content


def _parsed(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (ValueError, OSError, SchemaError, pa.ArrowException) as error:
        raise _refusal(path, str(error), "what training wrote") from error


def _refuse_mixture(folder: Path, model: Model, card: _Card) -> None:
    """Refuse parts that are sound and do not belong together."""
    n_columns = len(model.estimator.tails_.scale)
    if len(model.columns) != n_columns or len(set(model.columns)) != n_columns:
        raise _refusal(folder / CARD, f"{len(set(model.columns))} columns", f"the {n_columns} of the estimator")
    if model.version != card.version:
        raise _refusal(folder / CARD, f"version {card.version}", f"{model.version}, by the content of the files")


def _refusal(path: Path, found: str, expected: str) -> ModelError:
    return ModelError(f"{path}: found {found}; expected {expected}; {_NEXT}")
