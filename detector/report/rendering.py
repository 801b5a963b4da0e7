"""Templates filled in: text from logs is escaped, control characters written out, and cut where it is endless."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from detector.output.text import visible

LONGEST_TEXT = 400
"""Characters of one value that a page shows: a user agent of 100 kB tells no more than its beginning."""
TEMPLATES = "templates"


def shown(value: Any) -> Any:
    """A value as a page may show it; what is markup already stays as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return visible(shorten(value))


def shorten(text: str) -> str:
    """The text, cut where it is longer than a person reads."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def environment(*folders: Path) -> ImmutableSandboxedEnvironment:
    """Templates from some folders, the first that has one wins; everything is escaped, an unknown name is an error."""
    return ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def policy(styles: Sequence[str]) -> str:
    """A content-security policy that allows these style sheets, word for word, and nothing else at all."""
    digests = (base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in styles)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; style-src {allowed}; base-uri 'none'; form-action 'none'"
