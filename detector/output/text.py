"""Text from logs, made harmless where it is shown: an attacker chooses account names and user agents."""

from __future__ import annotations

import re
import unicodedata

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV injection); some read the wide forms alike."""
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?", flags=re.IGNORECASE)
_SEPARATORS = ("Zl", "Zp")


def visible(text: str) -> str:
    r"""The text with every control character, line break and change of direction written out, as in `\x1b`."""
    return "".join(_written_out(character) if _acts(character) else character for character in text)


def _acts(character: str) -> bool:
    category = unicodedata.category(character)
    return category.startswith("C") or category in _SEPARATORS


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii") if ord(character) > 0x1F else f"\\x{ord(character):02x}"


def cell(text: str) -> str:
    """The text as a spreadsheet may open it: what would be a formula begins with an apostrophe."""
    shown = visible(text)
    starts = shown.startswith(_FORMULA_STARTS) or text.startswith(_FORMULA_STARTS)
    return f"'{shown}" if starts and not _NUMBER.fullmatch(shown) else shown
