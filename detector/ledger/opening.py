"""Opening a ledger: SQLite beside the history or PostgreSQL by its URL, brought to the present schema."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from detector.errors import ConfigError, LedgerError

LEDGER = "ledger.sqlite"
"""The default, in the history folder."""
BUSY_S = 30
"""How long SQLite waits for another writer: a run's transaction takes milliseconds, a backup seconds."""
LEAST_FREE = 1 << 16
"""Bytes without which SQLite opens nothing: some pages of its write-ahead log."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_KEY = 0x64657465
"""PostgreSQL's advisory lock while the schema is changed: two hosts may start at once."""
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}


def engine_of(url: str) -> Engine:
    """Make an engine for a ledger's URL; nothing is opened yet.

    Raises
    ------
    ConfigError
        If it is no URL of SQLite or PostgreSQL, or PostgreSQL's driver is not installed.
    """
    parsed = _parse(url)
    try:
        # Without a pool, each transaction opens its own connection: a server that was restarted meanwhile is no matter.
        engine = create_engine(parsed, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"ledger {parsed.render_as_string()}: the driver {error.name} is not installed; "
            "pip install 'extraction-detector[postgres]'"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_at_once)
    return engine


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        name = _DRIVERS[parsed.get_backend_name()]
    except (ArgumentError, NoSuchModuleError, KeyError) as error:
        # Without the URL, which may hold a password.
        raise ConfigError(
            "[ledger] url: expected sqlite:///PATH or postgresql://USER@HOST/DATABASE, found something else"
        ) from error
    return parsed.set(drivername=name)


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Readers do not wait for the writer (WAL), a commit reaches the disk, and references are kept.

    The driver's own notion of when a transaction begins is switched off: `_begin_at_once` says when.
    """
    connection.isolation_level = None
    cursor = connection.cursor()
    # What is deleted is overwritten: whoever is forgotten shall not stand in a page that is out of use.
    kept = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON")
    for pragma in (f"busy_timeout = {BUSY_S * 1000}", *kept):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_at_once(connection: Connection) -> None:
    """Take the write lock first: a transaction that reads, then writes, would fail when another wrote in between."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def upgrade(engine: Engine) -> None:
    """Bring the schema to the present version, in one transaction; a ledger that is there already is left alone.

    Raises
    ------
    LedgerError
        If a newer program made it, or it cannot be written.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with explained(engine, "opening"):
        _make_private(engine)
        with engine.connect() as connection:
            if MigrationContext.configure(connection).get_current_revision() == scripts.get_current_head():
                return
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _make_private(engine: Engine) -> None:
    """Make an SQLite file that its owner alone may read; SQLite gives its log beside it the same mode."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or name is None or name == ":memory:" or Path(name).exists():
        return
    with suppress(OSError):  # SQLite says better what is wrong
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600))


def _is_full(engine: Engine) -> bool:
    """Whether SQLite's disk has no room: SQLite calls that an I/O error, as if the disk were broken."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or name is None:
        return False
    with suppress(OSError):
        return shutil.disk_usage(Path(name).parent).free < LEAST_FREE
    return False


@contextmanager
def explained(engine: Engine, task: str) -> Iterator[None]:
    """Turn faults of the database into `LedgerError`, without a password.

    Parameters
    ----------
    task
        What is being done, as in "recording alerts".
    """
    place = engine.url.render_as_string(hide_password=True)
    try:
        yield
    except CommandError as error:
        raise LedgerError(
            f"ledger {place}: a newer program made it ({error}); use that program, or name another ledger"
        ) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = " ".join(str(getattr(error, "orig", None) or error).split())
        if _is_full(engine):
            cause += "; no room is left on its disk"
        raise LedgerError(
            f"ledger {place}: {task} failed ({cause}); what was committed before is intact; mend it, and run again"
        ) from error
