"""Lines of a dump as blocks of Arrow text: numbered, decoded, never all in memory, and never one by one in Python."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detector.errors import ReadError
from detector.reading.dumps import BLOCK_BYTES, Opened, decompressed

LONGEST_LINE_BYTES = 1 << 20  # a line of a log has some hundred; a megabyte is a missing line feed
_KEPT_OF_BAD_LINE = 4096
_FALLBACK = "cp1252"  # what Windows and older programs in western Europe wrote
SCHEMA = pa.schema([("_line", pa.int64()), ("_text", pa.string()), ("_problem", pa.string())])
"""One row per line: its number from 1, its text without the line's end, and why it cannot be read (null: it can)."""


class Cutter(NamedTuple):
    """What a format makes of the blocks of lines before SQL sees them, and the schema that it gives them."""

    schema: pa.Schema
    cut: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class Lines:
    """The lines of a dump, in one pass; what was counted on the way is there once the pass is over.

    Attributes
    ----------
    count
        Lines that passed.
    not_utf8
        Of these, read as Windows-1252 since they are not UTF-8.
    failure
        Why the pass broke off, if it did.
    """

    def __init__(self, opened: Opened, encoding: str) -> None:
        self._opened, self._encoding = opened, encoding
        self.tally = opened.tally()
        # Kept until the end: when it goes, it closes the tally, which may have bytes left to pass.
        self._stream = decompressed(pa.PythonFile(self.tally, mode="r"), opened.compression)
        self.count = 0
        self.not_utf8 = 0
        self.failure: ReadError | None = None

    def reader(self, cutter: Cutter | None = None) -> pa.RecordBatchReader:
        """The blocks, cut further if wanted, for DuckDB to pull; they can be pulled once."""
        if cutter is None:
            return pa.RecordBatchReader.from_batches(SCHEMA, self._batches())
        return pa.RecordBatchReader.from_batches(cutter.schema, cutter.cut(self._batches()))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for block in _whole_lines(self._utf8()):
                yield self._batch(block)
            self.tally.drain()
        except (OSError, UnicodeError) as error:
            self.failure = ReadError(f"{self._opened.path}: cut short or damaged after line {self.count} ({error})")
            raise

    def _utf8(self) -> Iterator[bytes]:
        """Blocks in which every byte 10 ends a line: UTF-16 is decoded here, other encodings line by line, later."""
        decoder = (
            codecs.getincrementaldecoder(self._encoding)("replace") if self._encoding.startswith("utf-16") else None
        )
        first = True
        while block := self._stream.read(BLOCK_BYTES):
            if decoder:
                block = decoder.decode(block).encode()
            yield block.removeprefix(codecs.BOM_UTF8) if first else block
            first = False

    def _batch(self, block: bytes) -> pa.RecordBatch:
        lines = pc.list_flatten(pc.split_pattern(pa.array([block], pa.large_binary()), pattern=b"\n")).cast(pa.binary())
        numbers = pa.array(np.arange(self.count + 1, self.count + 1 + len(lines)))
        self.count += len(lines)
        problems = pa.nulls(len(lines), pa.string())
        if b"\0" in block or pc.max(pc.binary_length(lines)).as_py() > LONGEST_LINE_BYTES:
            problems = _problems(lines)
            lines = pc.if_else(pc.is_valid(problems), pc.binary_slice(lines, 0, _KEPT_OF_BAD_LINE), lines)
        return pa.record_batch([numbers, pc.utf8_rtrim(self._decode(lines), "\r"), problems], schema=SCHEMA)

    def _decode(self, lines: pa.Array) -> pa.Array:
        try:
            return lines.cast(pa.string())
        except pa.ArrowInvalid:
            foreign = pa.array(_not_ascii(lines))
            decoded = [_text_of(line) for line in lines.filter(foreign).to_pylist()]
            self.not_utf8 += sum(not utf8 for _, utf8 in decoded)
            ascii_lines = pc.if_else(foreign, b"", lines).cast(pa.string())
            return pc.replace_with_mask(ascii_lines, foreign, pa.array([text for text, _ in decoded], pa.string()))


def _whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks, cut anew after their last line feeds; a line without end is dropped beyond what makes it too long."""
    rest = b""
    for block in blocks:
        cut = block.rfind(b"\n")
        if cut < 0:
            rest = (rest + block)[: LONGEST_LINE_BYTES + 1]
            continue
        yield rest + block[:cut]
        rest = block[cut + 1 :]
    if rest:
        yield rest


def _problems(lines: pa.Array) -> pa.Array:
    too_long = pc.greater(pc.binary_length(lines), LONGEST_LINE_BYTES)
    nul = pc.match_substring(lines, b"\0")
    kinds = pc.make_struct(too_long, nul, field_names=["long", "nul"])
    return pc.case_when(kinds, f"line longer than {LONGEST_LINE_BYTES} bytes", "line holds a NUL byte")


def _not_ascii(lines: pa.Array) -> npt.NDArray[np.bool_]:
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    high = np.flatnonzero(np.frombuffer(lines.buffers()[2], np.uint8) >= 0x80)
    before = np.searchsorted(high, offsets)
    return before[1:] > before[:-1]


def _text_of(line: bytes) -> tuple[str, bool]:
    try:
        return line.decode(), True
    except UnicodeDecodeError:
        return line.decode(_FALLBACK, errors="replace"), False
