"""SQL made of parts: every name and value that a mapping or a file supplies is quoted here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

NULL = "NULL"


def name(identifier: str) -> str:
    """An identifier, quoted."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text literal (DuckDB knows no backslash escape in one)."""
    return "'" + value.replace("'", "''") + "'"


def texts(values: Iterable[str]) -> str:
    """A list literal of texts."""
    return "[" + ", ".join(text(value) for value in values) + "]::VARCHAR[]"


def select(columns: Mapping[str, str], source: str, *, keep: bool = False, where: str = "") -> str:
    """A query that computes `columns` (name: expression) from `source`, beside all of its own columns if `keep`."""
    wanted = (["*"] if keep else []) + [f"{expression} AS {name(column)}" for column, expression in columns.items()]
    condition = f" WHERE {where}" if where else ""
    return f"SELECT {', '.join(wanted)} FROM {source}{condition}"  # noqa: S608 - names and literals come quoted from here


def within(query: str) -> str:
    """A query as the source of another."""
    return f"({query})"


def cases(branches: Iterable[tuple[str, str]], *, otherwise: str = NULL) -> str:
    """The value of the first condition that holds."""
    listed = " ".join(f"WHEN {condition} THEN {value}" for condition, value in branches)
    return f"(CASE {listed} ELSE {otherwise} END)" if listed else otherwise


def first_of(expressions: Iterable[str]) -> str:
    """The first expression that is not null."""
    listed = list(expressions)
    return f"coalesce({', '.join(listed)})" if len(listed) > 1 else (listed or [NULL])[0]


def matches(expression: str, pattern: str) -> str:
    """Whether a pattern (RE2) is found in a text; null for null."""
    return f"regexp_matches({expression}, {text(pattern)})"


def matches_whole(expression: str, pattern: str) -> str:
    """Whether a text is wholly what a pattern (RE2) says; null for null."""
    return f"regexp_full_match({expression}, {text(pattern)})"


def replace_all(expression: str, pattern: str, replacement: str) -> str:
    """A text with each match of a pattern (RE2) replaced."""
    return f"regexp_replace({expression}, {text(pattern)}, {text(replacement)}, 'g')"
