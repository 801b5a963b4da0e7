"""sshd in syslog: sign-ins that were accepted, that failed, and unknown users.

`message repeated n times: [ … ]` is n events. `Invalid user` is an event unless the same process goes on to say that a
password for that user failed. Stamps without a year take it from the mapping (the first line's), else from the file's
date (the last line's); where the month falls back by half a year, a new year has begun.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from detector.errors import ConfigError
from detector.reading import sql, syslog
from detector.reading.formats.source import BLANK, Field, Format, Rows, Source
from detector.reading.mapping import Mapping
from detector.reading.sample import Sample

_PROGRAM = r"sshd(?:-session|-auth)?"
_REPEATED = r"^message repeated (\d+) times: \[ ?(.*)\]$"
# Greedy: whoever signs in chooses the name, and may put " from 1.2.3.4 port 22" into it.
_TRIED = r"^(Accepted|Failed) (\S+) for (invalid user )?(.*) from (\S+) port \d+(?: ssh\d?)?(?:: .*)?$"
_UNKNOWN = r"^Invalid user (.*) from (\S+)(?: port \d+)?$"
_MOST_REPEATS = 10_000  # a line of text must not become a billion events
_YEARLESS = r"[A-Z][a-z][a-z] .*"
_NEW_YEAR_MONTHS, _BACK_MONTHS = 6, 11  # back: only a December line among January ones
_COLUMNS = {
    "timestamp": "time",
    "account": "user",
    "ip": "address",
    "action": "action",
    "outcome": "outcome",
    "auth_mode": "method",
    "service": "host",
}


def _recognises(sample: Sample) -> bool:
    found = [syslog.opened(line) for line in sample.lines]
    return sample.is_wrapped and any(parts and parts[2].startswith("sshd") for parts in found)


def _default(_: Sample) -> Mapping:
    return Mapping.model_validate({"columns": _COLUMNS})


def _rows(source: Source) -> Iterator[Rows]:
    parts = sql.select(syslog.envelope("_text"), source.table_of_lines(), keep=True)
    said = sql.select(_said(), sql.within(parts), keep=True)
    tried = sql.select(_tried(), sql.within(said), keep=True)
    timed = sql.select(_order(), sql.within(tried), keep=True)
    dated = sql.select({"_time": _dated(source)}, sql.within(timed), keep=True)
    columns = {
        "_line": "_line",
        "_text": "_text",
        "_part": "unnest(range(1, _times + 1))",
        "_problem": sql.cases([("_problem IS NOT NULL", "_problem"), *_faults()], otherwise="NULL::VARCHAR"),
        "_ignored": sql.cases(_ignored(), otherwise="NULL::VARCHAR"),
        **{f"_{name}": f"_{name}" for name in ("time", "user", "address", "method", "host", "kind")},
    }
    fields = {name: Field(f"_{name}") for name in ("time", "user", "address", "method", "host")}
    fields["action"] = Field("'login'")
    fields["outcome"] = Field(sql.cases([("_kind = 'Accepted'", "'success'")], otherwise="'failure'"))
    yield Rows(sql.select(columns, sql.within(dated)), fields, "_text")


def _said() -> dict[str, str]:
    repeated = sql.matches("_message", _REPEATED)
    count = f"try_cast(regexp_extract(_message, {sql.text(_REPEATED)}, 1) AS BIGINT)"
    return {
        "_said": sql.cases([(repeated, f"regexp_extract(_message, {sql.text(_REPEATED)}, 2)")], otherwise="_message"),
        "_told": sql.cases([(repeated, f"coalesce({count}, {_MOST_REPEATS + 1})")], otherwise="1"),
    }


def _tried() -> dict[str, str]:
    tried, unknown = sql.matches("_said", _TRIED), sql.matches("_said", _UNKNOWN)
    is_sshd = sql.matches_whole("_program", _PROGRAM)
    kind = sql.cases([(f"NOT {is_sshd}", "NULL"), (tried, _group(_TRIED, 1)), (unknown, "'Invalid'")])
    user = sql.cases([(tried, _group(_TRIED, 4)), (unknown, _group(_UNKNOWN, 1))])
    return {
        "_kind": kind,
        "_user": f"trim({user})",
        "_address": sql.cases([(tried, _group(_TRIED, 5)), (unknown, _group(_UNKNOWN, 2))]),
        "_method": sql.cases([(tried, _group(_TRIED, 2))], otherwise="NULL::VARCHAR"),
        "_times": f"CASE WHEN _told BETWEEN 1 AND {_MOST_REPEATS} AND {kind} IS NOT NULL THEN _told ELSE 1 END",
    }


def _group(pattern: str, group: int) -> str:
    return f"regexp_extract(_said, {sql.text(pattern)}, {group})"


def _order() -> dict[str, str]:
    """What needs the lines' order: whether an unknown user's password failed next, and where a new year begins."""
    month = "month(try_strptime('2000 ' || _stamp, '%Y %b %d %H:%M:%S'))"
    before = f"lag({month} IGNORE NULLS) OVER (ORDER BY _line)"
    return {
        "_next": "lead(_kind) OVER (PARTITION BY _host, _process, _user, _kind IS NULL ORDER BY _line)",
        "_turn": sql.cases(
            [(f"{before} - {month} >= {_NEW_YEAR_MONTHS}", "1"), (f"{month} - {before} >= {_BACK_MONTHS}", "-1")],
            otherwise="0",
        ),
    }


def _dated(source: Source) -> str:
    turns = "sum(_turn) OVER (ORDER BY _line)"
    first = source.mapping.time.year
    year = f"{first} + {turns}" if first else f"{_year_of(source)} + {turns} - sum(_turn) OVER ()"
    full = (
        f"strftime(try_strptime(({year})::INTEGER::VARCHAR || ' ' || _stamp, '%Y %b %d %H:%M:%S'), '%Y-%m-%dT%H:%M:%S')"
    )
    return sql.cases([(sql.matches_whole("_stamp", _YEARLESS), full)], otherwise="_stamp")


def _year_of(source: Source) -> int:
    if not any((parts := syslog.opened(line)) and parts[0][0].isalpha() for line in source.sample.lines):
        return datetime.now(UTC).year  # no line needs it
    if source.opened.dump.is_stream:
        raise ConfigError(f"{source.opened.path}: its times have no year; say it in the mapping: [time] year")
    year = datetime.fromtimestamp(Path(source.opened.path).stat().st_mtime, UTC).year
    source.notes.append(
        f"its times have no year; {year}, the file's own, was taken; say it in the mapping: [time] year"
    )
    return year


def _faults() -> list[tuple[str, str]]:
    return [
        ("trim(_text) = ''", "NULL"),
        ("_message IS NULL", "'not a line of syslog'"),
        ("_told < 1", "'repeated 0 times'"),
        (f"_told > {_MOST_REPEATS}", f"'repeated more than {_MOST_REPEATS} times'"),
    ]


def _ignored() -> list[tuple[str, str]]:
    return [
        ("trim(_text) = ''", sql.text(BLANK)),
        ("_message IS NULL", "NULL"),
        (f"NOT {sql.matches_whole('_program', _PROGRAM)}", "'other programs'"),
        ("_kind IS NULL", "'no sign-in'"),
        ("_kind = 'Invalid' AND _next = 'Failed'", "'invalid user, told again by the failed password'"),
    ]


SSHD = Format("sshd", "sshd in syslog", _recognises, _default, _rows)
