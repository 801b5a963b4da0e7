"""The key that turns identifiers into tokens: where it comes from, and what may be told about it."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from detector.errors import ConfigError

KEY_BYTES = 32  # 256 bits: guessing must stay harder than trying all 4 × 10^10 identifiers
KEY_VARIABLE = "DETECTOR_KEY"
KEY_FILE_VARIABLE = "DETECTOR_KEY_FILE"
_PRIVATE = 0o600
_OTHERS = 0o077
_ID_DIGITS = 12  # enough to tell a person's few keys apart


class LoadedKey(NamedTuple):
    """A key, and what the user must be told about it (null: nothing)."""

    key: bytes
    notice: str | None = None


def key_id(key: bytes) -> str:
    """A short name of a key, which may be written anywhere: it tells two keys apart and gives neither away."""
    return hashlib.sha256(b"detector key id\x00" + key).hexdigest()[:_ID_DIGITS]


def load_key(key_file: Path | None, *, env: Mapping[str, str], history_dir: Path | None) -> LoadedKey:
    """Return the key from a file, else from the environment, else beside the history, where one is made if need be.

    Parameters
    ----------
    key_file
        A file of 32 bytes, or of 64 hexadecimal digits.
    env
        The environment: `DETECTOR_KEY_FILE` (a path) or `DETECTOR_KEY` (64 hexadecimal digits).
    history_dir
        The history folder. Its key stands beside it (`DIR.key`), not in it: a copy of the history holds no key.
        Without a history the key is made for this run only.

    Raises
    ------
    ConfigError
        If a key that was named is absent, unreadable or of another length.
    """
    if key_file is not None:
        return _from_file(key_file, origin="--key-file")
    if env.get(KEY_FILE_VARIABLE):
        return _from_file(Path(env[KEY_FILE_VARIABLE]), origin=KEY_FILE_VARIABLE)
    if env.get(KEY_VARIABLE):
        return LoadedKey(_parse(env[KEY_VARIABLE].encode(), origin=KEY_VARIABLE))
    if history_dir is None:
        notice = "no key was given: one was made for this run; tokens of other runs cannot be compared with its own"
        return LoadedKey(secrets.token_bytes(KEY_BYTES), notice)
    return _beside(history_dir)


def find_key(key_file: Path | None, *, env: Mapping[str, str], history_dir: Path | None) -> bytes | None:
    """Return the key that `load_key` would, and None where it would make one.

    Raises
    ------
    ConfigError
        If a key that was named, or the one beside the history, is absent, unreadable or of another length.
    """
    named = key_file is not None or any(env.get(name) for name in (KEY_FILE_VARIABLE, KEY_VARIABLE))
    if not named and (history_dir is None or not key_path(history_dir).exists()):
        return None
    return load_key(key_file, env=env, history_dir=history_dir).key


def key_path(history_dir: Path) -> Path:
    """Where the key beside a history stands."""
    return history_dir.with_name(history_dir.resolve().name + ".key")


def _from_file(path: Path, *, origin: str) -> LoadedKey:
    try:
        content = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{origin} {path}: cannot be read ({error.strerror}); expected a file of 32 bytes") from error
    notice = f"{path}: others may read this key; `chmod 600` it" if mode & _OTHERS else None
    return LoadedKey(_parse(content, origin=f"{origin} {path}"), notice)


def _parse(content: bytes, *, origin: str) -> bytes:
    if len(content) == KEY_BYTES:
        return content
    try:
        key = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{origin}: found {len(content)} bytes, expected a key of {KEY_BYTES} bytes or {2 * KEY_BYTES} hexadecimal "
            f"digits; make one with `head -c {KEY_BYTES} /dev/urandom > FILE`"
        )
    return key


def _beside(history_dir: Path) -> LoadedKey:
    path = key_path(history_dir)
    if path.exists():
        return _from_file(path, origin="the history's key")
    path.parent.mkdir(parents=True, exist_ok=True)
    made = secrets.token_bytes(KEY_BYTES)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except FileExistsError:  # another run made it since
        return _from_file(path, origin="the history's key")
    with os.fdopen(handle, "w") as file:
        file.write(made.hex() + "\n")
    return LoadedKey(
        made,
        f"a key was made: {path}; keep a copy elsewhere, since without it the tokens of all records change, and away "
        "from the history's backup, since who holds both can find out whose records were looked up",
    )
