"""What a run works with: a DuckDB, a scratch folder that vanishes, the key, the history and the model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Environment
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import duckdb
import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend
from ibis.util import gen_name

from detector.errors import ConfigError, EngineError, ModelError, out_of_memory
from detector.history import History
from detector.ledger import Ledger, open_ledger
from detector.ledger.growth import BENIGN
from detector.ledger.opening import LEDGER
from detector.model.kept import Model, load_model
from detector.novelty import Past
from detector.reading import (
    Input,
    LoadedKey,
    Mapping,
    Reading,
    find_key,
    key_id,
    key_path,
    load_key,
    load_mapping,
    read,
)
from detector.reading.dumps import Dump, expand, is_present
from detector.reading.mapping import STDIN
from detector.reading.records import RECORD_DOMAIN, token
from detector.settings import EngineSettings, Settings, holidays_of
from detector.shipped import models_dir
from detector.timeline import Timeline

LEDGER_URL = "DETECTOR_LEDGER_URL"
"""Environment variable with the ledger's URL, which may hold a password."""
MODEL = "model"
"""Where a history keeps its own model."""
SHIPPED = "default"
"""The shipped model: peers only, for a day without a past."""
OUTSIDE = ""
"""Key id of tokens that came from outside: no key of ours made them."""
_NIR_DIGITS = 13
Dumps: TypeAlias = Sequence[Input | str | Path] | str | Path


@dataclass(frozen=True)
class Workspace:
    """The means of one run; made by `workspace`, which also clears them away."""

    settings: Settings
    con: Backend
    scratch: Path
    env: Environment[str, str]

    @property
    def zone(self) -> str:
        """The portal's zone."""
        return self.settings.portal.zone

    @cached_property
    def loaded_key(self) -> LoadedKey:
        """The key, and what the user must be told about it."""
        return load_key(self.settings.history.key_file, env=self.env, history_dir=self.settings.history.folder)

    @cached_property
    def canaries(self) -> tuple[str, ...]:
        """Tokens of the records that nobody has a reason to look up."""
        return (*self.settings.portal.canaries, *(self._token(line) for line in self._listed_canaries))

    @property
    def hashes_canaries(self) -> bool:
        """Whether the key makes tokens of the list of canaries: it holds identifiers."""
        return any(_nir(line) for line in self._listed_canaries)

    @cached_property
    def _listed_canaries(self) -> list[str]:
        listed = self.settings.portal.canaries_file
        return _lines(listed) if listed else []

    def _token(self, text: str) -> str:
        nir = _nir(text)
        return token(nir, key=self.loaded_key.key, domain=RECORD_DOMAIN) if nir else text

    def history(self, *, create: bool = False, inputs: Sequence[Input] | None = None) -> History | None:
        """The history that the settings name, or None.

        Parameters
        ----------
        create
            Make it where there is none.
        inputs
            What will be read beside it: their tokens must be made by the history's key. None: nothing is read.

        Raises
        ------
        HistoryError
            If there is none and none shall be made, or it was made with another zone or key.
        """
        folder = self.settings.history.folder
        if folder is None:
            return None
        made_by = None if inputs is None else self.key_id(inputs)
        return History.open(folder, zone=self.zone, key_id=made_by, create=create)

    def key_id(self, inputs: Sequence[Input]) -> str:
        """Id of the key that makes the tokens of these inputs; none does where all of them hold tokens already."""
        return key_id(self.loaded_key.key) if needs_key(inputs) else OUTSIDE

    def read(self, inputs: Sequence[Input], *, progress: Callable[[str, int, int], None] | None = None) -> Reading:
        """What the inputs hold, read with the settings' zone, key and share of rejects.

        Raises
        ------
        ReadError, ConfigError
            See `detector.reading.read`.
        """
        return read(
            inputs,
            con=self.con,
            scratch=self.scratch / "read",
            key=self.loaded_key.key,
            zone=self.zone,
            max_reject_share=self.settings.learn.max_reject_share,
            progress=progress,
        )

    def model(self) -> Model:
        """The model that the settings name, else the history's own, else the shipped one.

        Raises
        ------
        ModelError
            If a model that was named is not there, or the one that is there was changed.
        """
        return load_model(self.model_folder())

    def model_folder(self) -> Path:
        """Where that model is."""
        named, history = self.settings.history.model, self.settings.history.folder
        if named is not None:
            if not named.is_dir():
                raise ModelError(
                    f"{named}: no such model; make one with `detector train --history DIR --model {named}`"
                )
            return named
        if history is not None and (history / MODEL).is_dir():
            return history / MODEL
        return models_dir() / SHIPPED

    def ledger(self, *, create: bool = False) -> Ledger | None:
        """The ledger of the settings, else that of the history; None where there is none and none shall be made.

        Raises
        ------
        LedgerError
            If it cannot be opened.
        """
        return ledger_of(self.settings, env=self.env, create=create)

    def set_aside(self, model: Model | None) -> pd.DataFrame:
        """Account-days that are no part of any past: alerted or left out of training, and not judged benign."""
        ledger = self.ledger()
        parts = [model.set_aside[["account", "day"]]] if model else []
        if ledger is None:
            return pd.concat(parts) if parts else pd.DataFrame(columns=["account", "day"])
        benign = {(each.account, each.day) for each in ledger.alerts(verdict=BENIGN)}
        rows = pd.concat([*parts, ledger.set_aside()])
        keys = zip(rows["account"], pd.to_datetime(rows["day"]).dt.date, strict=True)
        return rows[np.fromiter((key not in benign for key in keys), dtype=bool, count=len(rows))]

    def hold(self, rows: pa.Table) -> ibis.Table:
        """Put a table into this workspace's DuckDB: what Ibis caches of it must be there too, and not elsewhere."""
        # Nullable all of it, as what a history holds is: rows of unlike schemas form no union.
        nullable = pa.schema([field.with_nullable(True) for field in rows.schema])
        return self.con.create_table(gen_name("given"), rows.cast(nullable), temp=True)

    def timeline(
        self,
        history: History | None,
        *,
        events: ibis.Table | None = None,
        model: Model | None = None,
        given: Past | None = None,
    ) -> Timeline:
        """History and input as one sequence of days; what is set aside is no part of any past.

        `given` stands for the past of the input's only day (`Timeline`).
        """
        return Timeline(
            self.con,
            events=events,
            history=history,
            zone=self.zone,
            canaries=self.canaries,
            set_aside=self.set_aside(model),
            off_days=holidays_of(self.settings.portal.country),
            given=given,
        )


