"""Identifiers: facts, tokens, and where they must not be."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend
from stdnum.fr import nir as stdnum_nir

from detector.reading import records, sql, token
from tests.reading.reads import CORSICAN_NIR, KEY, NIR


@pytest.fixture(scope="module")
def kept_con() -> Iterator[Backend]:
    """A DuckDB for all examples of a property."""
    backend = ibis.duckdb.connect(threads=1)
    yield backend
    backend.disconnect()


def ask(con: Backend, expression: str, value: str | None) -> Any:
    """The value of an SQL expression over a column `v` with one text."""
    source = "(SELECT ?::VARCHAR AS v)"
    with records.keyed(con.con, KEY):
        return con.con.execute(sql.select({"found": expression}, source), [value]).fetchall()[0][0]


def facts_of(con: Backend, value: str) -> tuple[Any, ...]:
    """Sex, decade, department, key."""
    compacted = records.compact("v")
    found = records.facts(compacted, records.is_identifier(compacted))
    return tuple(ask(con, expression, value) for expression in found.values())


def test_token_is_hmac_sha256_cut_to_128_bits() -> None:
    """A token is the start of RFC 2104's HMAC of domain and identifier."""
    expected = hmac.new(KEY, b"nir:abc", hashlib.sha256).hexdigest()[:32]
    assert token("abc", key=KEY) == expected


@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=100))
def test_two_nested_digests_in_sql_equal_python_hmac(kept_con: Backend, value: str) -> None:
    """SQL and Python give every text the same token."""
    assert ask(kept_con, records.token_sql("v", domain="nir"), value) == token(value, key=KEY)


def test_the_key_leaves_the_session(con: Backend) -> None:
    """After reading, no variable of the session holds the key."""
    with records.keyed(con.con, KEY):
        pass
    assert con.con.execute("SELECT getvariable('detector_hmac_inner')").fetchall() == [(None,)]


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["0123456789abcdef0123456789abcdef", None], True),
        (["0123456789ABCDEF0123456789abcdef0123456789"], True),
        ([None], True),
        (["0123456789abcdef0123456789abcde"], False),
        (["0123456789abcdef0123456789abcdef", NIR], False),
        (["0123456789abcdef0123456789abcdeg"], False),
        (["0123456789abcdef0123456789abcd\u00e9"], False),
    ],
)
def test_digests_are_told_from_all_else(con: Backend, texts: list[str | None], *, told: bool) -> None:
    """What is all digests needs no search for identifiers; whatever is shorter, or no digit, does."""
    con.con.register("told", pa.table({"v": pa.array(texts, pa.string())}))
    try:
        shortest, _read = con.con.execute(sql.select(records.digest_measures("v"), "told")).fetchall()[0]
    except records.NO_DIGIT:
        assert not told
    else:
        assert records.are_digests(shortest) is told


def test_no_token_is_made_without_a_key(con: Backend) -> None:
    """Where no key is in use, asking for a token is an error, and not a record that nobody has."""
    with pytest.raises(duckdb.Error, match="no key is in use"):
        con.con.execute(sql.select({"found": records.token_sql("'a'", domain="nir")}, "range(1)")).fetchall()


@pytest.mark.parametrize(
    ("written", "facts"),
    [
        (NIR, ("1", 8, "76", True)),
        ("1 84 12 76 451 000 38", ("1", 8, "76", True)),
        ("1.84.12.76.451.000", ("1", 8, "76", None)),
        ("184127645100038.0", ("1", 8, "76", True)),
        ("184127645100039", ("1", 8, "76", False)),
        (CORSICAN_NIR, ("2", 9, "2A", True)),
        ("255082b12300044", ("2", 5, "2B", True)),
        ("155039741200075", ("1", 5, "974", True)),
        ("299339935100028", ("2", 9, "99", True)),
        ("7112345678901", ("7", None, None, None)),
        ("184007645100038", (None, None, None, None)),
        ("18412764510003", (None, None, None, None)),
        ("A1", (None, None, None, None)),
    ],
)
def test_facts_are_taken_from_an_identifier_and_from_nothing_else(
    con: Backend, written: str, facts: tuple[Any, ...]
) -> None:
    """Sex, decade, department and key are read off every form of a NIR; what has another form has no facts."""
    assert facts_of(con, written) == facts


@given(
    sex=st.sampled_from("12"),
    year=st.integers(0, 99),
    month=st.sampled_from([*range(1, 13), *range(20, 100)]),
    place=st.sampled_from(["01", "76", "2A", "2B", "97", "99"]),
    rest=st.integers(1000, 999000),
    error=st.integers(0, 1),
)
def test_key_agrees_with_a_known_library(
    kept_con: Backend, sex: str, year: int, month: int, place: str, rest: int, error: int
) -> None:
    """`record_key_ok` is what python-stdnum finds."""
    number = f"{sex}{year:02}{month:02}{place}{rest:06}"
    digits = int(number.replace("2A", "19").replace("2B", "18"))
    written = f"{number}{(97 - digits % 97 + error) % 98:02}"
    assert facts_of(kept_con, written)[3] == stdnum_nir.is_valid(written)


def test_one_person_has_one_token_however_the_number_is_written(con: Backend) -> None:
    """With the key or without, in groups or not, a NIR has the token of its 13 digits."""
    compacted = records.compact("v")
    message = records.record_message("v", compacted, records.is_identifier(compacted))
    forms = [NIR, NIR[:13], "1 84 12 76 451 000", "1.84.12.76.451.000.38", NIR + ".0"]
    assert {ask(con, records.token_sql(message, domain="nir"), form) for form in forms} == {token(NIR[:13], key=KEY)}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"GET /patient/{NIR}?x=1", "GET /patient/[masked]?x=1"),
        (f"nir={NIR[:13]}&b", "nir=[masked]&b"),
        ("1 84 12 76 451 000 38", "[masked]"),
        ("1%2084%2012%2076%20451%20000", "[masked]"),
        (f"{NIR},{NIR},{CORSICAN_NIR}", "[masked],[masked],[masked]"),
        ("10.2.3.4 Chrome/120.0.6099.109", "10.2.3.4 Chrome/120.0.6099.109"),
        ("nothing", "nothing"),
    ],
)
def test_identifiers_are_masked_within_texts(con: Backend, text: str, masked: str) -> None:
    """What has the form of an identifier is masked wherever it stands; versions and addresses stay."""
    assert ask(con, records.scrub("v"), text) == masked
    assert ask(con, records.mask("v"), text) == masked
    assert records.masked(text) == masked


def test_what_tells_things_apart_still_does_after_masking(con: Backend) -> None:
    """Two sessions that are identifiers stay two; a digest that happens to hold 13 digits is left alone."""
    found = [ask(con, records.disguise("v", domain="session"), value) for value in (NIR, CORSICAN_NIR)]
    assert len(set(found)) == 2
    assert not {NIR, CORSICAN_NIR} & set(found)
    digest = "ab1841276451000ffab1841276451000"
    assert ask(con, records.disguise("v", domain="session"), digest) == digest


def test_null_stays_null(con: Backend) -> None:
    """Nothing is made of nothing."""
    compacted = records.compact("v")
    assert ask(con, records.is_identifier(compacted), None) is False
    expressions = (records.token_sql("v", domain="nir"), records.scrub("v"), records.disguise("v", domain="x"))
    assert [ask(con, expression, None) for expression in expressions] == [None, None, None]
