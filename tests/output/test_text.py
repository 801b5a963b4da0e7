"""Text from logs is harmless where it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.output.text import cell, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Dr Léa Ñandú, 39 ×", "Dr Léa Ñandú, 39 ×"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("", ""),
    ],
)
def test_what_would_act_on_a_terminal_is_written_out(text: str, shown: str) -> None:
    """Escape sequences, line breaks and changes of direction are shown and do nothing; letters stay."""
    assert visible(text) == shown


@given(st.text())
def test_nothing_that_is_shown_acts(text: str) -> None:
    """No text whatever leaves a control character."""
    assert not [character for character in visible(text) if ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_a_cell_that_would_be_a_formula_begins_with_an_apostrophe(start: str) -> None:
    """A spreadsheet shows the text and computes nothing."""
    assert cell(f"{start}HYPERLINK()").startswith("'")


@pytest.mark.parametrize("text", ["-12.5", "017000720", "a=b", "1e-05", ""])
def test_numbers_and_plain_texts_are_left_alone(text: str) -> None:
    """A negative number is a number."""
    assert cell(text) == text
