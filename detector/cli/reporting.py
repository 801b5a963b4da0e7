"""`detector report`: results as a page that opens from a mail or a ticket."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detector.cli.options import Language, Spoken


def report(
    out: Annotated[Path, typer.Argument(help="A folder that `score --out` wrote.", metavar="OUT", show_default=False)],
    *,
    language: Language = Spoken.EN,
) -> None:
    """Write report.html and queue.csv into a folder of results: self-contained, no script, fit for a mail."""
    from detector.report import write_report

    typer.echo(write_report(out, language=language.value))
