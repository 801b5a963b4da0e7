"""Syslog envelopes (RFC 5424, RFC 3164, and what rsyslog writes to files): stamp, host, program, message."""

from __future__ import annotations

import re

from detector.reading import sql

_PRIORITY = r"(?:<\d{1,3}>)?"
_TAG = r"([^\s\[:]+)(?:\[(\d+)\])?: ?"
_DATA = (
    r"(?:-|(?:\[(?:[^\]\"\\]|\\.|\"(?:[^\"\\]|\\.)*\")*\])+)"  # RFC 5424, section 6.3: quoted values may hold brackets
)
ENVELOPES = (
    rf"^<\d{{1,3}}>1 (\S+) (\S+) (\S+) (\S+) \S+ {_DATA} ?\x{{feff}}?(.*)$",
    rf"^{_PRIORITY}([A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d) (\S+) {_TAG}(.*)$",
    rf"^{_PRIORITY}(\d{{4}}-\d\d-\d\dT\S+) (\S+) {_TAG}(.*)$",
)
"""Each finds stamp, host, program, process and message."""
PARTS = ("stamp", "host", "program", "process", "message")
_PYTHON = tuple(re.compile(pattern.replace(r"\x{feff}", "\ufeff")) for pattern in ENVELOPES)


def opened(line: str) -> tuple[str, ...] | None:
    """A line's envelope, in the order of `PARTS`; null if it has none."""
    found = next((match for pattern in _PYTHON if (match := pattern.match(line))), None)
    return tuple(part or "" for part in found.groups()) if found else None


def message(line: str) -> str:
    """SQL for the message of a line; the line itself where it has no envelope."""
    return sql.cases(
        [(sql.matches(line, pattern), _part(line, pattern, "message")) for pattern in ENVELOPES], otherwise=line
    )


def envelope(line: str) -> dict[str, str]:
    """SQL for `_stamp`, `_host`, `_program`, `_process` and `_message`; null where a line has no envelope."""
    return {
        f"_{part}": sql.cases(
            [(sql.matches(line, pattern), _part(line, pattern, part)) for pattern in ENVELOPES],
            otherwise="NULL::VARCHAR",
        )
        for part in PARTS
    }


def _part(line: str, pattern: str, part: str) -> str:
    return f"regexp_extract({line}, {sql.text(pattern)}, {PARTS.index(part) + 1})"
