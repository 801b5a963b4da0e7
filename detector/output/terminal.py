"""The terminal that results are printed on."""

from __future__ import annotations

import os
import sys

from rich.console import Console

PLAIN_WIDTH = 100
"""Columns where there is no terminal to ask: a file, a pipe."""


def terminal() -> Console:
    """Standard output as it is now; markup and emoji codes in texts are left as they are."""
    wide = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return Console(
        file=sys.stdout,
        width=None if wide else PLAIN_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
    )
