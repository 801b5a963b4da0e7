"""Rejects: what is shown of a line that could not be read, and when there are too many."""

from __future__ import annotations

from detector.reading import records, sql

LONGEST_TEXT = 500
_TAKEN = 4 * LONGEST_TEXT  # before masking, which shortens: no identifier is cut in two by it
# C0, DEL, C1, line and paragraph separators, and what turns the direction of writing.
_CONTROLS = r"[\x00-\x1f\x7f-\x9f\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}-\x{2069}\x{feff}]"


def shown(line: str) -> str:
    r"""SQL for a line as it may be shown: identifiers masked, control characters as `\x1b`, cut at 500 characters."""
    masked = records.mask(f"left({line}, {_TAKEN})")
    escape = f"CASE WHEN {sql.matches('c', _CONTROLS)} THEN printf('\\x%02x', unicode(c)) ELSE c END"
    escaped = f"array_to_string(list_transform(string_split({masked}, ''), lambda c: {escape}), '')"
    return f"left({sql.cases([(sql.matches(masked, _CONTROLS), escaped)], otherwise=masked)}, {LONGEST_TEXT})"
