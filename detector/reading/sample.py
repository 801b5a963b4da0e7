"""The first lines of a dump: what its encoding and its format are recognised by."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cached_property

from detector.errors import ReadError
from detector.reading import syslog
from detector.reading.dumps import HEAD_BYTES, Opened
from detector.reading.mapping import Mapping

_LINES = 1000
_MOST = 0.5
_BINARY_SHARE = 0.02  # control characters among the first bytes; text has tabs and line ends only
_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Sample:
    """The start of a dump: its text encoding, its first lines that are not blank, and the user's mapping for it."""

    path: str
    head: bytes
    encoding: str
    mapping: Mapping

    @cached_property
    def lines(self) -> list[str]:
        """The first lines that are not blank; one that the sample cuts is left out if others are there."""
        found = self.head.decode(self.encoding, errors="replace").removeprefix("\ufeff").split("\n")
        if len(self.head) >= HEAD_BYTES and len(found) > 1:
            found.pop()
        return [line.rstrip("\r") for line in found if line.strip()][:_LINES]

    @cached_property
    def is_wrapped(self) -> bool:
        """Whether the lines stand in syslog envelopes."""
        return self.share([syslog.opened(line) is not None for line in self.lines]) > _MOST

    @cached_property
    def bodies(self) -> list[str]:
        """The lines without their syslog envelopes."""
        if not self.is_wrapped:
            return self.lines
        return [found[-1].strip() if (found := syslog.opened(line)) else line for line in self.lines]

    @property
    def is_parquet(self) -> bool:
        """Whether the file says that it is Parquet."""
        return self.head.startswith(_PARQUET)

    @staticmethod
    def share(recognised: list[bool]) -> float:
        """The share of lines that were recognised; 0 for no line."""
        return sum(recognised) / len(recognised) if recognised else 0.0

    def mostly(self, recognised: list[bool]) -> bool:
        """Whether more than half of the lines were recognised."""
        return self.share(recognised) > _MOST


def take_sample(opened: Opened) -> Sample:
    """Look at the start of a dump.

    Raises
    ------
    ReadError
        If it is binary, and not Parquet, or its lines end with carriage returns alone.
    """
    head = opened.head_bytes()
    sample = Sample(opened.path, head, _encoding(head), opened.dump.input.mapping)
    if not sample.is_parquet:
        _refuse_binary(sample)
        _refuse_one_line(sample)
    return sample


def _encoding(head: bytes) -> str:
    if head.startswith(_UTF16_BOMS):
        return "utf-16"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and max(even, odd) > len(head) / 8:  # every other byte of western text in UTF-16 is zero
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # incremental: the sample may cut a character
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _refuse_binary(sample: Sample) -> None:
    text = sample.head[:4096] if not sample.encoding.startswith("utf-16") else "\n".join(sample.lines)[:4096].encode()
    controls = sum(byte < 32 and byte not in b"\t\n\r\x1b" for byte in text)
    if text and controls > _BINARY_SHARE * len(text):
        raise ReadError(
            f"{sample.path}: binary ({controls} control characters in its first {len(text)} bytes); expected CSV, JSON "
            "lines, a log of lines or Parquet, plain or compressed with gzip or zstd"
        )


def _refuse_one_line(sample: Sample) -> None:
    if len(sample.lines) == 1 and "\r" in sample.lines[0].strip():
        raise ReadError(
            f"{sample.path}: its lines end with carriage returns alone; expected line feeds; convert it first, "
            "for instance with tr '\\r' '\\n'"
        )