def ledger_of(settings: Settings, *, env: Environment[str, str], create: bool = False) -> Ledger | None:
    """The ledger that the settings name, without anything else of a workspace.

    Parameters
    ----------
    settings, env
        Where it is.
    create
        Make the history's own where there is none.

    Raises
    ------
    LedgerError, ConfigError
        If it cannot be opened.
    """
    secret, folder = settings.ledger.url, settings.history.folder
    url = env.get(LEDGER_URL) or (secret.get_secret_value() if secret else None)
    if url is None and (folder is None or not (create or (folder / LEDGER).exists())):
        return None
    return open_ledger(history=folder, url=url)


def key_beside(history: Path | None) -> Path | None:
    """The key that stands beside a history, if there is one."""
    path = key_path(history) if history else None
    return path if path is not None and path.is_file() else None


def log_key(settings: Settings, *, env: Environment[str, str]) -> bytes | None:
    """The key under which the log of actions names accounts; None where there is none, and none is made.

    Raises
    ------
    ConfigError
        If a key is named and cannot be read.
    """
    return find_key(settings.history.key_file, env=env, history_dir=settings.history.folder)


def needs_key(inputs: Sequence[Input]) -> bool:
    """Whether reading these inputs makes tokens."""
    return any(entry.mapping.records.kind == "nir" or entry.mapping.accounts.kind == "hash" for entry in inputs)


