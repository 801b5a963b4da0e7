"""Identifiers of records: their facts, their tokens, and how they are kept out of every other text.

A social-security number (NIR) is 13 digits, 15 with its key, often written in groups. Its forms, and those of
provisional numbers, are the ones of the CNAM's public `nir-validation`: months 20 to 99 are legal, Corsica writes 2A
and 2B. All of it is DuckDB SQL over whole columns; `token` is the same in Python, for whoever joins tokens to
identifiers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from detector.reading import sql

TOKEN_DIGITS = 32  # 128 bits: no two of 10^9 records share a token, and a token is half as long
RECORD_DOMAIN = "nir"
MASK = "[masked]"
_HMAC_BLOCK = 64  # RFC 2104 with SHA-256
_INNER, _OUTER = "detector_hmac_inner", "detector_hmac_outer"
_NIR_DIGITS, _KEY_MODULUS = 13, 97

# Numbers of life (NIR, NIA), then provisional ones (NNP 7 and 8, migrants 5 and 6); the key may be left out.
_LASTING = r"[12]\d\d(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d\d|2[AB])\d{6}"
_PROVISIONAL = r"[5-8][012]\d{11}"
_IDENTIFIER = rf"(?:{_LASTING}|{_PROVISIONAL})(?:\d\d)?"
IDENTIFIER = rf"^{_IDENTIFIER}$"
"""A whole identifier in capitals, without what `SEPARATORS` matches; for engines with Java's expressions, too."""
_FIRST_PROVISIONAL = "5"  # an identifier below it is one of life: 1 or 2, the sex

# The same inside a longer text, with what people and URLs put between the groups. A digit next to it would make it
# another number; RE2 has no look-around, so the neighbours are matched too and put back.
_GAP = r"(?:[ .\-_+/\x{a0}]|%20)?"
_GROUPS = rf"[1-8]{_GAP}\d\d{_GAP}\d\d{_GAP}(?:\d\d|2[ABab]){_GAP}\d\d\d{_GAP}\d\d\d(?:{_GAP}\d\d)?"
_EMBEDDED = rf"(^|[^0-9]){_GROUPS}($|[^0-9])"
SEPARATORS = r"\.0$|[\s.\-_\x{a0}]"
_LONG_NUMBER = r"[0-9]{13,}"
_PYTHON_FORM = re.compile(rf"(?<![0-9])(?:{_GROUPS})(?![0-9])|{_LONG_NUMBER}".replace(r"\x{a0}", "\xa0"))
_SHORTEST = 13
_BARE = "[0-9A-Z]*"  # what nearly all identifiers are: told in half the time that taking gaps out takes
_LONGEST_WRITTEN = 30  # 15 digits with gaps; tokens of 32 are spared the search
# Digests and UUIDs: in 1 of 50 of them some 13 decimal digits stand in a row, between letters.
_SCIENTIFIC = r"\d\.\d+[eE]\+?\d+"  # what a spreadsheet makes of a long number: its digits are not the number's
_SHORTEST_OPAQUE, _OPAQUE = 32, "[0-9-]*[a-fA-F][0-9a-fA-F-]*"
_DIGEST = "[0-9a-f]*"  # what nearly all tokens are: told in a third of the time; so many digits alone are no identifier


def token(value: str, *, key: bytes, domain: str = RECORD_DOMAIN) -> str:
    """Return the token of an identifier: HMAC-SHA-256 of `domain:identifier`, cut to 128 bits, in hexadecimal.

    For a NIR, pass its 13 digits without gaps or key, letters in capitals (`184122A451089`).
    """
    return hmac.new(key, f"{domain}:{value}".encode(), hashlib.sha256).hexdigest()[:TOKEN_DIGITS]


@contextmanager
def keyed(con: duckdb.DuckDBPyConnection, key: bytes) -> Iterator[None]:
    """Let the SQL of this module use `key` for a while."""
    before = con.execute(f"SELECT getvariable('{_INNER}'), getvariable('{_OUTER}')").fetchall()[0]
    use_key(con, key)
    try:
        yield
    finally:
        _set_blocks(con, before)


