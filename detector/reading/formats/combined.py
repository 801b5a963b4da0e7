r"""Access logs of nginx and Apache: common and combined, with a virtual host before, or further fields after.

`1.2.3.4 - alice [17/May/2015:10:05:03 +0000] "GET /a?b HTTP/1.1" 200 203 "referer" "agent" "extra" …`; within quotes,
nginx writes `\x22` and Apache `\"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from detector.reading import sql
from detector.reading.formats.source import BLANK, Field, Format, Rows, Source
from detector.reading.mapping import Mapping
from detector.reading.sample import Sample

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_STAMP = r"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"
_LINE = rf"^(?:(\S+) )?(\S+) (\S+) (\S+) {_STAMP} {_QUOTED} (\d{{3}}|-) (\d+|-)(?: {_QUOTED} {_QUOTED}(.*))?$"
_PARTS = ("vhost", "remote", "ident", "user", "time", "request", "status", "bytes", "referer", "user_agent", "rest")
_REQUEST = (
    r"^([A-Z][A-Z_-]*) (\S.*?)(?: HTTP/[\d.]+)?$"  # a target may hold spaces: some servers answer it all the same
)
_EXTRA = rf"{_QUOTED}|\S+"
_EXTRAS = 9
_COLUMNS = {
    "timestamp": "time",
    "account": "user",
    "ip": "remote",
    "outcome": "status",
    "user_agent": "user_agent",
    "method": "method",
    "path": "target",
    "forwarded_for": "extra_1",
}


def _recognises(sample: Sample) -> bool:
    pattern = re.compile(_LINE)
    return sample.mostly([bool(pattern.match(line)) for line in sample.bodies])


def _default(sample: Sample) -> Mapping:
    """Without `[[requests]]`, each request is a look-up of its path."""
    if sample.mapping.requests:
        return Mapping.model_validate({"columns": _COLUMNS})
    return Mapping.model_validate({"columns": _COLUMNS | {"record": "path"}, "constants": {"action": "lookup"}})


def _rows(source: Source) -> Iterator[Rows]:
    names = ", ".join(map(sql.text, _PARTS))
    parts = f"regexp_extract(_body, {sql.text(_LINE)}, [{names}])"
    fits = sql.matches("_body", _LINE)
    taken = sql.select({"_parts": sql.cases([(fits, parts)])}, source.bodies(), keep=True)
    columns = {
        "_line": "_line",
        "_text": "_text",
        "_part": "1",
        "_problem": sql.cases(
            [("_problem IS NOT NULL", "_problem"), ("_parts IS NULL", "'not a line of an access log'")],
            otherwise="NULL::VARCHAR",
        ),
        "_ignored": sql.cases(
            [("_body = ''", sql.text(BLANK)), (f"NOT {sql.matches('_parts.request', _REQUEST)}", "'no HTTP request'")],
            otherwise="NULL::VARCHAR",
        ),
        **{f"_{part}": f"_parts.{part}" for part in _PARTS},
    }
    yield Rows(sql.select(columns, sql.within(taken)), _fields(), "_text")


def _fields() -> dict[str, Field]:
    """Source columns: the parts of a line; `-` is null."""
    # A user's name with a space looks like a virtual host before the address.
    shifted = "_remote = '-'"
    target = f"regexp_extract(_request, {sql.text(_REQUEST)}, 2)"
    found = {
        "vhost": sql.cases([(shifted, "NULL")], otherwise="_vhost"),
        "remote": sql.cases([(shifted, "_vhost")], otherwise="_remote"),
        "ident": sql.cases([(shifted, "'-'")], otherwise="_ident"),
        "user": sql.cases([(shifted, "_ident || ' ' || _user")], otherwise="_user"),
        "time": "_time",
        "method": f"regexp_extract(_request, {sql.text(_REQUEST)}, 1)",
        "target": target,
        "path": f"split_part({target}, '?', 1)",
        "query": f"split_part({target}, '?', 2)",
        "status": "_status",
        "bytes": "_bytes",
        "referer": _unescaped("_referer"),
        "user_agent": _unescaped("_user_agent"),
    }
    extras = f"regexp_extract_all(_rest, {sql.text(_EXTRA)})"
    found |= {f"extra_{place}": _unescaped(f"trim({extras}[{place}], '\"')") for place in range(1, _EXTRAS + 1)}
    return {name: Field(f"nullif({expression}, '-')") for name, expression in found.items()}


def _unescaped(value: str) -> str:
    r"""A quoted text with `\x22`, `\"` and `\\` undone."""
    undone = f"replace(replace(replace({value}, '\\x22', '\"'), '\\\"', '\"'), '\\\\', '\\')"
    return sql.cases([(f"contains({value}, '\\')", undone)], otherwise=value)


COMBINED = Format(
    "combined",
    "an access log of nginx or Apache",
    _recognises,
    _default,
    _rows,
    skips_anonymous=True,
)
