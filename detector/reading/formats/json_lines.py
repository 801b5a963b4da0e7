"""JSON lines: one object a line; columns by their path, nested (`user.id`) or flat (`"user.id"`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from detector.reading import sql
from detector.reading.formats.source import BLANK, Field, Format, Rows, Source
from detector.reading.mapping import MAPPABLE
from detector.reading.mapping import Mapping as SourceMapping
from detector.reading.sample import Sample

ESCAPE, SURROGATE, REPLACED = "\\u", r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", "\\\\uFFFD"
"""Half of a pair, which is no character, is written by whoever cuts text in two or means harm: one that reads no text
would hold back the lines around it. It becomes the sign for what cannot be shown (U+FFFD)."""
Value = Callable[[str], str]
"""SQL for the text at a path; null where there is none."""


def objects(sample: Sample) -> list[dict[str, Any]]:
    """The sample's lines that are JSON objects."""
    found = [_parsed(line) for line in sample.bodies]
    return [entry for entry in found if isinstance(entry, dict)]


def are_objects(sample: Sample, *, with_keys: tuple[tuple[str, ...], ...] = ()) -> bool:
    """Whether most lines are JSON objects that have one key, at least, of each group of keys."""
    if sample.is_parquet or not sample.bodies:
        return False
    fitting = [entry for entry in objects(sample) if all(any(has(entry, key) for key in keys) for keys in with_keys)]
    return len(fitting) * 2 > len(sample.bodies)


def has(entry: dict[str, Any], path: str) -> bool:
    """Whether an object has something at a path, nested or flat."""
    if path in entry:
        return True
    top, _, rest = path.partition(".")
    return bool(rest) and isinstance(entry.get(top), dict) and has(entry[top], rest)


def json_rows(
    source: Source,
    *,
    paths: tuple[str, ...] = (),
    derived: Callable[[Value], Mapping[str, str]] = lambda _: {},
    ignored: Callable[[Value], list[tuple[str, str]]] = lambda _: [],
) -> Rows:
    """Return the rows of JSON lines.

    Each line is taken apart once, for all paths: those that the mapping reads, and `paths`, which `derived` (columns
    that the format makes itself) and `ignored` (conditions and kinds) read.
    """
    wanted = tuple(dict.fromkeys((*source.wanted, *paths)))
    pointers = [pointer for path in wanted for pointer in _pointers(path)]

    def value(path: str) -> str:
        first = 2 * wanted.index(path) + 1
        return f"coalesce(_values[{first}], _values[{first + 1}])"

    halved = f"contains(_body, '{ESCAPE}') AND NOT json_valid(_body)"
    mended = f"regexp_replace(_body, {sql.text(SURROGATE)}, {sql.text(REPLACED)}, 'g')"
    whole = sql.within(
        sql.select({"_whole": sql.cases([(halved, mended)], otherwise="_body")}, source.bodies(), keep=True)
    )
    valid = "starts_with(_whole, '{') AND json_valid(_whole)"
    parsed = sql.select({"_valid": f"CASE WHEN {valid} THEN true ELSE false END"}, whole, keep=True)
    extracted = f"json_extract_string(_whole, {sql.texts(pointers)})"
    taken = sql.select({"_values": sql.cases([("_valid", extracted)])}, sql.within(parsed), keep=True)
    columns = {
        "_line": "_line",
        "_text": "_text",
        "_values": "_values",
        "_part": "1",
        "_problem": sql.cases([("_problem IS NOT NULL", "_problem"), ("NOT _valid", "'not a JSON object'")]),
        "_ignored": sql.cases([("_body = ''", sql.text(BLANK)), *ignored(value)], otherwise="NULL::VARCHAR"),
    }
    fields = {path: Field(value(path)) for path in wanted}
    made = {name: Field(expression) for name, expression in derived(value).items()}
    return Rows(sql.select(columns, sql.within(taken)), fields | made, "_text")


def _pointers(path: str) -> tuple[str, str]:
    """JSON pointers (RFC 6901) for a path taken as nested, and as one flat key."""
    escaped = path.replace("~", "~0").replace("/", "~1")
    return "/" + escaped.replace(".", "/"), "/" + escaped


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # not JSON, or nested so deep that nobody means it
        return None


def _default(sample: Sample) -> SourceMapping:
    """Columns that are called as those of events are, unless the mapping names columns."""
    present = [column for column in MAPPABLE if any(column in entry for entry in objects(sample))]
    return SourceMapping.model_validate({"columns": {} if sample.mapping.columns else {c: c for c in present}})


def _rows(source: Source) -> Iterator[Rows]:
    yield json_rows(source)


JSON_LINES = Format("jsonl", "one JSON object a line", are_objects, _default, _rows)
