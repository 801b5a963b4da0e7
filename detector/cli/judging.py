"""`detector score` and `detector show`: who looks like mass extraction, and one account's story."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli.options import (
    Complete,
    Config,
    Dumps,
    Engine,
    EngineOption,
    Format,
    HistoryFolder,
    KeyFile,
    Language,
    MappingFile,
    Master,
    MaxRejects,
    ModelFolder,
    Spoken,
    changes,
)

if TYPE_CHECKING:
    from detector.spark.verb import ClusterScored
    from detector.verbs import Scored

ALERTS_FOUND = 3
"""Exit code of `score --exit-code` when anything alerts: neither a failure (1) nor misuse (2)."""
SHOWN = 10


class Form(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Told(StrEnum):
    """How a story is printed."""

    TABLE = "table"
    JSON = "json"


def score(
    dumps: Dumps = None,
    *,
    history: HistoryFolder = None,
    model: ModelFolder = None,
    out: Annotated[
        Path | None, typer.Option(help="Write all results to this folder.", show_default=False, metavar="DIR")
    ] = None,
    day: Annotated[
        list[datetime] | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only this day; may be repeated.", show_default=False),
    ] = None,
    complete: Complete = False,
    mapping: MappingFile = None,
    input_format: Format = None,
    form: Annotated[Form, typer.Option("--format", help="Of what is printed.")] = Form.TABLE,
    top: Annotated[int, typer.Option(min=0, help="Accounts a day in the table, at least.")] = SHOWN,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Record nothing in the history's ledger.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with 3 if anything alerts.")] = False,
    language: Language = Spoken.EN,
    key_file: KeyFile = None,
    max_reject_share: MaxRejects = None,
    engine: EngineOption = Engine.DUCKDB,
    master: Master = None,
    config: Config = None,
) -> None:
    """Rank the accounts of each day in the dumps, the strangest first, and say why."""
    from detector import verbs
    from detector.cli.clustering import refuse_unused, score_on_cluster
    from detector.cli.messages import DRY, progress, warn
    from detector.output.files import write_results
    from detector.report import write_report
    from detector.settings import load_settings
    from detector.workspace import to_inputs

    said = changes(history=history, model=model, key_file=key_file, max_reject_share=max_reject_share)
    settings = load_settings(config, over=said)
    days = [each.date() for each in day or ()]
    scored: Scored | ClusterScored
    if engine is Engine.SPARK or master is not None:
        refuse_unused(engine, mapping=mapping, input_format=input_format)
        scored = score_on_cluster(dumps, settings, master=master, out=out, days=days, dry_run=dry_run)
    else:
        inputs = to_inputs(dumps or (), settings=settings, mapping=mapping, form=input_format)
        with progress() as tell:
            scored = verbs.score(inputs, days=days, complete=complete, settings=settings, progress=tell)
        if out is not None:
            write_results(scored, out, started_with=sys.argv[1:])
            write_report(out, language=language.value)
        warn(scored.warnings)
        if dry_run:
            typer.echo(DRY, err=True)
        else:
            verbs.record(scored)
    _print(scored, form=form, top=top, zone=settings.portal.zone)
    if exit_code and scored.scores["alert"].any():
        raise typer.Exit(ALERTS_FOUND)


def _print(scored: Scored | ClusterScored, *, form: Form, top: int, zone: str) -> None:
    from detector.output import rows, table
    from detector.output.terminal import terminal

    if form is Form.TABLE:
        console = terminal()
        # Of a cluster only those are here whom anybody looks at.
        n_accounts = getattr(scored, "n_accounts", None)
        shown = table.render_days(
            scored.scores, scored.fired, scored.early, zone=zone, top=top, width=console.width, n_accounts=n_accounts
        )
        console.print(shown)
    else:
        told = rows.to_json if form is Form.JSON else rows.to_csv
        sys.stdout.write(told(scored.scores, scored.early))


def show(
    account: Annotated[str, typer.Argument(help="The account, as the dumps name it.", show_default=False)],
    *,
    history: HistoryFolder = None,
    model: ModelFolder = None,
    day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="The day to explain; else its newest that is closed.", show_default=False
        ),
    ] = None,
    form: Annotated[Told, typer.Option("--format", help="Of what is printed.")] = Told.TABLE,
    config: Config = None,
) -> None:
    """Tell one account's story: its past 28 days, how a day of it compares, and why that is strange."""
    from detector import verbs
    from detector.output.story import render_story, to_json
    from detector.output.terminal import terminal
    from detector.settings import load_settings

    settings = load_settings(config, over=changes(history=history, model=model))
    story = verbs.show(account, day=day.date() if day else None, settings=settings)
    if form is Told.JSON:
        sys.stdout.write(to_json(story))
    else:
        terminal().print(render_story(story))
