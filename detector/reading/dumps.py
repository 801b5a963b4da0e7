"""Dumps: which files an input means, and their bytes, hashed and counted on the way."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from detector.errors import ConfigError, ReadError
from detector.reading.mapping import STDIN, Input

HEAD_BYTES = 1 << 18  # what formats are recognised by
BLOCK_BYTES = 1 << 23
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_FOREIGN_MAGIC = {b"PK\x03\x04": "a zip archive", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x04\x22\x4d\x18": "lz4"}


@dataclass(frozen=True)
class Dump:
    """One file of an input: the path as the user knows it, and the place of the input among the inputs."""

    path: str
    input: Input
    position: int

    @property
    def is_stream(self) -> bool:
        """Whether this can be read only once: the standard input, or a pipe."""
        return self.path == STDIN or not Path(self.path).is_file()


class Tally(io.RawIOBase):
    """Bytes on their way: passes them on, and keeps their SHA-256, their number and, if wanted, what lines need."""

    def __init__(self, raw: BinaryIO, head: bytes = b"", *, count_lines: bool = False) -> None:
        self._raw, self._head, self._count_lines = raw, head, count_lines
        self._digest = hashlib.sha256()
        self.size = 0
        self.line_feeds = 0
        self.holds_nul = False
        self.last = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes."""
        if self._head:
            block, self._head = self._head, b""
        else:
            block = self._raw.read(size if size >= 0 else BLOCK_BYTES)
        self._digest.update(block)
        self.size += len(block)
        if self._count_lines:
            self.line_feeds += block.count(b"\n")
            self.holds_nul = self.holds_nul or b"\0" in block
        self.last = block[-1:] or self.last
        return block

    def drain(self) -> None:
        """Pass by whatever has not been read."""
        while self.read(BLOCK_BYTES):
            pass

    @property
    def sha256(self) -> str:
        """Of all that passed, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def lines(self) -> int:
        """Lines that passed; a last one need not end with a line feed."""
        return self.line_feeds + (self.last not in (b"", b"\n"))

    def close(self) -> None:
        """Close the file, but never the standard input."""
        if self._raw is not sys.stdin.buffer:
            self._raw.close()
        super().close()


class Opened:
    """A dump being read: its first bytes, its compression, and its whole as often as a file allows."""

    def __init__(self, dump: Dump) -> None:
        self.dump = dump
        self._stream = _stream(dump) if dump.is_stream else None
        self.head = self._stream.read(HEAD_BYTES) if self._stream else _head(dump.path)
        self.compression = _compression(self.head, dump.path)

    @property
    def path(self) -> str:
        """The path as given."""
        return self.dump.path

    def tally(self, *, count_lines: bool = False) -> Tally:
        """The bytes as they lie on the disk."""
        if self._stream:
            return Tally(self._stream, self.head, count_lines=count_lines)
        return Tally(Path(self.path).open("rb", buffering=0), count_lines=count_lines)

    def is_small(self, most_bytes: int) -> bool:
        """Whether the file is known to have so many bytes at most."""
        if len(self.head) < HEAD_BYTES:
            return True
        return not self._stream and Path(self.path).stat().st_size <= most_bytes

    def head_bytes(self) -> bytes:
        """The first bytes, decompressed."""
        if self.compression is None:
            return self.head
        stream = decompressed(pa.BufferReader(self.head), self.compression)
        parts: list[bytes] = []
        try:
            while sum(map(len, parts)) < HEAD_BYTES and (part := stream.read(1 << 14)):
                parts.append(part)
        except OSError:  # the head ends within a compressed block
            pass
        return b"".join(parts)


def decompressed(stream: pa.NativeFile, compression: str | None) -> pa.NativeFile:
    """A stream without its compression; reading it fails with OSError where the file is cut short or damaged."""
    return pa.CompressedInputStream(stream, compression) if compression else stream


def pass_through(opened: Opened, *, count_lines: bool) -> tuple[Tally, Tally]:
    """Let a whole file pass by: the tally of its content, decompressed if counted, and of the file as it lies.

    Raises
    ------
    ReadError
        If it is cut short or damaged.
    """
    if count_lines and opened.compression:
        return _unpacked(opened, count_lines=True)
    with opened.tally(count_lines=count_lines) as tally:
        tally.drain()
        return tally, tally


def _unpacked(opened: Opened, *, count_lines: bool) -> tuple[Tally, Tally]:
    """Let a whole file pass by: the tally of its content, decompressed, and of the file as it lies."""
    with opened.tally() as tally:
        content = Tally(decompressed(pa.PythonFile(tally, mode="r"), opened.compression), count_lines=count_lines)
        try:
            content.drain()
        except OSError as error:
            raise ReadError(f"{opened.path}: cut short or damaged ({error})") from error
        tally.drain()
        return content, tally


def is_compressed(dump: Dump) -> bool:
    """Whether a file is compressed; false for what can be read only once."""
    return not dump.is_stream and _compression(_head(dump.path), dump.path) is not None


def content_sha256(dump: Dump) -> str:
    """SHA-256 of a file's content, decompressed, in hexadecimal.

    Raises
    ------
    ReadError
        If it is cut short or damaged.
    """
    opened = Opened(dump)
    content, _ = _unpacked(opened, count_lines=False)
    return content.sha256


def expand(inputs: Iterable[Input]) -> list[Dump]:
    """Files that the inputs mean, each once, in the order of the inputs and sorted within each.

    Raises
    ------
    ReadError
        If an input means no file, or one whose name is not UTF-8.
    ConfigError
        If two inputs mean the same file and do not agree on its mapping or format.
    """
    found: dict[str, Dump] = {}
    for position, source in enumerate(inputs):
        paths = list(_paths(source.path))
        if not paths:
            raise ReadError(
                f"{source.path}: no such file; expected a file, a folder with files, a glob, or - for standard input"
            )
        for path in paths:
            _refuse_undecodable(path)
            name = path if path == STDIN else str(Path(path).resolve())
            known = found.setdefault(name, Dump(path, source, position)).input
            if (known.mapping, known.format) != (source.mapping, source.format):
                raise ConfigError(f"{path}: two inputs mean this file, each with a mapping of its own; leave one out")
    return list(found.values())


def _refuse_undecodable(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ReadError(f"{path!a}: its name is not UTF-8, so no result could name it; rename it") from None


def is_present(source: Input) -> bool:
    """Whether an input means any file at the moment; one whose first file has not come yet does not."""
    return any(True for _ in _paths(source.path))


def _paths(path: str) -> Iterator[str]:
    if path == STDIN or Path(path).is_file():
        yield path
    elif Path(path).is_dir():
        yield from (str(file) for file in sorted(Path(path).rglob("*")) if file.is_file() and not _hidden(file, path))
    elif has_magic(path):
        yield from (file for file in sorted(glob(path, recursive=True)) if Path(file).is_file())  # noqa: PTH207 - keeps the path as given
    elif Path(path).exists():  # a named pipe
        yield path


def _hidden(file: Path, folder: str) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _stream(dump: Dump) -> BinaryIO:
    return sys.stdin.buffer if dump.path == STDIN else Path(dump.path).open("rb")


def _head(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from error


def _compression(head: bytes, path: str) -> str | None:
    for magic, kind in _FOREIGN_MAGIC.items():
        if head.startswith(magic):
            raise ReadError(f"{path}: found {kind}, expected plain text, gzip, zstd or Parquet; unpack it first")
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
