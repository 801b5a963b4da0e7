"""Folders that appear whole or not at all, whatever interrupts their making."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from detector.errors import ConfigError


@contextmanager
def whole_folder(path: Path, *, mark: str) -> Iterator[Path]:
    """Give a folder to write to; when the block ends well, it takes the place of `path`.

    Parameters
    ----------
    path
        The folder to make. If it is there, it must be empty or hold `mark`, and is replaced as a whole.
    mark
        A file by which a folder that an earlier run made is known.

    Raises
    ------
    ConfigError
        If something else stands there, or the folder cannot be written; nothing is changed then.
    """
    _refuse_strangers(path, mark=mark)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); name another folder") from error
    with beside as place:
        made, replaced = Path(place) / "new", Path(place) / "old"
        made.mkdir()
        yield made
        if path.exists():
            path.rename(replaced)
        made.rename(path)
        shutil.rmtree(replaced, ignore_errors=True)


def _refuse_strangers(path: Path, *, mark: str) -> None:
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path}: there is a file of that name; expected a folder, or nothing")
    if path.is_dir() and any(path.iterdir()) and not (path / mark).is_file():
        raise ConfigError(f"{path}: found other things, and no {mark} of an earlier run; name another folder (--out)")
