"""What is told beside the results: progress and warnings, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from detector.output.text import visible

if TYPE_CHECKING:
    from detector.verbs import Progress

DRY = "dry run: nothing was recorded in the history"


@contextmanager
def progress() -> Iterator[Progress | None]:
    """Show what is being done, on a terminal only; None elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda text, share: bar.update(task, description=visible(text), total=1.0, completed=share or 0.0)


def warn(warnings: Iterable[str]) -> None:
    """Tell each warning once."""
    for warning in dict.fromkeys(warnings):
        typer.echo(f"warning: {visible(warning)}", err=True)