def _nir(text: str) -> str:
    """The identifier that a text is, as tokens are made of it; empty: it is none."""
    compacted = "".join(character for character in text.upper() if character.isalnum())
    is_nir = len(compacted) in (_NIR_DIGITS, _NIR_DIGITS + 2) and sum(map(str.isdigit, compacted)) >= _NIR_DIGITS - 1
    return compacted[:_NIR_DIGITS] if is_nir else ""


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the canaries cannot be read ({error}); expected one record a line") from error
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def to_inputs(
    dumps: Dumps, *, settings: Settings, mapping: Mapping | str | Path | None = None, form: str | None = None
) -> list[Input]:
    """Inputs of a run: those named, all with one mapping and format; those of the settings where none is named.

    Without a mapping and a format, a file that an input of the settings means is read as that input says.

    Raises
    ------
    ConfigError
        If there are none, or the mapping is not one.
    """
    listed = [dumps] if isinstance(dumps, str | Path) else dumps
    if not listed:
        if not settings.input:
            raise ConfigError("no dump: name files, folders or globs, or give [[input]] in the settings (--config)")
        return list(settings.input)
    if mapping is None and form is None:
        known = {_place(dump): dump.input for dump in expand(each for each in settings.input if is_present(each))}
        return [each for entry in listed for each in _as_known(entry, known)]
    meant = mapping if isinstance(mapping, Mapping) else load_mapping(mapping) if mapping else Mapping()
    return [
        entry if isinstance(entry, Input) else Input(path=str(entry), format=form, mapping=meant) for entry in listed
    ]


def _as_known(entry: Input | str | Path, known: Environment[Path, Input]) -> list[Input]:
    """A path as one input; where the settings know files of it, a file each, as they say."""
    if isinstance(entry, Input):
        return [entry]
    given = Input(path=str(entry))
    if not known or given.path == STDIN or not is_present(given):
        return [given]
    dumps = expand([given])
    if not any(_place(dump) in known for dump in dumps):
        return [given]
    return [known.get(_place(dump), given).model_copy(update={"path": dump.path}) for dump in dumps]


def _place(dump: Dump) -> Path:
    return Path(dump.path).resolve()


@contextmanager
def workspace(settings: Settings, *, env: Environment[str, str] | None = None) -> Iterator[Workspace]:
    """Open a DuckDB and a scratch folder for one run; both are gone afterwards, however it ends.

    Parameters
    ----------
    settings
        Of the run.
    env
        The environment, for the key; None = the process's own.

    Raises
    ------
    ConfigError
        If the temporary folder cannot be used, or DuckDB does not know a setting.
    EngineError
        Within it, where DuckDB lacks memory.
    """
    engine = settings.engine
    with _scratch(engine) as scratch:
        # Not disconnected here: tables that Ibis caches are dropped when they go out of use, through this connection,
        # which ends with the last of them.
        con = _connect(engine, scratch / "spill")
        with within_limits():
            yield Workspace(settings, con, scratch, os.environ if env is None else env)


@contextmanager
def within_limits() -> Iterator[None]:
    """Tell of memory that DuckDB lacks, and cannot spill, as `EngineError`: in settings that a user can reach."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise EngineError(out_of_memory(error)) from error


@contextmanager
def _scratch(engine: EngineSettings) -> Iterator[Path]:
    try:
        folder = TemporaryDirectory(prefix="detector-", dir=engine.temp_folder, ignore_cleanup_errors=True)
    except OSError as error:
        raise ConfigError(
            f"[engine] temp_folder {engine.temp_folder}: cannot be written ({error.strerror}); name another folder"
        ) from error
    with folder as path:
        yield Path(path)


def _connect(engine: EngineSettings, spill: Path) -> Backend:
    limits = {"memory_limit": engine.memory_limit} | ({"threads": engine.threads} if engine.threads else {})
    try:
        con = ibis.duckdb.connect(**limits, temp_directory=str(spill))
    except duckdb.Error as error:
        raise ConfigError(
            f"[engine]: DuckDB refuses {limits} ({error}); expected, say, memory_limit = '1GB'"
        ) from error
    con.con.execute("SET TimeZone = 'UTC'")
    # In a notebook without its widgets DuckDB shows no bar, and refuses to be told so.
    with suppress(duckdb.InvalidInputException):
        con.con.execute("SET enable_progress_bar = false")
    return con