def use_key(con: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Let the SQL of this module use `key` as long as the connection lasts.

    As session variables, so that it stands in no query and no message.
    """
    block = (key if len(key) <= _HMAC_BLOCK else hashlib.sha256(key).digest()).ljust(_HMAC_BLOCK, b"\0")
    _set_blocks(con, [bytes(byte ^ pad for byte in block) for pad in (0x36, 0x5C)])


def _set_blocks(con: duckdb.DuckDBPyConnection, blocks: Sequence[bytes | None]) -> None:
    for variable, value in zip((_INNER, _OUTER), blocks, strict=True):
        con.execute(f"SET VARIABLE {variable} = ?::BLOB", [value])


def token_sql(value: str, *, domain: str) -> str:
    """SQL for `token` (RFC 2104 as two nested `sha256` calls); null for null, an error where no key is in use."""
    message = f"{_block(_INNER)} || encode({sql.text(domain + ':')} || {value})"
    return f"left(sha256({_block(_OUTER)} || unhex(sha256({message}))), {TOKEN_DIGITS})"


def code_sql(value: str) -> str:
    """SQL for 64 bits that tell one identifier from another without its token, in a tenth of the time; null for null.

    They serve to count within a run, whose key they depend on, and are kept nowhere.
    """
    return f"(CASE WHEN {value} IS NULL THEN NULL ELSE hash({value}, {_block(_INNER)}) END)"


def _block(variable: str) -> str:
    return f"coalesce(getvariable('{variable}'), error('no key is in use')::BLOB)"


def compact(value: str) -> str:
    """SQL for an identifier without gaps, nor the `.0` that a table of floating-point numbers adds; else the text."""
    cleaned = sql.replace_all(value, SEPARATORS, "")
    other = f"strlen({value}) NOT BETWEEN {_SHORTEST} AND {_LONGEST_WRITTEN}"
    return sql.cases([(other, value), (sql.matches_whole(value, _BARE), value)], otherwise=f"upper({cleaned})")


def is_identifier(compacted: str) -> str:
    """SQL: whether a compacted text has the form of a NIR or of a provisional number; never null."""
    return (
        f"(CASE WHEN strlen({compacted}) IN (13, 15) THEN {sql.matches_whole(compacted, _IDENTIFIER)} ELSE false END)"
    )


def record_message(value: str, compacted: str, identifier: str) -> str:
    """SQL for the text whose token a record has: one and the same with the key or without it, with gaps or without."""
    return f"(CASE WHEN {identifier} THEN left({compacted}, {_NIR_DIGITS}) ELSE {value} END)"


def facts(compacted: str, identifier: str) -> dict[str, str]:
    """SQL for the `record_*` columns of a compacted identifier; null where it says nothing.

    The key is 97 − (number mod 97), with 2A read as 19 and 2B as 18; a provisional number has neither birth nor place.
    """
    lasting = f"{compacted} < '{_FIRST_PROVISIONAL}'"
    number = f"replace(replace(left({compacted}, {_NIR_DIGITS}), '2A', '19'), '2B', '18')"
    expected = f"{_KEY_MODULUS} - try_cast({number} AS BIGINT) % {_KEY_MODULUS}"
    has_key = f"strlen({compacted}) > {_NIR_DIGITS}"
    department = f"(CASE WHEN {compacted}[6:7] IN ('97', '98') THEN {compacted}[6:8] ELSE {compacted}[6:7] END)"
    return {
        "record_sex": sql.cases([(identifier, f"left({compacted}, 1)")]),
        "record_decade": sql.cases([(f"{identifier} AND {lasting}", f"{compacted}[2:2]::INTEGER")]),
        "record_department": sql.cases([(f"{identifier} AND {lasting}", department)]),
        "record_key_ok": sql.cases([(f"{identifier} AND {has_key}", f"({expected}) = {compacted}[14:15]::INTEGER")]),
    }


def holds_identifier(value: str) -> str:
    """SQL: whether a text holds what has the form of an identifier, whatever stands around it; never null."""
    short = f"coalesce(strlen({value}) < {_SHORTEST}, true)"
    long = f"strlen({value}) >= {_SHORTEST_OPAQUE}"
    digest, opaque = (f"{long} AND {sql.matches_whole(value, form)}" for form in (_DIGEST, _OPAQUE))
    none = f"NOT {sql.matches(value, _EMBEDDED)}"
    spared = [(short, "false"), (digest, "false"), (opaque, "false"), (none, "false")]
    return sql.cases(spared, otherwise=f"NOT {sql.matches_whole(value, _SCIENTIFIC)}")


def digest_measures(column: str) -> dict[str, str]:
    """SQL for what `are_digests` asks of a column of texts: soon told of tokens, and `NO_DIGIT` if a digit is none."""
    return {"shortest": f"min(strlen({column}))", "read": f"max(octet_length(unhex({column})))"}


NO_DIGIT = (duckdb.InvalidInputException, UnicodeDecodeError)
"""DuckDB's error for a digit that is none, and Python's for the text of that error."""


def are_digests(shortest: int | None) -> bool:
    """Whether texts that are all hexadecimal are so long that none holds an identifier; their shortest is told."""
    return shortest is None or shortest >= _SHORTEST_OPAQUE


def scrub(value: str) -> str:
    """SQL for a text that people read, with identifiers masked."""
    return sql.cases([(holds_identifier(value), _without_identifiers(value))], otherwise=value)


def disguise(value: str, *, domain: str) -> str:
    """SQL for a text that tells things apart: the whole of it as a token where it holds an identifier."""
    return sql.cases([(holds_identifier(value), token_sql(value, domain=domain))], otherwise=value)


def mask(value: str) -> str:
    """SQL for a text of any origin with identifiers, and every number of 13 digits or more, masked."""
    return sql.replace_all(_without_identifiers(value), _LONG_NUMBER, MASK)


def masked(text: str) -> str:
    """A text with identifiers, and every number of 13 digits or more, masked: `mask`, for messages made in Python."""
    return _PYTHON_FORM.sub(MASK, text)


def _without_identifiers(value: str) -> str:
    once = sql.replace_all(value, _EMBEDDED, rf"\1{MASK}\2")
    return sql.replace_all(once, _EMBEDDED, rf"\1{MASK}\2")  # twice: two neighbours share the character between them
